// Calls: their arguments written as JSON, their answers read from it (docs/protocol.md, the section on calls).
#include "folkmoot/admin.hpp"

#include <algorithm>
#include <utility>

#include "client/codec.hpp"
#include "client/operation.hpp"
#include "message/json_document.hpp"
#include "message/json_mapping.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

using detail::Answer;
using detail::Connection;
using detail::nothing;
using detail::operation_of;
namespace dom = simdjson::dom;

/// Arguments that are left out when they are as they were made.
class Arguments {
 public:
  Arguments() { json_.begin_object(); }
  Arguments(const Arguments&) = delete;
  Arguments& text(std::string_view name, std::string_view value) { return json_.optional_field(name, value), *this; }
  Arguments& id(std::string_view name, const Uuid& value) {
    if (!value.is_nil()) json_.field(name, value.text());
    return *this;
  }
  template <class Number>
  Arguments& number(std::string_view name, Number value) {
    if (value != 0) json_.field(name, value);
    return *this;
  }
  Arguments& flag(std::string_view name, bool value) {
    if (value) json_.field(name, true);
    return *this;
  }
  Arguments& fields(std::string_view name, const Metadata& value) {
    if (!value.empty()) json_.field(name, value);
    return *this;
  }
  Arguments& message(std::string_view name, const Message& value) {
    json_.key(name);
    append_json(json_, value);
    return *this;
  }
  Arguments& filter(const DeadFilter& by) {
    return text("mailbox", by.mailbox)
        .text("reason", by.reason)
        .number("before", by.before_ms)
        .text("filter", by.filter)
        .id("id", by.id);
  }
  std::string finish() {
    json_.end_object();
    return std::move(out_);
  }

 private:
  std::string out_;
  JsonWriter json_{out_};
};

// What an answer has under a name; the default if it has not, or has something else there.
std::string text_at(const dom::element& of, std::string_view name) {
  std::string_view value;
  return of[name].get(value) ? std::string() : std::string(value);
}
template <class Number>
Number number_at(const dom::element& of, std::string_view name) {
  std::int64_t value = 0;
  return of[name].get(value) || value < 0 ? Number{} : static_cast<Number>(value);
}
double real_at(const dom::element& of, std::string_view name) {
  double value = 0;
  return of[name].get(value) ? 0 : value;
}
Uuid id_at(const dom::element& of, std::string_view name) { return Uuid::parse(text_at(of, name)).value_or(Uuid{}); }

std::vector<dom::element> list_at(const dom::element& of, std::string_view name) {
  dom::array list;
  if (of[name].get(list)) return {};
  return {list.begin(), list.end()};
}

/// The operation of a call whose answer is JSON that `read(const dom::element&)` turns into a Result<T>.
template <class T, class Read>
detail::Operation json_call(std::string_view name, const std::string& arguments, Completion<T> done, Read read) {
  return operation_of(codec::call(name, arguments), std::move(done),
                      [read = std::move(read)](Answer& answer) -> Result<T> {
                        JsonDocument document;
                        const auto value = document.parse(as_text(answer.body));
                        if (!value) return std::unexpected(value.error());
                        return read(*value);
                      });
}

void ask(const std::shared_ptr<Connection>& connection, detail::Operation operation) {
  operation.again = true;
  connection->submit(std::move(operation));
}

std::vector<Attempt> read_attempts(const dom::element& of) {
  std::vector<Attempt> out;
  for (const auto& one : list_at(of, "attempts")) {
    out.push_back(
        {number_at<std::int64_t>(one, "at"), text_at(one, "holder"), text_at(one, "end"), text_at(one, "reason")});
  }
  return out;
}

Result<DeadMessage> read_dead(const dom::element& of, std::size_t content_bytes_max) {
  DeadMessage dead{.id = id_at(of, "id"),
                   .mailbox = text_at(of, "mailbox"),
                   .reason = text_at(of, "reason"),
                   .text = text_at(of, "text"),
                   .at_ms = number_at<std::int64_t>(of, "at"),
                   .deliveries = number_at<std::uint32_t>(of, "deliveries"),
                   .attempts = read_attempts(of)};
  dom::element given;
  if (of["message"].get(given)) return dead;
  auto message = message_from_json(given, 0);
  if (!message) return std::unexpected(message.error());
  Delivery content{.message = std::move(*message)};
  if (!content.message.content.empty()) codec::unpack(content, content_bytes_max);
  dead.message = std::move(content.message);
  return dead;
}

}  // namespace

void Client::start_call(const Shared& c, const std::string& name, const std::string& arguments,
                        Completion<std::string> done) {
  c->submit(operation_of(codec::call(name, arguments), std::move(done),
                         [](Answer& answer) -> Result<std::string> { return std::string(as_text(answer.body)); }));
}

