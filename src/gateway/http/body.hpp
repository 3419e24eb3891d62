// The body of a request, cut out of what comes in: as long as Content-Length says, or in chunks (RFC 9112, sections 6
// and 7.1). No socket here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/head.hpp"

namespace folkmoot {

class BodyDecoder {
 public:
  BodyDecoder() = default;
  explicit BodyDecoder(const RequestHead& head);

  /// Takes what belongs to the body from the front of `in`, and appends at most `most` bytes of content to `out`.
  /// Errors: malformed, after which the connection has no further use.
  Result<void> take(std::string_view& in, std::string& out, std::size_t most);
  bool is_done() const { return state_ == State::done; }

 private:
  enum class State : std::uint8_t {
    data,          // of known length: left_ more bytes
    size,          // hexadecimal digits of a chunk's size
    blank,         // after it: an extension must follow (RFC 9112, section 7.1.1)
    extension,     // what else its line has
    size_lf,       // LF after it
    chunk,         // left_ more bytes of a chunk
    chunk_cr,      // CR and
    chunk_lf,      // LF after them
    trailer,       // at the beginning of a line after the last chunk
    trailer_line,  // within one: it is passed over
    trailer_lf,    // LF after it
    last_lf,       // LF after the empty line
    done,
  };

  void take_data(std::string_view& in, std::string& out, std::size_t most);
  Result<void> take_framing(char c);
  Result<void> take_size(char c);
  Result<void> take_extra(char c, State after_cr);

  State state_ = State::done;
  std::uint64_t left_ = 0;
  std::uint32_t digits_ = 0;  // of a chunk's size so far
  std::size_t extras_ = 0;    // bytes of extensions and trailers so far
};

}  // namespace folkmoot
