// Files of streams on a disk in memory, and events whose bytes follow from their place, so that what is read can be
// told from anything else.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "stream/stream_files.hpp"
#include "stream/verify.hpp"
#include "unit/journal/memory_disk.hpp"

namespace folkmoot::test {

constexpr StreamNumber kStream{7};
constexpr EventFileId kFileId{1, 2, 3};

inline std::string event_text(StreamNumber stream, Sequence sequence) {
  const auto padding = sequence.value * 37 % 300;
  return fmt::format("{}:{}:{}", stream.value, sequence.value,
                     std::string(padding, static_cast<char>('a' + padding % 26)));
}
inline Instant event_at(Sequence sequence) { return Instant{static_cast<std::int64_t>(sequence.value) * 10}; }

/// Events laid out one behind the other, as FileStreamStore hands them over.
inline std::vector<std::uint8_t> laid_out(StreamNumber stream, Sequence first, Sequence end) {
  std::vector<std::uint8_t> bytes;
  for (auto sequence = first; sequence < end; ++sequence) {
    const auto text = event_text(stream, sequence);
    const auto at = bytes.size();
    bytes.resize(at + event_bytes(text.size()));
    lay_out_event(bytes.data() + at, sequence, event_at(sequence), {as_bytes(text), {}});
  }
  return bytes;
}

inline Result<void> append_and_sync(StreamFiles& files, StreamNumber stream, Sequence first, Sequence end) {
  auto events = laid_out(stream, first, end);
  StreamFiles::Taken taken;
  if (auto done = files.append(stream, events, taken); !done) return done;
  EXPECT_EQ(taken.bytes, events.size());
  return files.sync([](StreamNumber, std::span<const StreamFile>) {});
}

/// Checks what a chunk has; the sequences of its events.
inline std::vector<std::uint64_t> sequences_of(const StreamChunk& chunk) {
  std::vector<std::uint64_t> sequences;
  for (const auto& event : chunk.events) {
    EXPECT_EQ(as_text(event.message), event_text(chunk.stream, event.sequence));
    EXPECT_EQ(event.at, event_at(event.sequence));
    sequences.push_back(event.sequence.value);
  }
  return sequences;
}

inline std::vector<std::uint64_t> from_to(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> numbers;
  for (auto number = first; first <= last ? number <= last : number >= last; first <= last ? ++number : --number)
    numbers.push_back(number);
  return numbers;
}

/// Reads chunk by chunk until there is no more; an error ends it, and is in `error`.
inline std::vector<std::uint64_t> read_all(StreamFiles& files, StreamRead what, std::optional<Error>* error = nullptr) {
  std::vector<std::uint64_t> sequences;
  for (;;) {
    const auto chunk = files.read(what);
    const auto more = sequences_of(chunk);
    sequences.insert(sequences.end(), more.begin(), more.end());
    if (chunk.error) {
      EXPECT_TRUE(chunk.events.empty());
      if (error != nullptr) *error = chunk.error;
      if (error == nullptr) ADD_FAILURE() << chunk.error->text;
      return sequences;
    }
    if (chunk.at_end) return sequences;
    if (what.backwards ? chunk.next >= what.from : chunk.next <= what.from && !more.empty()) {
      ADD_FAILURE() << "it does not get on from " << what.from.value;
      return sequences;
    }
    what.from = chunk.next;
    what.since.reset();
  }
}

class StreamFilesTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    files.reset();
    auto opened = StreamFiles::open(disk, options);
    ASSERT_TRUE(opened) << opened.error().text;
    files = std::move(*opened);
  }
  void append(std::uint64_t first, std::uint64_t end, StreamNumber stream = kStream) {
    const auto done = append_and_sync(*files, stream, Sequence{first}, Sequence{end});
    ASSERT_TRUE(done) << done.error().text;
  }
  std::vector<StreamFile> files_of(StreamNumber stream = kStream) {
    std::vector<StreamFile> found;
    files->each([&](StreamNumber number, const std::vector<StreamFile>& all) {
      if (number == stream) found = all;
    });
    return found;
  }
  std::vector<std::string> names() { return *disk.list(); }
  std::vector<std::uint64_t> forwards(std::uint64_t from = 1, std::size_t bytes_max = 5'000) {
    return read_all(*files, {.stream = kStream, .from = Sequence{from}, .bytes_max = bytes_max});
  }
  std::vector<std::uint64_t> backwards(Sequence from = kLastSequence, std::size_t bytes_max = 5'000) {
    return read_all(*files, {.stream = kStream, .from = from, .backwards = true, .bytes_max = bytes_max});
  }
  void expect_sound() {
    const auto report = verify_streams(disk);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_EQ(report->problems, std::vector<std::string>{});
    EXPECT_EQ(report->torn_bytes, 0u);
  }

  MemoryDisk disk;
  StreamFilesOptions options{.id = kFileId};
  std::unique_ptr<StreamFiles> files;
};

}  // namespace folkmoot::test
