#include "server/shard_router.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "message/limits.hpp"
#include "message/topic.hpp"
#include "operation/fields.hpp"
#include "server/command.hpp"
#include "server/commands.hpp"
#include "server/reactor.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kHandOverBytes = 256 * 1024;  // of one link, before the end of the turn
constexpr std::size_t kInboxBytesMax =
    256 * 1024;  // of a client's link: what is asked of several shards takes memory until it is answered

constexpr auto has_some = [](const auto& part) { return !part.empty(); };

std::uint32_t parts_of(const auto& by_shard) {
  return static_cast<std::uint32_t>(std::ranges::count_if(by_shard, has_some));
}
// Requires: one has some.
ShardNumber first_part(const auto& by_shard) {
  return ShardNumber{static_cast<std::uint32_t>(std::ranges::find_if(by_shard, has_some) - by_shard.begin())};
}

RequestNumber number_of(const Frame& frame) { return RequestNumber{frame.header.request}; }

}  // namespace

ShardRouter::ShardRouter(Reactor& reactor, Shards& shards, ShardNumber own)
    : reactor_(reactor), shards_(shards), own_(own), shard_links_(reactor, shards, own) {}

ShardNumber ShardRouter::home_of(std::string_view agent) {
  return agent.empty() ? shards_.in_turn(next_home_++) : shards_.of(agent);
}

void ShardRouter::opened(Connection& connection, std::string_view agent) {
  if (connection.door == DoorKind::remote || connection.door == DoorKind::shard) return;
  connection.remote_sessions = std::make_unique<RemoteSessions>();
  connection.remote_sessions->agent = agent;
}

ShardRouter::Routed ShardRouter::route(Connection& connection, const Frame& frame) {
  look_at_streams();
  if (!connection.remote_sessions) return Routed::here;  // another shard has seen to it that it belongs here
  if (number_of(frame) >= kOwnRequests) {
    reactor_.effects().refuse(
        connection.id, 0,
        {ErrorCode::out_of_range, fmt::format("request numbers may be up to {}", kOwnRequests.value - 1)});
    return Routed::elsewhere;
  }
  // A lease of that message is where the message is.
  if (names_its_message(frame) && frame.body.size() >= sizeof(Uuid)) {
    return forward(connection, shard_of_id(load<Uuid>(frame.body.data())), frame);
  }
  switch (frame.header.opcode) {
    case Opcode::publish:
      return route_publish(connection, frame, 0);
    case Opcode::request:
      return route_publish(connection, frame, 4);
    case Opcode::publish_batch:
      return route_batch(connection, frame);
    case Opcode::subscribe:
      return route_subscribe(connection, frame);
    case Opcode::cancel:
      return route_cancel(connection, frame);
    case Opcode::credit:
      return route_credit(connection, frame);
    case Opcode::consume:
    case Opcode::receive:
    case Opcode::wait:
      return route_by_mailbox(connection, frame);
    case Opcode::mailbox:
      reactor_.entrance().audit().note_mailbox(connection, frame);
      return route_by_mailbox(connection, frame);
    case Opcode::stats:
      return text_under(frame.body, 0).empty()
                 ? ask_all(connection, frame,
                           merge_answers(*find_operation(ShowStats::kOperation.name), shards_.count()))
                 : route_by_mailbox(connection, frame);
    case Opcode::ack:
      return route_ack(connection, frame);
    case Opcode::nack:
    case Opcode::reject:
    case Opcode::extend:
      return route_settlement(connection, frame);
    case Opcode::complete:
      if (frame.body.size() < sizeof(LeaseToken)) return Routed::here;
      return forward(connection, shard_of_lease(load<LeaseToken>(frame.body.data())), frame);
    case Opcode::receipt:
      return route_receipts(connection, frame);
    case Opcode::call:
      return route_call(connection, frame);
    case Opcode::content_open:
    case Opcode::content_write:
    case Opcode::content_finish:
    case Opcode::content_stat:
    case Opcode::content_read:
      return forward(connection, 0, frame);  // the first shard stores them
    default:
      return Routed::here;
  }
}

// -- whose it is

