// Reads of contents that clients have asked for: so many run at a time, connections take turns, and one's turn comes
// only while it takes what it is sent.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "content/content_job.hpp"
#include "engine/effects.hpp"

namespace folkmoot {

class ContentReads {
 public:
  static constexpr std::size_t kRunningMax = 64;              // parts being read, or read and not yet handed over
  static constexpr std::size_t kRunningOfSessionMax = 4;      // of these, of one connection
  static constexpr std::size_t kWaitingOfSessionMax = 1'024;  // that have not begun
  static constexpr std::size_t kWaitingMax = 16'384;          // of all; beyond that a connection may have one

  /// `takes`: whether a connection takes what it is sent. `start` has a part read. Both must outlive it.
  ContentReads(std::function<bool(SessionId)> takes, std::function<void(ContentJob)> start)
      : takes_(std::move(takes)), start_(std::move(start)) {}

  /// False: too many wait.
  bool add(ContentJob read);
  /// A part that was started has been read.
  void done(SessionId session);
  /// The connection has taken what waited for it.
  void drained(SessionId session);
  /// What has not begun is not read any more.
  void close(SessionId session);

  bool has_waiting() const { return waiting_ > 0; }

 private:
  // A connection that reads.
  struct Reader {
    std::deque<ContentJob> waiting;
    std::size_t running = 0;
    bool has_turn = false;  // it is in turns_
  };
  using Readers = std::map<SessionId, Reader>;

  // Nothing if it has one, or nothing to read.
  void give_turn(SessionId session, Reader& reader);
  // The iterator may be invalid then.
  void forget_idle(Readers::iterator reader);
  /// Starts what may be.
  void start();

  const std::function<bool(SessionId)> takes_;
  const std::function<void(ContentJob)> start_;
  Readers readers_;              // that have something waiting or running
  std::deque<SessionId> turns_;  // of those with something waiting, but for those that wait for drained() or done()
  std::size_t running_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace folkmoot
