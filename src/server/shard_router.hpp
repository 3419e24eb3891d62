// Sends a client's frames to the shards that they concern, and what comes back to the client. A connection is served by
// one shard, its home: that of its agent's mailbox, so that what it consumes comes from there; what it sends elsewhere
// takes one link more.
//
//   of a mailbox         the shard that the name hashes to
//   of a lease, an id,
//   a reply address      the shard whose number is in it
//   of several           each gets its part, and the answers become one (shard_merge.hpp)
//   of a topic           home: subscriptions hear of other shards' events over links (shard_links.hpp)
#pragma once

#include <map>
#include <string>

#include "engine/envelope_memo.hpp"
#include "server/connection.hpp"
#include "server/shard_links.hpp"

namespace folkmoot {

class ShardRouter {
 public:
  ShardRouter(Reactor& reactor, Shards& shards, ShardNumber own);

  ShardLinks& shard_links() { return shard_links_; }
  ShardNumber own() const { return own_; }
  /// Where a connection of this agent is served.
  ShardNumber home_of(std::string_view agent);
  /// A client has said HELLO.
  void opened(Connection& connection, std::string_view agent);

  enum class Routed {
    here,       // it is this shard's to carry out
    elsewhere,  // it is on its way, or answered
    held,       // not yet: the connection waits, and the frame is to come again
  };
  Routed route(Connection& connection, const Frame& frame);
  /// This shard's own part of what is merges.
  void on_part(Connection& connection, ShardNumber shard, RequestNumber request, Opcode opcode, Bytes body);
  /// A link of the connection has something, or room again.
  void on_remote(Connection& connection, ShardNumber shard);
  /// The connection has read what it was behind with.
  void on_drained(Connection& connection);
  void close(Connection& connection);
  /// Once a turn: what the streams here take is known to all shards.
  void tell_of_streams();
  /// What streams take may be others than before: to be called before anything happens here of which somebody may know
  /// that it comes behind.
  void look_at_streams();
  /// Something was refused by this shard.
  void note_refusal() { was_refused_ = true; }
  /// Hands over what was written in this turn.
  void flush();
  /// When the server stops: what other shards have answered.
  void take_all(Connection& connection);

 private:
  // As it is, but for flags that only shards may set. `here` if that is this one.
  Routed forward(Connection& connection, ShardNumber shard, const Frame& frame);
  // Into what is unsent to that shard, whose link is made the first time. Goes out by flush(), or when it is much.
  void send(Connection& connection, ShardNumber shard, const FrameHeader& header, Bytes body);
  // What the link does not take stays, and holds the connection. Requires: there is a link.
  void hand_over(Connection& connection, ShardNumber shard);
  // Whether that shard has heard of the connection.
  bool is_known(const Connection& connection, ShardNumber shard) const;
  // Whose mailbox, lease or id it is; what is made up, or of no shard there is, is this one's, to be refused here.
  ShardNumber shard_of(const Routing& routing);
  ShardNumber shard_that_decides(const Routing& routing);
  // Whether a stream takes events of this topic: they are the first shard's.
  bool is_streamed(std::string_view topic);
  ShardNumber shard_of_lease(LeaseToken lease) const;
  ShardNumber shard_of_id(const Uuid& id) const;

  /// Begins an answer of `parts` shards; the number that they are asked with.
  RequestNumber merge_parts(Connection& connection, RequestNumber request, std::unique_ptr<ShardMerge> merge,
                            std::uint32_t parts);
  /// The part of a shard, this one or another.
  void ask(Connection& connection, ShardNumber shard, Opcode opcode, std::uint8_t flags, RequestNumber number,
           Bytes body);
  // Every shard, this one included: `merge` makes one answer of theirs. Never `held`.
  Routed ask_all(Connection& connection, const Frame& frame, std::unique_ptr<ShardMerge> merge);
  // The same, until one has something to say.
  Routed ask_for_first(Connection& connection, const Frame& frame, std::unique_ptr<ShardMerge> merge);
  // The shards that have not answered this are to wait no more.
  void cut(Connection& connection, RequestNumber request);
  // A number of the server's own that nothing is asked under.
  static RequestNumber free_number(RemoteSessions& remote_sessions);

  Routed route_publish(Connection& connection, const Frame& frame, std::size_t envelope_at);
  Routed route_batch(Connection& connection, const Frame& frame);
  Routed route_subscribe(Connection& connection, const Frame& frame);
  Routed route_cancel(Connection& connection, const Frame& frame);
  Routed route_credit(Connection& connection, const Frame& frame);
  // Frames whose field 0 names a mailbox.
  Routed route_by_mailbox(Connection& connection, const Frame& frame);
  Routed route_ack(Connection& connection, const Frame& frame);
  Routed route_settlement(Connection& connection, const Frame& frame);
  Routed route_receipts(Connection& connection, const Frame& frame);
  Routed route_call(Connection& connection, const Frame& frame);
  // Listings in pages: one shard after the other, each from where the page before has ended.
  Routed route_in_turns(Connection& connection, const Frame& frame, ReadCall call);

  Reactor& reactor_;
  Shards& shards_;
  const ShardNumber own_;
  ShardLinks shard_links_;
  EnvelopeMemo last_envelope_;  // that went elsewhere
  ShardNumber last_shard_ = 0;
  std::uint32_t next_home_ = 0;  // of agents without a name
  std::vector<SessionId> unsent_;
  std::uint64_t streams_version_ = 0;
  std::vector<StreamInterest> stream_interests_;              // of that version
  std::map<std::string, bool, std::less<>> streamed_topics_;  // likewise: topics that were asked for
  std::uint64_t told_streams_ = 0;                            // the version that other shards know
  bool was_refused_ = false;                                  // by what is being carried out here
};

}  // namespace folkmoot
