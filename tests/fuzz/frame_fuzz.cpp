// A stream of frames, cut from the whole and from pieces as a socket brings them: both must find the same frames.
// Bodies go through every reader of answers.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "message/limits.hpp"
#include "message/operations.hpp"

namespace {

using namespace folkmoot;

struct Found {
  std::vector<std::string> frames;
  bool failed = false;
};

// Feeds `text` in pieces of at most `piece` bytes.
Found cut_all(std::string_view text, std::size_t piece) {
  Found found;
  std::string buffer;
  while (!text.empty() && !found.failed) {
    const auto size = std::min(piece, text.size());
    buffer.append(text.substr(0, size));
    text.remove_prefix(size);
    auto rest = as_bytes(buffer);
    for (;;) {
      const auto frame = cut_frame(rest, 4096);
      if (!frame) found.failed = true;
      if (!frame || !*frame) break;
      found.frames.push_back(std::string(1, static_cast<char>((*frame)->header.opcode)) +
                             std::string(as_text((*frame)->body)));
    }
    buffer = std::string(as_text(rest));
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text({data, size});
  const auto whole = cut_all(text, size);
  for (const std::size_t piece : {1, 5, 13}) {
    const auto pieces = cut_all(text, piece);
    if (pieces.frames != whole.frames || pieces.failed != whole.failed) std::abort();
  }
  auto rest = as_bytes(text);
  for (;;) {
    const auto frame = cut_frame(rest, kFrameBytesDefault);
    if (!frame || !*frame) return 0;
    const auto body = (*frame)->body;
    (void)read_error(body).has_value();
    (void)read_welcome(body).has_value();
    (void)read_confirm(body).has_value();
    (void)read_settled(body).has_value();
    (void)read_batch_results(body).has_value();
    (void)read_receipts(body).has_value();
    (void)read_delivery(**frame).has_value();
  }
}
