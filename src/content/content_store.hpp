// The files of contents by reference: one flat folder, each file named by the SHA-256 of what it holds, so that what is
// stored is stored once and a damaged file can be told from its name. An upload is a file of another name until it is
// whole, hashed and synced:
//
//   upload-<n>            written as the bytes come, room for all of them reserved first
//   <64 hex digits>       synced, then renamed, then the folder synced: only now the content is said to be stored
//
// Whatever fails leaves nothing behind; what a crash leaves behind (upload-...) is removed when the folder is opened.
// Not thread-safe: whoever owns it calls it, in the server the ContentThread.
#pragma once

#include <functional>
#include <map>

#include "base/sha256.hpp"
#include "journal/disk.hpp"

namespace folkmoot {

using UploadId = std::uint64_t;

class ContentStore {
 public:
  /// Removes what uploads of an earlier run left, and calls `found` for each content there. Other files are left alone.
  /// `disk` must outlive it.
  static Result<std::unique_ptr<ContentStore>> open(Disk& disk, const std::function<void(const ContentRef&)>& found);

  /// Begins an upload of `size` bytes (at least 1). Requires: the id is not in use. Errors: disk_full, io_error.
  Result<void> begin(UploadId id, std::uint64_t size);
  /// The next bytes of it. On error the upload has ended. Errors: not_found (it has ended before), content_too_large,
  /// disk_full, io_error.
  Result<void> write(UploadId id, Bytes bytes);
  struct Finished {
    ContentRef ref;
    bool was_known = false;  // it was stored before: this copy was dropped
  };
  /// Ends it: stored if it is whole and its hash is `expected`, else gone. Errors: not_found, invalid_field, disk_full,
  /// io_error.
  Result<Finished> finish(UploadId id, const ContentHash& expected);
  /// Ends it, unless it has ended.
  void drop(UploadId id);

  /// Fills `into` from `offset`; returns how many bytes there were (fewer only at the end).
  Result<std::size_t> read(const ContentHash& hash, std::uint64_t offset, std::span<std::uint8_t> into);
  Result<void> remove(const ContentHash& hash);

 private:
  struct Upload {
    std::unique_ptr<DiskFile> file;
    std::uint64_t size = 0;
    std::uint64_t written = 0;
    Sha256 sha{};
  };
  using Uploads = std::map<UploadId, Upload>;

  explicit ContentStore(Disk& disk) : disk_(disk) {}
  static std::string upload_name(UploadId id);
  void remove_upload(Uploads::iterator upload);
  Result<Uploads::iterator> find(UploadId id);
  bool holds(const ContentRef& ref);

  Disk& disk_;
  Uploads uploads_;
  ContentHash last_read_{};  // whose file is kept open, as most reads follow each other
  std::unique_ptr<DiskFile> last_file_;
};

/// What is wrong with the contents of a folder, found by reading all of them.
struct ContentReport {
  std::uint64_t contents = 0, bytes = 0;
  std::map<ContentHash, std::uint64_t> sizes;  // of those that are whole
  std::vector<std::string> damaged;            // in words
};
/// `on_read`: called as reading goes on, with so many bytes read since the last call.
Result<ContentReport> verify_contents(Disk& disk, const std::function<void(std::uint64_t bytes)>& on_read = {});

}  // namespace folkmoot
