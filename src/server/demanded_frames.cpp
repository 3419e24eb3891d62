#include "server/demanded_frames.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "message/envelope.hpp"
#include "message/limits.hpp"
#include "operation/fields.hpp"
#include "server/command.hpp"
#include "server/operations/call_codec.hpp"

namespace folkmoot {
namespace {

using Kept = access::Demands::Kept;

class DemandedFrame {
 public:
  DemandedFrame(const access::Demands& demands, std::string_view agent, std::int64_t now)
      : demands_(demands), agent_(agent), now_(now) {}

  // A frame is carried out whole or not at all: what was noted of one that is refused may come again.
  void take_back() {
    for (const auto& [from, number] : noted_) demands_.take_back(from, number);
  }
  Result<void> look(Message message, Kept kept) {
    if (message.to.starts_with('@')) kept = Kept::memory;
    if (message.from.empty()) message.from = agent_;
    auto from = message.from;
    std::string number;
    auto good = demands_.check(std::move(message), kept, now_, number);
    if (!number.empty()) noted_.emplace_back(std::move(from), std::move(number));
    return good;
  }
  // Envelope and content, behind `front` bytes.
  Result<void> look_behind(std::size_t front, Bytes body) {
    if (body.size() < front) return {};
    auto message = decode_message(body.subspan(front));
    return message ? look(std::move(*message), Kept::mailbox) : Result<void>{};
  }
  Result<void> look_at_request(Bytes body) {
    if (body.size() < sizeof(std::uint32_t)) return {};
    auto message = decode_message(body.subspan(sizeof(std::uint32_t)));
    if (!message) return {};
    const bool is_durable = message->mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once;
    return look(std::move(*message), is_durable ? Kept::mailbox : Kept::memory);
  }
  // u32 count, then each with its length.
  Result<void> look_at_list(Bytes list) {
    if (list.size() < 4) return {};
    const auto count = load<std::uint32_t>(list.data());
    list = list.subspan(4);
    for (std::uint32_t place = 0; place < count && list.size() >= 4; ++place) {
      const std::size_t bytes = load<std::uint32_t>(list.data());
      if (list.size() - 4 < bytes) break;
      if (auto good = look_behind(0, list.subspan(4, bytes)); !good) {
        good.error().text = fmt::format("message {}: {}", place, good.error().text);
        return good;
      }
      list = list.subspan(4 + bytes);
    }
    return {};
  }
  Result<void> look_at_call(Bytes body) {
    const auto call = read_call(body);
    Result<void> done;
    if (!call) return done;
    each_message(*call->operation->arguments, call->arguments.get(), [&](const Message& message) {
      if (done) done = look(message, Kept::mailbox);
    });
    return done;
  }

 private:
  const access::Demands& demands_;
  std::string_view agent_;
  std::int64_t now_;
  std::vector<std::pair<std::string, std::string>> noted_;  // senders and numbers
};

Result<void> look_through(DemandedFrame& look, const Frame& frame) {
  const auto body = frame.body;
  switch (frame.header.opcode) {
    case Opcode::publish:
      return look.look_behind(0, body);
    case Opcode::request:
      return look.look_at_request(body);
    case Opcode::publish_batch:
      return look.look_at_list(body);
    case Opcode::complete: {
      const auto front = sizeof(LeaseToken) + (names_its_message(frame) ? sizeof(Uuid) : 0);
      return look.look_at_list(body.subspan(std::min(body.size(), front)));
    }
    case Opcode::call:
      return look.look_at_call(body);
    default:
      return {};
  }
}

}  // namespace

Result<void> check_demands(const access::Demands& demands, const Frame& frame, std::string_view agent,
                           std::int64_t now) {
  DemandedFrame look(demands, agent, now);
  auto good = look_through(look, frame);
  if (!good) look.take_back();
  return good;
}

}  // namespace folkmoot
