// The reactor: one thread that owns the engine and the plain native sockets. A turn of its loop, in this order:
//
//   wait       until something is readable, writable or due (net.hpp)
//   time       Engine::advance
//   durable    what the journal has synced: confirmations, messages made ready
//   read       every readable connection once: all its whole frames are carried out (commands.cpp)
//   dispatch   ready messages to consumers with credit
//   journal    what was appended is handed to the journal thread, unless it is still syncing
//   write      every connection with something to say, once
//
// Doors on other threads and other shards come in through links (link.hpp) and what they post (postbox.hpp), which is
// the only lock that is taken here. What goes out has a place of its own (outbox.hpp), and so have the frames that tell
// what the engine wants done (effect_frames.hpp). In files: reactor.cpp is the loop, its beginning and its end;
// reactor_connections.cpp how connections come and go; reactor_read.cpp and reactor_write.cpp what they say, and when
// they are told.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "content/content_thread.hpp"
#include "engine/engine.hpp"
#include "engine/envelope_memo.hpp"
#include "journal/journal_thread.hpp"
#include "server/agent_watches.hpp"
#include "server/alerts.hpp"
#include "server/backup_part.hpp"
#include "server/backup_reader.hpp"
#include "server/clock.hpp"
#include "server/connections.hpp"
#include "server/content_transfers.hpp"
#include "server/deadlines.hpp"
#include "server/effect_frames.hpp"
#include "server/entrance.hpp"
#include "server/fault_counts.hpp"
#include "server/history_part.hpp"
#include "server/listeners.hpp"
#include "server/net.hpp"
#include "server/newcomers.hpp"
#include "server/options.hpp"
#include "server/outbox.hpp"
#include "server/partial_frames.hpp"
#include "server/postbox.hpp"
#include "server/presence.hpp"
#include "server/rare_line.hpp"
#include "server/readiness.hpp"
#include "server/seen_agents.hpp"
#include "server/settings_keeper.hpp"
#include "server/socket_bytes.hpp"
#include "server/webhook_part.hpp"
#include "stream/stream_thread.hpp"

namespace folkmoot {

struct ServerStats;

class ShardRouter;
class Shards;

class Reactor {
 public:
  /// `streams`: null but in the first shard. All must outlive it.
  Reactor(const ServerOptions& options, Journal& journal, JournalThread& journal_thread, ContentThread& content_thread,
          StreamThread* streams, FrameRoom& frame_room, Backup& backup, Readiness& readiness, std::unique_ptr<Net> net,
          Clock clock);
  ~Reactor();

  Engine& engine() { return engine_; }
  Outbox& outbox() { return outbox_; }
  EffectFrames& effects() { return effects_; }
  ContentTransfers& contents() { return contents_; }
  BackupReader& backup_reader() { return backup_reader_; }
  AgentWatches& agent_watches() { return agent_watches_; }
  Presence& presence() { return presence_; }
  Entrance& entrance() { return entrance_; }
  const ServerOptions& options() const { return options_; }
  std::int64_t time() { return clock_.now(); }
  /// To whom sockets go that speak HTTP, and those that want TLS, which come back by the postbox; null: there is none.
  /// Who changes settings, of the first shard alone, as request_reload() is; null: they cannot change. Before run().
  struct Doors {
    Door* http = nullptr;
    Door* tls = nullptr;
    SettingsKeeper* settings = nullptr;
  };
  Doors& doors() { return doors_; }
  HistoryPart& history() { return history_part_; }
  WebhookPart& webhooks() { return webhook_part_; }
  /// Takes a listening socket over; before run().
  Result<void> add_listener(int socket, bool is_unix);

  /// Makes it one of several shards; before run().
  void join(Shards& shards, ShardNumber own);
  /// After all have joined: links to each other.
  void connect_shards();

