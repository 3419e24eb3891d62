// A request over HTTP: however it is cut into pieces it is read alike, and what both this reader and Beast's take, they
// understand alike: the same fields, the same body, the same end. That it ends where others think is what counts.
#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdlib>

#include "base/bytes.hpp"
#include "gateway/http/body.hpp"

namespace {

using namespace folkmoot;
namespace http = boost::beast::http;

constexpr std::size_t kBodyBytesMax = 1 << 20;

void must(bool holds) {
  if (!holds) std::abort();
}

struct Read {
  bool is_good = false;
  std::string body;
  std::size_t used = 0;  // bytes of header and body, once the body is done
  bool is_done = false;
};

Read read_body(const RequestHead& head, std::string_view rest, std::size_t step, std::size_t most) {
  BodyDecoder decoder(head);
  Read read{.is_good = true};
  std::size_t given = 0;
  while (!decoder.is_done() && given < rest.size()) {
    auto piece = rest.substr(given, step);
    const auto before = piece.size();
    const auto size = read.body.size();
    if (!decoder.take(piece, read.body, most)) return {};
    must(read.body.size() <= size + most);
    must(before > piece.size());
    given += before - piece.size();
  }
  read.used = given;
  read.is_done = decoder.is_done();
  return read;
}

void compare_with_beast(std::string_view text, const RequestHead& head, std::size_t head_bytes, const Read& ours) {
  http::request_parser<http::string_body> parser;
  parser.eager(true);
  parser.header_limit(1 << 20);
  parser.body_limit(kBodyBytesMax);
  boost::beast::error_code error;
  std::size_t used = 0;
  while (!parser.is_done() && used < text.size()) {
    const auto more = parser.put(boost::asio::buffer(text.data() + used, text.size() - used), error);
    used += more;
    if (error || more == 0) break;
  }
  if (error && error != http::error::need_more) return;  // stricter there: not ours to say
  if (!parser.is_header_done()) return;
  const auto& theirs = parser.get();
  must(std::string_view(theirs.method_string().data(), theirs.method_string().size()) == head.method);
  must(parser.chunked() == head.is_chunked);
  const auto length = parser.content_length();
  must(length.has_value() == head.content_length.has_value() && (!length || *length == *head.content_length));
  for (const auto& [name, value] : head.fields) must(theirs.find(name) != theirs.end());
  if (!ours.is_good || !ours.is_done || !parser.is_done()) return;
  must(head_bytes + ours.used == used);
  must(theirs.body() == ours.body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text({data, size});
  std::size_t looked = 0;
  const auto end = find_head_end(text, looked);
  std::size_t looked_slowly = 0;
  for (std::size_t have = 1; have <= text.size(); ++have) {
    const auto slowly = find_head_end(text.substr(0, have), looked_slowly);
    if (slowly && *slowly == 0) continue;
    must(slowly.has_value() == end.has_value() && (!end || *slowly == *end));
    break;
  }
  if (!end || *end == 0) return 0;
  const auto head = parse_head(text.substr(0, *end));
  if (!head) {
    must(head.error().status >= 400 && !head.error().error.text.empty());
    return 0;
  }
  must(!head->is_chunked || !head->content_length);
  must(head->minor == 0 || (head->count("host") == 1 && head->authority));
  const auto rest = text.substr(*end);
  const auto whole = read_body(*head, rest, std::string_view::npos, kBodyBytesMax);
  for (const std::size_t step : {1, 7}) {
    const auto pieces = read_body(*head, rest, step, step);
    must(pieces.is_good == whole.is_good && (!whole.is_good || pieces.body == whole.body));
    must(!whole.is_good || (pieces.used == whole.used && pieces.is_done == whole.is_done));
  }
  compare_with_beast(text, *head, *end, whole);
  return 0;
}