ShardNumber ShardRouter::shard_of(const Routing& routing) {
  if (!routing.topic.empty()) return is_streamed(routing.topic) ? ShardNumber{0} : own_;
  if (routing.to.empty()) {  // copies that routes may send anywhere are known in one place
    if (!routing.key.empty()) return shards_.of(routing.key);
    return routing.id.is_nil() ? own_ : shards_.of(routing.id.text());
  }
  if (routing.to.front() != '@') return routing.to.front() == '$' ? own_ : shards_.of(routing.to);
  // "@" and hex digits: the first is the shard.
  const auto digit = routing.to.size() > 1 ? routing.to[1] : '0';
  const ShardNumber shard{digit >= 'a' ? digit - 'a' + 10 : digit - '0'};
  return shard < shards_.end() ? shard : own_;
}

// The shard that knows the cause decides what follows from it: hops, limits, who wants no reply. The message is
// accepted there, and carried on.
ShardNumber ShardRouter::shard_that_decides(const Routing& routing) {
  return routing.cause.is_nil() || !routing.topic.empty() || routing.to.empty() ? shard_of(routing)
                                                                                : shard_of_id(routing.cause);
}

void ShardRouter::look_at_streams() {
  const auto version = shards_.streams_version();
  if (version == streams_version_) [[likely]]
    return;
  streams_version_ = version;
  stream_interests_ = shards_.stream_interests();
  streamed_topics_.clear();
  last_envelope_ = {};
  if (own_ != 0) reactor_.engine().durable_subscriptions().feed_streams(stream_interests_);
}

bool ShardRouter::is_streamed(std::string_view topic) {
  constexpr std::size_t kTopicsRemembered = 8'192;
  if (stream_interests_.empty() || !is_topic(topic)) return false;
  const auto known = streamed_topics_.find(topic);
  if (known != streamed_topics_.end()) return known->second;
  if (streamed_topics_.size() >= kTopicsRemembered) streamed_topics_.clear();
  const bool is =
      std::ranges::any_of(stream_interests_, [&](const auto& each) { return topic_matches(each.pattern, topic); });
  streamed_topics_.emplace(topic, is);
  return is;
}

ShardNumber ShardRouter::shard_of_lease(LeaseToken lease) const {
  const ShardNumber shard{static_cast<std::uint32_t>(lease.value >> kShardShift)};
  return shard < shards_.end() ? shard : own_;
}

ShardNumber ShardRouter::shard_of_id(const Uuid& id) const {
  const auto address = message_address(id);
  const auto shard = address ? address->shard() : own_;
  return shard < shards_.end() ? shard : own_;
}

bool ShardRouter::is_known(const Connection& connection, ShardNumber shard) const {
  return shard == own_ ||
         (!connection.remote_sessions->remotes.empty() && connection.remote_sessions->remotes[shard.value].link);
}

// -- to other shards

ShardRouter::Routed ShardRouter::forward(Connection& connection, ShardNumber shard, const Frame& frame) {
  if (shard == own_) return Routed::here;
  auto header = frame.header;
  header.flags &= ~(kFlagCauses | kFlagAnswerer);  // for shards to say
  send(connection, shard, header, frame.body);
  return Routed::elsewhere;
}

void ShardRouter::send(Connection& connection, ShardNumber shard, const FrameHeader& header, Bytes body) {
  auto& remote_sessions = *connection.remote_sessions;
  if (remote_sessions.remotes.empty()) remote_sessions.remotes.resize(shards_.count());
  auto& remote = remote_sessions.remotes[shard.value];
  if (!remote.link) {
    remote.link = shards_.reactors[shard.value]->postbox().connect(
        DoorKind::remote, kInboxBytesMax,
        [home = &reactor_, id = connection.id, shard] { home->postbox().post_remote(id, shard); });
    if (!remote.link) return;  // the server is stopping, and says so to everybody
    remote.link->origin = {reactor_.connection_name(connection), connection.door};
    std::string hello;
    PackWriter(hello)
        .map(5)
        .uint(0)
        .uint(kProtocolVersion)
        .uint(1)
        .str(remote_sessions.agent)
        .uint(kRemoteConnection)
        .uint(connection_id(own_, connection.id).value)
        .uint(kRemoteBound)
        .boolean(connection.who && connection.who->is_bound())
        .uint(kRemoteProvenance)
        .str(connection.provenance);
    append_frame(remote.unsent, Opcode::hello, 0, 0, hello);
  }
  append_frame(remote.unsent, header.opcode, header.flags, header.request, as_text(body));
  if (!std::exchange(remote_sessions.is_listed, true)) unsent_.push_back(connection.id);
  if (remote.unsent.size() >= kHandOverBytes) hand_over(connection, shard);
}

