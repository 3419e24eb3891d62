// Contents by reference, on the reactor's side: uploads and reads of all connections. It checks and bounds what clients
// ask for, hands the work to the content thread, and answers when that is done; which contents there are is the
// engine's to know.
//
//   OPEN    room is reserved on disk; the upload is known by the number of this request, and lives with its connection
//   WRITE   bytes at the offset where the last ones ended; no more than kContentWindowBytes may be unanswered, and
//   while too much
//           of all uploads is not written yet, whoever brings more is not read from
//   FINISH  the hash is compared, the file synced and named: now messages may refer to it
//   STAT    the size of a stored content
//   READ    a part of a stored content (content_reads.hpp)
//
// An upload has to go on: one of which nothing comes for a while, or less on average than is set, ends. And when there
// are as many as may be, or no room is left to reserve, one that comes so slowly goes for a new one.
#pragma once

#include <map>

#include "engine/engine.hpp"
#include "server/content_reads.hpp"
#include "server/options.hpp"

namespace folkmoot {

/// Who is told what came of a command about contents.
class ContentAnswers {
 public:
  /// Carried out; `body` of the OK.
  virtual void done(SessionId session, RequestNumber request, Bytes body) = 0;
  virtual void refuse(SessionId session, RequestNumber request, const Error& error) = 0;

 protected:
  ~ContentAnswers() = default;
};

class ContentTransfers {
 public:
  static constexpr std::size_t kInFlightBytesMax = 32 * 1024 * 1024;  // handed over and not yet written, of all uploads
  static constexpr std::int64_t kMomentMs = 2'000;  // that an upload has before it may have to go for another

  /// What it asks of its reactor.
  struct Calls {
    std::function<std::size_t(SessionId)> unsent;     // the bytes that a connection has not taken yet
    std::function<void(const ContentRef&)> on_known;  // a content is stored now, or was asked for and is
    std::function<void(SessionId)> go_on;             // one that had to wait for room to write may be read from again
    std::function<void(ContentDone&)> on_piece;       // a piece of some file was read, for somebody else
  };
  /// All must outlive it.
  ContentTransfers(const ServerOptions& options, Engine& engine, ContentAnswers& answers, ContentWorker& worker,
                   Calls calls);

  struct Counters {
    std::uint64_t uploads_open = 0, stored = 0, uploaded_bytes = 0, read_bytes = 0, failed = 0, expired = 0;
  };
  const Counters& counters() const { return counters_; }

  // -- commands; errors are the answer, all else is answered later
  Result<void> open(SessionId session, RequestNumber request, std::uint64_t size,
                    const std::optional<ContentHash>& hash);
  Result<void> write(SessionId session, RequestNumber request, RequestNumber upload, std::uint64_t offset, Bytes bytes);
  /// Whether no more can be written for now; then the session is told to go on when it can.
  bool makes_wait(SessionId session);
  Result<void> finish(SessionId session, RequestNumber request, RequestNumber upload, const ContentHash& hash);
  Result<void> stat(SessionId session, RequestNumber request, const ContentHash& hash);
  Result<void> read(SessionId session, RequestNumber request, const ContentHash& hash, std::uint64_t offset,
                    std::uint64_t bytes);
  /// Ends an upload of the session; false if there is none of that number.
  bool cancel(SessionId session, RequestNumber upload);
  void close_session(SessionId session);

  /// Nothing refers to it any more.
  void remove(const ContentHash& hash);

  /// The content thread has done something.
  void on_done();
  /// A connection has taken what waited for it: its reads go on.
  void on_drained(SessionId session) {
    if (reads_.has_waiting()) reads_.drained(session);
  }
  /// Ends uploads that do not go on.
  void expire(std::int64_t now);
  /// When expire() is next needed; -1: never.
  std::int64_t next_expiry() const { return expiry_at_; }

 private:
  // One that is open, or finishing: by its connection and its number there.
  struct Upload {
    UploadId id = 0;
    std::uint64_t size = 0;
    std::uint64_t accepted = 0;   // bytes handed over
    std::uint64_t in_flight = 0;  // of those, not yet written
    std::size_t jobs = 0;         // handed over, not yet done
    std::int64_t opened = 0;      // when
    std::int64_t last = 0;        // when something last came or was done
    bool finishing = false;
  };
  using Place = std::pair<SessionId, RequestNumber>;
  // By content: uploads of it that are about to end.
  struct Finishing {
    std::size_t uploads = 0;
    bool removal_waits = false;  // the engine has let go of it meanwhile
  };

  // Its size, if it is stored; that it was asked for puts its removal off, in all shards.
  std::optional<std::uint64_t> ask(const ContentHash& hash);
  // Valid until an upload goes. Errors: not_found, also for one that is finishing.
  Result<Upload*> find(SessionId session, RequestNumber upload);
  // To the content thread, in this order; what came of it comes to on_done(). An upload with jobs does not expire.
  void submit(Upload& upload, ContentJob job);
  std::int64_t slow_at(const Upload& upload, std::int64_t grace_ms) const;
  Result<void> make_place(std::uint64_t bytes, std::size_t mine);
  bool displace_one();
  // Tells its client, and drops it.
  void give_up(std::map<Place, Upload>::iterator upload, std::string why);
  // At the latest: expire() looks at all uploads then.
  void look_at(std::int64_t at);
  // On this side only: the thread has ended it, or never had it. `upload` is invalid then.
  void forget(std::map<Place, Upload>::iterator upload);
  // On both sides; its jobs under way are answered as ever. `upload` is invalid then.
  void drop(std::map<Place, Upload>::iterator upload);
  // These three answer the client; the upload or its connection may be gone, and another may have its number.
  void on_upload_done(const ContentDone& done);
  void on_finished(const ContentDone& done);
  void on_read(ContentDone& done);

  const ServerOptions& options_;
  Engine& engine_;
  ContentAnswers& answers_;
  ContentWorker& worker_;
  const Calls calls_;
  ContentReads reads_;
  std::map<Place, Upload> uploads_;
  UploadId next_id_ = 1;
  std::uint64_t reserved_bytes_ = 0;  // of all open uploads
  std::map<ContentHash, Finishing> finishing_;
  std::uint64_t in_flight_ = 0;       // bytes, of all uploads, those that have ended included
  std::vector<SessionId> made_wait_;  // until there is less in flight
  std::int64_t expiry_at_ = -1;
  Counters counters_;
};

}  // namespace folkmoot
