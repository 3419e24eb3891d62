#include "base/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace folkmoot {
namespace {

struct Row {
  int number;
  std::string_view word;
  int http;
  std::string_view advice;
};

constexpr Row kRows[] = {
#define FOLKMOOT_ERROR(number, word, http, text) {number, #word, http, text},
#include "base/errors.def"
#undef FOLKMOOT_ERROR
};

TEST(ErrorCatalogue, GivesEveryCodeAWordAndAStatus) {
  std::set<int> numbers;
  std::set<std::string_view> words;
  for (const auto& row : kRows) {
    const auto code = static_cast<ErrorCode>(row.number);
    EXPECT_TRUE(numbers.insert(row.number).second) << row.number;
    EXPECT_TRUE(words.insert(row.word).second) << row.word;
    EXPECT_EQ(name(code), row.word);
    EXPECT_EQ(http_status(code), row.http);
    EXPECT_EQ(advice(code), row.advice);
    EXPECT_GE(row.http, 400);
    EXPECT_LT(row.http, 600);
  }
  EXPECT_EQ(name(static_cast<ErrorCode>(999)), "unknown");
  EXPECT_EQ(http_status(static_cast<ErrorCode>(999)), 500);
}

TEST(ErrorCatalogue, IsTheTableOfTheProtocolPage) {
  std::ifstream page(FOLKMOOT_PROTOCOL_PAGE);
  ASSERT_TRUE(page);
  std::vector<std::string> shown;
  bool in_section = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) in_section = line.starts_with("## 10.");
    if (in_section && line.starts_with("| ") && line[2] >= '0' && line[2] <= '9') shown.push_back(line);
  }
  std::vector<std::string> expected;
  for (const auto& row : kRows) {
    std::ostringstream line;
    line << "| " << row.number << " | `" << row.word << "` | " << row.http << " | "
         << (row.advice.empty() ? "depends: the error says" : row.advice) << " |";
    expected.push_back(line.str());
  }
  EXPECT_EQ(shown, expected);
}

TEST(Error, DescribesItselfWithCodeTextAndAdvice) {
  const Error error{ErrorCode::mailbox_full, "mailbox analyst is full (10 of 10 waiting)"};
  EXPECT_EQ(error.describe(),
            "mailbox_full: mailbox analyst is full (10 of 10 waiting). " + std::string(advice(error.code)));
}

TEST(Error, GivesTheAdviceOfItsSituationBeforeThatOfItsCode) {
  const Error error{ErrorCode::mailbox_full, "mailbox analyst is full", "have somebody read it"};
  EXPECT_EQ(error.describe(), "mailbox_full: mailbox analyst is full. have somebody read it");
  EXPECT_EQ((Error{ErrorCode::cancelled, "the client was closed"}).describe(), "cancelled: the client was closed");
}

TEST(Error, CrossesTheWireAsOneTextWithItsAdvice) {
  for (const auto& error :
       {Error{ErrorCode::in_use, "in use", "stop it"}, Error{ErrorCode::in_use, "in use"}, Error{}}) {
    const auto there = split_text(error.code, joined_text(error));
    EXPECT_EQ(there.code, error.code);
    EXPECT_EQ(there.text, error.text);
    EXPECT_EQ(there.advice, error.advice);
  }
}

TEST(Error, OfTheSystemSaysItsReasonAndWhatToDoAboutIt) {
  const auto denied = system_error(ErrorCode::io_error, "opening x", EACCES);
  EXPECT_EQ(denied.text, "opening x: Permission denied");
  EXPECT_NE(denied.advice.find("ls -ld"), std::string::npos);
  EXPECT_EQ(within("`data`", denied).text, "`data`: opening x: Permission denied");
  EXPECT_EQ(within("`data`", denied).advice, denied.advice);
  EXPECT_EQ(system_error(ErrorCode::io_error, "waiting", EINTR).advice, "");
}

}  // namespace
}  // namespace folkmoot
