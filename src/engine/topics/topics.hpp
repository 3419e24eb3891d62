// Events: what topics deliver to those who listen at that moment. What is kept of them is others' (event_keeper.hpp).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/agenda.hpp"
#include "engine/announcer.hpp"
#include "engine/causality.hpp"
#include "engine/event_keeper.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/post.hpp"
#include "engine/references.hpp"
#include "engine/replies.hpp"
#include "engine/run.hpp"
#include "engine/sessions.hpp"
#include "engine/slab.hpp"
#include "engine/stamper.hpp"
#include "engine/topic_index.hpp"
#include "engine/tracing.hpp"
#include "engine/transient_store.hpp"

namespace folkmoot {

class Census;

class Topics final : public Part, public Announcer, private EventKeeper::Listener {
 public:
  /// What topics are given.
  struct Ports {
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Names& names;
    Sessions& sessions;
    Stamper& stamper;
    TransientStore& transient;
    Replies& replies;
    Causality& causality;
    References& references;
    Post& post;
    Tracing& tracing;
    Effects& effects;
    EngineCounters& counters;
  };
  /// `keepers`: may be none; each outlives this.
  Topics(const EngineOptions& options, const Ports& ports, std::vector<EventKeeper*> keepers)
      : options_(options), to_(ports), keepers_(std::move(keepers)) {}
  /// To be called once, when all keepers are made.
  void listen_to_keepers() {
    for (auto* const keeper : keepers_) keeper->listen(*this);
  }

  void subscribe(Session& session, RequestNumber request, std::string_view pattern, std::uint32_t credit, bool echo,
                 std::string_view filter);
  /// Another filter from the next event on; "": none. Whoever asked is answered between the events that either chose.
  /// Errors: invalid_filter, out_of_range; not_found, if the number is none of a subscription.
  void set_filter(Session& session, RequestNumber request, RequestNumber target, std::string_view filter);
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
  /// All that keep an event have it.
  void on_durable(const waiting::Kept& item);
  /// An event that another shard has accepted and stamped, for this one's own subscriptions.
  void forward(std::string_view topic, const MessageParts& event);

  // Announcer
  bool is_heard(std::string_view topic) override {
    const auto& match = index_.match(topic);
    return !match.empty() || is_kept(match, topic);
  }
  void announce(std::string_view topic, std::string_view json) override { announce(topic, json, true); }
  void announce_unkept(std::string_view topic, std::string_view json) override { announce(topic, json, false); }
  Result<Confirm> publish(Session& session, const IncomingMessage& message) override;
  Result<void> publish_kept(Session& session, const IncomingMessage& message, const ConfirmTo& to) override;
  Confirm publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message,
                        const Lineage* lineage) override {
    return publish_event(publisher, from, message, lineage, true);
  }

  // Part
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a topic"); }
  bool keep(const Fact&) override { return true; }
  bool is_live(const Timer&) const override { return !later_.empty(); }
  void due(const Timer&) override;
  void close(Session& session, Slot slot) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  enum class Whose { all, own };
  // Its causes looked up, and nothing against it. Errors: those of publishing.
  Result<Prepared> prepare(Session& session, const IncomingMessage& message);
  std::string_view publisher_of(const Session& session, const IncomingMessage& message) const;
  Uuid next_id() { return make_uuid({.key = to_.run.next_key(), .mailbox = 0, .node = to_.run.memory_node()}); }
  void on_keeper_changed() override { index_.forget(); }
  // Whether anybody keeps events of the topic that matched so.
  void trace(const IncomingMessage& event, const Uuid& id, std::string_view from);
  bool is_kept(const TopicIndex::Match& match, std::string_view topic);
  // All of these that take the event, or none. Errors: disk_full, content_too_large, those of EventKeeper::measure().
  Result<Durable> keep(std::span<EventKeeper* const> keepers, const KeptEvent& event, std::uint32_t& copies);
  // Each for itself, as far as it can.
  void keep_if_possible(const KeptEvent& event);
  // What is published in the midst of another decision, as what the server says by itself is: in the next step of time.
  void keep_later(const KeptEvent& event);
  void announce(std::string_view topic, std::string_view json, bool may_be_kept);
  Confirm publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message,
                        const Lineage* lineage, bool may_be_kept);
  // The head of an event stamped anew, where it stays until the next one that is kept.
  Bytes own_copy(Bytes head);
  // Those of the subscriptions that get this event: not its publisher's own, those whose filter holds, those with
  // credit left. They live until the next call.
  std::span<const EventTarget> choose(const TopicIndex::Match& match, SessionId publisher, const MessageParts& message,
                                      Whose whose);

  const EngineOptions& options_;
  const Ports to_;
  const std::vector<EventKeeper*> keepers_;
  std::string kept_head_;
  struct Later {
    std::string from, provenance, bytes, head;  // envelope and content; the envelope stamped
    Uuid id{};
    Instant at = 0;
  };
  static constexpr std::size_t kLaterMax = 10'000;
  std::vector<Later> later_;
  TopicIndex index_;
  Slab<std::unique_ptr<TopicSubscription>> subscriptions_;
  std::size_t of_shards_ = 0;
  std::vector<EventTarget> targets_;
  FilterInput input_;  // of the event that filters look at
  struct {
    std::uint64_t version = 0;  // of the last event whose targets a next one of its publisher has too; 0: none
    SessionId session = 0;
    std::uint64_t topics = 0;  // TopicIndex::version() at that time
    std::span<const EventTarget> targets;
  } last_;
};

}  // namespace folkmoot
