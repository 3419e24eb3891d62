#include "server/commands.hpp"

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "message/retry.hpp"
#include "server/calls.hpp"
#include "server/command.hpp"
#include "server/switch.hpp"

namespace folkmoot {
namespace {

Result<std::int64_t> duration(std::uint64_t ms, std::string_view field) {
  if (ms > static_cast<std::uint64_t>(kDurationMsMax)) {
    return failure(ErrorCode::out_of_range, fmt::format("`{}` is {} ms; ten years are the most", field, ms));
  }
  return static_cast<std::int64_t>(ms);
}

Result<void> read_message(const CommandContext& context, Bytes bytes, IncomingMessage& message) {
  if (auto done = read_routing(bytes, message.routing, Recipient::optional); !done) return done;
  message.envelope = bytes.first(message.routing.bytes);
  message.content = bytes.subspan(message.routing.bytes);
  const auto most = context.reactor.options().content_bytes_max;
  if (message.content.size() <= most) return {};
  return failure(ErrorCode::content_too_large,
                 fmt::format("the content has {} bytes; {} are the most", message.content.size(), most));
}

bool has_causes(const CommandContext& context) {
  return (context.frame.header.flags & kFlagCauses) != 0 && context.connection.door == DoorKind::relay;
}

Result<void> on_publish(const CommandContext& context) {
  IncomingMessage message;
  auto read = read_message(context, context.frame.body, message);
  if (!read) return read;
  message.forwarded = context.connection.door == DoorKind::trunk;
  message.has_causes = has_causes(context);
  if (!message.forwarded && !message.has_causes) context.reactor.last_envelope().keep(message.envelope);
  context.engine.publish(context.session(), context.request(), context.quiet(), message);
  return {};
}

// The short way of a message whose envelope is the last one; false if it must go the other.
bool publish_again(const CommandContext& context) {
  const auto* const message = context.reactor.last_envelope().find(context.frame.body);
  if (message == nullptr || message->content.size() > context.reactor.options().content_bytes_max) return false;
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

Result<void> on_subscribe(const CommandContext& context) {
  std::string_view pattern, filter;
  std::uint64_t credit = 0;
  bool echo = false;
  const auto read = read_map(context.frame.body, "SUBSCRIBE", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return pattern = reader.str(), true;
    if (key == 1) return credit = reader.uint(), true;
    if (key == 2) return echo = reader.boolean(), true;
    if (key == 3) return filter = reader.str(), true;
    return false;
  });
  if (!read) return read;
  if (credit > ~0u) return failure(ErrorCode::out_of_range, "`credit` is above 2^32-1");
  context.engine.subscribe(context.session(), context.request(), pattern, static_cast<std::uint32_t>(credit), echo,
                           filter);
  return {};
}

Result<void> on_consume(const CommandContext& context) {
  std::string_view mailbox;
  std::uint64_t credit = 0;
  const auto read = read_map(context.frame.body, "CONSUME", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return mailbox = reader.str(), true;
    if (key == 1) return credit = reader.uint(), true;
    return false;
  });
  if (!read) return read;
  context.engine.consume(context.session(), context.request(), mailbox,
                         static_cast<std::uint32_t>(std::min<std::uint64_t>(credit, ~0u)));
  return {};
}

Result<void> on_credit(const CommandContext& context) {
  const auto body = context.frame.body;
  if (body.size() != 8) return malformed("CREDIT has two u32");
  context.engine.credit(context.session(), load<std::uint32_t>(body.data()), load<std::uint32_t>(body.data() + 4));
  return {};
}

Result<void> on_cancel(const CommandContext& context) {
  if (context.frame.body.size() != 4) return malformed("CANCEL has one u32");
  context.reactor.contents().cancel(context.session(), load<std::uint32_t>(context.frame.body.data()));
  context.engine.cancel(context.session(), context.request(), load<std::uint32_t>(context.frame.body.data()));
  return {};
}

Result<void> on_receive(const CommandContext& context) {
  ReceiveCommand command;
  std::uint64_t max = 1, wait_ms = 0, lease_ms = 0;
  const auto read = read_map(context.frame.body, "RECEIVE", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return command.mailbox = reader.str(), true;
    if (key == 1) return max = reader.uint(), true;
    if (key == 2) return wait_ms = reader.uint(), true;
    if (key == 3) return lease_ms = reader.uint(), true;
    return false;
  });
  if (!read) return read;
  const auto wait = duration(wait_ms, "wait_ms"), lease = duration(lease_ms, "lease_ms");
  if (!wait) return std::unexpected(wait.error());
  if (!lease) return std::unexpected(lease.error());
  command.max = static_cast<std::uint32_t>(std::min<std::uint64_t>(max, ~0u));
  command.wait_ms = *wait;
  command.lease_ms = *lease;
  context.engine.receive(context.session(), context.request(), command);
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

bool read_leases(PackReader& reader, std::vector<LeaseToken>& tokens) {
  for (auto count = reader.array(); count-- && reader.ok();) {
    tokens.push_back(reader.uint());
    if (tokens.size() > kSettleLeasesMax) reader.fail();
  }
  return true;
}

Result<void> on_nack(const CommandContext& context) {
  std::vector<LeaseToken> tokens;
  std::optional<std::uint64_t> delay_ms;
  std::string_view reason;
  const auto read = read_map(settlement(context), "NACK", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return read_leases(reader, tokens);
    if (key == 1) return delay_ms = reader.uint(), true;
    if (key == 2) return reason = reader.str(), true;
    return false;
  });
  if (!read) return read;
  const auto delay = duration(delay_ms.value_or(0), "delay_ms");
  if (!delay) return std::unexpected(delay.error());
  if (!is_utf8(reason)) return malformed("the reason is not UTF-8");
  if (auto good = check_message(context, tokens); !good) return good;
  context.engine.nack(context.session(), context.request(), context.quiet(), tokens, delay_ms ? *delay : -1, reason);
  return {};
}