// --- messages
// ----------------------------------------------------------------------------------------------------------

void Client::start_cancel(const Shared& c, const Uuid& id, Completion<void> done) {
  c->submit(operation_of(codec::call("message.cancel", Arguments().id("id", id).finish()), std::move(done), nothing));
}

void Client::start_attempts(const Shared& c, const Uuid& id, Completion<std::vector<Attempt>> done) {
  ask(c, json_call("message.attempts", Arguments().id("id", id).finish(), std::move(done),
                   [](const dom::element& answer) -> Result<std::vector<Attempt>> { return read_attempts(answer); }));
}

void Client::start_conversation_cost(const Shared& c, const std::string& conversation,
                                     Completion<ConversationCost> done) {
  ask(c, json_call("conversation.cost", Arguments().text("conversation", conversation).finish(), std::move(done),
                   [](const dom::element& answer) -> Result<ConversationCost> {
                     return ConversationCost{text_at(answer, "conversation"),
                                             number_at<std::uint64_t>(answer, "messages"), real_at(answer, "tokens"),
                                             real_at(answer, "money")};
                   }));
}

// --- dead letters
// ------------------------------------------------------------------------------------------------------

void Client::start_dead_list(const Shared& c, const DeadFilter& filter, const DeadListOptions& options,
                             Completion<DeadPage> done) {
  auto arguments = Arguments()
                       .filter(filter)
                       .number("limit", options.limit)
                       .id("after", options.after)
                       .flag("content", options.content)
                       .finish();
  ask(c, json_call("dead.list", arguments, std::move(done),
                   [most = c->options().content_bytes_max](const dom::element& answer) -> Result<DeadPage> {
                     DeadPage page{.next = id_at(answer, "next")};
                     for (const auto& one : list_at(answer, "dead")) {
                       auto dead = read_dead(one, most);
                       if (!dead) return std::unexpected(dead.error());
                       page.dead.push_back(std::move(*dead));
                     }
                     return page;
                   }));
}

void Client::start_dead_show(const Shared& c, const Uuid& id, Completion<DeadMessage> done) {
  ask(c, json_call(
             "dead.show", Arguments().id("id", id).finish(), std::move(done),
             [most = c->options().content_bytes_max](const dom::element& answer) { return read_dead(answer, most); }));
}

void Client::start_dead_resubmit(const Shared& c, const Uuid& id, const Metadata& changes,
                                 Completion<PublishReceipt> done) {
  c->submit(operation_of(codec::call("dead.resubmit", Arguments().id("id", id).fields("changes", changes).finish()),
                         std::move(done), [](Answer& answer) { return codec::read_confirm(answer.body); }));
}

void Client::start_dead_redrive(const Shared& c, const DeadFilter& filter, const RedriveOptions& options,
                                Completion<Redriven> done) {
  Arguments arguments;
  arguments.filter(filter).fields("changes", options.changes).number("limit", options.limit);
  arguments.number("rate", options.per_second).flag("dry_run", options.dry_run);
  if (options.dry_run) {
    return ask(c, json_call("dead.redrive", arguments.finish(), std::move(done),
                            [](const dom::element& answer) -> Result<Redriven> {
                              Redriven out{.count = number_at<std::uint64_t>(answer, "count")};
                              for (const auto& one : list_at(answer, "ids")) {
                                std::string_view id;
                                if (!one.get(id)) out.ids.push_back(Uuid::parse(id).value_or(Uuid{}));
                              }
                              return out;
                            }));
  }
  auto operation = operation_of(codec::call("dead.redrive", arguments.finish()), std::move(done),
                                [](Answer& answer) -> Result<Redriven> {
                                  const auto sent = read_u32(answer.body), refused = read_u32(answer.body, 4);
                                  if (!sent || !refused) return std::unexpected(sent ? refused.error() : sent.error());
                                  return Redriven{.sent = *sent, .refused = *refused};
                                });
  // It takes as long as it takes.
  c->submit(detail::long_wait(std::move(operation), std::chrono::hours(24 * 7)));
}

void Client::start_dead_purge(const Shared& c, const DeadFilter& filter, const PurgeOptions& options,
                              Completion<std::uint32_t> done) {
  auto arguments = Arguments().filter(filter).number("limit", options.limit).flag("all", options.all).finish();
  c->submit(operation_of(codec::call("dead.purge", arguments), std::move(done),
                         [](Answer& answer) { return read_u32(answer.body); }));
}

// --- schedules
// ---------------------------------------------------------------------------------------------------------

