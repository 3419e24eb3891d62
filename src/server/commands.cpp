#include "server/commands.hpp"

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "operation/frames.hpp"
#include "operation/pack_codec.hpp"
#include "server/command.hpp"
#include "server/durations.hpp"
#include "server/operations/call.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {
namespace {

// `known`: what was read of it before.
Result<void> read_message(const CommandContext& context, Bytes bytes, IncomingMessage& message,
                          const Routing* known = nullptr) {
  if (known != nullptr) {
    message.routing = *known;
  } else if (auto done = read_routing(bytes, message.routing, Recipient::optional); !done) {
    return done;
  }
  const bool is_odd = message.routing.has_c1 || !message.routing.provenance.empty();
  // What another shard hands on has been stamped there, and may be as old as its journal.
  if (is_odd && context.connection.door != DoorKind::shard) [[unlikely]] {
    if (!message.routing.has_c1)
      return failure(ErrorCode::invalid_field, "`provenance` is for the server to say", "leave it out");
    return failure(ErrorCode::invalid_name,
                   "a name or the topic of the message holds a control character (U+0080-009F)");
  }
  message.provenance = context.connection.provenance;
  message.envelope = bytes.first(message.routing.bytes);
  message.content = bytes.subspan(message.routing.bytes);
  const auto most = context.reactor.options().content_bytes_max;
  if (message.content.size() <= most) return {};
  return failure(ErrorCode::content_too_large,
                 fmt::format("the content has {} bytes; {} are the most", message.content.size(), most),
                 "store it first and refer to it (docs/content.md), or raise max_content_bytes");
}

bool has_causes(const CommandContext& context) {
  return (context.frame.header.flags & kFlagCauses) != 0 && context.connection.door == DoorKind::remote;
}

bool names_answerer(const CommandContext& context) {
  const auto door = context.connection.door;
  return (context.frame.header.flags & kFlagAnswerer) != 0 && (door == DoorKind::remote || door == DoorKind::shard);
}

Result<void> on_publish(const CommandContext& context) {
  IncomingMessage message;
  auto body = context.frame.body;
  if (names_answerer(context)) {
    if (body.size() < sizeof(ConnectionId)) return malformed("PUBLISH without who answers");
    message.answerer = load<ConnectionId>(body.data());
    body = body.subspan(sizeof(ConnectionId));
  }
  auto read = read_message(context, body, message, context.frame.routing);
  if (!read) return read;
  message.forwarded = context.connection.door == DoorKind::shard;
  message.has_causes = has_causes(context);
  if (!message.forwarded && !message.has_causes) context.reactor.last_envelope().keep(message.envelope);
  context.engine.publish(context.session(), context.request(), context.quiet(), message);
  return {};
}

// The short way of a message whose envelope is the last one; false if it must go the other, unasked so far.
bool publish_again(const CommandContext& context) {
  auto* const message = context.reactor.last_envelope().find(context.frame.body);
  if (message == nullptr || message->content.size() > context.reactor.options().content_bytes_max) return false;
  if (context.connection.who &&
      !context.reactor.entrance().takes_again(context.connection, context.frame, message->version))
    return true;  // that was answered
  message->provenance = context.connection.provenance;
  context.engine.publish(context.session(), context.request(), context.quiet(), *message);
  return true;
}

// The body of a frame that settles or extends leases, behind the id of the message that they must be of; nothing if
// that is cut off.
Bytes settlement(const CommandContext& context) {
  const auto body = context.frame.body;
  return body.subspan(names_its_message(context.frame) ? std::min(sizeof(Uuid), body.size()) : 0);
}

// Requires: settlement(context) is not empty.
Result<void> check_message(const CommandContext& context, std::span<const LeaseToken> tokens) {
  if (!names_its_message(context.frame)) return {};
  return context.engine.check_leases(tokens, load<Uuid>(context.frame.body.data()));
}

std::vector<LeaseToken> leases_of(std::span<const std::uint64_t> numbers) {
  std::vector<LeaseToken> leases;
  leases.reserve(numbers.size());
  for (const auto number : numbers) leases.emplace_back(number);
  return leases;
}

using Messages = std::vector<Result<IncomingMessage>>;

// u32 count, then each with its length. One that does not parse stands there as its error.
Result<Messages> read_messages(const CommandContext& context, Bytes body, std::uint32_t least, std::size_t most,
                               std::string_view what) {
  if (body.size() < 4) return malformed(fmt::format("{} without its count", what));
  const auto count = load<std::uint32_t>(body.data());
  body = body.subspan(4);
  if (count < least || count > most) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("{} of {} messages; {} to {} is possible", what, count, least, most));
  }
  Messages messages;
  messages.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (body.size() < 4 || body.size() - 4 < load<std::uint32_t>(body.data()))
      return malformed(fmt::format("{} breaks off", what));
    const auto bytes = load<std::uint32_t>(body.data());
    IncomingMessage message;
    auto read = read_message(context, body.subspan(4, bytes), message);
    messages.push_back(read ? Result<IncomingMessage>(message) : std::unexpected(std::move(read.error())));
    body = body.subspan(4 + std::size_t{bytes});
  }
  return messages;
}