Result<void> on_reject(const CommandContext& context) {
  std::vector<LeaseToken> tokens;
  std::string_view reason;
  const auto read = read_map(settlement(context), "REJECT", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return read_leases(reader, tokens);
    if (key == 2) return reason = reader.str(), true;
    return false;
  });
  if (!read) return read;
  if (!is_utf8(reason)) return malformed("the reason is not UTF-8");
  if (auto good = check_message(context, tokens); !good) return good;
  context.engine.reject(context.session(), context.request(), context.quiet(), tokens, reason);
  return {};
}

Result<void> on_extend(const CommandContext& context) {
  std::vector<LeaseToken> tokens;
  std::uint64_t lease_ms = 0;
  const auto read = read_map(settlement(context), "EXTEND", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return read_leases(reader, tokens);
    if (key == 1) return lease_ms = reader.uint(), true;
    return false;
  });
  if (!read) return read;
  const auto lease = duration(lease_ms, "lease_ms");
  if (!lease) return std::unexpected(lease.error());
  if (auto good = check_message(context, tokens); !good) return good;
  context.engine.extend(context.session(), context.request(), context.quiet(), tokens, *lease);
  return {};
}

Result<void> on_request(const CommandContext& context) {
  if (context.frame.body.size() < 4) return malformed("REQUEST without its time-out");
  IncomingMessage message;
  auto read = read_message(context, context.frame.body.subspan(4), message);
  if (read) {
    const bool stream = (context.frame.header.flags & kFlagStream) != 0;
    message.has_causes = has_causes(context);
    context.engine.request(context.session(), context.request(), load<std::uint32_t>(context.frame.body.data()),
                           message, stream);
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
    auto receipt = context.engine.receipt(load<Uuid>(body.data() + i * sizeof(Uuid)));
    auto state = static_cast<std::uint64_t>(receipt.state);
    if (auto* const others = context.reactor.shard_switch()) {
      if (const auto moved = others->trunks().moved_to(receipt.id)) {
        receipt.id = *moved;
        state = kReceiptMoved;
      }
    }
    writer.map(6).uint(0).bin({reinterpret_cast<const char*>(receipt.id.bytes.data()), 16});
    writer.uint(1).str(receipt.recipient).uint(2).uint(state);
    writer.uint(3).uint(receipt.deliveries).uint(4).integer(receipt.at).uint(5).str(receipt.reason);
  }
  context.reactor.done(context.session(), context.request(), as_bytes(out));
  return {};
}

