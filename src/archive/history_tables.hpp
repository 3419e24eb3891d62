// The history's tables, and how those of an older version become the present ones.
#pragma once

#include "archive/sql.hpp"

namespace folkmoot {

/// Makes the tables, or brings those of an older version up to date, one version after the other and each of them whole
/// or not at all. Errors: unsupported_version (a newer program's), already_exists (there are others of these names),
/// io_error, not_permitted.
Result<void> bring_tables_up_to_date(Database& database);
/// The newest version that this program knows.
std::int64_t newest_tables();
/// 0: there are none.
Result<std::int64_t> version_of_tables(Database& database);

}  // namespace folkmoot