Result<void> on_publish_batch(const CommandContext& context) {
  const auto messages = read_messages(context, context.frame.body, 1, kBatchMessagesMax, "a batch");
  if (!messages) return std::unexpected(messages.error());
  if (context.frame.header.flags & kFlagAtomic) {
    context.engine.publish_atomic(context.session(), context.request(), context.quiet(), *messages);
  } else {
    context.engine.publish_batch(context.session(), context.request(), context.quiet(), *messages);
  }
  return {};
}

Result<void> on_complete(const CommandContext& context) {
  const auto body = settlement(context);
  if (body.size() < sizeof(LeaseToken)) return malformed("COMPLETE without its lease");
  const auto token = load<LeaseToken>(body.data());
  if (auto good = check_message(context, {&token, 1}); !good) return good;
  const auto outputs = read_messages(context, body.subspan(sizeof(LeaseToken)), 0, kOutputsMax, "a completion");
  if (!outputs) return std::unexpected(outputs.error());
  context.engine.complete(context.session(), context.request(), token, *outputs);
  return {};
}

// -- frames whose body is a map: read as they are described (operation/frames.hpp)

Result<void> carry_out(const CommandContext& context, const Subscribe& frame) {
  context.engine.subscribe(context.session(), context.request(), frame.pattern, frame.credit, frame.echo, frame.filter);
  return {};
}

Result<void> carry_out(const CommandContext& context, const Consume& frame) {
  context.engine.consume(context.session(), context.request(), frame.mailbox, frame.credit);
  return {};
}

Result<void> carry_out(const CommandContext& context, const Receive& frame) {
  context.engine.receive(
      context.session(), context.request(),
      {.mailbox = frame.mailbox, .max = frame.max, .wait_ms = in_ms(frame.wait), .lease_ms = in_ms(frame.lease)});
  return {};
}

Result<void> carry_out(const CommandContext& context, const Wait& frame) {
  context.engine.wait(context.session(), context.request(), frame.mailbox, in_ms(frame.timeout));
  return {};
}

Result<void> carry_out(const CommandContext& context, const GiveBack& frame) {
  const auto leases = leases_of(frame.leases);
  if (auto good = check_message(context, leases); !good) return good;
  context.engine.nack(context.session(), context.request(), context.quiet(), leases,
                      frame.delay ? in_ms(*frame.delay) : kByPolicy, frame.reason);
  return {};
}

Result<void> carry_out(const CommandContext& context, const Reject& frame) {
  const auto leases = leases_of(frame.leases);
  if (auto good = check_message(context, leases); !good) return good;
  context.engine.reject(context.session(), context.request(), context.quiet(), leases, frame.reason);
  return {};
}

Result<void> carry_out(const CommandContext& context, const Extend& frame) {
  const auto leases = leases_of(frame.leases);
  if (auto good = check_message(context, leases); !good) return good;
  context.engine.extend(context.session(), context.request(), context.quiet(), leases, in_ms(frame.lease));
  return {};
}