void ShardRouter::hand_over(Connection& connection, ShardNumber shard) {
  auto& remote = connection.remote_sessions->remotes[shard.value];
  if (remote.unsent.empty()) return;
  if (remote.link->send(remote.unsent)) {
    remote.unsent.clear();
    if (remote.unsent.capacity() > kHandOverBytes) remote.unsent.shrink_to_fit();
  } else if (remote.link->closed()) {
    remote.unsent = std::string();  // on_remote() says why
  } else {
    reactor_.hold(connection);  // until there is room: on_remote()
  }
}

void ShardRouter::flush() {
  for (std::size_t i = 0; i < unsent_.size(); ++i) {
    auto* const connection = reactor_.find(unsent_[i]);
    if (connection == nullptr || !connection->remote_sessions) continue;
    connection->remote_sessions->is_listed = false;
    for (ShardNumber shard = 0; shard.value < connection->remote_sessions->remotes.size(); ++shard) {
      if (connection->remote_sessions->remotes[shard.value].link) hand_over(*connection, shard);
    }
  }
  unsent_.clear();
  shard_links_.flush();
}

void ShardRouter::tell_of_streams() {
  auto& streams = reactor_.engine().streams();
  if (own_ != 0 || told_streams_ == streams.version()) return;
  told_streams_ = streams.version();
  shards_.tell_of_streams(streams.interests());
}

void ShardRouter::on_remote(Connection& connection, ShardNumber shard) {
  if (!connection.remote_sessions || connection.state != Connection::State::open || !is_known(connection, shard) ||
      shard == own_)
    return;
  auto& remote_sessions = *connection.remote_sessions;
  if (reactor_.outbox().is_behind(connection) && !remote_sessions.remotes[shard.value].link->closed()) {
    remote_sessions.is_behind = true;
    return;
  }
  const auto link = remote_sessions.remotes[shard.value].link;
  const bool closed = link->closed();  // before take(): then there is nothing more to come
  const auto frames = link->take();
  auto bytes = as_bytes(frames);
  for (;;) {
    const auto cut = cut_frame(bytes, ~std::size_t{0} >> 1);
    if (!cut || !*cut) break;
    const auto& frame = **cut;
    if (frame.header.opcode == Opcode::welcome) continue;
    if (frame.header.opcode == Opcode::goodbye) {
      const auto why = read_error(frame);
      return reactor_.say_goodbye(
          connection, why ? *why : Error{ErrorCode::shutting_down, "a shard of the server has ended the connection"});
    }
    if (number_of(frame) >= kOwnRequests) {
      on_part(connection, shard, number_of(frame), frame.header.opcode, frame.body);
    } else {
      reactor_.effects().pass_on(connection, frame);
    }
  }
  if (closed)
    return reactor_.say_goodbye(connection,
                                {ErrorCode::shutting_down, "a shard of the server has ended the connection"});
  hand_over(connection, shard);
  if (std::ranges::all_of(remote_sessions.remotes, [](const auto& each) { return each.unsent.empty(); }))
    reactor_.go_on(connection.id);
}

void ShardRouter::on_drained(Connection& connection) {
  connection.remote_sessions->is_behind = false;
  take_all(connection);
}

void ShardRouter::take_all(Connection& connection) {
  const auto id = connection.id;
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    auto* const same = reactor_.find(id);
    if (same == nullptr || !same->remote_sessions || same->remote_sessions->remotes.empty()) return;
    on_remote(*same, shard);
  }
}

void ShardRouter::close(Connection& connection) {
  if (!connection.remote_sessions) return;
  const auto remote_sessions = std::move(connection.remote_sessions);
  for (const auto& remote : remote_sessions->remotes) {
    if (!remote.link) continue;
    if (!remote.unsent.empty()) remote.link->send(remote.unsent);
    remote.link->close();
  }
  for (const auto& [request, subscription] : remote_sessions->subscriptions) shard_links_.unwant(subscription.pattern);
}

// -- several shards, one answer

RequestNumber ShardRouter::free_number(RemoteSessions& remote_sessions) {
  auto& next = remote_sessions.next_merge;
  do {
    next = next.value == ~0u ? kOwnRequests : next + 1;
  } while (remote_sessions.merges.contains(next));
  return next;
}

