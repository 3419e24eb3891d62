// Encryption of a journal at rest: the body of each fact of a sealed segment, by AES-256-GCM. Lengths, kinds, checksums
// and marks stay as they are, so that whoever has no key can still tell a torn tail from damage.
//
//   key      32 bytes, and a number that follows from them, by which a segment says which key it needs
//   segment  its key := HMAC-SHA-256(key, "folkmoot segment" | journal_id | number:u64 | salt:u64)
//   fact     body := run:u64 encrypted[..] tag[16]
//            nonce := run:u64 | place in the segment / 8 :u32; bound to it: lsn:u64 length:u32 kind linked 0[2]
//
// A nonce must never serve twice for a key. Within a run a place is written with one content only, however often. But a
// torn tail is cut, and other facts are then written to the same places of the same segment; so each run, each time
// that a journal is opened, draws a number of 64 random bits, and is told by it.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/gcm_key.hpp"
#include "journal/format.hpp"

namespace folkmoot {

constexpr std::size_t kJournalKeyBytes = kAesKeyBytes;
constexpr std::size_t kJournalKeysMax = 64;                 // that may be given at once
constexpr std::size_t kJournalKeyTextBytesMax = 16 * 1024;  // in which they are told
constexpr const char* kBrokenSeal = "the record's seal is broken: it is not what was written with this key";

/// The keys of a journal: the one that new segments are sealed with, and those that older ones are read with. Constant;
/// any thread.
class JournalKeys {
 public:
  /// A line for each key, the one for new segments first: 64 hexadecimal digits. With the word `plain` as the first
  /// line new segments are not sealed. Empty lines and what begins with # count for nothing. Errors: invalid_field,
  /// which never has the text in it.
  static Result<std::shared_ptr<const JournalKeys>> parse(std::string_view text);
  JournalKeys(const JournalKeys&) = delete;
  JournalKeys& operator=(const JournalKeys&) = delete;
  ~JournalKeys();

  /// The number of the key for new segments; nothing: these are plain.
  std::optional<std::uint32_t> current() const;
  bool has(std::uint32_t number) const { return find(number) != nullptr; }
  /// The cipher of a segment. Requires: it is sealed with a key that is known.
  GcmKey key_of(const SegmentHeader& header) const;

 private:
  struct Key {
    std::uint32_t number = 0;
    std::array<std::uint8_t, kJournalKeyBytes> secret{};
  };

  JournalKeys() = default;
  const Key* find(std::uint32_t number) const;
  Result<void> add(std::string_view digits, std::size_t line);

  std::vector<Key> keys_;
  bool seals_new_ = true;
};

/// A key's number as people see it: eight hexadecimal digits.
std::string key_name(std::uint32_t number);

/// Which key is needed to read a segment of that header, if `keys` (or none at all) has not got it.
std::optional<Error> missing_key(const SegmentHeader& header, const JournalKeys* keys);

/// Room for what is opened or sealed. It grows with the largest, and gives back what is above kKeptBytes.
class ScratchBytes {
 public:
  std::span<std::uint8_t> take(std::size_t bytes);

 private:
  static constexpr std::size_t kKeptBytes = std::size_t{1} << 20;
  std::vector<std::uint8_t> bytes_;
};

/// Seals and opens facts of segments, whose ciphers it keeps as long as they are in use. One thread's.
class SegmentSeals {
 public:
  explicit SegmentSeals(std::shared_ptr<const JournalKeys> keys) : keys_(std::move(keys)) {}

  bool can_open(const SegmentHeader& header) const { return !header.seal || keys_->has(header.seal->key); }
  /// Encrypts the body of a laid-out record, which stands at `record` + 12 + 8, where it stands, and writes what goes
  /// before and behind it. Requires: a sealed segment whose key is known; the record's checksum is made afterwards.
  void seal(const SegmentHeader& header, std::uint8_t* record, Lsn lsn, std::uint64_t run);
  /// The body of a good record of a fact, decrypted into `into`. Nothing if it is not what was sealed. Requires: a
  /// sealed segment whose key is known.
  std::optional<Bytes> open(const SegmentHeader& header, const RecordView& record, ScratchBytes& into);

 private:
  static constexpr std::size_t kCount = 8;  // as ReadWindows has
  struct Known {
    SegmentHeader header;
    GcmKey key;
    std::uint64_t used_at = 0;
  };
  GcmKey& key_of(const SegmentHeader& header);

  std::shared_ptr<const JournalKeys> keys_;
  std::vector<Known> known_;  // at most kCount
  std::uint64_t clock_ = 0;
};

}  // namespace folkmoot
