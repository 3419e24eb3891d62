// docs/protocol.md says what the lists say, and names of operations stand in one place.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "operation/markdown.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void expect_on_page(const std::string& table) {
  EXPECT_NE(text_of(FOLKMOOT_PROTOCOL_PAGE).find(table), std::string::npos)
      << "docs/protocol.md must have this table:\n"
      << table;
}

TEST(ProtocolPage, has_the_table_of_operations) { expect_on_page(operations_table()); }
TEST(ProtocolPage, has_the_table_of_frames) { expect_on_page(frames_table()); }
TEST(ProtocolPage, has_the_table_of_words) { expect_on_page(words_table()); }

TEST(Operations, the_name_of_each_stands_in_one_file) {
  const std::filesystem::path sources(FOLKMOOT_SOURCES);
  for (const auto& operation : operations()) {
    std::size_t files = 0;
    for (const auto* const folder : {"src", "include"}) {
      for (const auto& file : std::filesystem::recursive_directory_iterator(sources / folder)) {
        if (file.path().extension() != ".hpp" && file.path().extension() != ".cpp") continue;
        files += text_of(file.path()).find('"' + std::string(operation.name) + '"') != std::string::npos;
      }
    }
    EXPECT_EQ(files, 1u) << operation.name;
  }
}

}  // namespace
}  // namespace folkmoot
