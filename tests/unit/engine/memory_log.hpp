// A log in memory: what was appended, how much of it is durable, and whether there is room.
#pragma once

#include <map>
#include <string>

#include "engine/fact_log.hpp"

namespace folkmoot::test {

class MemoryLog final : public FactLog {
 public:
  struct Record {
    FactKind kind{};
    std::string body;
    bool live = false;
  };

  bool has_room(Urgency urgency, std::size_t) const override { return urgency == Urgency::durable ? room_durable : room_settling; }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override {
    Record record{kind, {}, life == Life::live};
    for (const auto& part : parts) record.body.append(as_text(part));
    const FactPlace place{end, static_cast<std::uint32_t>(record.body.size())};
    end += 16 + record.body.size();
    records[place.lsn] = std::move(record);
    return place;
  }
  Result<Bytes> read(FactPlace place) override {
    if (!records.contains(place.lsn)) return failure(ErrorCode::damaged, "no such record");
    return as_bytes(records[place.lsn].body);
  }
  void retain(FactPlace place) override { records.at(place.lsn).live = true; }
  void release(FactPlace place) override { records.at(place.lsn).live = false; }

  std::size_t count(FactKind kind) const {
    std::size_t count = 0;
    for (const auto& [lsn, record] : records) count += record.kind == kind;
    return count;
  }

  std::map<Lsn, Record> records;
  Lsn end = 64;
  bool room_durable = true, room_settling = true;
};

}  // namespace folkmoot::test
