#include "message/compression.hpp"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

namespace folkmoot {
namespace {

constexpr std::size_t kStepBytes = 64 * 1024;  // by which an output grows at first; then by half of what it has
constexpr int kGzipWindow = 15 + 16;           // zlib's word for: a gzip header, and the largest window
constexpr int kGzipMemory = 8;                 // zlib's default

std::unexpected<Error> unknown(std::string_view encoding) {
  return failure(ErrorCode::invalid_field,
                 fmt::format("`encoding` is `{}`; it may be gzip or zstd", encoding.substr(0, 64)));
}
std::unexpected<Error> damaged(std::string_view encoding, std::string_view how) {
  return failure(ErrorCode::malformed, fmt::format("the content is not {}: {}", encoding, how));
}
std::unexpected<Error> too_large(std::size_t bytes_max) {
  return failure(ErrorCode::content_too_large,
                 fmt::format("the decompressed content has more than {} bytes", bytes_max));
}

/// An output that grows step by step. One byte above the bound tells what has too many from what has just enough.
class Output {
 public:
  explicit Output(std::size_t bytes_max) : bytes_max_(std::min(bytes_max, kDecompressedBytesMax)) {}

  /// Room for the next step. Requires: !full().
  void grow() { bytes_.resize(std::min(std::max(kStepBytes, bytes_.size() + bytes_.size() / 2), bytes_max_ + 1)); }
  bool has_room() const { return used_ < bytes_.size(); }
  bool full() const { return used_ > bytes_max_; }
  char* at() { return bytes_.data() + used_; }
  std::size_t room() const { return bytes_.size() - used_; }
  void took(std::size_t bytes) { used_ += bytes; }
  std::size_t bytes_max() const { return bytes_max_; }
  std::string finish() {
    bytes_.resize(used_);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
  std::size_t used_ = 0;
  std::size_t bytes_max_;
};

uInt step_of(std::size_t bytes) { return static_cast<uInt>(std::min<std::size_t>(bytes, 1u << 30)); }
Bytef* input_of(Bytes bytes) { return const_cast<Bytef*>(bytes.data()); }  // zlib does not write there

struct Deflate {
  z_stream stream{};
  bool made =
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kGzipMemory, Z_DEFAULT_STRATEGY) == Z_OK;
  ~Deflate() {
    if (made) deflateEnd(&stream);
  }
};

struct Inflate {
  z_stream stream{};
  bool made = inflateInit2(&stream, kGzipWindow) == Z_OK;
  ~Inflate() {
    if (made) inflateEnd(&stream);
  }
};

Result<std::string> to_gzip(Bytes content) {
  Deflate deflating;
  if (!deflating.made || content.size() > kDecompressedBytesMax)
    return failure(ErrorCode::io_error, "gzip: no memory to compress");
  auto& stream = deflating.stream;
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = input_of(content);
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (::deflate(&stream, Z_FINISH) != Z_STREAM_END)
    return failure(ErrorCode::io_error, "gzip: the library did not finish");
  out.resize(stream.total_out);
  return out;
}

Result<std::string> from_gzip(Bytes compressed, std::size_t bytes_max) {
  Inflate inflating;
  if (!inflating.made) return failure(ErrorCode::io_error, "gzip: no memory to decompress");
  auto& stream = inflating.stream;
  Output out(bytes_max);
  auto left = compressed;
  bool at_end = false;
  while (!at_end || !left.empty()) {
    if (at_end && inflateReset(&stream) != Z_OK) return damaged(kGzip, "its next member cannot be read");
    if (!out.has_room()) out.grow();
    const auto given = step_of(left.size()), room = step_of(out.room());
    stream.next_in = input_of(left);
    stream.avail_in = given;
    stream.next_out = reinterpret_cast<Bytef*>(out.at());
    stream.avail_out = room;
    const int told = ::inflate(&stream, Z_NO_FLUSH);
    const auto eaten = given - stream.avail_in, made = room - stream.avail_out;
    left = left.subspan(eaten);
    out.took(made);
    if (out.full()) return too_large(out.bytes_max());
    at_end = told == Z_STREAM_END;
    if (at_end) continue;
    if (told != Z_OK && told != Z_BUF_ERROR) return damaged(kGzip, stream.msg ? stream.msg : "it is damaged");
    if (eaten == 0 && made == 0) return damaged(kGzip, "it ends too soon");
  }
  return out.finish();
}

Result<std::string> to_zstd(Bytes content) {
  std::string out(ZSTD_compressBound(content.size()), '\0');
  const auto size = ZSTD_compress(out.data(), out.size(), content.data(), content.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size)) return failure(ErrorCode::io_error, fmt::format("zstd: {}", ZSTD_getErrorName(size)));
  out.resize(size);
  return out;
}

Result<std::string> from_zstd(Bytes compressed, std::size_t bytes_max) {
  const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(), &ZSTD_freeDStream);
  if (!stream || ZSTD_isError(ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax))) {
    return failure(ErrorCode::io_error, "zstd: no memory to decompress");
  }
  Output out(bytes_max);
  ZSTD_inBuffer in{compressed.data(), compressed.size(), 0};
  std::size_t wants = 1;  // 0: a frame has just ended
  while (wants != 0 || in.pos < in.size) {
    if (!out.has_room()) out.grow();
    ZSTD_outBuffer step{out.at(), out.room(), 0};
    const auto before = in.pos;
    wants = ZSTD_decompressStream(stream.get(), &step, &in);
    if (ZSTD_isError(wants)) return damaged(kZstd, ZSTD_getErrorName(wants));
    out.took(step.pos);
    if (out.full()) return too_large(out.bytes_max());
    if (wants != 0 && step.pos == 0 && in.pos == before) return damaged(kZstd, "it ends too soon");
  }
  return out.finish();
}

}  // namespace

Result<std::string> compress(std::string_view encoding, Bytes content) {
  if (encoding == kGzip) return to_gzip(content);
  if (encoding == kZstd) return to_zstd(content);
  return unknown(encoding);
}

Result<std::string> decompress(std::string_view encoding, Bytes compressed, std::size_t bytes_max) {
  if (encoding == kGzip) return from_gzip(compressed, bytes_max);
  if (encoding == kZstd) return from_zstd(compressed, bytes_max);
  return unknown(encoding);
}

}  // namespace folkmoot
