#include "stream/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace folkmoot {
namespace {

class Verification {
 public:
  Verification(Disk& disk, const OnBytesRead& on_read) : disk_(disk), on_read_(on_read) {}

  Result<StreamsReport> run() {
    const auto names = disk_.list();
    if (!names) return std::unexpected(names.error());
    std::map<StreamNumber, std::vector<Sequence>> streams;
    for (const auto& name : *names) {
      if (const auto parsed = EventFileName::parse(name)) streams[parsed->stream].push_back(parsed->first);
    }
    for (auto& [number, files] : streams) {
      std::ranges::sort(files);
      stream_ = {.number = number, .first = files.front(), .end = files.front()};
      for (const auto first : files) {
        if (auto done = look_at({number, first}, first == files.back()); !done) return std::unexpected(done.error());
      }
      report_.files += stream_.files;
      report_.events += stream_.events;
      report_.streams.push_back(stream_);
    }
    return std::move(report_);
  }

 private:
  Result<void> look_at(const EventFileName& name, bool is_last) {
    ++stream_.files;
    if (name.first > stream_.end && !is_unknown_) {
      problem(fmt::format("stream {}: events {} to {} are in no file", name.stream.value, stream_.end.value,
                          name.first.value - 1));
    }
    const auto file = EventFile::open(disk_, name, Disk::Open::read_only);
    is_unknown_ = !file;
    if (!file) {
      if (file.error().code != ErrorCode::damaged) return std::unexpected(file.error());
      problem(file.error().text);
      return {};
    }
    return look_into(**file, is_last);
  }

  Result<void> look_into(EventFile& file, bool is_last) {
    const auto& name = file.name();
    const auto size = file.summary().bytes;
    stream_.bytes += size;
    const auto limit = file.is_sealed() ? file.records_end() : size;
    const auto on_problem = [&](std::uint64_t offset, std::string_view what) {
      problem(event_damage(name, offset, what).text);
    };
    const auto found =
        scan_events(file.file(), file.header(), limit, file.is_sealed() ? limit : 0, on_problem, on_read_);
    if (!found) return std::unexpected(found.error());
    stream_.events += found->events;
    stream_.end = std::max(stream_.end, found->end);
    if (!file.is_sealed()) {
      if (!is_last)
        return on_problem(size, "there is no index at its end, though another file follows"), Result<void>{};
      if (found->torn_end > 0) report_.torn_bytes += found->torn_end - found->records_end;
      return {};
    }
    if (found->problems > 0) return {};  // what the index says cannot be compared
    const auto index = file.index();
    if (!index) return std::unexpected(index.error());
    const auto said = file.summary();
    if (said.end != found->end || said.oldest != found->oldest || said.newest != found->newest ||
        found->records_end != limit)
      on_problem(size - kIndexTrailerBytes, "what its end says is not what its events are");
    const auto index_bytes = encode_index(found->index);
    std::vector<std::uint8_t> there(index_bytes.size());
    const auto at =
        size - kIndexTrailerBytes - std::min<std::uint64_t>(there.size(), size - kIndexTrailerBytes - limit);
    const auto got = file.file().read(at, there);
    if (!got) return std::unexpected(got.error());
    if (as_text(there) != index_bytes) on_problem(at, "its index does not fit its events");
    return look_between(file, limit, at);
  }

  // Nothing but zeros is between the records and the index.
  Result<void> look_between(EventFile& file, std::uint64_t begin, std::uint64_t end) {
    EventScanner scanner(file.file(), file.header(), end, begin);
    const auto tail = scanner.examine(begin);
    if (!tail) return std::unexpected(tail.error());
    if (tail->dirty_end > 0)
      problem(event_damage(file.name(), tail->first_dirty, "bytes between the last record and the index").text);
    return {};
  }

  void problem(std::string text) {
    ++report_.problems_total;
    if (report_.problems.size() < StreamsReport::kProblemsMax) report_.problems.push_back(std::move(text));
  }

  Disk& disk_;
  const OnBytesRead& on_read_;
  StreamsReport report_;
  StreamReport stream_;
  bool is_unknown_ = false;  // what the file before has is not known
};

}  // namespace

Result<StreamsReport> verify_streams(Disk& disk, const OnBytesRead& on_read) {
  return Verification(disk, on_read).run();
}

}  // namespace folkmoot
