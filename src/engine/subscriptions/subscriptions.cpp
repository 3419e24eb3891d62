#include "engine/subscriptions/subscriptions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/utf8.hpp"
#include "message/pack.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

// As its fact has it: a MessagePack list. What a later version adds goes behind.
std::string pack_subscription(const DurableSubscription& subscription) {
  std::string out;
  PackWriter(out)
      .array(4)
      .str(subscription.name)
      .str(subscription.pattern)
      .str(subscription.filter ? std::string_view(subscription.filter->text()) : "")
      .str(subscription.mailbox);
  return out;
}

Result<std::unique_ptr<DurableSubscription>> make_subscription(const SubscriptionCommand& command) {
  auto subscription = std::make_unique<DurableSubscription>();
  const auto mailbox = command.mailbox.empty() ? command.name : command.mailbox;
  if (!was_name(command.name)) return failure(ErrorCode::invalid_name, "the subscription's name is none");
  if (!was_name(mailbox) || mailbox.front() == '@' || mailbox.front() == '$') {
    return failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", printable(mailbox)));
  }
  if (!is_pattern(command.pattern)) {
    return failure(ErrorCode::invalid_topic,
                   fmt::format("`{}` is not a topic or pattern", is_name(command.pattern) ? command.pattern : ""));
  }
  if (!command.filter.empty()) {
    auto filter = Filter::compile(command.filter);
    if (!filter) return std::unexpected(std::move(filter.error()));
    subscription->filter = std::move(*filter);
  }
  subscription->pattern = command.pattern;
  subscription->name = command.name;
  subscription->mailbox = mailbox;
  return subscription;
}

Result<std::unique_ptr<DurableSubscription>> unpack_subscription(Bytes body) {
  PackReader reader(body);
  SubscriptionCommand command;
  if (reader.array() < 4) reader.fail();
  command.name = reader.str();
  command.pattern = reader.str();
  command.filter = reader.str();
  command.mailbox = reader.str();
  if (!reader.ok()) return failure(ErrorCode::damaged, "a subscription_set fact breaks off");
  return make_subscription(command);
}

}  // namespace

// -- setting and removing

void Subscriptions::set(Asker caller, const SubscriptionCommand& command) {
  auto subscription = make_subscription(command);
  if (!subscription) return replies_.refuse(caller, subscription.error());
  const auto body = pack_subscription(**subscription);
  if (!subscriptions_.contains(command.name) && subscriptions_.size() >= options_.durable_subscriptions_max) {
    return replies_.refuse(caller, {ErrorCode::limit_reached,
                                    fmt::format("there are {} durable subscriptions already", subscriptions_.size())});
  }
  if (!ledger_.has_room(Urgency::durable, body.size())) {
    return replies_.refuse(caller,
                           {ErrorCode::disk_full, fmt::format("no room to keep the subscription {}", command.name)});
  }
  (*subscription)->fact = ledger_.note(FactKind::subscription_set, {as_bytes(body)}, Life::live);
  const Durable noted((*subscription)->fact);
  put(std::move(*subscription));
  ledger_.when_or_now(noted, waiting::Answer{.to = caller});
}

void Subscriptions::put(std::unique_ptr<DurableSubscription> subscription) {
  if (const auto known = subscriptions_.find(subscription->name); known != subscriptions_.end()) {
    subscription->kept = known->second->kept;
    subscription->missed = known->second->missed;
  }
  forget(subscription->name);
  index_.add(subscription.get());
  auto name = subscription->name;
  subscriptions_.emplace(std::move(name), std::move(subscription));
  changed();
}

bool Subscriptions::forget(std::string_view name) {
  const auto known = subscriptions_.find(name);
  if (known == subscriptions_.end()) return false;
  ledger_.release(known->second->fact);
  index_.remove(known->second.get());
  subscriptions_.erase(known);
  changed();
  return true;
}

void Subscriptions::remove(Asker caller, std::string_view name) {
  if (!subscriptions_.contains(name)) {
    return replies_.refuse(caller,
                           {ErrorCode::not_found, fmt::format("there is no durable subscription {}", printable(name))});
  }
  if (!ledger_.has_room(Urgency::settling, name.size()))
    return replies_.refuse(caller, {ErrorCode::disk_full, "no room to note that the subscription is gone"});
  const auto place = ledger_.note(FactKind::subscription_removed, {as_bytes(name)});
  forget(name);
  ledger_.when_or_now(Durable(place), waiting::Answer{.to = caller});
}

void Subscriptions::each(const std::function<void(const DurableSubscription&)>& each) const {
  for (const auto& [name, subscription] : subscriptions_) each(*subscription);
}

void Subscriptions::feed_streams(const std::vector<StreamInterest>& interests) {
  for (const auto& feed : feeds_) index_.remove(feed.get());
  feeds_.clear();
  for (const auto& interest : interests) {
    auto feed = std::make_unique<DurableSubscription>();
    feed->pattern = interest.pattern;
    feed->mailbox = kStreamsMailbox;
    if (!interest.filter.empty()) {
      auto filter = Filter::compile(interest.filter);
      if (filter) feed->filter = std::move(*filter);  // else more goes there than is taken
    }
    index_.add(feed.get());
    feeds_.push_back(std::move(feed));
  }
  changed();
}