  /// Waits until all that was appended is durable and answered. Errors: fatal ones of the journal.
  Result<void> sync_all();
  /// The loop; returns after request_stop(). Errors: fatal ones of the journal, here and in the next three.
  Result<void> run();
  /// Once round the loop, in which this has happened. Returns how long it may wait until something more does, ms (-1:
  /// for ever); from here on who has something for it wakes it.
  Result<std::int64_t> turn(std::span<const Net::Event> events);
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
  void request_reload();
  /// Any thread.
  Postbox& postbox() { return postbox_; }

  // For commands.cpp and calls.cpp.
  /// `of_connection`: the client's, if this one carries what it asks of this shard; else 0.
  /// `is_bound`: likewise, whether it acts for its agent alone.
  void welcome(Connection& connection, RequestNumber request, std::string_view agent, ConnectionId of_connection,
               bool is_bound);
  /// Ends the connection with a reason; what was written before goes out first, as far as the peer takes it.
  void say_goodbye(Connection& connection, const Error& error);
  ServerStats stats(std::string_view mailbox);
  /// What is there for connections' sake. When the last client has gone it is what it was before the first one came.
  struct Holdings {
    std::size_t connections = 0, newcomers = 0;  // links of shards are connections too
    std::size_t unsent_bytes = 0, paused = 0, congested = 0;
    std::size_t frame_bytes = 0, frames_waiting = 0;  // of frames that are not whole
    std::size_t patterns = 0;                         // that other shards were asked for
    std::size_t subscriptions = 0, consumers = 0, leased = 0;
    bool operator==(const Holdings&) const = default;
  };
  Holdings holdings() const;
  /// As people know it: the same in every shard that has to do with it.
  std::string connection_name(const Connection& connection) const;
  /// How its client came in; of a remote session, to its own shard.
  static DoorKind door_of(const Connection& connection);
  /// Calls `each` for all that have said HELLO, remote sessions of other shards' clients among them, shard links not.
  void each_client(const std::function<void(const Connection&)>& each) const;
  const SeenAgents& seen_agents() const { return seen_; }
  EnvelopeMemo& last_envelope() { return last_envelope_; }
  /// Null if this is the only shard.
  ShardRouter* shard_router() { return router_.get(); }

  // For shard_router.cpp and shard_links.cpp.
  Connection* find(SessionId id) const { return connections_.find(id); }
  /// Whether there is room for a durable message as large as one may be, or as any that was refused.
  bool takes_durable() const { return journal_.takes_durable(options_.content_bytes_max); }
  /// A refused ACK may be tried again.
  bool has_room_to_settle() const;
  /// Does not read from the connection until go_on(). If it `takes_again`, the frame that is being carried out comes
  /// again then.
  void hold(Connection& connection);
  void go_on(SessionId id);

 private:
  enum class Wake : std::uint32_t { journal, files, listener, connection };
  // Whose files, as the value of Wake::files.
  static constexpr std::uint64_t kContentFiles = 0, kStreamFiles = 1;
  // Now, and without a word. The reference is invalid then: whoever calls something that may close looks the connection
  // up again by its number.
  void close_connection(Connection& connection);
  // For the engine, contents and other shards it is gone; the connection stays, to take what was written. May let
  // others read again. Does nothing more the second time.
  void end_session(Connection& connection);
  // By which on_event() knows what has happened to what. Requires: value below 2^62.
  static std::uint64_t token(Wake kind, std::uint64_t value);
  // One thing that has happened. Errors: fatal ones of the journal.
  Result<void> on_event(const Net::Event& event);
  // May close the connection, and others.
  void on_socket(SessionId id, std::uint32_t what);
  // A step of compaction, if there is one to do. Errors: fatal ones of the journal.
  Result<void> compact();
  void see_to_backup();
  Result<void> submit();
  // After each change of what is_read() asks or of wants_write; asks the system only if something is different.
  void update_interest(Connection& connection);
  // Some at once; the listener is still readable if more wait.
  void accept_all(std::size_t listener);

