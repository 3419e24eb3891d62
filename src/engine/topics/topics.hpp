// Events: what topics deliver to those who listen at that moment. Nothing of it is kept.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/announcer.hpp"
#include "engine/causality.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/references.hpp"
#include "engine/replies.hpp"
#include "engine/run.hpp"
#include "engine/sessions.hpp"
#include "engine/slab.hpp"
#include "engine/stamper.hpp"
#include "engine/topics/topic_index.hpp"

namespace folkmoot {

class Topics final : public PlainPart, public Announcer {
 public:
  /// What topics are given.
  struct Ports {
    Run& run;
    Names& names;
    Sessions& sessions;
    Stamper& stamper;
    Replies& replies;
    Causality& causality;
    References& references;
    Effects& effects;
    EngineCounters& counters;
  };
  Topics(const EngineOptions& options, const Ports& ports) : options_(options), to_(ports) {}

  void subscribe(Session& session, RequestNumber request, std::string_view pattern, std::uint32_t credit, bool echo,
                 std::string_view filter);
  /// More events for a subscription that has a limit.
  void credit(Session& session, RequestNumber request, Slot slot, std::uint32_t amount);
  /// Of clients: those that shards have of each other are not counted.
  std::size_t subscriptions() const { return index_.size() - of_shards_; }

  /// Whether it is the last event of its publisher once more, but for its content: then repeat() may do.
  bool is_again(SessionId session, const IncomingMessage& message) const {
    return message.version != 0 && message.version == last_.version && session == last_.session &&
           index_.version() == last_.topics;
  }
  /// All that was checked and looked up for the last event still holds. False if it must go the long way. Requires:
  /// is_again(...).
  bool repeat(RequestNumber request, bool quiet, const IncomingMessage& message);
  /// An event that another shard has accepted and stamped, for this one's own subscriptions.
  void forward(std::string_view topic, const MessageParts& event);

  // Announcer
  bool is_heard(std::string_view topic) override { return !index_.match(topic).empty(); }
  void announce(std::string_view topic, std::string_view json) override;
  Result<Confirm> publish(Session& session, const IncomingMessage& message) override;
  Confirm publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message,
                        const Lineage* lineage) override;

  // Part
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a topic"); }
  bool keep(const Fact&) override { return true; }
  void close(Session& session, Slot slot) override;

 private:
  enum class Whose { all, own };
  // Those of the subscriptions that get this event: not its publisher's own, those whose filter holds, those with
  // credit left. They live until the next call.
  std::span<const EventTarget> choose(const TopicIndex::Match& match, SessionId publisher, const MessageParts& message,
                                      Whose whose);

  const EngineOptions& options_;
  const Ports to_;
  TopicIndex index_;
  Slab<std::unique_ptr<TopicSubscription>> subscriptions_;
  std::size_t of_shards_ = 0;
  std::vector<EventTarget> targets_;
  struct {
    std::uint64_t version = 0;  // of the last event whose targets a next one of its publisher has too; 0: none
    SessionId session = 0;
    std::uint64_t topics = 0;  // TopicIndex::version() at that time
    std::span<const EventTarget> targets;
  } last_;
};

}  // namespace folkmoot
