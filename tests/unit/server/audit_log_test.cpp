// The audit log as it is written (server/audit_log.hpp), read by who checks it (access/audit_files.hpp).
#include "server/audit_log.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "unit/journal/temporary_folder.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kAt = 1'764'633'600'000;

class AuditLogTest : public testing::Test {
 protected:
  std::unique_ptr<AuditLog> open() { return std::move(AuditLog::open(folder_.path()).value()); }
  access::AuditReport read() {
    records_.clear();
    const auto files = access::audit_files(audit()).value();
    return access::read_audit_files(
               audit(), files,
               [this](const access::AuditRecord& record, std::string_view) { records_.push_back(record); })
        .value();
  }
  std::string audit() const { return access::audit_folder(folder_.path()); }

  const test::TemporaryFolder folder_;
  std::vector<access::AuditRecord> records_;
};

TEST_F(AuditLogTest, M7_what_was_noted_stands_there_one_after_the_other_over_several_starts) {
  for (int start = 0; start < 3; ++start) {
    const auto log = open();
    log->note({.at = kAt + start, .what = "account.add", .who = "root", .of = "ann\n\x1b[31m"},
              AuditLog::Kind::durable);
    log->note({.at = kAt + start, .what = "login", .who = "root"});
  }
  const auto report = read();
  EXPECT_EQ(report.problems_total, 0u);
  ASSERT_EQ(records_.size(), 6u);
  EXPECT_EQ(report.first, 1u);
  EXPECT_EQ(report.last, 6u);
  EXPECT_EQ(records_[4].at, kAt + 2);
  EXPECT_EQ(records_[4].of, "ann\n\x1b[31m");
  EXPECT_EQ(records_[5].what, "login");
}

TEST_F(AuditLogTest, M7_without_anything_noted_nothing_is_made) {
  open()->stop();
  EXPECT_FALSE(std::filesystem::exists(audit()));
}

TEST_F(AuditLogTest, M7_there_are_so_many_files_of_so_many_bytes_and_the_oldest_goes) {
  // As long as a record can be: each of these bytes takes six.
  const std::string longest(access::kAuditTextBytesMax, '\x01');
  constexpr std::size_t kRecords =
      access::kAuditFileBytesMax / (18 * access::kAuditTextBytesMax) * (access::kAuditFilesMax + 2);
  for (std::size_t noted = 0; noted < kRecords;) {
    const auto log = open();
    for (std::size_t end = std::min(kRecords, noted + AuditLog::kWaitingMax); noted < end; ++noted)
      log->note({.at = kAt, .what = longest, .of = longest, .outcome = longest});
  }
  const auto report = read();
  EXPECT_EQ(report.files, access::kAuditFilesMax);
  EXPECT_EQ(report.problems_total, 0u) << report.problems[0];
  EXPECT_EQ(report.last, kRecords);
  EXPECT_GT(report.first, 1u);
  for (const auto& file : std::filesystem::directory_iterator(audit()))
    EXPECT_LE(file.file_size(), access::kAuditFileBytesMax + access::kAuditLineBytesMax);
}

TEST_F(AuditLogTest, M7_of_what_strangers_cause_so_much_a_second_is_noted_and_the_rest_is_counted) {
  std::size_t taken = 0;
  {
    const auto log = open();
    for (int i = 0; i < 100; ++i) {
      if (!log->takes_rare(kAt)) continue;
      ++taken;
      log->note({.at = kAt, .what = "login", .outcome = "no"});
    }
    EXPECT_FALSE(log->takes_rare(kAt));
    EXPECT_TRUE(log->takes_rare(kAt + 1'000));
    log->note({.at = kAt + 1'000, .what = "login", .outcome = "no"});
  }
  EXPECT_EQ(taken, AuditLog::kRareASecond);
  EXPECT_EQ(read().problems_total, 0u);
  std::uint64_t left_out = 0;
  for (const auto& record : records_) {
    if (record.what == "audit.left_out") left_out += std::stoull(record.of);
  }
  EXPECT_EQ(left_out, 101u - AuditLog::kRareASecond);
}

TEST_F(AuditLogTest, M7_a_torn_end_is_cut_off_and_a_changed_log_is_left_as_it_is) {
  open()->note({.at = kAt, .what = "login"});
  const auto file = access::audit_file(audit(), 1);
  std::ofstream(file, std::ios::app) << "torn";
  EXPECT_EQ(read().torn_bytes, 4u);
  open()->note({.at = kAt, .what = "login"});
  EXPECT_EQ(read().torn_bytes, 0u);
  EXPECT_EQ(records_.size(), 2u);

  std::ofstream(file, std::ios::app) << "put in\n";
  open()->note({.at = kAt, .what = "login"});
  const auto report = read();
  EXPECT_EQ(report.files, 2u);
  ASSERT_EQ(report.problems_total, 1u);
  EXPECT_NE(report.problems[0].find("00000001.log, line 3"), std::string::npos) << report.problems[0];
  EXPECT_EQ(report.last, 3u);
}

TEST_F(AuditLogTest, M7_a_file_that_grew_past_all_bounds_is_told_and_not_read_to_its_end) {
  open()->note({.at = kAt, .what = "login"});
  std::filesystem::resize_file(access::audit_file(audit(), 1), std::uint64_t{1} << 29);
  const auto report = read();
  EXPECT_EQ(report.records, 1u);
  ASSERT_GE(report.problems_total, 1u);
  EXPECT_NE(report.problems[0].find("larger than any"), std::string::npos);
}

}  // namespace
}  // namespace folkmoot
