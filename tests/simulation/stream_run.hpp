// A run of streams: engine, journal and the files of streams over virtual disks that lose power together, and what is
// promised of all that (docs/streams.md).
//
//   1. A position of a stream has one event, for ever: whatever is read there is what was written there first.
//   2. An event that was confirmed is there after any crash, until the stream gives it up.
//   3. By number, a stream has exactly the newest so many. What it gave up does not come back.
//   4. Filters hold: of the stream, and of who reads. With keep_last_by, each key's newest event and no other.
//   5. What an event refers to is there as long as the event may be read.
//   6. What a consumer acknowledged, and was told so, never comes to it again; all else does.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "journal/journal.hpp"
#include "simulation/kept.hpp"
#include "simulation/run.hpp"
#include "stream/file_stream_store.hpp"

namespace folkmoot::simulation {

class StreamRun final : public Run, public FactLog, public Effects {
 public:
  explicit StreamRun(std::uint64_t seed);
  ~StreamRun() override;

  void live(std::uint64_t crashes) override;
  void drain() override;
  const RuleCounts& rules() const override { return rules_; }
  RunTally tally() const override;
  std::uint64_t step() const override { return step_; }
  std::string describe() const override;

 private:
  enum class End { none, process, power };
  struct Options {
    JournalOptions journal;
    bool power_fails = true;
    std::uint32_t sync_fails_one_in = 0, full_percent = 0;
  };
  // An event as the log was told.
  struct Written {
    std::uint64_t content = 0;
    Priority priority = normal;
    std::string key{};
    Lsn lsn = 0;
    std::int64_t at = 0;
  };
  struct Consumer {
    Kept<bool> is_there{false};
    std::set<std::uint64_t> done{};   // answered: never again
    std::set<std::uint64_t> asked{};  // not answered: may be done
    std::set<std::uint64_t> given{};  // in this life
    std::uint64_t begins = 1;
  };
  struct Stream {
    std::string name;
    Kept<std::optional<StreamSettings>> settings{};
    StreamNumber number = 0;
    std::map<std::uint64_t, Written> written{};  // by sequence
    std::uint64_t next = 1, durable = 1;
    std::uint64_t changes = 0;                   // of its settings
    bool had_age = false;                        // once it was bounded by age
    std::uint64_t first = 1, certain_first = 1;  // as of now, and what no crash takes back
    std::map<Lsn, std::uint64_t> noted{};        // where it begins, as the log was told in this life
    Consumer consumer{};
  };
  struct Ask {
    enum class Kind { publish, set, remove, purge, consumer, ack, play } kind{};
    std::size_t stream = 0;
    std::uint64_t content = 0;        // publish
    std::uint64_t first = 0;          // purge
    std::set<std::uint64_t> acked{};  // ack
    std::optional<StreamSettings> settings{};
  };

  // FactLog: the journal, overheard
  bool has_room(Urgency urgency, std::size_t bytes) const override { return journal_->has_room(urgency, bytes); }
  bool has_room(Urgency urgency, GroupBound bound) const override { return journal_->has_room(urgency, bound); }
  std::size_t group_bytes_max() const override { return journal_->group_bytes_max(); }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override;
  void begin_group(GroupBound bound) override { journal_->begin_group(bound); }
  void end_group() override { journal_->end_group(); }
  Result<Bytes> read(FactPlace place) override { return journal_->read(place); }
  void retain(FactPlace place) override { journal_->retain(place); }
  void release(FactPlace place) override { journal_->release(place); }

  // Effects
  bool deliver(SessionId, const OutgoingDelivery&) override { return true; }
  void confirm(SessionId session, RequestNumber request, const Confirm& confirm) override;
  void answer(SessionId session, RequestNumber request, const Reply& reply) override;
  void outcomes(SessionId, RequestNumber, std::span<const Result<Confirm>>) override {}
  void settled(SessionId, RequestNumber, std::uint32_t, std::span<const LeaseToken>) override {}
  void refuse(SessionId session, RequestNumber request, const Error& error) override;
  void lagged(SessionId, RequestNumber, std::uint32_t) override {}
  void withdrawn(SessionId, LeaseToken, const Uuid&) override {}
  bool remove_content(const ContentHash& hash) override;
  [[noreturn]] void unreadable(const Error& error) override;

  static constexpr std::uint64_t kReadsMax = 20;

  static Options draw(Random& random);
  // Which event it is that the message says.
  static std::uint64_t number_in(std::string_view message);
  SessionId session() const { return session_id(static_cast<std::uint32_t>(tally_.lives), Slot{1}); }
  RequestNumber ask(Ask what);
  Ask take(RequestNumber request);
  Stream* of(StreamNumber number);
  void on_event(const StreamEventFact& fact, Bytes message, Lsn lsn);
  void bound(Stream& stream);
  // What is given is what was written there first.
  // `asked`: when it was asked for, if its settings are still those of then.
  void check_event(const Stream& stream, const ReadEvent& event, std::optional<Instant> asked);
  void check_page(const Stream& stream, const ReadPage& page, std::uint64_t from, Priority priority_max,
                  std::optional<Instant> asked);
  void check_consumed(Stream& stream, const ReadPage& page, std::optional<Instant> asked);
  void check_all(Stream& stream);
  void check_views();
  // An event that refers to content is known by that: its hash is its number.
  static ContentRef content_of(std::uint64_t number);
  bool may_be_read(const Stream& stream, std::uint64_t content) const;
  void recovered();
  void forget(Stream& stream);

  bool start();
  End live_once();
  bool turn();
  void command();
  void publish();
  void set(Stream& stream);
  void read(Stream& stream);
  void consume(Stream& stream);
  bool write();
  bool collect();
  bool step_files();
  bool compact();
  void tick(std::int64_t ms);
  void end(End how);
  bool commit();
  void settle();
  std::vector<ReadEvent> read_all(const Stream& stream);

  const std::uint64_t seed_;
  Random random_;
  const Options options_;
  RuleCounts rules_;
  VirtualDisk disk_, files_disk_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<FileStreamStore> files_;
  std::unique_ptr<Engine> engine_;
  std::vector<Stream> streams_;
  std::map<RequestNumber, Ask> asks_;
  RequestNumber last_request_ = 0;
  std::optional<std::pair<std::size_t, StreamSettings>> setting_;  // what is being asked right now
  std::uint64_t last_content_ = 0;
  std::set<std::uint64_t> stored_;  // contents, by the number of the event that refers to them
  std::map<std::uint64_t, std::pair<std::size_t, Lsn>> kept_;  // by content: how often, and the last of them
  std::uint64_t open_reads_ = 0;
  Lsn durable_end_ = 0;
  std::int64_t now_ = 1'800'000'000'000, steady_ = 1'000'000;
  bool healed_ = false;
  bool rests_ = false;  // in this life nothing comes to the last stream: what the log has of it grows old
  std::uint64_t step_ = 0;
  RunTally tally_;
};

}  // namespace folkmoot::simulation
