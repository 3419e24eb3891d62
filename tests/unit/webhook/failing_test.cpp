// Since when webhooks fail, through restarts.
#include "webhook/failing.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "unit/journal/temporary_folder.hpp"

namespace folkmoot::test {
namespace {

TEST(Failing, B7_what_is_written_is_read_again) {
  const TemporaryFolder folder;
  const auto path = folder.path() + "/webhooks.failing";
  const FailingWebhooks failing{{"a \"b\"", {.revision = 3, .since = 1, .excused_ms = 5, .last_failed = 9}}, {"c", {}}};
  ASSERT_TRUE(write_failing(path, {.webhooks = failing, .ran_until = 1'764'000'000'000}));
  EXPECT_EQ(read_failing(path), (FailingNote{failing, 1'764'000'000'000}));
  ASSERT_TRUE(write_failing(path, {}));
  EXPECT_EQ(read_failing(path)->webhooks, FailingWebhooks{});
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0600));
}

TEST(Failing, B7_until_when_the_server_ran_is_said_in_its_place) {
  const TemporaryFolder folder;
  const auto path = folder.path() + "/webhooks.failing";
  note_running(path, 1'764'000'000'000);
  EXPECT_FALSE(std::filesystem::exists(path));
  const FailingWebhooks failing{{"a", {.revision = 3, .since = 1, .excused_ms = 5, .last_failed = 9}}};
  ASSERT_TRUE(write_failing(path, {.webhooks = failing}));
  for (const std::int64_t at : {std::int64_t{1'764'000'000'000}, std::int64_t{9'999'999'999'999}}) {
    note_running(path, at);
    EXPECT_EQ(read_failing(path), (FailingNote{failing, at}));
  }
  for (const std::int64_t no : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{10'000'000'000'000}}) {
    note_running(path, no);  // has other digits
    EXPECT_EQ(read_failing(path)->ran_until, 9'999'999'999'999);
  }
}

TEST(Failing, B7_no_file_is_nobody_and_a_damaged_one_is_told) {
  const TemporaryFolder folder;
  const auto path = folder.path() + "/webhooks.failing";
  EXPECT_EQ(read_failing(path), FailingNote{});
  EXPECT_EQ(read_failing(""), FailingNote{});
  for (const auto* text :
       {"", "{", "[]", R"({"ran_until_ms":-1})", R"({"failing":[{"agent":"a"}]})",
        R"({"failing":[{"agent":"a","since_ms":-1}]})",
        R"({"failing":[{"agent":"a","revision":1,"since_ms":1,"last_failed_ms":1,"excused_ms":-1}]})",
        R"({"failing":[{"agent":"a","revision":1,"since_ms":1,"last_failed_ms":-9223372036854775808}]})"}) {
    std::ofstream(path) << text;
    const auto read = read_failing(path);
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().text.find(path), std::string::npos);
  }
  EXPECT_FALSE(write_failing(folder.path() + "/none/file", {}));
}

}  // namespace
}  // namespace folkmoot::test
