// Streams: events that are kept, in order, and can be read again. An event is a fact of the log first, with all that a
// fact is worth; when it is on disk there, it is handed over to the stream's files, and the fact goes when these have
// it. So what is confirmed waits for one sync, old events go with whole files, and a restart reads the tail of the log.
// How a stream is in memory stands in stream_table.hpp.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "engine/event_keeper.hpp"
#include "engine/held_mail.hpp"
#include "engine/references.hpp"
#include "engine/stray_events.hpp"
#include "engine/streams/stream_consumers.hpp"
#include "engine/streams/stream_plays.hpp"
#include "engine/streams/stream_reads.hpp"

namespace folkmoot {

class Census;

class Streams final : public Part, public EventKeeper, public StrayEvents, StreamPlays::Target {
 public:
  /// What streams are given.
  struct Ports {
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Sessions& sessions;
    Serials& serials;
    Replies& replies;
    Announcer& announcer;
    References& contents;
    HeldMail& mail;
    Effects& effects;
    StreamStore* store;  // null: all events stay in the log
  };
  Streams(const EngineOptions& options, const Ports& ports);

  /// In the place of one of the same name, whose events stay. Errors: invalid_name, invalid_topic, invalid_filter,
  /// invalid_field, out_of_range, limit_reached, disk_full.
  void set(Asker caller, std::string_view name, const StreamSettings& settings);
  void remove(Asker caller, std::string_view name);
  /// Events below `below`, and all but the newest `keep`, are gone for good; answered with their number.
  void purge(Asker caller, std::string_view name, Sequence below, std::uint64_t keep);
  /// A stream that is paused takes no events.
  void pause(Asker caller, std::string_view name, bool paused);
  /// Errors: not_found, invalid_filter, already_exists.
  void read(Asker caller, const ReadStreamCommand& command, StreamReader done);
  void each(const std::function<void(const StreamView&)>& each) const;
  /// False if there is no such stream.
  bool each_consumer(std::string_view stream, const std::function<void(const StreamConsumerView&)>& each) const;
  StreamConsumers& consumers() { return consumers_; }
  StreamPlays& plays() { return plays_; }
  StreamReads& reads() { return reads_; }
  /// Changes whenever interests() may say others.
  std::uint64_t version() const { return version_; }
  /// Of those that are not paused.
  std::vector<StreamInterest> interests() const;

  /// All facts below `end` are on disk: the events among them may be given out.
  void on_durable(Lsn end);
  void on_durable(const waiting::StreamNoted& item);
  void on_durable(const waiting::StreamGone& item);
  /// The files of the stream have the events below `end`, synced.
  void on_stored(StreamNumber stream, Sequence end);
  /// Recovery has ended. Errors: damaged.
  Result<void> start();
  /// Streams that have files and of which the log has never heard; they are left as they are, and their numbers are not
  /// given again.
  const std::vector<StreamNumber>& strangers() const { return strangers_; }

  // EventKeeper
  bool keeps(std::string_view topic) override { return !taking(topic).empty(); }
  Result<Draft> measure(const KeptEvent& event) override;
  Durable keep(const KeptEvent& event, std::uint32_t& copies) override;
  void missed(const KeptEvent& event) override;

  // StrayEvents
  void on_mail(NameId mailbox) override;

  // Part
  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override;
  void close(Session&, Slot) override {}
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  class Stray;  // NOLINT(cppcoreguidelines-virtual-class-destructor): it is final where it is defined
  struct Chosen {
    Stream* stream = nullptr;
    std::string key{};  // with keep_last_by
  };
  // What recovery knows of a stream, whichever of its facts came first.
  struct Recovering {
    std::unique_ptr<Stream> stream;
    std::optional<StreamTrimmedFact> trimmed;
    FactPlace trimmed_place{};
    std::map<Sequence, HeldEvent> events;
    std::map<Sequence, std::pair<ContentRef, FactPlace>> references;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return boost::hash<std::string_view>{}(text); }
  };

  const std::vector<Stream*>& taking(std::string_view topic);
  // What takes events may be others than before.
  void changed_streams();
  Result<void> check(const Stream* known, std::string_view name, const StreamSettings& settings) const;
  // Its settings as they are now, in the log; the old ones go. Requires: there is room for them.
  Durable write(Stream& stream);
  Result<Durable> append(Stream& stream, Bytes message) override;
  // `refers`: to what, if the event does, in a group that is open.
  Durable append(Stream& stream, MessageParts message, Instant at, std::string key,
                 const std::optional<ContentRef>& refers);

  // -- how long events stay
  // The newest so many that are on disk stay: exact, and without a fact.
  void bound_by_number(Stream& stream);
  // By bytes and by age: what goes is noted before it goes.
  void bound_by_rest(Stream& stream);
  Sequence first_by_bytes(const Stream& stream) const;
  Sequence first_by_age(const Stream& stream) const;
  // Says in the log that it begins there, and how far it is. False: no room.
  bool note(Stream& stream);
  // What may go for good goes.
  void let_go(Stream& stream);
  void let_go_of_last(Stream& stream);
  // What the event refers to, if anything, is not held any more.
  void drop_reference(Stream& stream, Sequence sequence);
  void drop_references(Stream& stream, Sequence below);
  void watch(Stream& stream);

  // -- on the way to the files
  void on_durable(Stream& stream, Lsn end);
  void become_last(Stream& stream);
  void hand_over(Stream& stream);
  void hand_over_all();

  // -- recovery
  Result<void> enter_set(const Fact& fact);
  Result<void> enter_event(const Fact& fact);
  Result<void> enter_trimmed(const Fact& fact);
  Result<void> enter_refers(const Fact& fact);
  Result<void> enter_removed(const Fact& fact);
  Result<void> start(StreamNumber number, Recovering& known);
  Result<void> start_held(Stream& stream, std::map<Sequence, HeldEvent>& events);
  void start_last(Stream& stream, const std::map<Sequence, HeldEvent>& events);
  void start_references(Stream& stream, const Recovering& known);
  bool keep_event(const Fact& fact);

  const EngineOptions& options_;
  const Ports to_;
  StreamTable table_;
  StreamReads reads_;
  StreamConsumers consumers_;
  StreamPlays plays_;
  boost::unordered_flat_map<std::string, std::vector<Stream*>, TextHash, std::equal_to<>> by_topic_;
  std::vector<Chosen> chosen_;       // by measure()
  std::vector<StreamNumber> dirty_;  // have events that are not on disk
  std::set<StreamNumber> to_hand_over_;
  StreamNumber last_number_ = 0;
  std::vector<StreamNumber> strangers_;
  Lsn durable_end_ = 0;  // facts below are on disk
  std::map<StreamNumber, Recovering> recovering_;
  std::uint64_t version_ = 1;
  std::size_t references_ = 0;  // of all streams
  NameId mailbox_ = 0;          // of strays; 0: none has come
  Instant look_at_ = 0;         // when it is looked at again; 0: not set
};

}  // namespace folkmoot
