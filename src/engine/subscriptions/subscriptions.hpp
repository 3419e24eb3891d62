// Durable subscriptions: what is published on a topic is also put into the mailboxes that want it, as a message of its
// own: with a lease, retries and dead letters there. A mailbox gets an event once, however many subscriptions put it
// there.
//
// What streams of another shard take is such a message as well, in the mailbox of streams: the event as whoever listens
// gets it, as the content of a message that the shovel carries.
//
// An event that must be kept is written for all mailboxes in one group of facts, or refused. Any other is written for
// each by itself, and passed over where there is no room.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/commands.hpp"
#include "engine/durable_subscription.hpp"
#include "engine/event_keeper.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/post.hpp"
#include "engine/replies.hpp"
#include "engine/stream.hpp"
#include "filter/filter_input.hpp"

namespace folkmoot {

class Census;

class Subscriptions final : public PlainPart, public EventKeeper {
 public:
  Subscriptions(const EngineOptions& options, Ledger& ledger, Names& names, Replies& replies, Post& post)
      : options_(options), ledger_(ledger), names_(names), replies_(replies), post_(post) {}

  /// In the place of one of the same name. Errors: invalid_name, invalid_topic, invalid_filter, out_of_range,
  /// limit_reached, disk_full.
  void set(Asker caller, const SubscriptionCommand& command);
  /// What its mailbox has stays. Errors: not_found, disk_full.
  void remove(Asker caller, std::string_view name);
  /// By name.
  void each(const std::function<void(const DurableSubscription&)>& each) const;

  /// Streams of the first shard take these, and this is another: an event that one of them takes goes to the first by
  /// way of kStreamsMailbox. No facts, and none of each().
  void feed_streams(const std::vector<StreamInterest>& interests);

  // EventKeeper
  bool keeps(std::string_view topic) override { return !index_.match(topic).empty(); }
  Result<Draft> measure(const KeptEvent& event) override;
  bool make_room(const Draft& all) override { return prepared_.empty() || post_.make_room(prepared_, all); }
  Durable keep(const KeptEvent& event, std::uint32_t& copies) override;
  void missed(const KeptEvent& event) override;

  // Part
  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  // The event as one mailbox gets it.
  struct Copy {
    std::string_view mailbox;
    std::vector<DurableSubscription*> wanted_by;
    std::unique_ptr<RewrittenMessage> message{};
  };

  // Takes the place of one of the same name.
  void put(std::unique_ptr<DurableSubscription> subscription);
  // False if there is none of that name.
  bool forget(std::string_view name);
  // Into copies_: one for each mailbox that wants the event.
  void choose(const KeptEvent& event);
  // The message of a copy, looked up and checked. Errors: those of publishing.
  Result<Prepared> prepare(const KeptEvent& event, Copy& copy);
  Result<Prepared> prepare_stray(const KeptEvent& event, Session& as, RewrittenMessage& out);
  // One that need not be written with others. Errors: those of publishing, disk_full.
  Result<void> write_alone(const KeptEvent& event, Copy& copy);

  const EngineOptions& options_;
  Ledger& ledger_;
  Names& names_;
  Replies& replies_;
  Post& post_;
  std::map<std::string, std::unique_ptr<DurableSubscription>, std::less<>> subscriptions_;
  std::vector<std::unique_ptr<DurableSubscription>> feeds_;
  TopicIndex index_;
  FilterInput input_;
  // Of the event that was measured last.
  std::vector<Copy> copies_;
  std::vector<Prepared> prepared_;  // of an event that must be kept: a message for each copy
};

}  // namespace folkmoot
