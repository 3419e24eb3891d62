// What stands behind the last good record of a segment. Two questions decide what recovery does there: is there
// anything but zeros, and does a mark written later say that the place had been synced?
#pragma once

#include "journal/segment_scanner.hpp"

namespace folkmoot {

struct Tail {
  std::size_t first_dirty = 0;  // offset of the first byte that is not zero
  std::size_t dirty_end = 0;    // offset behind the last one; 0: all are zeros
  Lsn synced = 0;               // the furthest that any good mark there claims; 0: no mark

  bool dirty() const { return dirty_end > 0; }
};

/// Looks at everything from `offset` to the segment's end. Errors: io_error.
Result<Tail> examine_tail(SegmentScanner& scanner, std::size_t offset);

}  // namespace folkmoot
