// Work on contents, for whoever has it done on a thread of its own (content_thread.hpp), or by hand.
#pragma once

#include <deque>

#include "content/content_store.hpp"
#include "engine/ids.hpp"

namespace folkmoot {

struct ContentJob {
  enum class Kind : std::uint8_t { begin, write, finish, drop, read, remove, piece };
  Kind kind{};
  UploadId upload = 0;       // of begin, write, finish, drop
  ContentHash hash{};        // of finish, read, remove
  std::uint64_t offset = 0;  // of read and piece
  std::uint64_t size =
      0;                // of begin: all bytes; of read, piece and write: so many; of a finish that is done: all bytes
  std::string bytes{};  // of write: what to write; of a read that is done: what was read; of a piece, in base64
  std::shared_ptr<DiskFile> file{};  // of piece: any file
  // The owner's alone: who asked, and what it calls the upload.
  SessionId session = 0;
  RequestNumber request = 0;
  RequestNumber number = 0;
};

struct ContentDone {
  ContentJob job;
  Result<void> result{};
  bool was_known = false;  // of finish
};

ContentDone carry_out(ContentStore& store, ContentJob job);

/// Has jobs done, in the order they come.
class ContentWorker {
 public:
  virtual ~ContentWorker() = default;
  virtual void submit(ContentJob job) = 0;
  /// What was done since the last call, in order.
  virtual std::deque<ContentDone> collect() = 0;
};

}  // namespace folkmoot
