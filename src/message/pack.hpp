// A bounded reader and an appending writer of MessagePack, over msgpuck where it is not on the hot path.
// Reading never goes past the end it was given; after a failure `ok()` is false and every further read gives nothing.
#pragma once

#include <msgpuck.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace folkmoot {

class PackReader {
 public:
  explicit PackReader(Bytes bytes) : begin_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  bool at_end() const { return at_ == end_; }
  std::uint32_t offset() const { return static_cast<std::uint32_t>(at_ - begin_); }
  mp_type peek() const { return at_ < end_ ? mp_typeof(static_cast<char>(*at_)) : MP_EXT; }

  /// A non-negative integer of any width.
  std::uint64_t uint() {
    if (at_ < end_) {
      const std::uint8_t head = *at_;
      if (head < 0x80) return ++at_, head;
      if (head >= 0xcc && head <= 0xcf) {
        const std::size_t width = std::size_t{1} << (head - 0xcc);
        if (left() > width) {
          std::uint64_t value = 0;
          for (std::size_t i = 1; i <= width; ++i) value = value << 8 | at_[i];
          at_ += 1 + width;
          return value;
        }
      }
      if (head >= 0xd0 && head <= 0xd3) return not_negative();
    }
    return fail(), 0;
  }

  std::string_view str() {
    if (at_ < end_) {
      const std::uint8_t head = *at_;
      if ((head & 0xe0) == 0xa0) return take(1, head & 0x1f);
      if (head == 0xd9 && left() >= 2) return take(2, at_[1]);
      if (head == 0xda && left() >= 3) return take(3, std::size_t{at_[1]} << 8 | at_[2]);
      if (head == 0xdb && left() >= 5) return take(5, __builtin_bswap32(load<std::uint32_t>(at_ + 1)));
    }
    return fail(), std::string_view{};
  }

  std::string_view bin() {
    if (at_ < end_) {
      const std::uint8_t head = *at_;
      if (head == 0xc4 && left() >= 2) return take(2, at_[1]);
      if (head == 0xc5 && left() >= 3) return take(3, std::size_t{at_[1]} << 8 | at_[2]);
      if (head == 0xc6 && left() >= 5) return take(5, __builtin_bswap32(load<std::uint32_t>(at_ + 1)));
    }
    return fail(), std::string_view{};
  }

  bool boolean() {
    if (at_ < end_ && (*at_ == 0xc2 || *at_ == 0xc3)) return *at_++ == 0xc3;
    return fail(), false;
  }

  /// A number in the format of doubles.
  double real() {
    if (at_ < end_ && *at_ == 0xcb && left() >= 9) {
      const auto* at = reinterpret_cast<const char*>(at_);
      const auto value = mp_decode_double(&at);
      at_ += 9;
      return value;
    }
    return fail(), 0;
  }

  /// Enters a map: the number of pairs.
  std::uint32_t map() { return container(0x80, 0xde); }
  /// Enters an array: the number of elements.
  std::uint32_t array() { return container(0x90, 0xdc); }

  /// Passes over one value, whatever it is; false (and failed) if it is not whole.
  bool skip() {
    auto* at = reinterpret_cast<const char*>(at_);
    if (!ok_ || at_ >= end_ || mp_check(&at, reinterpret_cast<const char*>(end_)) != 0) return fail(), false;
    at_ = reinterpret_cast<const std::uint8_t*>(at);
    return true;
  }

  /// The bytes of the next value, passing over it.
  Bytes raw() {
    const auto* from = at_;
    if (!skip()) return {};
    return {from, static_cast<std::size_t>(at_ - from)};
  }

  void fail() {
    ok_ = false;
    at_ = end_;
  }

 private:
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  /// In one of the signed formats, which some libraries use for every integer.
  [[gnu::noinline]] std::uint64_t not_negative() {
    const std::size_t width = std::size_t{1} << (*at_ - 0xd0);
    if (left() <= width || at_[1] >= 0x80) return fail(), 0;
    std::uint64_t value = 0;
    for (std::size_t i = 1; i <= width; ++i) value = value << 8 | at_[i];
    at_ += 1 + width;
    return value;
  }

  std::string_view take(std::size_t head, std::size_t size) {
    if (left() - head < size) return fail(), std::string_view{};
    const auto* from = at_ + head;
    at_ = from + size;
    return {reinterpret_cast<const char*>(from), size};
  }

  std::uint32_t container(std::uint8_t fix, std::uint8_t wide) {
    if (at_ < end_) {
      const std::uint8_t head = *at_;
      if ((head & 0xf0) == fix) return ++at_, head & 0x0fu;
      if (head == wide && left() >= 3) {
        const std::uint32_t count = static_cast<std::uint32_t>(at_[1]) << 8 | at_[2];
        return at_ += 3, count;
      }
      if (head == wide + 1 && left() >= 5) {
        const auto count = __builtin_bswap32(load<std::uint32_t>(at_ + 1));
        // Every element takes a byte at least, so a count beyond what is left is a lie.
        if (count <= left()) return at_ += 5, count;
      }
    }
    return fail(), 0;
  }

  const std::uint8_t* begin_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

/// Appends MessagePack to a string.
class PackWriter {
 public:
  explicit PackWriter(std::string& out) : out_(out) {}

  PackWriter& map(std::uint32_t pairs) {
    return put(5, [&](char* at) { return mp_encode_map(at, pairs); });
  }
  PackWriter& array(std::uint32_t count) {
    return put(5, [&](char* at) { return mp_encode_array(at, count); });
  }
  PackWriter& uint(std::uint64_t value) {
    return put(9, [&](char* at) { return mp_encode_uint(at, value); });
  }
  PackWriter& integer(std::int64_t value) {
    if (value >= 0) return uint(static_cast<std::uint64_t>(value));
    return put(9, [&](char* at) { return mp_encode_int(at, value); });
  }
  PackWriter& real(double value) {
    return put(9, [&](char* at) { return mp_encode_double(at, value); });
  }
  PackWriter& boolean(bool value) {
    return put(1, [&](char* at) { return mp_encode_bool(at, value); });
  }
  PackWriter& nil() {
    return put(1, [&](char* at) { return mp_encode_nil(at); });
  }
  PackWriter& str(std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    put(5, [&](char* at) { return mp_encode_strl(at, size); });
    out_.append(text);
    return *this;
  }
  PackWriter& bin(std::string_view bytes) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    put(5, [&](char* at) { return mp_encode_binl(at, size); });
    out_.append(bytes);
    return *this;
  }

 private:
  template <class Encode>
  PackWriter& put(std::size_t most, Encode encode) {
    const auto size = out_.size();
    out_.resize(size + most);
    const char* end = encode(out_.data() + size);
    out_.resize(static_cast<std::size_t>(end - out_.data()));
    return *this;
  }

  std::string& out_;
};

}  // namespace folkmoot