Result<void> Subscriptions::enter(const Fact& fact) {
  if (fact.kind == FactKind::subscription_removed) {
    forget(as_text(fact.body));
    return {};
  }
  auto subscription = unpack_subscription(fact.body);
  if (!subscription) return failure(ErrorCode::damaged, subscription.error().text);
  ledger_.retain(fact.place);
  (*subscription)->fact = fact.place;
  put(std::move(*subscription));
  return {};
}

bool Subscriptions::keep(const Fact& fact) {
  if (fact.kind != FactKind::subscription_set) return true;
  const auto mine =
      std::ranges::find_if(subscriptions_, [&](const auto& each) { return each.second->fact == fact.place; });
  if (mine != subscriptions_.end()) ledger_.copy(fact.kind, mine->second->fact, {fact.body});
  return true;
}

// -- events

void Subscriptions::choose(const KeptEvent& event) {
  copies_.clear();
  prepared_.clear();
  const auto& match = index_.match(event.topic());
  if (!match.filtered.empty()) input_.reset(event.stamped.head, event.stamped.rest);
  boost::unordered_flat_map<std::string_view, std::size_t> known;
  for (auto* const each : index_.choose(match, input_)) {
    auto* const subscription = static_cast<DurableSubscription*>(each);
    const auto [place, is_new] = known.emplace(subscription->mailbox, copies_.size());
    if (is_new) copies_.push_back({.mailbox = subscription->mailbox, .wanted_by = {}});
    copies_[place->second].wanted_by.push_back(subscription);
  }
}

Result<Prepared> Subscriptions::prepare(const KeptEvent& event, Copy& copy) {
  const auto sender = names_.number(event.from);
  if (!sender) return std::unexpected(sender.error());
  copy.message = std::make_unique<RewrittenMessage>();
  Session as_publisher;
  as_publisher.name_id = *sender;
  if (copy.mailbox == kStreamsMailbox) return prepare_stray(event, as_publisher, *copy.message);
  address_event(event.message.envelope, event.message.routing, copy.mailbox, copy.message->envelope);
  auto& message = copy.message->message;
  message = {.routing = {},
             .envelope = as_bytes(copy.message->envelope),
             .content = event.message.content,
             .has_causes = true,
             .provenance = event.message.provenance};
  if (auto read = read_routing(message.envelope, message.routing); !read)
    return std::unexpected(std::move(read.error()));
  auto prepared = post_.prepare(as_publisher, message, event.lineage);
  if (!prepared) return prepared;
  auto& its = *prepared;
  its.has_costs = false;  // they were added up when the event was published
  return prepared;
}

// The event is the content, whole as it was stamped: what keeps it there neither stamps nor reads it anew.
Result<Prepared> Subscriptions::prepare_stray(const KeptEvent& event, Session& as, RewrittenMessage& out) {
  const auto& of = event.message;
  Message carries;
  carries.to = kStreamsMailbox;
  if (!of.routing.content_ref.empty()) carries.content_ref = read_content_ref(of.envelope, of.routing);
  if (auto encoded = encode_envelope(carries, out.envelope); !encoded)
    return std::unexpected(std::move(encoded.error()));
  out.envelope.append(as_text(event.stamped.head)).append(as_text(event.stamped.rest));
  if (auto read = read_routing(as_bytes(out.envelope), out.message.routing); !read)
    return std::unexpected(std::move(read.error()));
  out.message.envelope = as_bytes(out.envelope).first(out.message.routing.bytes);
  out.message.content = as_bytes(out.envelope).subspan(out.message.routing.bytes);
  as.of_shard = true;
  return post_.prepare(as, out.message, nullptr);
}

Result<Draft> Subscriptions::measure(const KeptEvent& event) {
  choose(event);
  Draft draft;
  if (!event.must) return draft;
  for (auto& copy : copies_) {
    auto prepared = prepare(event, copy);
    if (!prepared) return std::unexpected(std::move(prepared.error()));
    draft.add(post_.measure(*prepared, {}));
    prepared_.push_back(std::move(*prepared));
  }
  return draft;
}

Durable Subscriptions::keep(const KeptEvent& event, std::uint32_t& copies) {
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    auto& copy = copies_[i];
    bool is_kept = true;
    if (event.must) {
      post_.commit(prepared_[i], {}, {.quiet = true});
    } else {
      is_kept = write_alone(event, copy).has_value();
    }
    copies += is_kept;
    for (auto* const subscription : copy.wanted_by) ++(is_kept ? subscription->kept : subscription->missed);
  }
  // Each message waits for its own fact, and whoever waits for all of them does so behind.
  return {};
}

Result<void> Subscriptions::write_alone(const KeptEvent& event, Copy& copy) {
  const auto prepared = prepare(event, copy);
  if (!prepared) return std::unexpected(prepared.error());
  const auto draft = post_.measure(*prepared, {});
  if (!post_.make_room(*prepared, draft)) return failure(ErrorCode::disk_full, "the disk has no room for the event");
  std::optional<Post::Group> group;
  if (prepared->several_facts()) group.emplace(post_, ledger_, draft);
  post_.commit(*prepared, {}, {.quiet = true});
  return {};
}

void Subscriptions::missed(const KeptEvent& event) {
  choose(event);
  for (const auto& copy : copies_) {
    for (auto* const subscription : copy.wanted_by) ++subscription->missed;
  }
}

}  // namespace folkmoot