// Frames that are operations of the list as well.
template <class Op>
Result<void> carry_out_as(const CommandContext& context, const Op& operation) {
  static constexpr auto kInfo = operation_info<Op>();
  return carry_out(Call{context.reactor, context.engine, context.caller(), context.session(), context.request(), kInfo},
                   operation);
}

Result<void> carry_out(const CommandContext& context, const AskStats& frame) {
  return carry_out_as<ShowStats>(context, frame);
}

Result<void> carry_out(const CommandContext& context, const ConfigureMailboxFrame& frame) {
  return carry_out_as<ConfigureMailbox>(context, frame);
}

Result<void> carry_out(const CommandContext& context, const OpenContent& frame) {
  return context.reactor.contents().open(context.session(), context.request(), frame.size, frame.sha256);
}

template <class F>
Result<void> on_map(const CommandContext& context) {
  F frame;
  if (names_its_message(context.frame) && context.frame.body.size() < sizeof(Uuid))
    return malformed(fmt::format("{} breaks off within the id of its message", F::kFrame.name));
  if (auto read = read_pack(describe<F>(), &frame, settlement(context), F::kFrame.name); !read) return read;
  return carry_out(context, frame);
}

// -- frames of fixed layout

Result<void> on_credit(const CommandContext& context) {
  const auto body = context.frame.body;
  if (body.size() != 8) return malformed("CREDIT has two u32");
  context.engine.credit(context.session(), load<RequestNumber>(body.data()), load<std::uint32_t>(body.data() + 4));
  return {};
}

Result<void> on_filter(const CommandContext& context) {
  const auto body = context.frame.body;
  if (body.size() < 4) return malformed("FILTER breaks off within its target");
  context.engine.set_filter(context.session(), context.request(), load<RequestNumber>(body.data()),
                            as_text(body.subspan(4)));
  return {};
}

Result<void> on_cancel(const CommandContext& context) {
  if (context.frame.body.size() != 4) return malformed("CANCEL has one u32");
  context.reactor.contents().cancel(context.session(), load<RequestNumber>(context.frame.body.data()));
  context.engine.cancel(context.session(), context.request(), load<RequestNumber>(context.frame.body.data()));
  return {};
}

Result<void> on_ack(const CommandContext& context) {
  const auto body = settlement(context);
  const auto count = body.size() / sizeof(LeaseToken);
  if (count == 0 || count > kSettleLeasesMax || body.size() % sizeof(LeaseToken) != 0) {
    return malformed(fmt::format("ACK has 1 to {} leases of 8 bytes", kSettleLeasesMax));
  }
  // One lease is the common case; the body may stand at any address.
  if (count == 1) {
    const auto token = load<LeaseToken>(body.data());
    if (auto good = check_message(context, {&token, 1}); !good) return good;
    context.engine.ack(context.session(), context.request(), context.quiet(), {&token, 1});
    return {};
  }
  std::vector<LeaseToken> tokens(count);
  std::memcpy(tokens.data(), body.data(), body.size());
  if (auto good = check_message(context, tokens); !good) return good;
  context.engine.ack(context.session(), context.request(), context.quiet(), tokens);
  return {};
}

Result<void> on_request(const CommandContext& context) {
  if (context.frame.body.size() < 4) return malformed("REQUEST without its time-out");
  IncomingMessage message;
  auto read = read_message(context, context.frame.body.subspan(4), message, context.frame.routing);
  if (read) {
    const bool stream = (context.frame.header.flags & kFlagStream) != 0;
    message.has_causes = has_causes(context);
    context.engine.request(context.session(), context.request(),
                           Duration{load<std::uint32_t>(context.frame.body.data())}, message, stream);
  }
  return read;
}

