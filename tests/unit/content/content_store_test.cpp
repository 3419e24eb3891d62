// The files of contents by reference, on a disk that fails (X19).
#include "content/content_store.hpp"

#include <gtest/gtest.h>

#include "unit/journal/memory_disk.hpp"

namespace folkmoot::test {
namespace {

class ContentStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    found.clear();
    auto opened = ContentStore::open(disk, [&](const ContentRef& ref) { found.push_back(ref); });
    ASSERT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
  }
  static ContentRef ref_of(std::string_view bytes) { return {Sha256::of(as_bytes(bytes)), bytes.size()}; }
  Result<ContentStore::Finished> upload(std::string_view bytes, std::size_t part = 4096) {
    const auto id = ++last_id;
    if (auto done = store->begin(id, bytes.size()); !done) return std::unexpected(done.error());
    for (std::size_t at = 0; at < bytes.size(); at += part) {
      if (auto done = store->write(id, as_bytes(bytes.substr(at, part))); !done) return std::unexpected(done.error());
    }
    return store->finish(id, ref_of(bytes).hash);
  }
  std::string read(const ContentRef& ref) {
    std::string bytes(ref.size, '\0');
    const auto got = store->read(ref.hash, 0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    return got ? bytes.substr(0, *got) : got.error().text;
  }
  std::vector<std::string> files() { return *disk.list(); }

  MemoryDisk disk;
  std::unique_ptr<ContentStore> store;
  std::vector<ContentRef> found;
  UploadId last_id = 0;
};

const std::string kText(100'000, 'x');

TEST_F(ContentStoreTest, X19_what_came_in_parts_is_stored_under_its_hash_and_found_again) {
  const auto done = upload(kText);
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(done->ref, ref_of(kText));
  EXPECT_FALSE(done->was_known);
  EXPECT_EQ(read(done->ref), kText);
  EXPECT_EQ(files(), std::vector{done->ref.hash.text()});
  open();
  EXPECT_EQ(found, std::vector{done->ref});
}

TEST_F(ContentStoreTest, X19_the_same_content_is_stored_once) {
  ASSERT_TRUE(upload(kText));
  const auto again = upload(kText);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->was_known);
  EXPECT_EQ(files().size(), 1u);
  ASSERT_TRUE(store->remove(again->ref.hash));
  EXPECT_TRUE(files().empty());
  EXPECT_FALSE(upload(kText)->was_known);
}

TEST_F(ContentStoreTest, X19_a_wrong_hash_or_size_leaves_nothing_behind) {
  ASSERT_TRUE(store->begin(1, 4));
  ASSERT_TRUE(store->write(1, as_bytes("abcd")));
  EXPECT_EQ(store->finish(1, ref_of("other").hash).error().code, ErrorCode::invalid_field);
  EXPECT_EQ(store->finish(1, ref_of("abcd").hash).error().code, ErrorCode::not_found) << "it has ended";

  ASSERT_TRUE(store->begin(2, 4));
  ASSERT_TRUE(store->write(2, as_bytes("abc")));
  EXPECT_EQ(store->finish(2, ref_of("abc").hash).error().code, ErrorCode::invalid_field) << "one byte is missing";

  ASSERT_TRUE(store->begin(3, 4));
  EXPECT_EQ(store->write(3, as_bytes("abcde")).error().code, ErrorCode::content_too_large);
  store->drop(3);
  EXPECT_TRUE(files().empty());
}

TEST_F(ContentStoreTest, X19_a_full_disk_refuses_at_the_start_and_leaves_nothing_behind) {
  disk.capacity = 50'000;
  EXPECT_EQ(upload(kText).error().code, ErrorCode::disk_full);
  EXPECT_TRUE(files().empty());
  disk.capacity = 200'000;
  EXPECT_TRUE(upload(kText));
}

TEST_F(ContentStoreTest, X19_a_failed_write_or_sync_fails_the_upload_and_leaves_nothing_behind) {
  disk.failing_writes = 1;
  EXPECT_EQ(upload(kText).error().code, ErrorCode::io_error);
  EXPECT_TRUE(files().empty());
  disk.failing_syncs = 1;
  EXPECT_EQ(upload(kText).error().code, ErrorCode::io_error);
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(upload(kText));
}

TEST_F(ContentStoreTest, X19_uploads_that_a_crash_cut_off_are_removed_and_other_files_left_alone) {
  ASSERT_TRUE(store->begin(1, 4));
  ASSERT_TRUE(disk.open("notes.txt", Disk::Open::create_empty));
  ASSERT_TRUE(disk.open(std::string(64, 'A'), Disk::Open::create_empty)) << "a hash is written in lower case";
  open();
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(files(), (std::vector<std::string>{std::string(64, 'A'), "notes.txt"}));
}

TEST_F(ContentStoreTest, X19_a_file_of_the_wrong_size_is_replaced_by_an_upload) {
  const auto ref = upload(kText)->ref;
  disk.bytes(ref.hash.text()).resize(10);
  const auto again = upload(kText);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->was_known);
  EXPECT_EQ(read(ref), kText);
}

TEST_F(ContentStoreTest, X19_what_was_said_to_be_stored_survives_a_power_failure_and_nothing_half_does) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 lot(seed);
    const std::string first(3000 + lot() % 3000, 'a'), second(3000 + lot() % 3000, 'b'), third(5000, 'c');
    ASSERT_TRUE(upload(first, 1 + lot() % 4096));
    if (lot() % 2) disk.unfinished_syncs = 1;
    const bool second_is_stored = upload(second).has_value();
    disk.unfinished_syncs = 0;
    ASSERT_TRUE(store->begin(++last_id, third.size()));
    ASSERT_TRUE(store->write(last_id, as_bytes(third).first(4096)));
    store.reset();
    disk.fail_power(lot);
    open();
    const auto has = [&](const std::string& bytes) { return std::ranges::find(found, ref_of(bytes)) != found.end(); };
    EXPECT_TRUE(has(first)) << "seed " << seed;
    EXPECT_TRUE(has(second) || !second_is_stored) << "seed " << seed;
    for (const auto& ref : found) EXPECT_EQ(Sha256::of(as_bytes(read(ref))), ref.hash) << "seed " << seed;
    for (const auto& name : files()) EXPECT_FALSE(name.starts_with("upload-"));
    for (const auto& ref : found) ASSERT_TRUE(store->remove(ref.hash));
    ASSERT_TRUE(disk.sync_folder());
  }
}

TEST_F(ContentStoreTest, X19_verify_finds_a_flipped_bit) {
  const auto ref = upload(kText)->ref;
  ASSERT_TRUE(upload("whole"));
  auto report = verify_contents(disk);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->contents, 2u);
  EXPECT_EQ(report->sizes.at(ref.hash), ref.size);
  EXPECT_TRUE(report->damaged.empty());
  disk.bytes(ref.hash.text())[77] ^= 1;
  report = verify_contents(disk);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damaged.size(), 1u);
  EXPECT_NE(report->damaged[0].find(ref.hash.text()), std::string::npos);
  EXPECT_FALSE(report->sizes.contains(ref.hash));
}

}  // namespace
}  // namespace folkmoot::test
