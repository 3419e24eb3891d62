// This run of the engine: the time, the keys of messages, and the numbers that ids, leases and reply addresses are made
// of. What must never be given out twice is reserved in the log before it is.
#pragma once

#include "base/siphash.hpp"
#include "base/uuid.hpp"
#include "engine/agenda.hpp"
#include "engine/ledger.hpp"
#include "engine/options.hpp"
#include "engine/part.hpp"

namespace folkmoot {

class Run final : public Part {
 public:
  Run(const EngineOptions& options, Ledger& ledger, Agenda& agenda)
      : options_(options), ledger_(ledger), agenda_(agenda) {}

  /// Never goes back.
  Instant now() const { return now_; }
  void advance(Instant now) { now_ = std::max(now_, now); }
  bool is_started() const { return started_; }
  /// Counts the servers that took this log up.
  std::uint32_t number() const { return number_; }
  /// The tag in ids of what is in the log.
  std::uint32_t node() const { return node_; }
  /// The same of what is in memory alone. Its ids go out before the log knows that they were given, and a run whose
  /// clock was set back may give the same keys again: so the run is in them.
  std::uint32_t memory_node() const { return (node_ ^ number_ << kShardBits) & kNodeMask; }
  bool is_ours(const MessageAddress& address) const { return address.node == node_ || address.node == memory_node(); }
  /// Of the folder: what hashes of outside names are keyed with.
  const SipKey& secret() const { return secret_; }
  /// The next of the numbers that follow from start()'s seed.
  std::uint64_t chance();

  /// A key that was never given out. May note() the run.
  MessageKey next_key() {
    last_key_ = last_key_ + 1;
    if (const auto now = make_key(now_, 0); last_key_ < now) last_key_ = now;
    // Renewed at half time: durable, but for a moment after the clock jumped, before the first of the new ones is given
    // out.
    if (last_key_ + (make_key(Instant{} + kKeysAheadMs / 2, 0) - MessageKey{}) >= keys_end_) note();
    return last_key_;
  }
  /// The last one given out.
  MessageKey last_key() const { return last_key_; }
  /// What next_key() writes at most.
  static void measure_key(Draft& draft) { draft.add(sizeof(StartedFact)); }
  /// Notes the run in the log again, its keys reserved for a while. Empty if there was no room.
  Durable note();
  /// Whether a crash may have cut this message off from its lease: it may have been handed out.
  bool is_suspect(MessageKey key) const { return key <= suspect_until_; }

  /// Whether anything may be handed out: the next run would give the same lease numbers and reply addresses again if
  /// the log did not know of this one.
  bool is_noted() const { return durable_; }
  void on_noted() { durable_ = true; }

  /// Recovery has ended.
  void start(Instant now, std::uint64_t seed, bool clean);
  /// What was reserved and not used is given back, so that the next run's ids do not run ahead of its clock. False if
  /// the log had no room for that, or for anything else in this run.
  bool stop();
  /// Recovery: that key is in use.
  void saw_key(MessageKey key) { last_key_ = std::max(last_key_, key); }

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  bool is_live(const Timer& timer) const override { return timer.at == retry_at_; }
  void due(const Timer& timer) override;
  void close(Session&, Slot) override {}

 private:
  StartedFact saying(MessageKey keys_end) const;

  const EngineOptions& options_;
  Ledger& ledger_;
  Agenda& agenda_;
  Instant now_ = 0;
  MessageKey last_key_ = 0;
  MessageKey keys_end_ = 0;       // keys below are reserved for this run
  MessageKey suspect_until_ = 0;  // up to here a crash may have cut leases off
  SipKey secret_{};
  std::uint64_t chance_ = 0;
  std::uint32_t number_ = 0;
  std::uint32_t node_ = 0;
  FactPlace place_;  // of its started fact
  Instant retry_at_ = 0;
  bool started_ = false;
  bool noted_ = false;    // the log holds this run's number
  bool durable_ = false;  // and durably so
};

}  // namespace folkmoot