Result<void> on_receipt(const CommandContext& context) {
  const auto body = context.frame.body;
  const auto count = body.size() / sizeof(Uuid);
  if (count == 0 || count > kReceiptIdsMax || body.size() % sizeof(Uuid) != 0) {
    return malformed(fmt::format("RECEIPT has 1 to {} ids of 16 bytes", kReceiptIdsMax));
  }
  std::string out;
  PackWriter writer(out);
  writer.array(static_cast<std::uint32_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    auto receipt = context.engine.mailboxes().receipt(load<Uuid>(body.data() + i * sizeof(Uuid)));
    auto state = static_cast<std::uint64_t>(receipt.state);
    if (auto* const others = context.reactor.shard_router()) {
      if (const auto moved = others->shard_links().moved_to(receipt.id)) {
        receipt.id = *moved;
        state = kReceiptMoved;
      }
    }
    const auto pairs = 6u + (receipt.holder.empty() ? 0 : 1) + (receipt.since == 0 ? 0 : 1);
    writer.map(pairs).uint(0).bin({reinterpret_cast<const char*>(receipt.id.bytes.data()), 16});
    writer.uint(1).str(receipt.recipient).uint(2).uint(state);
    writer.uint(3).uint(receipt.deliveries).uint(4).integer(receipt.at.ms).uint(5).str(receipt.reason);
    if (!receipt.holder.empty()) writer.uint(6).str(receipt.holder);
    if (receipt.since != 0) writer.uint(7).integer(receipt.since.ms);
  }
  context.reactor.effects().done(context.session(), context.request(), as_bytes(out));
  return {};
}

Result<void> on_ping(const CommandContext& context) {
  if (context.frame.body.size() > 64) return malformed("PING has at most 64 bytes");
  context.reactor.effects().done(context.session(), context.request(), context.frame.body);
  return {};
}

Result<void> on_call(const CommandContext& context) {
  const auto call = read_call(context.frame.body);
  if (!call) return std::unexpected(call.error());
  // Where there are shards, it is noted where the client came in.
  if (context.reactor.shard_router() == nullptr)
    context.reactor.entrance().audit().note_call(context.connection, *call);
  return carry_out_call(context.reactor, context.caller(), context.request(), *call);
}

Result<void> on_mailbox(const CommandContext& context) {
  if (context.reactor.shard_router() == nullptr)
    context.reactor.entrance().audit().note_mailbox(context.connection, context.frame);
  return on_map<ConfigureMailboxFrame>(context);
}

using Handler = Result<void> (*)(const CommandContext&);
struct Row {
  Opcode opcode;
  Handler handler;
};
constexpr Row kRows[] = {
    {Opcode::publish, on_publish},
    {Opcode::publish_batch, on_publish_batch},
    {Opcode::subscribe, on_map<Subscribe>},
    {Opcode::consume, on_map<Consume>},
    {Opcode::credit, on_credit},
    {Opcode::cancel, on_cancel},
    {Opcode::receive, on_map<Receive>},
    {Opcode::ack, on_ack},
    {Opcode::nack, on_map<GiveBack>},
    {Opcode::extend, on_map<Extend>},
    {Opcode::request, on_request},
    {Opcode::receipt, on_receipt},
    {Opcode::wait, on_map<Wait>},
    {Opcode::stats, on_map<AskStats>},
    {Opcode::ping, on_ping},
    {Opcode::mailbox, on_mailbox},
    {Opcode::complete, on_complete},
    {Opcode::reject, on_map<Reject>},
    {Opcode::call, on_call},
    {Opcode::filter, on_filter},
    {Opcode::content_open, on_map<OpenContent>},
    {Opcode::content_write, on_content_write},
    {Opcode::content_finish, on_content_finish},
    {Opcode::content_stat, on_content_stat},
    {Opcode::content_read, on_content_read},
};
constexpr auto kHandlers = [] {
  std::array<Handler, 256> handlers{};
  for (const auto& row : kRows) handlers[static_cast<std::size_t>(row.opcode)] = row.handler;
  return handlers;
}();

// Every frame of the list has a handler, but HELLO, which begins a connection.
static_assert(std::size(kRows) + 1 == kFrameCount);

