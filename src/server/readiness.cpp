#include "server/readiness.hpp"

#include <spdlog/spdlog.h>

namespace folkmoot {

void Readiness::lose_room(std::string_view why) {
  if (without_room_++ > 0) return;
  spdlog::warn(
      "the journal has no room ({}): durable messages are refused until it has; reads, acks and transient traffic go "
      "on",
      why);
}

void Readiness::regain_room() {
  if (--without_room_ > 0) return;
  spdlog::info("the journal has room again: durable messages are accepted");
}

}  // namespace folkmoot
