// Consumers of streams: each remembers how far it is. What is done below its floor is one number, what is done above a
// few ranges; both are facts. What was given out and is not acknowledged yet is in memory alone, as leases are: its
// time passes, or the server ends, and it is given out again. Several readers of one consumer take turns, and each
// event goes to one of them.
#pragma once

#include <map>
#include <memory>

#include "engine/announcer.hpp"
#include "engine/replies.hpp"
#include "engine/streams/stream_reads.hpp"

namespace folkmoot {

class Census;

class StreamConsumers final : public Part {
 public:
  struct Ports {
    const EngineOptions& options;
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Sessions& sessions;
    Serials& serials;
    Replies& replies;
    Announcer& announcer;
    StreamTable& table;
    StreamReads& reads;
  };
  explicit StreamConsumers(const Ports& ports) : to_(ports) {}

  /// In the place of one of the same name, whose position stays. Errors: not_found, invalid_name, invalid_filter,
  /// out_of_range, limit_reached, disk_full.
  void set(Asker caller, const ConsumerCommand& command);
  void remove(Asker caller, std::string_view stream, std::string_view name);
  /// Up to so many events, which are to be acknowledged; waits for the first. Errors: not_found, in_use, limit_reached.
  void read(Asker caller, const ReadConsumerCommand& command, StreamReader done);
  /// Errors: not_found, out_of_range, limit_reached, disk_full.
  void ack(Asker caller, const AckConsumerCommand& command);
  void each(const Stream& stream, const std::function<void(const StreamConsumerView&)>& each) const;

  /// There are new events on disk, or older ones went.
  void wake(Stream& stream);
  /// The stream goes, and all of its consumers.
  void forget_all(Stream& stream);
  /// Recovery: that stream was removed.
  void forget_recovering(StreamNumber stream);
  /// Recovery has ended. Errors: damaged, if one is of a stream that was never set.
  Result<void> start();
  std::size_t size() const { return by_number_.size(); }

  // Part
  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override;
  void close(Session& session, Slot slot) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  // Somebody who asked for events of a consumer.
  struct Reader {
    Asker asker;
    std::uint64_t number = 0;
    ConsumerNumber consumer = 0;
    std::size_t events_max = 0, bytes_max = 0;
    Instant give_up = 0;
    std::vector<Sequence> again{};  // what is read now: given out before, and due again; empty: new ones
    Slot read = kNoSlot;            // what it looks for, in StreamReads
    StreamReader done;
  };
  struct At {
    StreamNumber stream = 0;
    std::string name;
  };
  struct Recovering {
    StreamNumber stream = 0;
    StreamConsumer consumer;
  };

  StreamConsumer* find(Stream& stream, std::string_view name);
  // Stream and consumer by its number; nullptr both if it is gone.
  std::pair<Stream*, StreamConsumer*> find(ConsumerNumber number) const;
  // Those who wait get what there is, one after the other.
  void serve(const StreamConsumer& consumer);
  // Begins to look for the first of them. False: there is nothing for it now.
  bool look(Stream& stream, StreamConsumer& consumer, Slot slot);
  void on_page(ConsumerNumber number, Slot slot, std::uint64_t serial, Result<ReadPage> page);
  void give_out(StreamConsumer& consumer, const std::vector<Sequence>& again, ReadPage& page);
  // Given out so often in vain that it is passed over.
  bool is_spent(const StreamConsumer& consumer, const StreamConsumer::InFlight& event) const {
    return consumer.attempts != 0 && event.delivery >= consumer.attempts;
  }
  void skip_spent(Stream& stream, StreamConsumer& consumer);
  void answer(Slot slot, Result<ReadPage> page);
  // The position as it is now. Empty: no room.
  Durable note(StreamConsumer& consumer, std::span<const std::uint64_t> sequences);
  void note_now_and_then(StreamConsumer& consumer);
  // What the stream has given up is done.
  void catch_up(const Stream& stream, StreamConsumer& consumer);
  void wake_later(StreamConsumer& consumer);
  void forget(Stream& stream, StreamConsumer& consumer);

  const Ports to_;
  std::map<ConsumerNumber, At> by_number_;
  std::map<ConsumerNumber, Recovering> recovering_;
  Slab<std::unique_ptr<Reader>> readers_;
  bool serving_ = false;
};

}  // namespace folkmoot
