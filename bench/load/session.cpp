#include "session.hpp"

namespace folkmoot::bench {

void Session::fill_tail() {
  char chunk[16 << 10];
  const std::size_t got = read_some(fd_, chunk, sizeof chunk);
  if (got == 0) fail("the server closed the connection");
  tail.append(chunk, got);
}

void Session::unsupported(std::string_view what, std::string_view detail) {
  fail("this peer has no " + std::string(what) + " here " + std::string(detail));
}

std::unique_ptr<Session> open_session(const Options& options, const std::string& name) {
  const int fd = connect_to(options);
  if (options.peer == "nats") return open_nats(fd, false);
  if (options.peer == "jetstream") return open_nats(fd, true);
  if (options.peer == "redis") return open_redis(fd);
  if (options.peer == "rabbitmq") return open_rabbitmq(fd);
  if (options.peer == "folkmoot") return open_folkmoot(fd, name, options.content_bytes);
  if (options.peer == "folkmoot-http") return open_folkmoot_http(fd);
  if (options.peer == "folkmoot-ws") return open_folkmoot_websocket(fd, name);
  close(fd);
  fail("unknown peer '" + options.peer + "'");
}

}  // namespace folkmoot::bench
