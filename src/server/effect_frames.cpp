#include "server/effect_frames.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>

#include "operation/json_codec.hpp"
#include "operation/pack_codec.hpp"
#include "server/operations/wakes.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {

bool EffectFrames::deliver(SessionId session, const OutgoingDelivery& delivery) {
  auto* const connection = connections_.find(session);
  if (connection == nullptr || connection->state != Connection::State::open) return false;
  const bool is_leased = delivery.lease != 0;
  const bool is_event = !delivery.of_mailbox;
  const auto pending = connection->unsent();
  if (is_event && outbox_.is_overrun(*connection, pending)) return false;
  const auto& message = delivery.message;
  const auto lease_bytes = is_leased ? kLeaseBlockBytes : 0;
  const auto flags =
      static_cast<std::uint8_t>((is_leased ? kFlagLeased : 0) | (delivery.redelivered ? kFlagRedelivered : 0));
  if (outbox_.sends_at_once(*connection, message.bytes())) {
    std::uint8_t head[kFrameHeaderBytes + kLeaseBlockBytes];
    store(head, FrameHeader{static_cast<std::uint32_t>(8 + lease_bytes + message.bytes()), Opcode::deliver, flags, 0,
                            delivery.request.value});
    store(head + kFrameHeaderBytes, delivery.lease);
    store(head + kFrameHeaderBytes + 8, delivery.delivery);
    const Bytes parts[] = {{head, kFrameHeaderBytes + lease_bytes}, message.head, message.rest};
    outbox_.send_or_keep(*connection, parts);
    return outbox_.hold_if_behind(*connection, connection->out.size(), is_event);
  }
  auto* at = outbox_.extend(*connection, Opcode::deliver, flags, delivery.request, lease_bytes + message.bytes());
  if (is_leased) {
    store(at, delivery.lease);
    store(at + 8, delivery.delivery);
    at += kLeaseBlockBytes;
  }
  std::memcpy(at, message.head.data(), message.head.size());
  if (!message.rest.empty()) std::memcpy(at + message.head.size(), message.rest.data(), message.rest.size());
  return outbox_.hold_if_behind(*connection, pending, is_event);
}

void EffectFrames::deliver_event_to(const EventTarget& target, const MessageParts& message) {
  auto* const connection = connections_.find(target.session);
  if (connection == nullptr) return;
  const auto bytes = message.bytes();
  // The usual case: nothing to decide but where the bytes go.
  if (connection->state == Connection::State::open && bytes < Outbox::kOwnWriteBytes && !outbox_.is_behind(*connection))
      [[likely]] {
    auto* const at = outbox_.extend(*connection, Opcode::deliver, 0, target.request, bytes);
    std::memcpy(at, message.head.data(), message.head.size());
    std::memcpy(at + message.head.size(), message.rest.data(), message.rest.size());
    return;
  }
  deliver(target.session,
          {.request = target.request, .delivery = 1, .lease = 0, .redelivered = false, .message = message});
}

void EffectFrames::deliver_event(std::span<const EventTarget> targets, const MessageParts& message) {
  if (targets.size() == 1) return deliver_event_to(targets.front(), message);
  outbox_.fan_out(targets, message);
}

// This shard's part of an answer of several. Apart from answer(), which is on the way of every message.
[[gnu::noinline]] void EffectFrames::answer_part(Connection& connection, AnswerKind kind, RequestNumber request,
                                                 std::initializer_list<Bytes> parts) {
  std::string body;
  for (const auto& part : parts) body.append(as_text(part));
  router_->on_part(connection, router_->own(), request, kind.opcode, as_bytes(body));
}

