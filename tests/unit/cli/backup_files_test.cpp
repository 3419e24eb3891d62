// The forms that a backup has: its archive's headers, and the list of its files.
#include <gtest/gtest.h>

#include "cli/backup/archive.hpp"
#include "cli/backup/manifest.hpp"

namespace folkmoot::cli {
namespace {

TEST(ArchiveTest, X20_a_header_is_read_as_it_was_written) {
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{511}, (std::uint64_t{1} << 33) - 1,
                                    std::uint64_t{1} << 33, std::uint64_t{1} << 50}) {
    const auto block = encode_entry({.name = "shard-2/0000000001.segment", .bytes = bytes}, 1'796'000'000);
    ASSERT_EQ(block.size(), kArchiveBlockBytes);
    const auto entry = decode_entry(block);
    ASSERT_TRUE(entry && *entry) << bytes;
    EXPECT_EQ((*entry)->name, "shard-2/0000000001.segment");
    EXPECT_EQ((*entry)->bytes, bytes);
    EXPECT_TRUE((*entry)->is_file);
  }
}

TEST(ArchiveTest, X20_a_changed_byte_is_found_and_zeros_are_the_end) {
  const auto block = encode_entry({.name = "shards", .bytes = 2}, 0);
  for (std::size_t i = 0; i < 345; ++i) {
    auto changed = block;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto entry = decode_entry(changed);
    // Between the checksum's last digit and the type there is nothing that says anything.
    if (i == 154 || i == 155) continue;
    EXPECT_FALSE(entry) << i;
  }
  const auto end = decode_entry(std::string(kArchiveBlockBytes, '\0'));
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

TEST(ManifestTest, X20_it_is_read_as_it_was_written) {
  const Manifest manifest{.version = "0.1.0",
                          .taken = "2026-11-21T10:00:00.000Z",
                          .files = {{{}, 65'536, "0000000001.segment"}, {{}, 2, "shards"}}};
  const auto read = Manifest::parse(manifest.text());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->version, manifest.version);
  EXPECT_EQ(read->taken, manifest.taken);
  EXPECT_EQ(read->files, manifest.files);
}

TEST(ManifestTest, X20_one_that_is_cut_off_or_says_something_else_is_damaged) {
  const auto text = Manifest{.version = "0.1.0", .taken = "now", .files = {{{}, 2, "shards"}}}.text();
  for (std::size_t end = 0; end < text.size(); ++end) EXPECT_FALSE(Manifest::parse(text.substr(0, end))) << end;
  EXPECT_FALSE(Manifest::parse(text + "more"));
  EXPECT_EQ(Manifest::parse("folkmoot backup 2\nend\n").error().code, ErrorCode::unsupported_version);
  EXPECT_EQ(Manifest::parse("folkmoot backup 1\nsize 3\nend\n").error().code, ErrorCode::damaged);
}

TEST(ManifestTest, X20_no_name_leads_out_of_the_folder) {
  const std::string hash(64, 'a');
  for (const auto& name : {std::string("shards"), std::string("0000000001.segment"),
                           std::string("shard-15/0000000001.segment"), "content/" + hash})
    EXPECT_TRUE(is_backup_name(name)) << name;
  for (const auto& name :
       {std::string(""), std::string("backup"), std::string("lock"), std::string("../shards"), std::string("/shards"),
        std::string("shard-0/0000000001.segment"), std::string("shard-16/0000000001.segment"),
        std::string("shard-01/0000000001.segment"), std::string("shard-1/shards"), std::string("shard-1/../shards"),
        std::string("content/upload-1"), std::string("content/") + std::string(64, 'A'), "x/content/" + hash})
    EXPECT_FALSE(is_backup_name(name)) << name;
}

}  // namespace
}  // namespace folkmoot::cli
