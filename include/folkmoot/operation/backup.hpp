// A backup of a running server: begun, read piece by piece, ended. `folkmoot backup` is who asks, and knows how the
// pieces become a data folder again (docs/operations.md).
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

constexpr std::uint64_t kBackupNumberMax = (std::uint64_t{1} << 53) - 1;
constexpr std::uint64_t kBackupPieceBytesMax = 512 * 1024;
constexpr std::uint64_t kBackupContentsMax = 1'000;
constexpr std::uint64_t kBackupStreamFilesMax = 1'000;

/// The journal of one shard, as it was at the moment that the backup is of.
struct BackupJournal {
  std::uint64_t first = 0, last = 0, segment_bytes = 0, last_bytes = 0;

  static constexpr auto fields() {
    using B = BackupJournal;
    return std::array{
        field<&B::first>(0, "first", "The oldest segment's number"),
        field<&B::last>(1, "last", "The newest one's"),
        field<&B::segment_bytes>(2, "segment_bytes", "Size of a segment", {.unit = "bytes"}),
        field<&B::last_bytes>(3, "last_bytes", "So much of the newest one belongs to it; zeros follow",
                              {.unit = "bytes"}),
    };
  }
};

struct BackupBegun {
  std::uint64_t backup = 0;
  std::vector<BackupJournal> journals{};
  std::uint64_t contents = 0, contents_bytes = 0;
  std::uint64_t stream_files = 0, stream_bytes = 0;

  static constexpr auto fields() {
    using B = BackupBegun;
    return std::array{
        field<&B::backup>(0, "backup", "Its number"),
        field<&B::journals>(1, "journals", "One for each shard, in their order"),
        field<&B::contents>(2, "contents", "So many contents by reference are stored"),
        field<&B::contents_bytes>(3, "contents_bytes", "Their size, all together", {.unit = "bytes"}),
        field<&B::stream_files>(4, "stream_files", "So many files of streams belong to it"),
        field<&B::stream_bytes>(5, "stream_bytes", "Their size, all together", {.unit = "bytes"}),
    };
  }
};

struct BeginBackup {
  using Answer = BackupBegun;
  static constexpr OperationRow kOperation{
      .name = "backup.begin",
      .what =
          "Begins a backup of all that is confirmed; one at a time. What it consists of stays until it was read, or "
          "nothing was asked for a while (backup.idle)",
      .right = Right::administer,
      .where = Where::first,
      .http = "POST /api/backups"};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

struct BackupContent {
  ContentHash sha256{};
  std::uint64_t size = 0;

  static constexpr auto fields() {
    return std::array{field<&BackupContent::sha256>(0, "sha256", "Its hash"),
                      field<&BackupContent::size>(1, "size", "Its size", {.unit = "bytes"})};
  }
};

struct BackupContents {
  std::vector<BackupContent> contents{};

  static constexpr auto fields() {
    return std::array{field<&BackupContents::contents>(0, "contents", "By hash; none: there are no more",
                                                       {.max = kBackupContentsMax})};
  }
};

struct ListBackupContents {
  std::uint64_t backup = 0;
  std::optional<ContentHash> after{};
  std::uint32_t limit = kBackupContentsMax;

  using Answer = BackupContents;
  static constexpr OperationRow kOperation{.name = "backup.contents",
                                           .what = "Contents by reference that belong to a backup, page by page",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "GET /api/backups/{backup}/contents",
                                           .again = true};
  static constexpr auto fields() {
    using L = ListBackupContents;
    return std::array{
        field<&L::backup>(0, "backup", "Its number", {.required = true}),
        field<&L::after>(1, "after", "The last one of the page before"),
        field<&L::limit>(2, "limit", "So many at most", {.min = 1, .max = kBackupContentsMax, .unit = "contents"}),
    };
  }
};

/// A file of a stream, as it was at the moment that the backup is of.
struct BackupStreamFile {
  std::uint32_t stream = 0;
  std::uint64_t first = 0, size = 0;

  static constexpr auto fields() {
    using B = BackupStreamFile;
    return std::array{
        field<&B::stream>(0, "stream", "The stream's number"),
        field<&B::first>(1, "first", "The sequence of its first event"),
        field<&B::size>(2, "size", "So much of it belongs to the backup", {.unit = "bytes"}),
    };
  }
};

struct BackupStreams {
  std::vector<BackupStreamFile> files{};

  static constexpr auto fields() {
    return std::array{field<&BackupStreams::files>(0, "files", "By stream and first event; none: there are no more",
                                                   {.max = kBackupStreamFilesMax})};
  }
};

struct ListBackupStreams {
  std::uint64_t backup = 0;
  std::uint64_t skip = 0;
  std::uint32_t limit = kBackupStreamFilesMax;

  using Answer = BackupStreams;
  static constexpr OperationRow kOperation{.name = "backup.streams",
                                           .what = "Files of streams that belong to a backup, page by page",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "GET /api/backups/{backup}/streams",
                                           .again = true};
  static constexpr auto fields() {
    using L = ListBackupStreams;
    return std::array{
        field<&L::backup>(0, "backup", "Its number", {.required = true}),
        field<&L::skip>(1, "skip", "So many were in the pages before", {.unit = "files"}),
        field<&L::limit>(2, "limit", "So many at most", {.min = 1, .max = kBackupStreamFilesMax, .unit = "files"}),
    };
  }
};

struct BackupPiece {
  std::string data{};

  static constexpr auto fields() {
    return std::array{
        field<&BackupPiece::data>(0, "data", "The bytes in base64", {.max = (kBackupPieceBytesMax + 2) / 3 * 4})};
  }
};

struct ReadBackup {
  std::uint64_t backup = 0;
  std::uint32_t shard = 0;
  std::uint64_t segment = 0;
  std::optional<ContentHash> content{};
  std::optional<std::uint32_t> stream{};
  std::optional<std::uint64_t> first{};
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;

  using Answer = BackupPiece;
  static constexpr OperationRow kOperation{
      .name = "backup.read",
      .what =
          "Bytes of a segment, of a content or of a file of a stream, of a backup. In the order of shards, then "
          "segments, then contents: what stands before a piece that is read is let go of",
      .right = Right::administer,
      .where = Where::first,
      .http = "GET /api/backups/{backup}/piece",
      .again = true};
  static constexpr auto fields() {
    using R = ReadBackup;
    return std::array{
        field<&R::backup>(0, "backup", "Its number", {.required = true}),
        field<&R::shard>(1, "shard", "Of the journal of this shard; the first is 0"),
        field<&R::segment>(2, "segment", "Of the segment of this number"),
        field<&R::content>(3, "content", "In place of a segment: of the content of this hash"),
        field<&R::offset>(4, "offset", "From this byte on", {.unit = "bytes"}),
        field<&R::bytes>(5, "bytes", "So many",
                         {.required = true, .min = 1, .max = kBackupPieceBytesMax, .unit = "bytes"}),
        field<&R::stream>(6, "stream", "In place of a segment: of a file of the stream of this number"),
        field<&R::first>(7, "first", "Of a stream: of the file whose first event this is"),
    };
  }
};

struct EndBackup {
  std::uint64_t backup = 0;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "backup.end",
                                           .what = "Ends a backup: what was kept for it alone is let go of",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "DELETE /api/backups/{backup}",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&EndBackup::backup>(0, "backup", "Its number", {.required = true})};
  }
};

}  // namespace folkmoot
