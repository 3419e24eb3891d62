// The reactor: one thread that owns the engine and the plain native sockets. A turn of its loop, in this order:
//
//   wait       epoll, until something is readable, writable or due
//   time       Engine::advance
//   durable    what the journal has synced: confirmations, messages made ready
//   read       every readable connection once: all its whole frames are carried out (commands.cpp)
//   dispatch   ready messages to consumers with credit
//   journal    what was appended is handed to the journal thread, unless it is still syncing
//   write      every connection with something to say, once
//
// Doors on other threads and other shards come in through links (link.hpp). Nothing here takes a lock but the list of
// links that want attention.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <queue>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/envelope_memo.hpp"
#include "journal/journal_thread.hpp"
#include "server/clock.hpp"
#include "server/connection.hpp"
#include "server/content_desk.hpp"
#include "server/fan_out.hpp"
#include "server/options.hpp"
#include "server/seen_agents.hpp"

namespace folkmoot {

struct ServerStats;

class Switch;
class Shards;

class Reactor final : public Effects, public ContentAnswers, public Hub, public Door {
 public:
  Reactor(const ServerOptions& options, Journal& journal, JournalThread& journal_thread, ContentThread& content_thread);
  ~Reactor() override;

  Engine& engine() { return engine_; }
  ContentDesk& contents() { return contents_; }
  const ServerOptions& options() const { return options_; }
  std::int64_t time() { return clock_.now(); }
  void set_http_door(Door* door) { http_door_ = door; }
  /// Takes a listening socket over; before run().
  Result<void> add_listener(int socket, bool is_unix);

  /// Makes it one of several shards; before run().
  void join(Shards& shards, std::uint32_t own);
  /// After all have joined: links to each other.
  void connect_trunks();

  /// Waits until all that was appended is durable and answered. Errors: fatal ones of the journal.
  Result<void> sync_all();
  /// The loop; returns after request_stop(). Errors: fatal ones of the journal, here and in the next two.
  Result<void> run();
  /// After it: what was accepted becomes durable and is answered.
  Result<void> settle();
  /// After all shards have: takes what they have answered.
  void take_answers();
  /// After all shards have: everybody is told that the server stops, and takes what is theirs.
  Result<void> farewell();
  /// Before any of several reactors is destroyed: nobody speaks to this one any more.
  void end_links();
  /// Any thread, and signal handlers.
  void request_stop();

  // Hub: any thread.
  std::shared_ptr<Link> connect(DoorKind kind, std::size_t inbox_bytes_max, std::function<void()> on_ready) override;

  // Door: a socket whose first frame, HELLO, says that it is at home here. Any thread.
  void take_over(int socket, std::string first, bool is_unix) override;
  // Any thread: a link of the connection to that shard has something; 0: the trunk.
  void post_remote(SessionId connection, std::uint32_t shard);
  // Any thread: the first shard has stored a content.
  void post_content(const ContentHash& hash);

  // Effects: called by the engine, on the reactor's thread.
  bool deliver(SessionId session, const OutgoingDelivery& delivery) override;
  void deliver_event(std::span<const EventTarget> targets, const MessageParts& message) override;
  void confirm(SessionId session, std::uint32_t request, const Confirm& confirm) override;
  void answer(SessionId session, std::uint32_t request, const Reply& reply) override;
  void outcomes(SessionId session, std::uint32_t request, std::span<const Result<Confirm>> outcomes) override;
  void settled(SessionId session, std::uint32_t request, std::uint32_t settled,
               std::span<const LeaseToken> refused) override;
  void refuse(SessionId session, std::uint32_t request, const Error& error) override;
  void lagged(SessionId session, std::uint32_t request, std::uint32_t count) override;
  void withdrawn(SessionId session, LeaseToken lease, const Uuid& id) override;
  bool remove_content(const ContentHash& hash) override;
  std::optional<std::uint64_t> stored_elsewhere(const ContentHash& hash) override;
  bool answer_elsewhere(std::uint32_t shard, const MessageParts& message, ConnectionId answerer, bool is_owed) override;
  [[noreturn]] void unreadable(const Error& error) override;

