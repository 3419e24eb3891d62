// One server a data folder (feature X3).
#include "journal/folder_lock.hpp"

#include <unistd.h>

#include "journal/journal.hpp"
#include "journal/verify.hpp"
#include "temporary_folder.hpp"

namespace folkmoot::test {
namespace {

TEST(FolderLock, X3_a_second_server_is_refused_with_the_first_ones_process) {
  const TemporaryFolder folder;
  auto first = FolderLock::take(folder.path() + "/new");
  ASSERT_TRUE(first);
  const auto second = FolderLock::take(folder.path() + "/new");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::in_use);
  EXPECT_NE(second.error().text.find("process " + std::to_string(::getpid())), std::string::npos);
}

TEST(FolderLock, X3_the_lock_ends_with_its_owner_and_moves_with_it) {
  const TemporaryFolder folder;
  {
    auto first = FolderLock::take(folder);
    ASSERT_TRUE(first);
    const FolderLock moved = std::move(*first);
    EXPECT_FALSE(FolderLock::take(folder));
  }
  EXPECT_TRUE(FolderLock::take(folder));
}

TEST(FolderLock, X3_readers_share_and_keep_servers_out) {
  const TemporaryFolder folder;
  EXPECT_TRUE(FolderLock::take_shared(folder));  // no server was ever here
  EXPECT_TRUE(FolderLock::take(folder));
  const auto one = FolderLock::take_shared(folder);
  const auto two = FolderLock::take_shared(folder);
  EXPECT_TRUE(one);
  EXPECT_TRUE(two);
  EXPECT_FALSE(FolderLock::take(folder));
}

TEST(FolderLock, X3_a_process_that_ends_without_a_word_leaves_no_lock) {
  const TemporaryFolder folder;
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const auto lock = FolderLock::take(folder);
        ::_exit(lock ? 7 : 1);
      },
      ::testing::ExitedWithCode(7), "");
  EXPECT_TRUE(FolderLock::take(folder));
}

TEST(VerifyFolder, X3_a_folder_in_use_is_refused_politely_and_a_free_one_is_read) {
  const TemporaryFolder folder;
  EXPECT_EQ(verify_folder(folder.path() + "/none").error().code, ErrorCode::not_found);
  {
    auto lock = FolderLock::take(folder);
    auto disk = PosixDisk::open(folder);
    JournalOptions options;
    options.segment_bytes = kSegmentBytesMin;
    auto journal = Journal::open(**disk, options);
    ASSERT_TRUE(journal);
    ASSERT_TRUE((*journal)->recover([](FactKind, FactPlace, Bytes) -> Result<void> { return {}; }));
    const Bytes part = as_bytes("fact");
    (*journal)->append(FactKind::name_added, {&part, 1}, FactLog::Life::live);
    ASSERT_TRUE((*journal)->close());
    EXPECT_EQ(verify_folder(folder).error().code, ErrorCode::in_use);
  }
  const auto info = verify_folder(folder);
  ASSERT_TRUE(info) << info.error().describe();
  EXPECT_EQ(info->facts, 1u);
  EXPECT_TRUE(info->clean_stop);
  EXPECT_EQ(info->problems_total, 0u);
}

}  // namespace
}  // namespace folkmoot::test
