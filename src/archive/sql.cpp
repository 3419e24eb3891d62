#include "archive/sql.hpp"

#include "archive/postgres.hpp"
#include "archive/sqlite.hpp"

namespace folkmoot {

Result<std::int64_t> Database::number(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  const auto row = (*statement)->step();
  if (!row) return std::unexpected(row.error());
  const auto number = *row ? (*statement)->number(0) : 0;
  (*statement)->reset();
  return number;
}

Result<std::unique_ptr<Database>> open_database(const HistoryPlace& place, Database::Access access) {
  return place.postgres.empty() ? SqliteDatabase::open(place.file, access)
                                : PostgresDatabase::open(place.postgres, access);
}

}  // namespace folkmoot
