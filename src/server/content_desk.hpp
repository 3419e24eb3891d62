// Contents by reference, on the reactor's side: uploads and reads of all connections. It checks and bounds what clients
// ask for, hands the work to the content thread, and answers when that is done; which contents there are is the
// engine's to know.
//
//   OPEN    room is reserved on disk; the upload is known by the number of this request, and lives with its connection
//   WRITE   bytes at the offset where the last ones ended; no more than kContentWindowBytes may be unanswered
//   FINISH  the hash is compared, the file synced and named: now messages may refer to it
//   STAT    the size of a stored content
//   READ    a part of a stored content
#pragma once

#include <deque>
#include <map>

#include "content/content_thread.hpp"
#include "engine/engine.hpp"
#include "server/options.hpp"

namespace folkmoot {

/// Who is told what came of a command about contents.
class ContentAnswers {
 public:
  /// Carried out; `body` of the OK.
  virtual void done(SessionId session, std::uint32_t request, Bytes body) = 0;
  virtual void refuse(SessionId session, std::uint32_t request, const Error& error) = 0;

 protected:
  ~ContentAnswers() = default;
};

class ContentDesk {
 public:
  /// `unsent`: the bytes that a connection has not taken yet. `on_known`: a content is stored now, or was asked for and
  /// is. All must outlive it.
  ContentDesk(const ServerOptions& options, Engine& engine, ContentAnswers& answers, ContentThread& thread,
              std::function<std::size_t(SessionId)> unsent, std::function<void(const ContentRef&)> on_known);

  struct Counters {
    std::uint64_t uploads_open = 0, stored = 0, uploaded_bytes = 0, read_bytes = 0, failed = 0, expired = 0;
  };
  const Counters& counters() const { return counters_; }

  // -- commands; errors are the answer, all else is answered later
  Result<void> open(SessionId session, std::uint32_t request, std::uint64_t size,
                    const std::optional<ContentHash>& hash);
  Result<void> write(SessionId session, std::uint32_t request, std::uint32_t upload, std::uint64_t offset, Bytes bytes);
  Result<void> finish(SessionId session, std::uint32_t request, std::uint32_t upload, const ContentHash& hash);
  Result<void> stat(SessionId session, std::uint32_t request, const ContentHash& hash);
  Result<void> read(SessionId session, std::uint32_t request, const ContentHash& hash, std::uint64_t offset,
                    std::uint64_t bytes);
  /// Ends an upload of the session; false if there is none of that number.
  bool cancel(SessionId session, std::uint32_t upload);
  void close_session(SessionId session);

  /// Nothing refers to it any more.
  void remove(const ContentHash& hash);

  /// The content thread has done something.
  void on_done();
  /// A connection has taken what waited for it: its reads go on.
  void on_drained() { start_reads(); }
  bool reads_wait() const { return !waiting_reads_.empty(); }
  /// Ends uploads that nothing came for.
  void expire(std::int64_t now);
  /// When expire() is next needed; -1: never.
  std::int64_t next_expiry() const { return expiry_at_; }

 private:
  struct Upload {
    UploadId id = 0;
    std::uint64_t size = 0;
    std::uint64_t accepted = 0;   // bytes handed over
    std::uint64_t in_flight = 0;  // of those, not yet written
    std::size_t jobs = 0;         // handed over, not yet done
    std::int64_t last = 0;        // when something last came or was done
    bool finishing = false;
  };
  using Place = std::pair<SessionId, std::uint32_t>;
  struct Finishing {
    std::size_t uploads = 0;
    bool removal_waits = false;  // the engine has let go of it meanwhile
  };

  std::optional<std::uint64_t> ask(const ContentHash& hash);
  Result<Upload*> find(SessionId session, std::uint32_t upload);
  void submit(Upload& upload, ContentJob job);
  void forget(std::map<Place, Upload>::iterator upload);
  void drop(std::map<Place, Upload>::iterator upload);
  void on_upload_done(const ContentDone& done);
  void on_finished(const ContentDone& done);
  void on_read(ContentDone& done);
  void start_reads();

  const ServerOptions& options_;
  Engine& engine_;
  ContentAnswers& answers_;
  ContentThread& thread_;
  const std::function<std::size_t(SessionId)> unsent_;
  const std::function<void(const ContentRef&)> on_known_;
  std::map<Place, Upload> uploads_;
  UploadId next_id_ = 1;
  std::uint64_t reserved_bytes_ = 0;  // of all open uploads
  std::map<ContentHash, Finishing> finishing_;
  std::deque<ContentJob> waiting_reads_;
  std::map<SessionId, std::size_t> running_reads_;
  std::size_t reads_running_ = 0;
  std::int64_t expiry_at_ = -1;
  Counters counters_;
};

}  // namespace folkmoot
