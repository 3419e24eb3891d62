// folkmoot's other doors, publishing alone: HTTP (POST /api/messages, keep-alive) and WebSocket (the native frames as
// binary messages). Clients must mask what they send; a mask of zeros leaves it as it was built.
#include <algorithm>
#include <charconv>

#include "session.hpp"

namespace folkmoot::bench {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::uint8_t kBinary = 0x82, kClose = 0x88, kMasked = 0x80, kConfirm = 0x82;

class HttpSession : public Session {
 public:
  using Session::Session;

  std::string durable_frame(const std::string& content) override {
    const std::string json = R"({"to":"queue","content":")" + content + "\"}";
    return "POST /api/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(json.size()) + "\r\n\r\n" + json;
  }

  Scan scan_confirms(std::string_view bytes) override {
    Scan scan;
    for (;;) {
      const auto left = bytes.substr(scan.used);
      const auto head_end = left.find("\r\n\r\n");
      if (head_end == npos) break;
      const auto head = left.substr(0, head_end);
      if (!head.starts_with("HTTP/1.1 201")) fail("folkmoot HTTP: " + std::string(left));
      const std::string_view key = "Content-Length: ";
      const auto at = head.find(key);
      if (at == npos) fail("folkmoot HTTP: no Content-Length");
      std::size_t body_bytes = 0;
      std::from_chars(head.data() + at + key.size(), head.data() + head.size(), body_bytes);
      if (left.size() < head_end + 4 + body_bytes) break;
      scan.used += head_end + 4 + body_bytes;
      ++scan.count;
    }
    return scan;
  }
};

class WebSocketSession : public Session {
 public:
  WebSocketSession(int fd, const std::string& agent) : Session(fd) {
    send("GET /ws?agent=" + agent +
         " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    std::size_t end = npos;
    while ((end = tail.find("\r\n\r\n")) == npos) fill_tail();
    if (!tail.starts_with("HTTP/1.1 101")) fail("folkmoot WebSocket: " + tail);
    tail.erase(0, end + 4);
  }

  std::string durable_frame(const std::string& content) override {
    const std::string native = folkmoot_durable_frame(content);
    if (native.size() > 65'535) fail("folkmoot WebSocket: frames above 65535 bytes are not built here");
    std::string frame(1, static_cast<char>(kBinary));
    if (native.size() < 126) {
      frame += static_cast<char>(kMasked | native.size());
    } else {
      frame += static_cast<char>(kMasked | 126);
      frame += static_cast<char>(native.size() >> 8);
      frame += static_cast<char>(native.size() & 0xFF);
    }
    frame.append(4, '\0');
    return frame + native;
  }

  Scan scan_confirms(std::string_view bytes) override {
    Scan scan;
    for (;;) {
      const auto left = bytes.substr(scan.used);
      if (left.size() < 2) break;
      const auto byte = [left](std::size_t at) { return static_cast<std::uint8_t>(left[at]); };
      std::size_t header_bytes = 2;
      std::size_t payload_bytes = byte(1);
      if (payload_bytes >= 126) {
        header_bytes += payload_bytes == 126 ? 2 : 8;
        if (left.size() < header_bytes) break;
        payload_bytes = 0;
        for (std::size_t at = 2; at < header_bytes; ++at) payload_bytes = payload_bytes << 8 | byte(at);
      }
      if (left.size() < header_bytes + payload_bytes) break;
      if (byte(0) == kClose) fail("folkmoot WebSocket: closed by the server");
      if (byte(0) == kBinary) scan.count += count_confirms(left.substr(header_bytes, payload_bytes));
      scan.used += header_bytes + payload_bytes;
    }
    return scan;
  }

 private:
  static std::uint64_t count_confirms(std::string_view frames) {
    std::uint64_t count = 0;
    while (frames.size() >= 12) {
      std::size_t length = 0;
      for (int at = 3; at >= 0; --at)
        length = length << 8 | static_cast<std::uint8_t>(frames[static_cast<std::size_t>(at)]);
      if (static_cast<std::uint8_t>(frames[4]) != kConfirm) fail("folkmoot WebSocket: a message was not confirmed");
      ++count;
      frames.remove_prefix(std::min(frames.size(), length + 4));
    }
    return count;
  }
};

}  // namespace

std::unique_ptr<Session> open_folkmoot_http(int fd) { return std::make_unique<HttpSession>(fd); }

std::unique_ptr<Session> open_folkmoot_websocket(int fd, const std::string& agent) {
  return std::make_unique<WebSocketSession>(fd, agent);
}

}  // namespace folkmoot::bench
