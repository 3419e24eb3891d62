// The files of all streams, in one flat folder: written in order, read from anywhere, gone from the oldest end. Each
// name tells the stream and the first event, so that a start reads of each file its beginning and its end, and all of a
// file only if it was being appended to when the last run crashed.
//
// Not thread-safe, and every call waits for the disk: whoever owns it calls it, in the server the StreamThread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "stream/event_file.hpp"
#include "stream/event_reader.hpp"

namespace folkmoot {

struct StreamFilesOptions {
  std::optional<EventFileId> id = {};  // of files that are made, instead of a random one (simulation)
  std::size_t open_max = 256;          // files being appended to; others are sealed until they are again
  std::size_t readers_max = 64;        // other files that are kept open
};

class StreamFiles {
 public:
  /// `disk` must outlive it. Errors: damaged only if the folder holds what cannot be of one store; disk_full, io_error.
  static Result<std::unique_ptr<StreamFiles>> open(Disk& disk, const StreamFilesOptions& options = {});

  /// By number; oldest file first.
  void each(const std::function<void(StreamNumber, const std::vector<StreamFile>&)>& each) const;
  /// Bytes of torn ends that open() cut.
  std::uint64_t cut_bytes() const { return cut_bytes_; }
  /// What open() found that cannot be read, in words; reads of it are told, too.
  const std::vector<Error>& problems() const { return problems_; }

  void set_file_bytes(StreamNumber stream, std::uint64_t bytes);
  /// What need not be given again: it was appended, is there already, or is below what trim() said and left out.
  struct Taken {
    std::size_t bytes = 0;
    Sequence end = 0;  // behind the last such event; 0: none
  };
  /// Appends events that were laid out one behind the other, each sequence above the one before; `taken` says how far
  /// it came, also on an error. Errors: disk_full, limit_reached (the rest is to be tried again), io_error.
  Result<void> append(StreamNumber stream, std::span<std::uint8_t> events, Taken& taken);
  /// All that was appended is stored; calls `stored` for each stream with what its files are now, from the first one
  /// that has changed since. Errors: io_error: what is on the disk is not known any more.
  using OnStored = std::function<void(StreamNumber, std::span<const StreamFile>)>;
  Result<void> sync(const OnStored& stored);
  /// Events below `first` are not given out any more, and files go that have no others. The newest one may stay if more
  /// is about to be appended to it: another one would be made each time. Errors: io_error.
  enum class Newest : bool { goes, stays };
  Result<void> trim(StreamNumber stream, Sequence first, Newest newest = Newest::goes);
  Result<void> remove(StreamNumber stream);
  /// As long as they are held, files that were to go stay on the disk, where others may read them (a backup); they are
  /// not read here any more. Errors: io_error.
  Result<void> hold(bool held);
  StreamChunk read(const StreamRead& what);
  /// Stores and seals everything, so that the next start need not read it. Errors: io_error.
  Result<void> close();

 private:
  struct File {
    StreamFile info;
    bool is_damaged = false;  // not appended to; its `end` is not known if `is_unknown`
    bool is_unknown = false;  // its header cannot be read
  };
  struct Stream {
    std::vector<File> files;  // oldest first
    Sequence trimmed{1};
    std::uint64_t file_bytes = kStreamFileBytesMax;
    std::unique_ptr<EventFile> head;  // the newest file, open for appending
    std::uint64_t used_at = 0;
    std::size_t reported = 0;  // files before were reported as they are
  };
  using Streams = std::map<StreamNumber, Stream>;
  struct Reader {
    EventFileName name;
    std::unique_ptr<EventFile> file;
    std::uint64_t used_at = 0;
  };

  explicit StreamFiles(Disk& disk, const StreamFilesOptions& options) : disk_(disk), options_(options) {}

  Result<void> find(const std::vector<std::string>& names);
  Result<void> look_at(StreamNumber number, Stream& stream);
  Result<void> recover_head(Stream& stream, std::unique_ptr<EventFile> file);
  Result<void> let_go_of_heads(std::size_t most);
  Result<void> ready_head(StreamNumber number, Stream& stream, Sequence next, std::size_t bytes);
  Result<void> begin_file(StreamNumber number, Stream& stream, Sequence first);
  Result<void> append_run(StreamNumber number, Stream& stream, std::span<std::uint8_t> events);
  Result<void> seal_head(Stream& stream);
  Result<void> remove_oldest(StreamNumber number, Stream& stream, std::size_t count);
  Result<void> remove_file(const EventFileName& name);
  void note(Stream& stream);

  struct Place {
    std::size_t file = 0;
    Sequence from = 0;
  };
  std::optional<Place> place_of(StreamNumber number, Stream& stream, const StreamRead& what, StreamChunk& chunk);
  std::optional<Sequence> first_event(StreamNumber number, Stream& stream, const StreamRead& what, StreamChunk& chunk);
  Result<EventFile*> reader(StreamNumber number, Stream& stream, std::size_t file);
  void read_from(StreamNumber number, Stream& stream, const StreamRead& what, Place place, StreamChunk& chunk);
  void forget_reader(const EventFileName& name);
  static Sequence lowest(const Stream& stream) { return std::max(stream.trimmed, stream.files.front().info.first); }
  static Error gap(StreamNumber number, Sequence first, Sequence end);

  Disk& disk_;
  const StreamFilesOptions options_;
  EventFileId id_{};
  Streams streams_;
  std::set<StreamNumber> changed_;  // since the last sync()
  std::vector<Reader> readers_;
  std::uint64_t clock_ = 0;
  std::uint64_t cut_bytes_ = 0;
  std::vector<Error> problems_;
  bool is_held_ = false;
  std::vector<EventFileName> to_remove_;  // when they are not held any more
  bool folder_dirty_ = false;             // files were removed and the folder not yet synced
};

}  // namespace folkmoot
