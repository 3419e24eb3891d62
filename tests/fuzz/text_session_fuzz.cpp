// The JSON side of a WebSocket: lines of the input that begin with `{` or `[` are the client's text; others, taken as
// frames, the server's. Frames made must be whole, answers must be JSON, and rows must stay within their bound.
#include <cstdlib>

#include "gateway/json_frames.hpp"
#include "message/limits.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  TextSession session("agent", "token");
  JsonDocument check;
  auto text = as_text({data, size});
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with('{') || line.starts_with('[')) {
      const auto asked = session.ask(line);
      auto rest = as_bytes(asked.frames);
      while (!rest.empty()) {
        const auto frame = cut_frame(rest, kFrameBytesDefault * 4);
        if (!frame || !*frame || (*frame)->header.request < kTextRequestMin) std::abort();
      }
      if (!asked.answer.empty() && !check.parse(asked.answer)) std::abort();
      continue;
    }
    if (line.size() < 3) continue;
    // Answers by opcode and row, with whatever body.
    const Frame frame{{.length = static_cast<std::uint32_t>(line.size() + 5),
                       .opcode = static_cast<Opcode>(line[0]),
                       .flags = static_cast<std::uint8_t>(line[1]),
                       .request = kTextRequestMin + (static_cast<std::uint8_t>(line[2]) & 15)},
                      as_bytes(line.substr(3))};
    const auto told = session.tell(frame);
    if (!told.is_mine) std::abort();
    if (!told.more.empty() && !check.parse(told.more)) std::abort();
    auto cancels = as_bytes(told.frames);
    while (!cancels.empty()) {
      const auto cancel = cut_frame(cancels, kFrameBytesDefault);
      if (!cancel || !*cancel || (*cancel)->header.opcode != Opcode::cancel) std::abort();
    }
    if (!told.text.empty() && frame.header.opcode != Opcode::ok && !check.parse(told.text)) std::abort();
  }
  return 0;
}