void Client::start_set_schedule(const Shared& c, const ScheduledMessage& schedule, Completion<void> done) {
  Arguments arguments;
  arguments.text("name", schedule.name).number("every", schedule.every.count()).text("cron", schedule.cron);
  arguments.number("first_at", schedule.first_at_ms).number("until", schedule.until_ms).number("times", schedule.times);
  arguments.message("message", schedule.message);
  auto operation = operation_of(codec::call("schedule.set", arguments.finish()), std::move(done), nothing);
  ask(c, std::move(operation));
}

void Client::start_remove_schedule(const Shared& c, const std::string& name, Completion<void> done) {
  c->submit(
      operation_of(codec::call("schedule.remove", Arguments().text("name", name).finish()), std::move(done), nothing));
}

void Client::start_schedules(const Shared& c, Completion<std::vector<ScheduleStatus>> done) {
  ask(c, json_call("schedule.list", {}, std::move(done),
                   [](const dom::element& answer) -> Result<std::vector<ScheduleStatus>> {
                     std::vector<ScheduleStatus> out;
                     for (const auto& one : list_at(answer, "schedules")) {
                       out.push_back({.name = text_at(one, "name"),
                                      .every = Milliseconds(number_at<std::int64_t>(one, "every")),
                                      .cron = text_at(one, "cron"),
                                      .next_ms = number_at<std::int64_t>(one, "next"),
                                      .until_ms = number_at<std::int64_t>(one, "until"),
                                      .left = number_at<std::uint64_t>(one, "left"),
                                      .fired = number_at<std::uint64_t>(one, "fired"),
                                      .from = text_at(one, "from")});
                     }
                     return out;
                   }));
}

// --- routes
// ------------------------------------------------------------------------------------------------------------

namespace {
constexpr std::string_view kStrategyNames[] = {"round_robin", "weighted", "least_loaded", "random", "hash"};

RouteStatus read_route(const dom::element& of) {
  RouteStatus out{
      .rule = {.name = text_at(of, "name"),
               .order = number_at<std::uint32_t>(of, "order"),
               .filter = text_at(of, "filter"),
               .strategy = parse_route_strategy(text_at(of, "strategy")).value_or(RouteStrategy::round_robin),
               .hash_on = text_at(of, "hash_on")},
      .routed = number_at<std::uint64_t>(of, "routed")};
  bool only = false;
  out.rule.consumers_only = !of["consumers_only"].get(only) && only;
  for (const auto& target : list_at(of, "targets")) {
    out.rule.targets.push_back({text_at(target, "name"), number_at<std::uint32_t>(target, "weight")});
  }
  return out;
}
}  // namespace

std::string_view name(RouteStrategy strategy) { return kStrategyNames[static_cast<std::size_t>(strategy)]; }

std::optional<RouteStrategy> parse_route_strategy(std::string_view text) {
  const auto* const known = std::ranges::find(kStrategyNames, text);
  if (known == std::end(kStrategyNames)) return std::nullopt;
  return static_cast<RouteStrategy>(known - std::begin(kStrategyNames));
}

void Client::start_set_route(const Shared& c, const RouteRule& route, Completion<void> done) {
  std::string arguments;
  JsonWriter json(arguments);
  json.begin_object().field("name", route.name).field("order", route.order).optional_field("filter", route.filter);
  json.field("strategy", name(route.strategy)).optional_field("hash_on", route.hash_on);
  if (route.consumers_only) json.field("consumers_only", true);
  json.key("targets").begin_array();
  for (const auto& target : route.targets) {
    json.begin_object().field("name", target.name).field("weight", target.weight).end_object();
  }
  json.end_array().end_object();
  ask(c, operation_of(codec::call("route.set", arguments), std::move(done), nothing));
}

void Client::start_remove_route(const Shared& c, const std::string& name, Completion<void> done) {
  c->submit(
      operation_of(codec::call("route.remove", Arguments().text("name", name).finish()), std::move(done), nothing));
}

void Client::start_routes(const Shared& c, Completion<std::vector<RouteStatus>> done) {
  ask(c,
      json_call("route.list", {}, std::move(done), [](const dom::element& answer) -> Result<std::vector<RouteStatus>> {
        std::vector<RouteStatus> out;
        for (const auto& one : list_at(answer, "routes")) out.push_back(read_route(one));
        return out;
      }));
}

void Client::start_report_load(const Shared& c, std::uint32_t load, Completion<void> done) {
  std::string arguments;
  JsonWriter(arguments).begin_object().field("load", load).end_object();
  ask(c, operation_of(codec::call("agent.load", arguments), std::move(done), nothing));
}

}  // namespace folkmoot
