// What the engine wants done (engine/effects.hpp), and what else clients are answered: written down as frames into the
// outbox. On the reactor's thread.
#pragma once

#include <initializer_list>

#include "engine/effects.hpp"
#include "server/backup.hpp"
#include "server/content_transfers.hpp"
#include "server/fault_counts.hpp"
#include "server/outbox.hpp"
#include "server/span_sink.hpp"

namespace folkmoot {

class ShardRouter;
class Shards;

/// What the header of an answer says beside its number; an opcode alone where it is no error.
struct AnswerKind {
  AnswerKind(Opcode of, std::uint16_t seconds = 0)  // NOLINT(google-explicit-constructor)
      : opcode(of), retry_after_s(seconds) {}

  Opcode opcode;
  std::uint16_t retry_after_s;  // as of Error
};

class EffectFrames final : public Effects, public ContentAnswers {
 public:
  /// All must outlive it.
  EffectFrames(const Connections& connections, Outbox& outbox, ContentTransfers& contents, const Backup& backup)
      : connections_(connections), outbox_(outbox), contents_(contents), backup_(backup) {}

  /// Of one of several shards; both must outlive what the engine asks of it.
  void join(Shards& shards, ShardRouter& router) {
    shards_ = &shards;
    router_ = &router;
  }

  // Effects
  bool deliver(SessionId session, const OutgoingDelivery& delivery) override;
  void deliver_event(std::span<const EventTarget> targets, const MessageParts& message) override;
  void confirm(SessionId session, RequestNumber request, const Confirm& confirm) override;
  void answer(SessionId session, RequestNumber request, const Reply& reply) override;
  void outcomes(SessionId session, RequestNumber request, std::span<const Result<Confirm>> outcomes) override;
  void new_key(SessionId session, RequestNumber request, const NewAccountKey& key) override;
  void settled(SessionId session, RequestNumber request, std::uint32_t settled,
               std::span<const LeaseToken> refused) override;
  void refuse(SessionId session, RequestNumber request, const Error& error) override;
  void lagged(SessionId session, RequestNumber request, std::uint32_t count) override;
  void withdrawn(SessionId session, LeaseToken lease, const Uuid& id) override;
  void woken(SessionId session, RequestNumber request, std::span<const WokenView> wakes) override;
  bool remove_content(const ContentHash& hash) override;
  std::optional<std::uint64_t> stored_elsewhere(const ContentHash& hash) override;
  bool answer_elsewhere(ShardNumber shard, const MessageParts& message, ConnectionId answerer, bool is_owed) override;
  void traced(const SpanView& span) override {
    if (spans_ != nullptr) spans_->take(span);
  }
  [[noreturn]] void unreadable(const Error& error) override;

  // ContentAnswers, and what the server carries out itself.
  void done(SessionId session, RequestNumber request, Bytes body) override;

  void answer(SessionId session, AnswerKind kind, RequestNumber request, std::initializer_list<Bytes> parts);
  /// A frame of another shard, as it is.
  void pass_on(Connection& connection, const Frame& frame);
  /// Who takes spans; it outlives this. Null: nobody.
  void set_spans(SpanSink* spans) { spans_ = spans; }
  const SpanSink* spans() const { return spans_; }
  /// Errors that clients of this shard were told.
  const FaultCounts& errors() const { return errors_; }

 private:
  // An event that one alone hears.
  void deliver_event_to(const EventTarget& target, const MessageParts& message);
  void answer_part(Connection& connection, AnswerKind kind, RequestNumber request, std::initializer_list<Bytes> parts);

  const Connections& connections_;
  Outbox& outbox_;
  ContentTransfers& contents_;
  const Backup& backup_;
  FaultCounts errors_;
  SpanSink* spans_ = nullptr;
  // Null if this is the only shard.
  Shards* shards_ = nullptr;
  ShardRouter* router_ = nullptr;
};

}  // namespace folkmoot