Result<void> on_wait(const CommandContext& context) {
  std::string_view mailbox;
  std::uint64_t timeout_ms = 0;
  const auto read = read_map(context.frame.body, "WAIT", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return mailbox = reader.str(), true;
    if (key == 1) return timeout_ms = reader.uint(), true;
    return false;
  });
  if (!read) return read;
  const auto timeout = duration(timeout_ms, "timeout_ms");
  if (!timeout) return std::unexpected(timeout.error());
  context.engine.wait(context.session(), context.request(), mailbox, *timeout);
  return {};
}

Result<void> on_stats(const CommandContext& context) {
  std::string_view mailbox;
  if (!context.frame.body.empty()) {
    const auto read = read_map(context.frame.body, "STATS", [&](std::uint64_t key, PackReader& reader) {
      if (key == 0) return mailbox = reader.str(), true;
      return false;
    });
    if (!read) return read;
  }
  MailboxStats ignored;
  if (!mailbox.empty() && !context.engine.mailbox_stats(mailbox, ignored)) {
    return failure(ErrorCode::not_found,
                   fmt::format("there is no mailbox {}", is_name(mailbox) ? mailbox : "(unprintable)"));
  }
  context.reactor.done(context.session(), context.request(), as_bytes(context.reactor.stats_text(mailbox)));
  return {};
}

Result<void> on_ping(const CommandContext& context) {
  if (context.frame.body.size() > 64) return malformed("PING has at most 64 bytes");
  context.reactor.done(context.session(), context.request(), context.frame.body);
  return {};
}

// As the envelope has it: attempts, backoff, first wait, longest wait, multiplier in thousandths.
RetryPolicy read_policy(PackReader& reader) {
  if (reader.array() != 5) reader.fail();
  const auto attempts = reader.uint(), backoff = reader.uint(), initial = reader.uint(), max = reader.uint(),
             multiplier = reader.uint();
  // What does not fit is above its limit too: check_retry() says so.
  return {.attempts = static_cast<std::uint16_t>(std::min<std::uint64_t>(attempts, 0xffff)),
          .backoff = static_cast<Backoff>(std::min<std::uint64_t>(backoff, 0xff)),
          .initial_ms = static_cast<std::int64_t>(std::min(initial, ~std::uint64_t{0} >> 1)),
          .max_ms = static_cast<std::int64_t>(std::min(max, ~std::uint64_t{0} >> 1)),
          .multiplier_permille = static_cast<std::uint32_t>(std::min<std::uint64_t>(multiplier, ~0u))};
}

Result<void> on_call(const CommandContext& context) {
  std::string_view name, arguments;
  const auto read = read_map(context.frame.body, "CALL", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return name = reader.str(), true;
    if (key == 1) return arguments = reader.str(), true;
    return false;
  });
  if (!read) return read;
  return carry_out_call(context.reactor, context.session(), context.request(), name, arguments);
}

Result<void> on_mailbox(const CommandContext& context) {
  MailboxCommand command;
  command.limits = context.reactor.options().engine.mailbox;
  std::uint64_t max_messages = command.limits.max_messages,
                overflow = static_cast<std::uint64_t>(command.limits.overflow),
                ttl_ms = static_cast<std::uint64_t>(command.limits.default_ttl_ms);
  std::optional<std::uint64_t> max_deliveries;
  std::optional<RetryPolicy> retry;
  const auto read = read_map(context.frame.body, "MAILBOX", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return command.name = reader.str(), true;
    if (key == 1) return max_messages = reader.uint(), true;
    if (key == 2) return overflow = reader.uint(), true;
    if (key == 3) return ttl_ms = reader.uint(), true;
    if (key == 4) return max_deliveries = reader.uint(), true;
    if (key == 5) return retry = read_policy(reader), true;
    return false;
  });
  if (!read) return read;
  const auto ttl = duration(ttl_ms, "default_ttl_ms");
  if (!ttl) return std::unexpected(ttl.error());
  if (max_messages == 0 || max_messages > kMailboxMessagesMax || overflow > 1 ||
      (max_deliveries && (*max_deliveries == 0 || *max_deliveries > kAttemptsMax))) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`max_messages` may be 1 to {}, `overflow` 0 or 1, `max_deliveries` 1 to {}",
                               kMailboxMessagesMax, kAttemptsMax));
  }
  if (retry) {
    if (auto good = check_retry(*retry); !good) return good;
    command.limits.retry = over(*retry, command.limits.retry);
  }
  command.limits.max_messages = max_messages;
  command.limits.default_ttl_ms = *ttl;
  command.limits.overflow = static_cast<Overflow>(overflow);
  if (max_deliveries) command.limits.retry.attempts = static_cast<std::uint16_t>(*max_deliveries);
  context.engine.configure_mailbox(context.session(), context.request(), command);
  return {};
}