bool on_hello(Reactor& reactor, Connection& connection, const Frame& frame) {
  std::uint64_t version = kProtocolVersion;
  ConnectionId of_connection;
  std::string_view agent, token;
  bool is_bound = false;
  const auto read = read_map(frame.body, "HELLO", [&](std::uint64_t key, PackReader& reader) {
    if (key == kRemoteConnection && connection.door == DoorKind::remote)
      return of_connection = ConnectionId{reader.uint()}, true;
    if (key == kRemoteBound && connection.door == DoorKind::remote) return is_bound = reader.boolean(), true;
    if (key == kRemoteProvenance && connection.door == DoorKind::remote)
      return connection.provenance = reader.str(), true;
    if (key == 0) return version = reader.uint(), true;
    if (key == 1) return agent = reader.str(), true;
    if (key == 2) return token = reader.str(), true;
    return false;
  });
  const auto end = [&](ErrorCode code, std::string text) {
    reactor.say_goodbye(connection, {code, std::move(text)});
    return false;
  };
  if (!read) return end(read.error().code, read.error().text);
  if (version != kProtocolVersion) {
    return end(ErrorCode::unsupported_version,
               fmt::format("the client speaks version {}; this server speaks {}", version, kProtocolVersion));
  }
  if (!agent.empty() && (!is_name(agent) || agent.front() == '@' || agent.front() == '$')) {
    return end(ErrorCode::invalid_name, "the agent's name is none: 1 to 255 bytes of UTF-8, not beginning with @ or $");
  }
  const auto speaks_as = reactor.entrance().admit(connection, token, agent);
  if (!speaks_as) {
    reactor.say_goodbye(connection, speaks_as.error());
    return false;
  }
  reactor.welcome(connection, RequestNumber{frame.header.request}, *speaks_as, of_connection, is_bound);
  return true;
}

// What is not the last event once more; apart, as that is to be quick.
[[gnu::noinline]] bool carry_out_anew(Reactor& reactor, Connection& connection, Frame frame) {
  if (connection.state != Connection::State::open) {
    if (frame.header.opcode == Opcode::hello) return on_hello(reactor, connection, frame);
    reactor.say_goodbye(connection, {ErrorCode::not_connected, "the first frame was not HELLO"});
    return false;
  }
  if (connection.who && !reactor.entrance().takes(connection, frame)) [[unlikely]]
    return connection.state == Connection::State::open;
  if (auto* const others = reactor.shard_router()) {
    const auto routed = others->route(connection, frame);
    connection.takes_again = routed == ShardRouter::Routed::held;
    if (routed != ShardRouter::Routed::here) return connection.state == Connection::State::open;
  }
  return carry_out_here(reactor, connection, frame);
}

}  // namespace

bool carry_out(Reactor& reactor, Connection& connection, const Frame& frame) {
  const bool is_publish = frame.header.opcode == Opcode::publish && connection.state == Connection::State::open &&
                          connection.door != DoorKind::shard && frame.header.request < kOwnRequests.value;
  if (is_publish && publish_again({reactor, reactor.engine(), connection, frame}))
    return connection.state == Connection::State::open;
  return carry_out_anew(reactor, connection, frame);
}

bool carry_out_here(Reactor& reactor, Connection& connection, const Frame& frame) {
  const CommandContext context{reactor, reactor.engine(), connection, frame};
  const auto handler = kHandlers[static_cast<std::size_t>(frame.header.opcode)];
  if (frame.header.opcode == Opcode::hello) {
    reactor.effects().refuse(
        connection.id, context.request(),
        {ErrorCode::not_permitted, "this connection has said HELLO; who is somebody else connects anew"});
    return true;
  }
  if (handler == nullptr) {
    reactor.effects().refuse(
        connection.id, context.request(),
        {ErrorCode::unknown_opcode,
         fmt::format("there is no frame with opcode 0x{:02x}", static_cast<unsigned>(frame.header.opcode)),
         "docs/protocol.md, section 2, lists them; a client may be newer than this server"});
    return true;
  }
  auto done = handler(context);
  if (!done) reactor.effects().refuse(connection.id, context.request(), done.error());
  return connection.state == Connection::State::open;
}

}  // namespace folkmoot