RequestNumber ShardRouter::merge_parts(Connection& connection, RequestNumber request, std::unique_ptr<ShardMerge> merge,
                                       std::uint32_t parts) {
  const auto number = free_number(*connection.remote_sessions);
  merge->request = request;
  merge->waiting = parts;
  connection.remote_sessions->merges.emplace(number, std::move(merge));
  return number;
}

void ShardRouter::ask(Connection& connection, ShardNumber shard, Opcode opcode, std::uint8_t flags,
                      RequestNumber number, Bytes body) {
  const FrameHeader header{static_cast<std::uint32_t>(8 + body.size()), opcode, flags, 0, number.value};
  if (shard != own_) return send(connection, shard, header, body);
  carry_out_here(reactor_, connection, {header, body});
}

ShardRouter::Routed ShardRouter::ask_all(Connection& connection, const Frame& frame,
                                         std::unique_ptr<ShardMerge> merge) {
  const auto number = merge_parts(connection, number_of(frame), std::move(merge), shards_.count());
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard)
    ask(connection, shard, frame.header.opcode, frame.header.flags, number, frame.body);
  return Routed::elsewhere;
}

// Shards that have answered know nothing of that request any more; the answer to this is heard by nobody.
void ShardRouter::cut(Connection& connection, RequestNumber request) {
  const auto number = free_number(*connection.remote_sessions);
  // This shard is last: it answers at once, and with that the request may be over.
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (shard != own_) ask(connection, shard, Opcode::cancel, 0, number, bytes_of(request));
  }
  ask(connection, own_, Opcode::cancel, 0, number, bytes_of(request));
}

// This shard is asked last: what it says at once may end the waiting of those that were asked before.
ShardRouter::Routed ShardRouter::ask_for_first(Connection& connection, const Frame& frame,
                                               std::unique_ptr<ShardMerge> merge) {
  const auto number = merge_parts(connection, number_of(frame), std::move(merge), shards_.count());
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (shard != own_) ask(connection, shard, frame.header.opcode, frame.header.flags, number, frame.body);
  }
  ask(connection, own_, frame.header.opcode, frame.header.flags, number, frame.body);
  return Routed::elsewhere;
}

void ShardRouter::on_part(Connection& connection, ShardNumber shard, RequestNumber request, Opcode opcode, Bytes body) {
  auto& remote_sessions = *connection.remote_sessions;
  const auto found = remote_sessions.merges.find(request);
  if (found == remote_sessions.merges.end()) return;
  auto& merge = *found->second;
  --merge.waiting;
  if (opcode == Opcode::error) {
    const auto error = read_error(body);
    merge.fail(error ? *error : Error{ErrorCode::malformed, "an answer between shards does not parse"});
  } else {
    merge.take(shard, body);
  }
  if (merge.waiting > 0) {
    if (merge.is_enough() && !std::exchange(merge.was_cut, true)) cut(connection, request);
    return;
  }
  if (const auto more = merge.next()) {
    merge.waiting = 1;
    return ask(connection, more->shard, more->opcode, 0, request, as_bytes(more->body));
  }
  const auto done = std::move(found->second);
  remote_sessions.merges.erase(found);
  if (done->error()) {
    reactor_.effects().refuse(connection.id, done->request, *done->error());
  } else if (!done->is_silent()) {
    const auto answer = done->body();
    reactor_.effects().answer(connection.id, done->opcode(), done->request, {as_bytes(answer)});
  }
}

// -- opcode by opcode. A frame that does not parse is carried out here, where that is answered.

