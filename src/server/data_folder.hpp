// What stands in the data folder of a server with several shards: the first one's journal, contents and streams, a file
// that says how many shards it was made for, and a folder with a journal for each of the others.
#pragma once

#include <cstdint>
#include <string>

#include "journal/disk.hpp"
#include "server/options.hpp"

namespace folkmoot {

/// A folder is taken for a new data folder only if it is not there, or nothing of others is in it (hidden files and
/// lost+found aside); a backup is none. To be asked before anything is written. Errors: already_exists, not_permitted,
/// those of the disk.
Result<void> check_strangers(const std::string& data);
/// Folder 0 is the data folder itself.
std::string shard_folder(const std::string& data, ShardNumber shard);
/// The database of the history, in the data folder; two files that begin with its name stand beside it.
constexpr std::string_view kHistoryFile = "history.sqlite";
constexpr std::string_view kFailingFile = "webhooks.failing";  // since when endpoints fail (webhook/failing.hpp)
/// Where the files of streams are; streams are the first shard's.
std::string streams_folder(const std::string& data);
/// How many shards it was made for.
Result<std::uint32_t> shards_of(Disk& data);
/// A new one is made for so many shards as the options say; another must be for as many, and have all their journals.
/// Errors: invalid_field, damaged, those of the disk.
Result<void> check_shards(Disk& data, const ServerOptions& options);
/// The journals of a data folder. Errors: damaged, naming the folder where one is missing.
Result<void> check_journals(const std::string& data, std::uint32_t shards);

}  // namespace folkmoot
