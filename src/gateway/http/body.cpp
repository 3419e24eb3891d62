#include "gateway/http/body.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/limits.hpp"

namespace folkmoot {
namespace {

constexpr std::uint32_t kSizeDigitsMax = 15;

std::unexpected<Error> broken(std::string_view what) {
  return failure(ErrorCode::malformed, fmt::format("the body's chunks are broken: {}", what));
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

BodyDecoder::BodyDecoder(const RequestHead& head) {
  if (head.is_chunked) {
    state_ = State::size;
  } else if (head.content_length.value_or(0) > 0) {
    state_ = State::data;
    left_ = *head.content_length;
  }
}

Result<void> BodyDecoder::take(std::string_view& in, std::string& out, std::size_t most) {
  const auto end = out.size() + most;
  while (!in.empty() && state_ != State::done) {
    if (state_ == State::data || state_ == State::chunk) {
      if (out.size() == end) break;
      take_data(in, out, end - out.size());
      continue;
    }
    if (auto done = take_framing(in.front()); !done) return done;
    in.remove_prefix(1);
  }
  return {};
}

void BodyDecoder::take_data(std::string_view& in, std::string& out, std::size_t most) {
  const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>({left_, in.size(), most}));
  out.append(in.substr(0, bytes));
  in.remove_prefix(bytes);
  left_ -= bytes;
  if (left_ == 0) state_ = state_ == State::data ? State::done : State::chunk_cr;
}

Result<void> BodyDecoder::take_framing(char c) {
  const auto expect = [&](char wanted, State next, std::string_view otherwise) -> Result<void> {
    if (c != wanted) return broken(otherwise);
    state_ = next;
    return {};
  };
  switch (state_) {
    case State::size:
    case State::blank:
      return take_size(c);
    case State::extension:
      return take_extra(c, State::size_lf);
    case State::size_lf:
      return expect('\n', left_ == 0 ? State::trailer : State::chunk, "a size ends in CR without LF");
    case State::chunk_cr:
      return expect('\r', State::chunk_lf, "one is longer than its size says");
    case State::chunk_lf:
      digits_ = 0;
      return expect('\n', State::size, "one is not followed by CR LF");
    case State::trailer:
      if (c == '\r') return expect('\r', State::last_lf, {});
      state_ = State::trailer_line;
      [[fallthrough]];
    case State::trailer_line:
      return take_extra(c, State::trailer_lf);
    case State::trailer_lf:
      return expect('\n', State::trailer, "a trailer ends in CR without LF");
    case State::last_lf:
      return expect('\n', State::done, "the last line is not empty");
    case State::data:
    case State::chunk:
    case State::done:
      break;
  }
  return broken("nothing comes here");
}

Result<void> BodyDecoder::take_size(char c) {
  if (const int value = hex_value(c); value >= 0 && state_ == State::size) {
    if (++digits_ > kSizeDigitsMax) return broken("a size has too many digits");
    left_ = left_ * 16 + static_cast<std::uint64_t>(value);
    return {};
  }
  if (digits_ == 0) return broken("a size is missing");
  if (c == '\r' && state_ == State::size) return state_ = State::size_lf, Result<void>{};
  if (c == ';') return state_ = State::extension, Result<void>{};
  if (c != ' ' && c != '\t') return broken("a size is followed by something else than an extension");
  return take_extra(c, state_ = State::blank);
}

// What nobody here asks for is passed over, up to a bound.
Result<void> BodyDecoder::take_extra(char c, State after_cr) {
  if (c == '\r') return state_ = after_cr, Result<void>{};
  if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
    return broken("an extension or trailer has a control character in it");
  }
  if (++extras_ > kChunkExtrasMax) {
    return broken(fmt::format("extensions and trailers are longer than {} bytes", kChunkExtrasMax));
  }
  return {};
}

}  // namespace folkmoot