ShardRouter::Routed ShardRouter::route_publish(Connection& connection, const Frame& frame, std::size_t envelope_at) {
  if (frame.body.size() < envelope_at) return Routed::here;
  const auto message = frame.body.subspan(envelope_at);
  if (last_envelope_.find(message) != nullptr) return forward(connection, last_shard_, frame);
  IncomingMessage incoming;
  auto& routing = incoming.routing;
  if (frame.routing != nullptr) {
    routing = *frame.routing;
  } else if (!read_routing(message, routing, Recipient::optional)) {
    return Routed::here;
  }
  // What is asked waits in memory, in its recipient's shard: it does not go by another one.
  auto shard = frame.header.opcode == Opcode::request ? shard_of(routing) : shard_that_decides(routing);
  // Most often the cause is known here: then what follows is said in the envelope, and nothing has to be carried on.
  if (shard == own_) shard = shard_of(routing);
  if (shard == own_) return Routed::here;
  if (!routing.cause.is_nil() && shard_of_id(routing.cause) == own_) {
    incoming.envelope = message.first(routing.bytes);
    const auto envelope = reactor_.engine().causes().with_causes(incoming);
    if (!envelope) {
      reactor_.effects().refuse(connection.id, number_of(frame), envelope.error());
      return Routed::elsewhere;
    }
    auto body = std::string(as_text(frame.body.first(envelope_at))) + *envelope +
                std::string(as_text(message.subspan(routing.bytes)));
    auto header = frame.header;
    header.flags &= ~kFlagAnswerer;
    header.flags |= kFlagCauses;
    if (header.opcode == Opcode::publish && routing.to.starts_with('@') &&
        reactor_.engine().holds_what_it_answers(connection.id, incoming)) {
      body.insert(0, sizeof(ConnectionId), '\0');  // one who may
      header.flags |= kFlagAnswerer;
    }
    send(connection, shard, header, as_bytes(body));
    return Routed::elsewhere;
  }
  last_envelope_.keep(message.first(routing.bytes));
  last_shard_ = shard;
  return forward(connection, shard, frame);
}

ShardRouter::Routed ShardRouter::route_batch(Connection& connection, const Frame& frame) {
  auto body = frame.body;
  if (body.size() < 4) return Routed::here;
  const auto count = load<std::uint32_t>(body.data());
  if (count == 0 || count > kBatchMessagesMax) return Routed::here;
  body = body.subspan(4);
  std::vector<std::vector<std::uint32_t>> places(shards_.count());
  std::vector<std::string> bodies(shards_.count());
  for (std::uint32_t place = 0; place < count; ++place) {
    if (body.size() < 4 || body.size() - 4 < load<std::uint32_t>(body.data())) return Routed::here;
    const auto bytes = 4 + std::size_t{load<std::uint32_t>(body.data())};
    Routing routing;
    const auto shard =
        read_routing(body.subspan(4, bytes - 4), routing, Recipient::optional) ? shard_that_decides(routing) : own_;
    places[shard.value].push_back(place);
    bodies[shard.value].append(as_text(body.first(bytes)));
    body = body.subspan(bytes);
  }
  const auto parts = parts_of(places);
  if (parts == 1) return forward(connection, first_part(places), frame);
  // All or none is for one journal to say: what is another shard's is carried on from here.
  if (frame.header.flags & kFlagAtomic) return Routed::here;
  const auto asked = places;
  const auto quiet = (frame.header.flags & kFlagQuiet) != 0;
  const auto number = merge_parts(connection, number_of(frame), merge_results(std::move(places), quiet), parts);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (asked[shard.value].empty()) continue;
    const auto size = static_cast<std::uint32_t>(asked[shard.value].size());
    const auto part = std::string(as_text(bytes_of(size))) + bodies[shard.value];
    ask(connection, shard, Opcode::publish_batch, frame.header.flags & ~kFlagQuiet, number, as_bytes(part));
  }
  return Routed::elsewhere;
}

ShardRouter::Routed ShardRouter::route_subscribe(Connection& connection, const Frame& frame) {
  auto& subscriptions = connection.remote_sessions->subscriptions;
  const auto request = number_of(frame);
  auto known = subscriptions.find(request);
  if (known != subscriptions.end() && known->second.begun) return Routed::here;  // a number in use
  if (known == subscriptions.end()) {
    auto pattern = std::string(text_under(frame.body, 0));
    if (subscriptions.size() >= reactor_.options().engine.session_subscriptions_max || !is_pattern(pattern))
      return Routed::here;
    shard_links_.want(pattern);
    known = subscriptions.emplace(request, RemoteSessions::Subscription{.pattern = std::move(pattern)}).first;
  }
  switch (shard_links_.interest(known->second.pattern, connection.id)) {
    case ShardLinks::Interest::coming:
      reactor_.hold(connection);
      return Routed::held;
    case ShardLinks::Interest::refused:
      reactor_.effects().refuse(connection.id, request,
                                {ErrorCode::limit_reached, "no more subscriptions: a limit of another shard"});
      break;
    case ShardLinks::Interest::ready:
      was_refused_ = false;
      carry_out_here(reactor_, connection, frame);
      if (was_refused_) break;
      known->second.begun = true;
      return Routed::elsewhere;
  }
  shard_links_.unwant(known->second.pattern);
  subscriptions.erase(known);
  return Routed::elsewhere;
}

