#include "journal/sealing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/hmac.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kNumberLabel = "folkmoot journal key";
constexpr std::string_view kSegmentLabel = "folkmoot segment";
constexpr std::string_view kPlain = "plain";
constexpr std::string_view kBlanks = " \t\r";

static_assert(kSealTagBytes == kGcmTagBytes);
static_assert(kSealFrontBytes + sizeof(std::uint32_t) == kGcmNonceBytes);
// Places in a segment, counted in the units that records begin at, fit into the nonce's second part.
static_assert(kSegmentBytesMax / kRecordAlign <= 0xffff'ffff);

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

std::optional<std::uint8_t> digit_of(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<std::uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<std::uint8_t>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<std::uint8_t>(digit - 'A' + 10);
  return std::nullopt;
}

using Nonce = std::array<std::uint8_t, kGcmNonceBytes>;
Nonce nonce_of(const SegmentHeader& header, Lsn lsn, std::uint64_t run) {
  Nonce nonce{};
  store(nonce.data(), run);
  store(nonce.data() + kSealFrontBytes, static_cast<std::uint32_t>((lsn - header.begin()) / kRecordAlign));
  return nonce;
}

// What its checksum has of a record beside the body.
using Front = std::array<std::uint8_t, 16>;
Front front_of(Lsn lsn, std::size_t length, std::uint8_t kind, bool linked) {
  Front front{};
  store(front.data(), lsn);
  store(front.data() + 8, static_cast<std::uint32_t>(length));
  front[12] = kind;
  front[13] = linked ? 1 : 0;
  return front;
}

std::span<std::uint8_t> bytes_of_text(std::string& text) {
  return {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Result<std::shared_ptr<const JournalKeys>> JournalKeys::parse(std::string_view text) {
  if (text.size() > kJournalKeyTextBytesMax) {
    return failure(ErrorCode::invalid_field, fmt::format("{} bytes are no keys of a journal: {} are the most",
                                                         text.size(), kJournalKeyTextBytesMax));
  }
  const std::shared_ptr<JournalKeys> made(new JournalKeys);
  made->keys_.reserve(kJournalKeysMax);  // so that no secret is left behind where they moved from
  bool is_first = true;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto word = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty() || word.front() == '#') continue;
    if (word == kPlain) {
      if (!is_first) {
        return failure(ErrorCode::invalid_field,
                       fmt::format("line {} says `{}`, and keys stand before it", line, kPlain),
                       "it goes first, if new segments are not to be sealed; else leave it out");
      }
      made->seals_new_ = false;
    } else if (auto added = made->add(word, line); !added) {
      return std::unexpected(added.error());
    }
    is_first = false;
  }
  if (is_first) {
    return failure(ErrorCode::invalid_field, "there is no key of a journal in it",
                   "`folkmoot journal new-key FILE` makes one, as does `openssl rand -hex 32`");
  }
  return std::shared_ptr<const JournalKeys>(made);
}

JournalKeys::~JournalKeys() {
  for (auto& key : keys_) wipe(key.secret);
}

Result<void> JournalKeys::add(std::string_view digits, std::size_t line) {
  const auto refuse = [line](std::string_view what) {
    return failure(ErrorCode::invalid_field, fmt::format("line {} {}", line, what),
                   "a key is 64 hexadecimal digits on a line of its own, as `openssl rand -hex 32` writes them");
  };
  if (digits.size() != 2 * kJournalKeyBytes) return refuse(fmt::format("has {} characters", digits.size()));
  if (keys_.size() == kJournalKeysMax)
    return refuse(fmt::format("is one key more than the {} there may be", kJournalKeysMax));
  auto& key = keys_.emplace_back();
  for (std::size_t i = 0; i < kJournalKeyBytes; ++i) {
    const auto high = digit_of(digits[2 * i]), low = digit_of(digits[2 * i + 1]);
    if (!high || !low) return refuse("has characters that are no hexadecimal digits");
    key.secret[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  const bool is_secret = std::ranges::any_of(key.secret, [&](auto byte) { return byte != key.secret.front(); });
  if (!is_secret) return refuse("is one byte over and over, which is no secret");
  key.number = load<std::uint32_t>(hmac_sha256(as_text(key.secret), kNumberLabel).data());
  if (std::ranges::count(keys_, key.number, &Key::number) > 1) return refuse("is a key that stands there before");
  return {};
}

std::optional<std::uint32_t> JournalKeys::current() const {
  return seals_new_ && !keys_.empty() ? std::optional(keys_.front().number) : std::nullopt;
}

const JournalKeys::Key* JournalKeys::find(std::uint32_t number) const {
  const auto found = std::ranges::find(keys_, number, &Key::number);
  return found == keys_.end() ? nullptr : &*found;
}

GcmKey JournalKeys::key_of(const SegmentHeader& header) const {
  FOLKMOOT_ASSERT(header.seal);
  const auto* key = find(header.seal->key);
  FOLKMOOT_ASSERT(key != nullptr);
  std::string what(kSegmentLabel);
  what += as_text(header.id);
  what += as_text(bytes_of(header.number));
  what += as_text(bytes_of(header.seal->salt));
  auto derived = hmac_sha256(as_text(key->secret), what);
  GcmKey made(derived);
  wipe(bytes_of_text(derived));
  return made;
}

std::string key_name(std::uint32_t number) { return fmt::format("{:08x}", number); }

std::optional<Error> missing_key(const SegmentHeader& header, const JournalKeys* keys) {
  if (!header.seal || (keys != nullptr && keys->has(header.seal->key))) return std::nullopt;
  const auto needs = fmt::format("journal segment {} ({}) is sealed with the key {}", header.number,
                                 segment_name(header.number), key_name(header.seal->key));
  if (keys == nullptr) {
    return Error{ErrorCode::not_permitted, needs + ", and no key was given; nothing was changed",
                 "give it: journal.key_file or journal.key_command of a server, --key-file of a command"};
  }
  return Error{ErrorCode::not_permitted, needs + ", which is not among those given; nothing was changed",
               "put that key back on a line of its own, below the one for new segments (docs/journal.md)"};
}

std::span<std::uint8_t> ScratchBytes::take(std::size_t bytes) {
  if (bytes_.size() > kKeptBytes && bytes <= kKeptBytes) bytes_ = {};
  if (bytes_.size() < bytes) bytes_.resize(bytes);
  return std::span(bytes_).first(bytes);
}

GcmKey& SegmentSeals::key_of(const SegmentHeader& header) {
  ++clock_;
  for (auto& known : known_) {
    const bool is_it = known.header.number == header.number && known.header.id == header.id &&
                       known.header.seal->key == header.seal->key && known.header.seal->salt == header.seal->salt;
    if (!is_it) continue;
    known.used_at = clock_;
    return known.key;
  }
  if (known_.size() == kCount) known_.erase(std::ranges::min_element(known_, {}, &Known::used_at));
  return known_.emplace_back(header, keys_->key_of(header), clock_).key;
}

void SegmentSeals::seal(const SegmentHeader& header, std::uint8_t* record, Lsn lsn, std::uint64_t run) {
  const std::size_t length = load<std::uint32_t>(record);
  FOLKMOOT_ASSERT(length >= kSealBytes);
  auto* const body = record + kRecordHeaderBytes;
  store(body, run);
  const std::span text(body + kSealFrontBytes, length - kSealBytes);
  const std::span tag(text.data() + text.size(), kSealTagBytes);
  key_of(header).seal(nonce_of(header, lsn, run), front_of(lsn, length, record[8], record[9] != 0), text, tag);
}

std::optional<Bytes> SegmentSeals::open(const SegmentHeader& header, const RecordView& record, ScratchBytes& into) {
  if (record.body.size() < kSealBytes) return std::nullopt;
  const auto nonce = nonce_of(header, record.lsn, load<std::uint64_t>(record.body.data()));
  const auto front = front_of(record.lsn, record.body.size(), record.kind, record.linked);
  const auto room = into.take(record.body.size() - kSealBytes);
  const auto sealed = record.body.subspan(kSealFrontBytes, room.size());
  if (!key_of(header).open(nonce, front, sealed, record.body.last(kSealTagBytes), room)) return std::nullopt;
  return room;
}

}  // namespace folkmoot
