// `verify` of the files of streams: what is sound, what is torn, and what is damaged.
#include "unit/stream/stream_fixture.hpp"

namespace folkmoot::test {
namespace {

using StreamVerifyTest = StreamFilesTest;

TEST_F(StreamVerifyTest, U14_all_streams_are_counted) {
  append(1, 11);
  append(5, 8, StreamNumber{9});
  disk.open("a stranger", Disk::Open::create_empty).value();
  std::uint64_t read = 0;
  const auto report = verify_streams(disk, [&](std::uint64_t bytes) { read += bytes; });
  ASSERT_TRUE(report);
  ASSERT_EQ(report->streams.size(), 2u);
  EXPECT_EQ(report->streams[0].number, kStream);
  EXPECT_EQ(report->streams[0].end, Sequence{11});
  EXPECT_EQ(report->streams[0].events, 10u);
  EXPECT_EQ(report->streams[1].first, Sequence{5});
  EXPECT_EQ(report->events, 13u);
  EXPECT_EQ(report->files, 2u);
  EXPECT_EQ(read, report->streams[0].bytes + report->streams[1].bytes);
  EXPECT_EQ(report->problems_total, 0u);
}

TEST_F(StreamVerifyTest, U14_a_torn_end_is_told_and_no_problem) {
  append(1, 11);
  auto& bytes = disk.bytes(names()[0]);
  const auto end = EventFile::open(disk, {kStream, Sequence{1}}, Disk::Open::read_only).value()->records_end();
  for (std::size_t at = 0; at < 40; ++at) bytes[end + at] = 7;
  const auto report = verify_streams(disk);
  EXPECT_EQ(report->problems_total, 0u);
  EXPECT_EQ(report->torn_bytes, 40u);
}

TEST_F(StreamVerifyTest, U14_every_problem_is_told_with_its_place_and_not_more_than_so_many) {
  append(1, 11);
  append(11, 21);
  files.reset();
  auto& bytes = disk.bytes(names()[0]);
  bytes[100] ^= 1;
  auto report = verify_streams(disk);
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_EQ(report->problems[0],
            "stream 7, file 0000000007.00000000000000000001.events, offset 88: the record's checksum is wrong");
  for (std::uint32_t number = 100; number < 1'200; ++number) {
    const auto name = EventFileName{StreamNumber{number}, Sequence{1}}.text();
    disk.open(name, Disk::Open::create_empty).value();
  }
  report = verify_streams(disk);
  EXPECT_EQ(report->problems.size(), StreamsReport::kProblemsMax);
  EXPECT_EQ(report->problems_total, 1'101u);
}

}  // namespace
}  // namespace folkmoot::test