using Handler = Result<void> (*)(const CommandContext&);
struct Row {
  Opcode opcode;
  Handler handler;
};
constexpr Row kRows[] = {
    {Opcode::publish, on_publish},
    {Opcode::publish_batch, on_publish_batch},
    {Opcode::subscribe, on_subscribe},
    {Opcode::consume, on_consume},
    {Opcode::credit, on_credit},
    {Opcode::cancel, on_cancel},
    {Opcode::receive, on_receive},
    {Opcode::ack, on_ack},
    {Opcode::nack, on_nack},
    {Opcode::extend, on_extend},
    {Opcode::request, on_request},
    {Opcode::receipt, on_receipt},
    {Opcode::wait, on_wait},
    {Opcode::stats, on_stats},
    {Opcode::ping, on_ping},
    {Opcode::mailbox, on_mailbox},
    {Opcode::complete, on_complete},
    {Opcode::reject, on_reject},
    {Opcode::call, on_call},
    {Opcode::content_open, on_content_open},
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

bool same_token(std::string_view given, std::string_view wanted) {
  // Takes the same time wherever they differ.
  unsigned different = given.size() != wanted.size();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    different |= static_cast<unsigned char>(wanted[i]) ^ static_cast<unsigned char>(i < given.size() ? given[i] : 0);
  }
  return different == 0;
}

bool on_hello(Reactor& reactor, Connection& connection, const Frame& frame) {
  std::uint64_t version = 0;
  std::string_view agent, token;
  const auto read = read_map(frame.body, "HELLO", [&](std::uint64_t key, PackReader& reader) {
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
  const auto& wanted = reactor.options().token;
  if (!wanted.empty() && !same_token(token, wanted)) {
    return end(ErrorCode::unauthorized, token.empty() ? "this server wants a token" : "the token is not this server's");
  }
  if (!agent.empty() && (!is_name(agent) || agent.front() == '@' || agent.front() == '$')) {
    return end(ErrorCode::invalid_name, "the agent's name is none: 1 to 255 bytes of UTF-8, not beginning with @ or $");
  }
  reactor.welcome(connection, frame.header.request, agent);
  return true;
}

}  // namespace

bool carry_out(Reactor& reactor, Connection& connection, const Frame& frame) {
  if (connection.state != Connection::State::open) {
    if (frame.header.opcode == Opcode::hello) return on_hello(reactor, connection, frame);
    reactor.say_goodbye(connection, {ErrorCode::not_connected, "the first frame was not HELLO"});
    return false;
  }
  const bool is_publish = frame.header.opcode == Opcode::publish && connection.door != DoorKind::trunk &&
                          frame.header.request < kOwnRequests;
  if (is_publish && publish_again({reactor, reactor.engine(), connection, frame})) return true;
  if (auto* const others = reactor.shard_switch()) {
    const auto routed = others->route(connection, frame);
    connection.takes_again = routed == Switch::Routed::held;
    if (routed != Switch::Routed::here) return connection.state == Connection::State::open;
  }
  return carry_out_here(reactor, connection, frame);
}

bool carry_out_here(Reactor& reactor, Connection& connection, const Frame& frame) {
  const auto handler = kHandlers[static_cast<std::size_t>(frame.header.opcode)];
  if (handler == nullptr) {
    reactor.refuse(
        connection.id, frame.header.request,
        {ErrorCode::unknown_opcode, fmt::format("opcode 0x{:02x}", static_cast<unsigned>(frame.header.opcode))});
    return true;
  }
  const auto done = handler({reactor, reactor.engine(), connection, frame});
  if (!done) reactor.refuse(connection.id, frame.header.request, done.error());
  return connection.state == Connection::State::open;
}

}  // namespace folkmoot
