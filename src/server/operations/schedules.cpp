#include <fmt/format.h>

#include "operation/json_codec.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {

Result<void> carry_out(const Call& call, const SetSchedule& arguments) {
  const ScheduleCommand command{.name = arguments.name,
                                .cron = arguments.cron,
                                .every_ms = arguments.every.count(),
                                .first_at = arguments.first_at_ms,
                                .until = arguments.until_ms,
                                .times = arguments.times};
  auto message = arguments.message;
  if (message.from.empty()) message.from = arguments.from;
  const auto most = call.reactor.options().content_bytes_max;
  if (message.content.size() > most) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the content has {} bytes; {} are the most", message.content.size(), most));
  }
  std::string envelope;
  if (auto done = encode_envelope(message, envelope); !done) return done;
  IncomingMessage incoming{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(message.content)};
  if (auto done = read_routing(incoming.envelope, incoming.routing); !done) return done;
  call.engine.set_schedule(call.session, call.request, command, incoming);
  return {};
}

Result<void> carry_out(const Call& call, const RemoveSchedule& arguments) {
  call.engine.remove_schedule(call.session, call.request, arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ListSchedules&) {
  SchedulePage page;
  std::size_t bytes = 0;
  call.engine.each_schedule([&](const Schedule& schedule) {
    page.more = page.more || bytes >= kListBytesMax;
    if (page.more) return;
    const auto& row = page.schedules.emplace_back(ScheduleStatus{
        .name = schedule.name,
        .every = schedule.cron_text.empty() ? Milliseconds(schedule.every_ms) : Milliseconds(0),
        .cron = schedule.cron_text,
        .next_ms = schedule.next,
        .until_ms = schedule.until,
        .left = schedule.left,
        .fired = schedule.fired,
        .from = std::string(call.engine.name_of(schedule.sender)),
    });
    bytes += to_json_text(row, Sparse::as_described).size();
  });
  return call.answer(page);
}

}  // namespace folkmoot
