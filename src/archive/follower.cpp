#include "archive/follower.hpp"

#include <fmt/format.h>

namespace folkmoot {

Result<void> Follower::open(std::uint64_t number) {
  if (file_ && header_.number == number) return {};
  file_.reset();
  auto opened = folder_.open(segment_name(number), Disk::Open::read_only);
  if (!opened) return std::unexpected(opened.error());
  auto header = read_header(**opened, number);
  if (!header) return std::unexpected(header.error());
  if (auto missing = missing_key(*header, keys_.get())) return std::unexpected(*std::move(missing));
  file_ = std::move(*opened);
  header_ = *header;
  return {};
}

Result<JournalId> Follower::journal() {
  if (auto opened = open(position_.value / segment_bytes_); !opened) return std::unexpected(opened.error());
  return header_.id;
}

Result<void> Follower::follow(Lsn end, std::size_t budget, const Take& take) {
  const auto began = position_;
  auto at = position_;
  while (at < end && at - began < budget) {
    const auto number = at.value / segment_bytes_;
    if (auto opened = open(number); !opened) return opened;
    SegmentScanner scanner(*file_, header_, std::max<std::size_t>(at.value % segment_bytes_, kSegmentHeaderBytes),
                           seals_ ? &*seals_ : nullptr);
    bool is_closed = false, is_linked = false;
    while (header_.begin() + scanner.offset() < end &&
           (is_linked || header_.begin() + scanner.offset() - began < budget)) {
      const auto more = scanner.next();
      if (!more) return std::unexpected(more.error());
      if (!*more) return std::unexpected(damage(number, scanner.offset(), scanner.problem()));
      const auto& record = scanner.record();
      is_linked = record.linked;
      if (record.is(MarkKind::segment_end)) {
        is_closed = true;
        break;
      }
      if (record.is_mark()) continue;
      if (auto taken = take(record); !taken) return taken;
    }
    at = is_closed ? header_.end() : header_.begin() + scanner.offset();
  }
  position_ = at;
  return {};
}

}  // namespace folkmoot