ShardRouter::Routed ShardRouter::route_cancel(Connection& connection, const Frame& frame) {
  auto& remote_sessions = *connection.remote_sessions;
  if (frame.body.size() != 4) return Routed::here;
  const auto target = load<RequestNumber>(frame.body.data());
  if (const auto known = remote_sessions.subscriptions.find(target); known != remote_sessions.subscriptions.end()) {
    shard_links_.unwant(known->second.pattern);
    remote_sessions.subscriptions.erase(known);
    return Routed::here;
  }
  for (const auto& [merge_number, merge] : remote_sessions.merges) {
    if (merge->request != target || !merge->may_be_cut()) continue;
    if (!std::exchange(merge->was_cut, true)) cut(connection, merge_number);
    return Routed::here;
  }
  std::uint32_t parts = 0;
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) parts += is_known(connection, shard);
  if (parts == 1) return Routed::here;
  const auto number = merge_parts(connection, number_of(frame), merge_ok(), parts);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (is_known(connection, shard))
      ask(connection, shard, frame.header.opcode, frame.header.flags, number, frame.body);
  }
  return Routed::elsewhere;
}

// Nobody knows a number but the shard that it was opened in; it is never answered.
ShardRouter::Routed ShardRouter::route_credit(Connection& connection, const Frame& frame) {
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (shard != own_ && is_known(connection, shard)) send(connection, shard, frame.header, frame.body);
  }
  return Routed::here;
}

ShardRouter::Routed ShardRouter::route_by_mailbox(Connection& connection, const Frame& frame) {
  const auto mailbox = text_under(frame.body, 0);
  if (mailbox.empty() || mailbox.front() == '$' || mailbox.front() == '@') return Routed::here;
  return forward(connection, shards_.of(mailbox), frame);
}

ShardRouter::Routed ShardRouter::route_ack(Connection& connection, const Frame& frame) {
  const auto body = frame.body;
  if (body.empty() || body.size() % sizeof(LeaseToken) != 0 || body.size() / sizeof(LeaseToken) > kSettleLeasesMax)
    return Routed::here;
  if (body.size() == sizeof(LeaseToken))
    return forward(connection, shard_of_lease(load<LeaseToken>(body.data())), frame);
  std::vector<std::string> bodies(shards_.count());
  for (std::size_t at = 0; at < body.size(); at += sizeof(LeaseToken)) {
    bodies[shard_of_lease(load<LeaseToken>(body.data() + at)).value].append(
        as_text(body.subspan(at, sizeof(LeaseToken))));
  }
  const auto parts = parts_of(bodies);
  if (parts == 1) return forward(connection, first_part(bodies), frame);
  const auto quiet = (frame.header.flags & kFlagQuiet) != 0;
  std::vector<LeaseToken> asked(body.size() / sizeof(LeaseToken));
  std::memcpy(asked.data(), body.data(), body.size());
  const auto number = merge_parts(connection, number_of(frame), merge_settled(std::move(asked), quiet), parts);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (!bodies[shard.value].empty())
      ask(connection, shard, Opcode::ack, frame.header.flags & ~kFlagQuiet, number, as_bytes(bodies[shard.value]));
  }
  return Routed::elsewhere;
}

// Key 0 is the array of leases; the other pairs hold for each of them.
ShardRouter::Routed ShardRouter::route_settlement(Connection& connection, const Frame& frame) {
  std::vector<std::vector<LeaseToken>> leases(shards_.count());
  std::vector<LeaseToken> asked;
  std::string others;
  PackReader reader(frame.body);
  const auto pairs = reader.map();
  std::uint32_t kept = 0;
  for (auto left = pairs; left-- && reader.ok();) {
    const auto from = reader.offset();
    if (reader.uint() != 0) {
      reader.skip();
      others.append(as_text(frame.body.subspan(from, reader.offset() - from)));
      ++kept;
      continue;
    }
    std::size_t count = 0;
    for (auto more = reader.array(); more-- && reader.ok() && count++ < kSettleLeasesMax;) {
      const LeaseToken lease{reader.uint()};
      if (!reader.ok()) break;
      leases[shard_of_lease(lease).value].push_back(lease);
      asked.push_back(lease);
    }
    if (count > kSettleLeasesMax) return Routed::here;
  }
  if (!reader.ok()) return Routed::here;
  const auto parts = parts_of(leases);
  if (parts == 0) return Routed::here;
  if (parts == 1) return forward(connection, first_part(leases), frame);
  const auto quiet = (frame.header.flags & kFlagQuiet) != 0;
  const auto number = merge_parts(connection, number_of(frame), merge_settled(std::move(asked), quiet), parts);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (leases[shard.value].empty()) continue;
    std::string body;
    PackWriter writer(body);
    writer.map(kept + 1).uint(0).array(static_cast<std::uint32_t>(leases[shard.value].size()));
    for (const auto lease : leases[shard.value]) writer.uint(lease.value);
    body += others;
    ask(connection, shard, frame.header.opcode, frame.header.flags & ~kFlagQuiet, number, as_bytes(body));
  }
  return Routed::elsewhere;
}

