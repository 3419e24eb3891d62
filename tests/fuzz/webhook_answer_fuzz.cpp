// What an endpoint answers to a webhook: any bytes. What is taken of it are messages that can be sent, caused by the
// one that was posted, and the reply goes to nobody but its sender.
#include <cstdlib>

#include "message/operations.hpp"
#include "webhook/post_body.hpp"

namespace folkmoot {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

Message asked(bool expects_reply) {
  Message message;
  message.id = Uuid::parse("019ab3c0-4f1e-7d42-8a00-3c5d7e9f1a2b").value();
  message.from = "boss";
  message.to = "worker";
  message.expects_reply = expects_reply;
  return message;
}

}  // namespace
}  // namespace folkmoot

// The first byte says whether a reply is expected.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  if (size == 0) return 0;
  const auto message = asked((data[0] & 1) != 0);
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto outputs = read_post_answer(body, "application/json", message);
  if (!outputs) {
    require(!outputs.error().text.empty());
    return 0;
  }
  require(outputs->size() <= 1'000);
  for (const auto& output : *outputs) {
    require(output.cause == message.id);
    std::string frame;
    (void)append_publish(frame, 1, output);  // what it cannot say is refused there
  }
  require(read_post_answer(body, "text/plain", message)->empty());
  return 0;
}
