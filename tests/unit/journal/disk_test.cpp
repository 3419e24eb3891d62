// The real disk (feature X3).
#include "journal/disk.hpp"

#include "temporary_folder.hpp"

namespace folkmoot::test {
namespace {

TEST(PosixDisk, X3_what_is_written_is_read_and_files_are_listed_renamed_and_removed) {
  const TemporaryFolder folder;
  auto disk = PosixDisk::open(folder.path() + "/made/on/the/way");
  ASSERT_TRUE(disk);
  auto file = (*disk)->open("a", Disk::Open::create_empty);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->preallocate(8192));
  EXPECT_EQ(*(*file)->size(), 8192u);
  const Bytes parts[] = {as_bytes("one"), as_bytes("two")};
  ASSERT_TRUE((*file)->write(5000, parts));
  ASSERT_TRUE((*file)->sync());
  std::array<std::uint8_t, 10> bytes{};
  EXPECT_EQ(*(*file)->read(5000, bytes), 10u);
  EXPECT_EQ(as_text(Bytes(bytes).first(6)), "onetwo");
  EXPECT_EQ(*(*file)->read(8190, bytes), 2u);
  EXPECT_EQ(*(*file)->read(9000, bytes), 0u);
  ASSERT_TRUE((*disk)->rename("a", "b"));
  ASSERT_TRUE((*disk)->sync_folder());
  EXPECT_EQ(*(*disk)->list(), std::vector<std::string>{"b"});
  ASSERT_TRUE((*disk)->open("b", Disk::Open::read_only));
  ASSERT_TRUE((*disk)->remove("b"));
  EXPECT_TRUE((*disk)->list()->empty());
}

TEST(PosixDisk, X3_more_parts_than_one_call_takes_are_written) {
  const TemporaryFolder folder;
  auto disk = PosixDisk::open(folder);
  auto file = (*disk)->open("a", Disk::Open::create_empty);
  std::string expected;
  for (int i = 0; i < 3000; ++i) expected += std::to_string(i);
  std::vector<Bytes> parts;
  for (std::size_t at = 0; at < expected.size(); at += 3)
    parts.push_back(as_bytes(expected).subspan(at).first(std::min<std::size_t>(3, expected.size() - at)));
  ASSERT_TRUE((*file)->write(7, parts));
  std::vector<std::uint8_t> bytes(expected.size());
  ASSERT_EQ(*(*file)->read(7, bytes), expected.size());
  EXPECT_EQ(as_text(bytes), expected);
}

TEST(PosixDisk, X3_errors_name_the_file_and_the_cause) {
  const TemporaryFolder folder;
  auto disk = PosixDisk::open(folder);
  const auto missing = (*disk)->open("missing", Disk::Open::existing);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::io_error);
  EXPECT_NE(missing.error().text.find("missing: No such file"), std::string::npos);
  EXPECT_FALSE((*disk)->remove("missing"));
  EXPECT_FALSE((*disk)->rename("missing", "other"));
  EXPECT_FALSE(PosixDisk::open("/proc/no/such", PosixDisk::Access::read_write));
  EXPECT_FALSE(PosixDisk::open(folder.path() + "/none", PosixDisk::Access::read_only));
}

TEST(PosixDisk, X3_a_full_disk_is_told_from_other_errors) {
  auto disk = PosixDisk::open("/dev", PosixDisk::Access::read_only);
  auto full = (*disk)->open("full", Disk::Open::existing);
  if (!full) GTEST_SKIP() << "/dev/full cannot be opened here";
  const Bytes part = as_bytes("x");
  const auto done = (*full)->write(0, {&part, 1});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::disk_full);
}

}  // namespace
}  // namespace folkmoot::test