ShardRouter::Routed ShardRouter::route_receipts(Connection& connection, const Frame& frame) {
  const auto body = frame.body;
  const auto count = body.size() / sizeof(Uuid);
  if (count == 0 || count > kReceiptIdsMax || body.size() % sizeof(Uuid) != 0) return Routed::here;
  std::vector<std::vector<std::uint32_t>> places(shards_.count());
  std::vector<std::string> bodies(shards_.count());
  for (std::uint32_t place = 0; place < count; ++place) {
    const auto id = body.subspan(place * sizeof(Uuid), sizeof(Uuid));
    const auto shard = shard_of_id(load<Uuid>(id.data()));
    places[shard.value].push_back(place);
    bodies[shard.value].append(as_text(id));
  }
  const auto parts = parts_of(places);
  const auto number = merge_parts(connection, number_of(frame), merge_receipts(std::move(places)), parts);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (!bodies[shard.value].empty()) ask(connection, shard, Opcode::receipt, 0, number, as_bytes(bodies[shard.value]));
  }
  return Routed::elsewhere;
}

ShardRouter::Routed ShardRouter::route_call(Connection& connection, const Frame& frame) {
  auto call = read_call(frame.body);
  if (!call) {
    reactor_.effects().refuse(connection.id, number_of(frame), call.error());
    return Routed::elsewhere;
  }
  reactor_.entrance().audit().note_call(connection, *call);
  const auto& operation = *call->operation;
  const auto id = call->id(Role::shard_by_id);
  switch (operation.where) {
    case Where::here:
      return Routed::here;
    case Where::first:
      return forward(connection, 0, frame);
    case Where::all:
      return ask_all(connection, frame, merge_answers(operation, shards_.count(), call->natural(Role::limit)));
    case Where::any:
      return ask_for_first(connection, frame, merge_first(operation, shards_.count()));
    case Where::by_field: {
      if (!id.is_nil()) return forward(connection, shard_of_id(id), frame);
      const auto name = call->text(Role::shard_by_name);
      return name.empty() ? Routed::here : forward(connection, shards_.of(name), frame);
    }
    case Where::chained: {
      const auto first = shard_of_id(id);
      const auto number =
          merge_parts(connection, number_of(frame), merge_chained(std::move(*call), first, shards_.count()), 1);
      ask(connection, first, Opcode::call, 0, number, frame.body);
      return Routed::elsewhere;
    }
    case Where::in_turns:
      if (!id.is_nil()) return forward(connection, shard_of_id(id), frame);
      return route_in_turns(connection, frame, std::move(*call));
  }
  return Routed::here;
}

ShardRouter::Routed ShardRouter::route_in_turns(Connection& connection, const Frame& frame, ReadCall call) {
  const auto after = find_place(*call.operation->arguments, call.arguments.get(), Role::after);
  ShardNumber first = 0;
  if (after.field != nullptr && !static_cast<const Uuid*>(after.at)->is_nil()) {
    auto& id = *static_cast<Uuid*>(after.at);
    const auto address = message_address(id);
    first = shard_of_id(id);
    // The start of a shard is no message: it is where the page before has ended.
    if (address && address->mailbox == 0) id = {};
  }
  const auto body = body_of_call(*call.operation, call.arguments.get());
  const auto number =
      merge_parts(connection, number_of(frame), merge_in_turns(std::move(call), first, shards_.count()), 1);
  ask(connection, first, Opcode::call, 0, number, as_bytes(body));
  return Routed::elsewhere;
}

}  // namespace folkmoot
