// How the journal's segments come to be sealed (sealing.hpp): with which key, and when one whose key is not the one for
// new segments is left behind. Facts are sealed by the thread that writes them, in a copy: in the blocks of memory they
// stay as they were appended, and are read there.
#include <fmt/format.h>
#include <sys/random.h>

#include "base/assert.hpp"
#include "journal/journal.hpp"

namespace folkmoot {

Result<void> Journal::set_seal() {
  if (!options_.keys) return {};
  seals_.emplace(options_.keys);
  written_seals_.emplace(options_.keys);
  const auto key = options_.keys->current();
  if (!key) return {};
  if (options_.run) {
    run_ = *options_.run;
  } else if (::getentropy(&run_, sizeof run_) != 0) {
    return failure(ErrorCode::io_error, "the operating system gave no random bytes to seal the journal with");
  }
  new_seal_ = {.key = *key, .salt = run_};
  seal_bytes_ = kSealBytes;
  return {};
}

bool Journal::is_foreign(const Segment& segment) const {
  if (segment.seal.has_value() != new_seal_.has_value()) return true;
  return segment.seal && segment.seal->key != new_seal_->key;
}

// Segments from `first` on were made ahead, and nothing was written to them. One that is not sealed as new ones are
// goes with all behind it, the last first, so that the numbers have no gap at any time.
Result<void> Journal::adopt_spares(std::size_t first) {
  auto kept = first;
  while (kept < segments_.size() && !is_foreign(segments_[kept])) ++kept;
  while (segments_.size() > kept) {
    const auto number = segments_.back().number;
    segments_.pop_back();
    if (auto done = disk_.remove(segment_name(number)); !done) return done;
    if (auto done = disk_.sync_folder(); !done) return done;
  }
  for (auto spare = first; spare < kept; ++spare) {
    auto& segment = segments_[spare];
    maker_.adopt(segment.number, {std::move(segment.file), segment.seal});
  }
  while (segments_.size() > first) segments_.pop_back();
  return {};
}

// Nothing is added to a segment whose key is another one than new ones have. The next is made now: were there no room
// for it later, not even settling could go on.
Result<void> Journal::leave_foreign_segment() {
  if (!is_foreign(segments_.back())) return {};
  const auto ready = maker_.prepare(segments_.back().number + 1);
  if (!ready) return std::unexpected(ready.error());
  if (!*ready) {
    return failure(
        ErrorCode::disk_full,
        fmt::format("no room for a journal segment of {} bytes that is {}: {}", segment_bytes_,
                    new_seal_ ? "sealed with the key " + key_name(new_seal_->key) : "plain", maker_.refusal()),
        "make room for it, or start once more with the keys as they were");
  }
  fill_bytes_ = 0;
  return {};
}

Result<void> Journal::write_sealed(std::span<const Piece> pieces) {
  for (const auto& piece : pieces) {
    const auto bytes = seal_piece(piece);
    if (auto done = piece.file->write(piece.lsn.value % segment_bytes_, {&bytes, 1}); !done) return done;
  }
  return {};
}

// Written again after a full disk, the same bytes come of it: the same facts at the same places, by the same run.
Bytes Journal::seal_piece(const Piece& piece) {
  const SegmentHeader header{id_, piece.lsn.value / segment_bytes_, segment_bytes_, piece.seal};
  const auto room = sealed_.take(piece.bytes.size());
  std::memcpy(room.data(), piece.bytes.data(), room.size());
  for (std::size_t at = 0; at < room.size();) {
    auto* const record = room.data() + at;
    if (record[8] < kMarkKindMin) {
      written_seals_->seal(header, record, piece.lsn + at, run_);
      codec_->seal_laid_out(record, piece.lsn + at, record[9] != 0);
    }
    at += record_bytes(load<std::uint32_t>(record));
  }
  return room;
}

}  // namespace folkmoot
