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

/// The folders with a journal: the data folder itself, and one for each further shard of its server.
std::vector<std::string> journal_folders(const std::string& data);
/// Reads the contents of a data folder that no server uses. Throws Failure.
ContentReport verify_contents_of(const std::string& data);
/// Reads the journal in a folder that no server uses. What its messages refer to is looked for in `contents`, and known
/// only if the journal is sound. Throws Failure.
FolderReport verify_data_folder(const std::string& folder, const ContentReport& contents);

}  // namespace folkmoot::cli
