#include <fmt/format.h>

#include "base/utf8.hpp"
#include "operation/json_codec.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {

Result<void> carry_out(const Call& call, const SetSchedule& arguments) {
  const ScheduleCommand command{.name = arguments.name,
                                .cron = arguments.cron,
                                .every_ms = Duration{arguments.every.count()},
                                .first_at = Instant{arguments.first_at_ms},
                                .until = Instant{arguments.until_ms},
                                .times = arguments.times};
  auto message = arguments.message;
  if (message.from.empty()) message.from = arguments.from;
  const auto most = call.reactor.options().content_bytes_max;
  if (message.content.size() > most) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the content has {} bytes; {} are the most", message.content.size(), most),
                   "store it first and refer to it (docs/content.md), or raise max_content_bytes");
  }
  std::string envelope;
  if (auto done = encode_envelope(message, envelope); !done) return done;
  IncomingMessage incoming{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(message.content)};
  if (auto done = read_routing(incoming.envelope, incoming.routing); !done) return done;
  if (const auto* const connection = call.reactor.find(call.session)) incoming.provenance = connection->provenance;
  if (incoming.routing.has_c1 || has_c1(arguments.name))
    return failure(ErrorCode::invalid_name, "a name holds a control character (U+0080-009F)");
  call.engine.set_schedule(call.session, call.request, command, incoming);
  return {};
}

Result<void> carry_out(const Call& call, const RemoveSchedule& arguments) {
  call.engine.schedules().remove({call.session, call.request}, arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ListSchedules&) {
  SchedulePage page;
  std::size_t bytes = 0;
  call.engine.schedules().each([&](const Schedule& schedule) {
    page.more = page.more || bytes >= kListBytesMax;
    if (page.more) return;
    const auto& row = page.schedules.emplace_back(ScheduleStatus{
        .name = schedule.name,
        .every = schedule.cron_text.empty() ? Milliseconds(schedule.every_ms.ms) : Milliseconds(0),
        .cron = schedule.cron_text,
        .next_ms = schedule.next.ms,
        .until_ms = schedule.until.ms,
        .left = schedule.left,
        .fired = schedule.fired,
        .from = std::string(call.engine.name_of(schedule.sender)),
    });
    bytes += to_json_text(row, Sparse::as_described).size();
  });
  return call.answer(page);
}

}  // namespace folkmoot