  // ContentAnswers, and what the server carries out itself.
  void done(SessionId session, std::uint32_t request, Bytes body) override;

  // For commands.cpp and calls.cpp.
  /// `of_connection`: the client's, if this one carries what it asks of this shard; else 0.
  void welcome(Connection& connection, std::uint32_t request, std::string_view agent, ConnectionId of_connection);
  /// Ends the connection with a reason; what was written before goes out first, as far as the peer takes it.
  void say_goodbye(Connection& connection, const Error& error);
  ServerStats stats(std::string_view mailbox);
  /// As people know it: the same in every shard that has to do with it.
  std::string connection_name(const Connection& connection) const;
  /// How its client came in; of a relay, to its own shard.
  static DoorKind door_of(const Connection& connection);
  /// Calls `each` for all that have said HELLO, relays of other shards' clients among them, trunks not.
  void each_client(const std::function<void(const Connection&)>& each) const;
  const SeenAgents& seen_agents() const { return seen_; }
  EnvelopeMemo& last_envelope() { return last_envelope_; }
  /// Null if this is the only shard.
  Switch* shard_switch() { return switch_.get(); }
  /// Tells all shards that this one has stored, or been asked for, a content.
  void tell_of_content(const ContentRef& ref);

  // For switch.cpp and trunks.cpp.
  Connection* find(SessionId id);
  void answer(SessionId session, Opcode opcode, std::uint32_t request, std::initializer_list<Bytes> parts);
  /// A frame of another shard, as it is.
  void pass_on(Connection& connection, const Frame& frame);
  bool is_behind(const Connection& connection) const { return connection.unsent() > options_.pending_bytes_high; }
  /// A client is so far behind that no event more may come from other shards. (Of trunks that are behind nothing
  /// follows: two shards would wait for each other.)
  bool has_congested_client() const { return congested_clients_ > 0; }
  /// A refused ACK may be tried again.
  bool has_room_to_settle() const;
  /// Does not read from the connection until go_on().
  void hold(Connection& connection);
  void go_on(SessionId id);

 private:
  static constexpr std::int64_t kWatchMs =
      60'000;  // between looks at whether a host to which bytes are on their way is there, at most

  enum class Wake : std::uint32_t {
    disk = 1,
    links = 2,
    listener = 3,
    connection = 4
  };  // disk: 0 the journal, 1 contents
  struct Listener {
    int socket = -1;
    bool is_unix = false;
  };
  struct Deadline {
    std::int64_t at = 0;
    SessionId id = 0;  // 0: the listeners'
    bool operator<(const Deadline& other) const { return at > other.at; }
  };

  struct Arrival {
    int socket = -1;
    bool is_unix = false;
    std::string first;
  };
  struct Posted {  // by other shards
    std::vector<Arrival> arrivals;
    std::vector<std::pair<SessionId, std::uint32_t>> remotes;
    std::vector<ContentHash> contents;
    bool empty() const { return arrivals.empty() && remotes.empty() && contents.empty(); }
  };
  Connection& add_connection(int socket, std::shared_ptr<Link> link);
  void close_connection(Connection& connection);
  std::size_t unsent(SessionId id);
  void end_session(Connection& connection);
  void watch(int socket, Wake kind, std::uint64_t value, std::uint32_t events);
  void update_interest(Connection& connection);
  void accept_all(std::size_t listener);
  bool has_files_left();
  void hold_listeners();

