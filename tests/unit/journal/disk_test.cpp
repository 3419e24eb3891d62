// The real disk (feature X3).
#include "journal/disk.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

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

TEST(PosixDisk, X3_a_read_that_fails_names_the_file_and_the_cause) {
  const TemporaryFolder folder;
  auto disk = PosixDisk::open(folder);
  auto itself = (*disk)->open(".", Disk::Open::read_only);  // a folder has no bytes
  ASSERT_TRUE(itself);
  std::array<std::uint8_t, 10> bytes{};
  const auto got = (*itself)->read(0, bytes);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::io_error);
  EXPECT_EQ(got.error().text, "reading " + folder.path() + "/.: Is a directory");
}

TEST(PosixDisk, X3_a_read_that_the_system_cuts_short_goes_on_where_it_stopped) {
  // This file is handed out a page at a time. Each page of other rights is a line in it.
  const auto page = static_cast<std::size_t>(::getpagesize());
  constexpr std::size_t kPages = 400;
  void* const region = ::mmap(nullptr, kPages * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(region, MAP_FAILED);
  for (std::size_t i = 0; i < kPages; i += 2)
    ASSERT_EQ(::mprotect(static_cast<char*>(region) + i * page, page, PROT_NONE), 0);
  auto disk = PosixDisk::open("/proc/self", PosixDisk::Access::read_only);
  ASSERT_TRUE(disk);
  auto file = (*disk)->open("maps", Disk::Open::read_only);
  ASSERT_TRUE(file);
  std::vector<std::uint8_t> whole(1 << 18), pieces(whole.size());
  std::size_t bytes = 0;
  for (;;) {
    const auto got = (*file)->read(bytes, std::span(pieces).subspan(bytes, 512));
    ASSERT_TRUE(got);
    bytes += *got;
    if (*got < 512 || bytes + 512 > pieces.size()) break;
  }
  const auto got = (*file)->read(0, whole);
  ::munmap(region, kPages * page);
  ASSERT_TRUE(got) << got.error().text;
  EXPECT_GT(bytes, kPages * 20);
  EXPECT_EQ(*got, bytes);
  EXPECT_TRUE(whole == pieces);
}

// From now on, and on this thread only, there is no fallocate(): as on a file system that cannot do it.
bool forbid_allocation() {
  sock_filter steps[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fallocate, 0, 1),
                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{std::size(steps), steps};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

TEST(PosixDisk, X3_where_room_cannot_be_allocated_zeros_are_written) {
  const TemporaryFolder folder;
  auto disk = PosixDisk::open(folder);
  auto file = (*disk)->open("a", Disk::Open::create_empty);
  ASSERT_TRUE(file);
  constexpr std::size_t kBytes = (std::size_t{5} << 19) + 100;
  bool is_forbidden = false;
  Result<void> done;
  std::thread([&] {
    is_forbidden = forbid_allocation();
    done = (*file)->preallocate(kBytes);
  }).join();
  ASSERT_TRUE(is_forbidden) << "the system lets nobody forbid a call here (seccomp)";
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(*(*file)->size(), kBytes);
  std::vector<std::uint8_t> bytes(kBytes + 1, 0xee);
  ASSERT_EQ(*(*file)->read(0, bytes), kBytes);
  EXPECT_EQ(std::ranges::count(bytes, 0), static_cast<std::ptrdiff_t>(kBytes));
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
