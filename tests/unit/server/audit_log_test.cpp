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
    auto report = access::read_audit_files(audit(), files, [this](const access::AuditRecord& record, std::string_view) {
                    records_.push_back(record);
                  }).value();
    access::check_audit_beginning(files, report);
    return report;
  }
  std::string audit() const { return access::audit_folder(folder_.path()); }

  const test::TemporaryFolder folder_;
  std::vector<access::AuditRecord> records_;
  std::uint64_t number_ = 0;  // of the record that was written last by hand
  std::string hash_ = access::no_audit_hash();
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
  EXPECT_GT(report.first, 1u);
  EXPECT_EQ(report.last,
            kRecords + access::audit_files(audit()).value().back() - 1);  // each file but the first says so
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
  EXPECT_EQ(report.last, 4u);  // one says that the second file begins
}

TEST_F(AuditLogTest, M7_what_is_taken_out_at_the_beginning_is_missed) {
  const auto begin = [this](std::uint64_t file, std::size_t without) {
    std::ifstream in(access::audit_file(audit(), file));
    std::string line, rest;
    for (std::size_t number = 0; std::getline(in, line); ++number) {
      if (number >= without) rest += line + "\n";
    }
    in.close();
    std::ofstream(access::audit_file(audit(), file), std::ios::trunc) << rest;
  };
  const auto write = [this](std::uint64_t file, std::vector<access::AuditRecord> records) {
    std::filesystem::create_directories(audit());
    std::ofstream out(access::audit_file(audit(), file), std::ios::app);
    for (auto& record : records) {
      record.number = ++number_;
      record.previous = hash_;
      const auto line = access::audit_line(record);
      hash_ = access::hash_of_audit_line(line);
      out << line;
    }
  };
  // As an older version wrote it, in so many files that the first ones have gone: nothing says how it began.
  number_ = 70;
  for (std::uint64_t file = 4; file < 4 + access::kAuditFilesMax; ++file)
    write(file, {{.at = kAt, .what = "login"}, {.at = kAt, .what = "login"}});
  EXPECT_EQ(read().problems_total, 0u);
  std::filesystem::remove(access::audit_file(audit(), 4));
  EXPECT_EQ(read().problems_total, 1u);
  // This version goes on with it, and its files say how they begin.
  write(20, {{.at = kAt, .what = "audit.file", .file = 20, .since = 20}, {.at = kAt, .what = "login"}});
  EXPECT_EQ(read().problems_total, 0u);
  for (std::uint64_t file = 21; file < 36; ++file)
    write(file, {{.at = kAt, .what = "audit.file", .file = file, .since = 20}, {.at = kAt, .what = "login"}});
  for (std::uint64_t file = 5; file < 20; ++file) std::filesystem::remove(access::audit_file(audit(), file));
  EXPECT_EQ(read().problems_total, 0u);
  begin(20, 1);
  const auto report = read();
  ASSERT_EQ(report.problems_total, 1u);
  EXPECT_NE(report.problems[0].find("its first records are missing"), std::string::npos) << report.problems[0];
}

TEST_F(AuditLogTest, M7_the_first_record_of_all_is_missed) {
  for (int i = 0; i < 3; ++i) open()->note({.at = kAt, .what = "login"});
  std::ifstream in(access::audit_file(audit(), 1));
  std::string line, rest;
  std::getline(in, line);
  while (std::getline(in, line)) rest += line + "\n";
  in.close();
  std::ofstream(access::audit_file(audit(), 1), std::ios::trunc) << rest;
  EXPECT_EQ(read().problems_total, 1u);
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
