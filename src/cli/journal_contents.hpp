// What stands beside the journals of a data folder: contents, checked against their hashes and against the messages
// that refer to them, and the files of streams.
#pragma once

#include "content/content_store.hpp"
#include "journal/verify.hpp"
#include "stream/verify.hpp"

namespace folkmoot::cli {

struct FolderReport {
  JournalInfo journal;
  ContentReport contents;
  std::vector<std::string> missing{};  // contents that messages refer to, in words; known if the journal was opened
  StreamsReport streams{};             // of the first shard

  bool is_sound() const {
    return journal.problems_total == 0 && contents.damaged.empty() && missing.empty() && streams.problems_total == 0;
  }
};

/// The folders with a journal: the data folder itself, and one for each further shard of its server.
std::vector<std::string> journal_folders(const std::string& data);
/// The files of streams of a data folder: none if it has none. Throws Failure: io_error.
StreamsReport verify_streams_of(const std::string& data, const OnRead& on_read = {});
/// All journals, contents and streams of a data folder that no server uses, read byte for byte: one report for each
/// journal, and in each what its messages refer to and is not among the contents, known only if the journal is sound
/// and, if it is sealed, `keys` open it. On a terminal it shows how far it is. Throws Failure: not_found if there is no
/// journal in the folder, in_use, io_error, damaged.
std::vector<FolderReport> verify_all(const std::string& data, const KeysGiven& keys);

}  // namespace folkmoot::cli