  // reading
  // Reads once, and carries out what is whole: what is said there may close the connection, and others.
  void on_readable(Connection& connection);
  bool take_bytes(Connection& connection, Bytes bytes, std::size_t& used);
  void take_kept(Connection& connection, std::string_view bytes);
  void read_on(SessionId id);
  bool sniff(Connection& connection, Bytes bytes);
  // The socket is the door's from here on, and the connection closed. `first` may be in the read buffer.
  void give_to(Door& door, Connection& connection, Bytes first);
  void take_posted();
  // A link that called: one that is new becomes a connection.
  void take_link(Link& link);
  // May close the connection.
  void read_link(Connection& connection);
  bool belongs_elsewhere(Connection& connection, Bytes bytes, const Frame& frame);
  // A socket whose HELLO another shard has read; carried out here as if it had come by the socket. May close it.
  // Otherwise its TLS handshake is done, and what is spoken behind it is not known yet.
  void arrive(Arrival& arrival, bool is_home);
  // A new socket is watched from here on, and has the time of a login to say who it is.
  void listen_to(Connection& connection);
  void on_deadline(Connection& connection);
  // Not cut while nobody reads from it: then it is not its fault.
  void on_late_frame(Connection& connection);
  void displace(SessionId newcomer);
  void watch_host(Connection& connection);

  // writing
  // As much as the peer takes. May close the connection.
  void flush(Connection& connection);
  // Ends those who are too far behind, then writes what was said in this turn. May close connections.
  void flush_dirty();
  void check_pending(Connection& connection);
  // Those that were not read from for the sake of others are again.
  void resume_readers();

  // What has become durable happens. Errors: fatal ones of the journal.
  Result<void> on_journal();
  // The engine is told what the files of streams have, and gets what was read of them. Errors: fatal ones.
  Result<void> on_streams();
  void look_at_clock();
  void look_at_room();
  void change(const ServerOptions& options);
  // All that is due. May close connections.
  void on_deadlines();
  // Until something is due; 0: it is, -1: nothing will be.
  std::int64_t wait_ms();

  ServerOptions options_;
  Journal& journal_;
  JournalThread& journal_thread_;
  StreamThread* const streams_;
  Readiness& readiness_;
  Clock clock_;
  const std::unique_ptr<Net> net_;
  Connections connections_;
  Deadlines deadlines_;
  SocketBytes sockets_;
  Outbox outbox_;
  EffectFrames effects_;
  Engine engine_;
  ContentTransfers contents_;
  BackupPart backup_part_;
  BackupReader backup_reader_;
  HistoryPart history_part_;
  WebhookPart webhook_part_;
  AgentWatches agent_watches_;
  Alerts alerts_;
  Entrance entrance_;
  Doors doors_;

  Postbox postbox_;
  Listeners listeners_;
  RareLine files_warning_, displaced_warning_, tls_line_, plain_line_, late_line_;
  Newcomers newcomers_;
  std::uint64_t displaced_ = 0;  // newcomers that had to go for others
  PartialFrames partial_frames_;
  std::uint64_t late_frames_ = 0;  // connections that ended for one
  FaultCounts goodbyes_;           // connections that were ended, and why
  std::array<std::size_t, kDoorKinds> open_by_door_{};
  std::vector<SessionId> paused_;
  bool shard_links_go_on_ = false;  // what shard links hold can be taken again
  SeenAgents seen_;
  Presence presence_;
  EnvelopeMemo last_envelope_;
  std::unique_ptr<std::uint8_t[]> read_memory_;  // not touched before there is something to read
  const std::span<std::uint8_t> read_buffer_;
  std::int64_t now_ = 0;
  std::int64_t started_at_ = 0;
  Lsn compacted_at_ = 0;  // the journal's end at the last step of compaction
  std::int64_t next_disk_retry_ = 0;
  bool lacks_room_ = false;  // as readiness_ was told
  bool said_clock_off_ = false;
  std::atomic<bool> stop_requested_ = false;
  std::atomic<bool> reload_requested_ = false;

  Shards* shards_ = nullptr;
  std::unique_ptr<ShardRouter> router_;
};

}  // namespace folkmoot
