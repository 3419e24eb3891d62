// What the files of streams take, measured in this process: no server, no network.
//
//   append    a million events of 200 bytes, and of 1 KiB, handed over and stored, through the stream's thread
//   replay    the same events read from the first to the last, chunk by chunk; then backwards
//   open      the store of these files opened: after an orderly stop, and after a crash
//   extents   the store of so many gigabytes of sealed files opened (sparse files: nobody reads what is in them)
//
// folkmoot-stream-bench FOLDER [EVENTS]: in a folder that is made, and emptied afterwards.
#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "stream/stream_thread.hpp"

namespace {

using namespace folkmoot;
using Clock = std::chrono::steady_clock;

constexpr StreamNumber kStream{1};
constexpr std::uint64_t kFileBytes = kStreamFileBytesMax;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

template <class T>
T value(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return std::move(*result);
    }
  }
  fmt::print(stderr, "folkmoot-stream-bench: {}\n", result.error().text);
  std::exit(1);
}

std::unique_ptr<FileStreamStore> open_store(Disk& disk) {
  auto store = value(FileStreamStore::open(disk));
  store->set_file_bytes(kStream, kFileBytes);
  return store;
}

FileStreamStore::News wait(StreamThread& thread) {
  pollfd readable{thread.event_fd(), POLLIN, 0};
  ::poll(&readable, 1, -1);
  return value(thread.collect());
}

void append(StreamThread& thread, std::uint64_t events, std::size_t bytes) {
  const std::string text(bytes, 'x');
  Sequence stored{1};
  for (Sequence next{1}; stored.value <= events;) {
    // As a reactor's turn does: as much as is there and fits, then the thread.
    for (int turn = 0; turn < 1'000 && next.value <= events; ++turn) {
      if (!thread.store().append(kStream, next, Instant{static_cast<std::int64_t>(next.value)}, {as_bytes(text), {}}))
        break;
      ++next;
    }
    thread.submit();
    pollfd readable{thread.event_fd(), POLLIN, 0};
    const bool is_full = next.value > events || next.value - stored.value > kStreamHandoverBytesMax / (bytes + 100);
    if (::poll(&readable, 1, is_full ? -1 : 0) <= 0) continue;
    for (const auto& [stream, end] : value(thread.collect()).stored) stored = end;
  }
}

// Every byte of every event is looked at.
std::uint64_t replay(StreamThread& thread, bool backwards) {
  std::uint64_t events = 0, sum = 0;
  auto from = backwards ? kLastSequence : Sequence{1};
  for (bool at_end = false; !at_end;) {
    thread.store().read({.stream = kStream, .from = from, .backwards = backwards, .bytes_max = kStreamReadBytesMax},
                        ReadTicket{1});
    thread.submit();
    for (bool got = false; !got;) {
      for (const auto& [ticket, chunk] : wait(thread).chunks) {
        if (chunk.error) value(Result<void>(std::unexpected(*chunk.error)));
        for (const auto& event : chunk.events) sum += event.message[event.message.size() / 2];
        events += chunk.events.size();
        from = chunk.next;
        at_end = chunk.at_end;
        got = true;
      }
    }
  }
  return sum > 0 ? events : 0;
}

double open_time(Disk& disk) {
  const auto begin = Clock::now();
  const auto store = open_store(disk);
  return seconds_since(begin);
}

void run(const std::string& folder, std::uint64_t events, std::size_t bytes) {
  std::filesystem::remove_all(folder);
  const auto disk = value(PosixDisk::open(folder));
  auto thread = value(StreamThread::start(open_store(*disk)));
  const auto row = [&](std::string_view what, double seconds) {
    const auto all = static_cast<double>(events);
    fmt::print("{:<28} {:>7.3f} s {:>12.0f} events/s {:>8.0f} MB/s\n", what, seconds, all / seconds,
               all * static_cast<double>(bytes) / seconds / 1e6);
  };
  auto begin = Clock::now();
  append(*thread, events, bytes);
  row(fmt::format("append {} x {} B", events, bytes), seconds_since(begin));
  for (const bool backwards : {false, true}) {
    begin = Clock::now();
    if (replay(*thread, backwards) != events) value(Result<void>(failure(ErrorCode::internal, "events are missing")));
    row(backwards ? "replay backwards" : "replay", seconds_since(begin));
  }
  // What is there before the stop is what a crash leaves.
  const auto crashed = folder + "-crashed";
  std::filesystem::remove_all(crashed);
  std::filesystem::copy(folder, crashed);
  fmt::print("{:<28} {:>7.1f} ms\n", "open after a crash", open_time(*value(PosixDisk::open(crashed))) * 1e3);
  std::filesystem::remove_all(crashed);
  value(thread->stop());
  fmt::print("{:<28} {:>7.1f} ms\n", "open after a stop", open_time(*disk) * 1e3);
}

void extents(const std::string& folder, std::uint64_t gigabytes) {
  std::filesystem::remove_all(folder);
  const auto disk = value(PosixDisk::open(folder));
  std::uint64_t files = 0;
  for (; files < (gigabytes << 30) / kFileBytes; ++files) {
    const EventFileName name{kStream, Sequence{files + 1}};
    auto file = value(EventFile::create(*disk, {.stream = kStream, .first = name.first, .id = {}}));
    std::array<std::uint8_t, event_bytes(8)> event{};
    lay_out_event(event.data(), name.first, Instant{1}, {as_bytes("an event"), {}});
    value(file->append(event, 4'096));
    file.reset();
    std::filesystem::resize_file(folder + "/" + name.text(), kFileBytes);
    value(value(EventFile::open(*disk, name, Disk::Open::existing))->seal());
  }
  fmt::print("open {:>3} GB in {:>4} files       {:>7.1f} ms\n", gigabytes, files, open_time(*disk) * 1e3);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "folkmoot-stream-bench FOLDER [EVENTS]\n");
    return 2;
  }
#ifndef NDEBUG
  fmt::print(stderr, "built without optimisation: the figures say nothing\n");
#endif
  const auto folder = std::string(arguments[1]) + "/streams";
  const std::uint64_t events = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1'000'000;
  for (const std::size_t bytes : {200u, 1'024u}) run(folder, events, bytes);
  for (const std::uint64_t gigabytes : {1u, 20u}) extents(folder, gigabytes);
  std::filesystem::remove_all(folder);
  return 0;
}
