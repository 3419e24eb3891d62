// The contents of a data folder, checked against their hashes and against the messages that refer to them.
#pragma once

#include "content/content_store.hpp"
#include "journal/verify.hpp"

namespace folkmoot::cli {

struct FolderReport {
  JournalInfo journal;
  ContentReport contents;
  std::vector<std::string> missing{};  // contents that messages refer to, in words

  bool is_sound() const { return journal.problems_total == 0 && contents.damaged.empty() && missing.empty(); }
};

/// Reads all of a data folder that no server uses. What messages refer to is known only if the journal is sound. Throws Failure.
FolderReport verify_data_folder(const std::string& folder);

}  // namespace folkmoot::cli