  // reading
  void on_readable(Connection& connection);
  bool take_bytes(Connection& connection, Bytes bytes, std::size_t& used);
  bool sniff(Connection& connection, Bytes bytes);
  void give_to(Door& door, Connection& connection, Bytes first);
  bool falls_asleep();
  void read_links();
  void read_link(Connection& connection);
  template <class Post>
  void wake(Post post);
  bool belongs_elsewhere(Connection& connection, Bytes bytes, const Frame& frame);
  void take_posted(Posted posted);
  void arrive(int socket, const std::string& first, bool is_unix);
  void listen_to(Connection& connection);
  void set_deadline(Connection& connection, std::int64_t at);
  void watch_later(Connection& connection);
  void watch_host(Connection& connection);

  // writing
  std::uint8_t* room(Connection& connection, std::size_t bytes);
  std::uint8_t* extend(Connection& connection, Opcode opcode, std::uint8_t flags, std::uint32_t request,
                       std::size_t body_bytes);
  bool sends_at_once(const Connection& connection, std::size_t bytes) const;
  void send_or_keep(Connection& connection, std::span<const Bytes> parts);
  void no_more_congested(Connection& connection);
  bool hold_if_behind(Connection& connection, std::size_t pending, bool is_event);
  void deliver_event_to(const EventTarget& target, const MessageParts& message);
  void send_fan_out();
  void answer_part(Connection& connection, Opcode opcode, std::uint32_t request, std::initializer_list<Bytes> parts);
  void flush(Connection& connection);
  void flush_dirty();
  void check_pending(Connection& connection);
  void resume_readers();

  Result<void> on_journal();
  void look_at_clock();
  void on_deadlines();
  int wait_ms();

  const ServerOptions options_;
  Journal& journal_;
  JournalThread& journal_thread_;
  Clock clock_;
  Engine engine_;
  ContentDesk contents_;
  Door* http_door_ = nullptr;

  int epoll_ = -1;
  int links_event_ = -1;
  std::vector<Listener> listeners_;
  bool listeners_held_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t next_serial_ = 1;
  std::size_t open_connections_ = 0;
  int sockets_max_ = 0;                  // descriptors from here on are kept for the journal and contents
  bool files_are_short_ = false;         // they were, when a connection was taken last
  std::int64_t next_files_warning_ = 0;  // at the earliest
  std::array<std::size_t, kDoorKinds> open_by_door_{};
  std::vector<SessionId> dirty_;
  std::vector<SessionId> paused_;
  std::vector<SessionId> overrun_;     // subscribers with more unsent than pending_bytes_max
  std::size_t congested_ = 0;          // subscribers that events wait for, and so whoever publishes
  bool trunks_go_on_ = false;          // what trunks hold can be taken again
  std::size_t congested_clients_ = 0;  // of these: clients
  bool hold_readers_ = false;          // set while a frame is carried out that made a subscriber congested
  std::priority_queue<Deadline> deadlines_;
  BufferPool pool_;
  FanOut fan_out_;
  SeenAgents seen_;
  EnvelopeMemo last_envelope_;
  std::size_t unsent_bytes_ = 0;                 // put into buffers since the last flush_dirty()
  std::unique_ptr<std::uint8_t[]> read_memory_;  // not touched before there is something to read
  const std::span<std::uint8_t> read_buffer_;
  std::int64_t now_ = 0;
  std::int64_t started_at_ = 0;
  Lsn compacted_at_ = 0;  // the journal's end at the last step of compaction
  std::int64_t next_disk_retry_ = 0;
  bool said_disk_full_ = false;
  bool said_clock_off_ = false;
  std::atomic<bool> stop_requested_ = false;

  Shards* shards_ = nullptr;
  std::unique_ptr<Switch> switch_;

  std::mutex links_lock_;
  std::vector<std::shared_ptr<Link>> links_waiting_;  // guarded by links_lock_
  Posted posted_;                                     // guarded by links_lock_
  bool sleeps_ = false;        // guarded by links_lock_: whoever has something for this thread must wake it
  bool links_closed_ = false;  // guarded by links_lock_
};

}  // namespace folkmoot