void EffectFrames::answer(SessionId session, AnswerKind kind, RequestNumber request,
                          std::initializer_list<Bytes> parts) {
  auto* const connection = connections_.find(session);
  if (connection == nullptr || connection->state != Connection::State::open) return;
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  if (request >= kOwnRequests && connection->remote_sessions) [[unlikely]]
    return answer_part(*connection, kind, request, parts);
  connection->answer_bytes += bytes;
  // It asks, and does not read what it is told.
  if (outbox_.is_overrun(*connection, connection->answer_bytes)) [[unlikely]]
    return;
  auto* at = outbox_.extend(*connection, kind.opcode, 0, request, bytes, kind.retry_after_s);
  for (const auto& part : parts) {
    if (part.empty()) continue;
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
}

void EffectFrames::confirm(SessionId session, RequestNumber request, const Confirm& confirm) {
  answer(session, Opcode::confirm, request, {bytes_of(confirm)});
}

void EffectFrames::done(SessionId session, RequestNumber request, Bytes body) {
  answer(session, Opcode::ok, request, {body});
}

void EffectFrames::answer(SessionId session, RequestNumber request, const Reply& reply) {
  if (const auto* const deleted = std::get_if<DeletedMailbox>(&reply)) {
    return done(session, request, as_bytes(write_numbers(describe<DeletedMailbox>(), deleted).value_or("")));
  }
  if (const auto* const registered = std::get_if<RegisteredAgent>(&reply)) {
    return done(session, request, as_bytes(to_json_text(*registered, Sparse::as_described)));
  }
  if (const auto* const settled = std::get_if<SettledMessage>(&reply)) {
    return done(session, request, as_bytes(to_json_text(*settled, Sparse::as_described)));
  }
  std::uint32_t numbers[2] = {};
  std::size_t count = 0;
  const auto put = [&](std::uint32_t number) { numbers[count++] = number; };
  if (const auto* const consuming = std::get_if<Consuming>(&reply)) put(consuming->ready);
  if (const auto* const received = std::get_if<Received>(&reply)) put(received->messages), put(received->ready);
  if (const auto* const ready = std::get_if<Ready>(&reply)) put(ready->messages), put(ready->priority);
  if (const auto* const purged = std::get_if<Purged>(&reply)) put(purged->purged);
  if (const auto* const resent = std::get_if<Resent>(&reply)) put(resent->sent), put(resent->refused);
  done(session, request, bytes_of(numbers).first(count * sizeof numbers[0]));
}

void EffectFrames::new_key(SessionId session, RequestNumber request, const NewAccountKey& key) {
  done(session, request, as_bytes(to_json_text(key, Sparse::as_described)));
}

// For each a u16 of 0 and a Confirm, or an error's code, length and text.
void EffectFrames::outcomes(SessionId session, RequestNumber request, std::span<const Result<Confirm>> outcomes) {
  constexpr std::size_t kTextBytesMax = 60'000;
  const auto* const connection = connections_.find(session);
  std::string body;
  for (const auto& outcome : outcomes) {
    const auto code = outcome ? std::uint16_t{0} : static_cast<std::uint16_t>(outcome.error().code);
    if (!outcome && connection != nullptr && request < kOwnRequests)
      errors_.add(connection->door, outcome.error().code);
    body.append(as_text(bytes_of(code)));
    if (outcome) {
      body.append(as_text(bytes_of(*outcome)));
      continue;
    }
    auto text = joined_text(outcome.error());
    if (text.size() > kTextBytesMax) text.resize(kTextBytesMax);
    const auto bytes = static_cast<std::uint16_t>(text.size());
    body.append(as_text(bytes_of(bytes))).append(text);
  }
  done(session, request, as_bytes(body));
}

void EffectFrames::settled(SessionId session, RequestNumber request, std::uint32_t settled,
                           std::span<const LeaseToken> refused) {
  const std::uint32_t counts[] = {settled, static_cast<std::uint32_t>(refused.size())};
  answer(session, Opcode::settled, request,
         {bytes_of(counts), {reinterpret_cast<const std::uint8_t*>(refused.data()), refused.size_bytes()}});
}

void EffectFrames::refuse(SessionId session, RequestNumber request, const Error& error) {
  if (router_) router_->note_refusal();
  // Parts of an answer are counted when it is whole.
  if (const auto* const connection = connections_.find(session); connection != nullptr && request < kOwnRequests)
    errors_.add(connection->door, error.code);
  const auto code = static_cast<std::uint16_t>(error.code);
  answer(session, {Opcode::error, error.retry_after_s}, request, {bytes_of(code), as_bytes(joined_text(error))});
}

void EffectFrames::lagged(SessionId session, RequestNumber request, std::uint32_t count) {
  answer(session, Opcode::lagged, request, {bytes_of(count)});
}

void EffectFrames::withdrawn(SessionId session, LeaseToken lease, const Uuid& id) {
  answer(session, Opcode::withdrawn, 0, {bytes_of(lease), bytes_of(id)});
}

void EffectFrames::woken(SessionId session, RequestNumber request, std::span<const WokenView> wakes) {
  done(session, request, as_bytes(write_taken_wakes(wakes, request >= kOwnRequests)));
}

// The first shard stores them: it lets go of one when the others have.
bool EffectFrames::remove_content(const ContentHash& hash) {
  if (router_ && router_->own() != 0) {
    shards_->let_go_of_content(router_->own(), hash);
  } else if (backup_.phase() != Backup::Phase::none) {
    return false;  // it may belong to the backup
  } else if (router_ && !shards_->remove_content(hash)) {
    return false;
  } else {
    contents_.remove(hash);
  }
  return true;
}

std::optional<std::uint64_t> EffectFrames::stored_elsewhere(const ContentHash& hash) {
  return router_ ? shards_->hold_content(router_->own(), hash) : std::nullopt;
}

bool EffectFrames::answer_elsewhere(ShardNumber shard, const MessageParts& message, ConnectionId answerer,
                                    bool is_owed) {
  return !router_ || router_->shard_links().answer(shard, message, answerer, is_owed);
}

void EffectFrames::pass_on(Connection& connection, const Frame& frame) {
  if (frame.header.opcode == Opcode::error && frame.body.size() >= sizeof(std::uint16_t)) [[unlikely]]
    errors_.add(connection.door, static_cast<ErrorCode>(load<std::uint16_t>(frame.body.data())));
  auto* const at = outbox_.extend(connection, frame.header.opcode, frame.header.flags,
                                  RequestNumber{frame.header.request}, frame.body.size(), frame.header.retry_after_s);
  if (!frame.body.empty()) std::memcpy(at, frame.body.data(), frame.body.size());
}

void EffectFrames::unreadable(const Error& error) {
  spdlog::critical("the journal cannot give back what it confirmed: {}", error.describe());
  spdlog::default_logger()->flush();
  std::_Exit(1);
}

}  // namespace folkmoot
