#include "engine/checks.hpp"

#include <fmt/format.h>

namespace folkmoot {

Result<void> check_from(const IncomingMessage& message) {
  const auto& routing = message.routing;
  if (message.forwarded || routing.from.empty() || (routing.from.front() != '@' && routing.from.front() != '$'))
    return {};
  return failure(ErrorCode::invalid_name,
                 fmt::format("`from` is {}: names that begin with @ or $ are the server's", routing.from),
                 "give a name that begins otherwise");
}

namespace {

Result<void> check_topic(const IncomingMessage& message, std::string_view kept) {
  const auto& routing = message.routing;
  if (!kept.empty()) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is of no use to an event, which goes to whoever listens at this moment: send to a "
                               "mailbox for that",
                               kept));
  }
  if (routing.topic.starts_with("bus") && (routing.topic.size() == 3 || routing.topic[3] == '.')) {
    return failure(ErrorCode::not_permitted,
                   fmt::format("topic {}: what begins with `bus` is the server's own", routing.topic),
                   "give a topic that begins otherwise");
  }
  return check_from(message);
}

}  // namespace

Result<void> check_now(const IncomingMessage& message) {
  const auto& routing = message.routing;
  const auto kept = promise_of_the_log(routing);
  if (routing.topic.empty()) {
    if (kept.empty() || kept == "key") return {};  // which goes along with an answer
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is of no use to an answer, which goes to who waits for it at this moment", kept));
  }
  if (wants_keeping(routing)) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`mode` is {} for topic {}: the events of complete() and of schedules go out at most "
                               "once; leave it out, or send to a mailbox for more",
                               name(*routing.mode), routing.topic));
  }
  return check_topic(message, kept);
}

Result<void> check_kept(const IncomingMessage& message) {
  const auto& routing = message.routing;
  if (routing.mode == DeliveryMode::exactly_once) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`mode` is exactly_once for topic {}: an event is kept at_least_once at most; with a "
                               "`key`, durable subscriptions know a second copy",
                               routing.topic));
  }
  const auto promised = promise_of_the_log(routing);
  return check_topic(message, promised == "key" ? "" : promised);
}

Result<NameId> sender_of(Names& names, Session& session, const IncomingMessage& message) {
  const auto& routing = message.routing;
  if (routing.from.empty()) {
    if (session.name_id != 0) return session.name_id;
    return names.number("anonymous");
  }
  if (auto good = check_from(message); !good) return std::unexpected(std::move(good.error()));
  if (const auto known = names.find(routing.from, session.last_sender); known != 0) return known;
  return names.number(routing.from);
}

}  // namespace folkmoot
