#include "server/calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.hpp"
#include "filter/filter.hpp"
#include "message/json_mapping.hpp"
#include "message/pack.hpp"
#include "message/retry.hpp"
#include "server/call.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kFilterBytesMax = 4096;  // more than any filter may have: Filter::compile() refuses with a reason
constexpr std::uint64_t kListMax = 1'000;
constexpr std::size_t kListScanMax = 20'000;    // dead letters one listing looks at; the next one goes on from there
constexpr std::size_t kListBytesMax = 4 << 20;  // of a listing; what does not fit is for the next one
constexpr std::size_t kDryRunIds = 100;
constexpr std::uint64_t kLimitMax = 1'000'000'000;

// -- dead letters

// What `filter` and its neighbours ask for. Holds what the query points to.
struct DeadConditions {
  DeadQuery query;
  bool any = false;  // one was given
};

DeadReason reason_named(std::string_view word) {
  for (std::size_t i = 1; i < kDeadReasons; ++i) {
    if (name(static_cast<DeadReason>(i)) == word) return static_cast<DeadReason>(i);
  }
  return DeadReason::none;
}

Result<DeadConditions> read_conditions(JsonFields& fields) {
  DeadConditions out;
  out.query.mailbox = fields.text("mailbox");
  out.query.id = fields.id("id");
  out.query.before = fields.time_ms("before");
  const auto reason = fields.text("reason"), filter = fields.text("filter", kFilterBytesMax + 1);
  if (!reason.empty()) {
    out.query.reason = reason_named(reason);
    if (out.query.reason == DeadReason::none) {
      fields.refuse(
          ErrorCode::invalid_field,
          fmt::format("`reason` is `{}`; it may be expired, overflow, max_deliveries, rejected, guard or no_route",
                      reason));
    }
  }
  if (!fields.result()) return wrong(fields);
  if (!filter.empty()) {
    auto compiled = Filter::compile(filter);
    if (!compiled) return failure(compiled.error().code, fmt::format("`filter`: {}", compiled.error().text));
    out.query.fits = [filter = std::move(*compiled), input = std::make_shared<FilterInput>()](Bytes message) {
      input->reset(message);
      return filter.matches(*input);
    };
  }
  out.any = !out.query.mailbox.empty() || !out.query.id.is_nil() || out.query.before != 0 || !reason.empty() ||
            !filter.empty();
  return out;
}

void append_dead(JsonWriter& json, const DeadView& dead, bool with_content) {
  json.field("id", dead.id.text()).field("mailbox", dead.mailbox).field("reason", name(dead.reason));
  json.field("text", dead.text).field("at", dead.at).field("deliveries", dead.deliveries).key("message").begin_object();
  if (auto message = decode_message(dead.message)) {
    std::string type;
    if (!with_content) {  // an empty content of a text type would be written as such
      message->content.clear();
      type = std::exchange(message->content_type, {});
    }
    append_json_fields(json, *message);
    json.optional_field("content_type", type);
  }
  json.end_object();
}

void append_attempts(JsonWriter& json, Engine& engine, const Uuid& id) {
  json.key("attempts").begin_array();
  engine.each_attempt(id, [&](const AttemptView& attempt) {
    json.begin_object()
        .field("at", attempt.at)
        .optional_field("holder", attempt.holder)
        .field("end", name(attempt.end));
    json.optional_field("reason", attempt.reason).end_object();
  });
  json.end_array();
}

Result<void> list_dead(const Call& call) {
  auto& fields = call.arguments;
  const auto limit = fields.number("limit", kDeadListDefault, 1, kListMax);
  const auto after = fields.id("after");
  const bool with_content = fields.flag("content");
  const auto conditions = read_conditions(fields);
  if (!conditions) return std::unexpected(conditions.error());
  // What fits is looked for here, so that one listing ends however few there are.
  auto query = conditions->query;
  const auto fits = std::exchange(query.fits, {});
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("dead").begin_array();
  std::size_t seen = 0, listed = 0;
  Uuid last;
  bool is_more = false;
  call.engine.each_dead(query, after, [&](const DeadView& dead) {
    is_more = listed >= limit || seen >= kListScanMax || out.size() >= kListBytesMax;
    if (is_more) return false;
    last = dead.id;
    ++seen;
    if (fits && !fits(dead.message)) return true;
    ++listed;
    json.begin_object();
    append_dead(json, dead, with_content);
    json.end_object();
    return true;
  });
  json.end_array().key("next");
  is_more ? json.value(last.text()) : json.value(nullptr);
  json.end_object();
  return call.answer(out);
}

Result<void> show_dead(const Call& call) {
  const auto id = call.arguments.required_id("id");
  if (!call.arguments.result()) return wrong(call.arguments);
  std::string out;
  JsonWriter json(out);
  // The mailbox by its receipt: without it, every dead letter would have to be looked at.
  const DeadQuery query{.mailbox = call.engine.receipt(id).recipient, .id = id};
  if (!query.mailbox.empty()) {
    call.engine.each_dead(query, {}, [&](const DeadView& dead) {
      json.begin_object();
      append_dead(json, dead, true);
      return false;
    });
  }
  if (out.empty()) return failure(ErrorCode::not_found, fmt::format("no dead letter has the id {}", id.text()));
  append_attempts(json, call.engine, id);
  json.end_object();
  const auto most = call.reactor.options().frame_bytes_max - kFrameHeaderBytes;
  if (out.size() > most) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("as JSON it has {} bytes, {} are the most of an answer; dead.list shows it "
                               "without content",
                               out.size(), most));
  }
  return call.answer(out);
}

// The fields of `changes` as an envelope. What is set to its default is written too, as it is to replace what stands
// there.
struct Changes {
  std::string envelope;
  std::optional<std::string> content;

  Resubmission view() const {
    return {.changes = as_bytes(envelope), .content = content ? std::optional(as_bytes(*content)) : std::nullopt};
  }
};

Result<Changes> read_changes(const Call& call) {
  Changes out;
  const auto value = call.arguments.find("changes");
  if (!value) return out;
  if (!value->is_object())
    return failure(ErrorCode::invalid_field, "`changes` is not an object with fields of a message");
  const auto good = check_changes(*value);
  auto message = good ? message_from_json(*value, call.engine.now()) : std::unexpected(good.error());
  if (!message) return failure(message.error().code, fmt::format("`changes`: {}", message.error().text));
  const JsonFields fields(*value);
  if (fields.find("content") || fields.find("payload")) {
    out.content = std::move(message->content);
    if (out.content->size() > call.reactor.options().content_bytes_max) {
      return failure(ErrorCode::content_too_large,
                     fmt::format("the content has {} bytes; {} are the most", out.content->size(),
                                 call.reactor.options().content_bytes_max));
    }
  }
  std::string set;
  if (auto done = encode_envelope(*message, set); !done) return std::unexpected(done.error());
  PackReader reader(as_bytes(set));
  auto count = reader.map();
  std::string pairs = set.substr(reader.offset());
  PackWriter writer(pairs);
  const auto number = [&](std::string_view name, bool is_default, Field field, std::uint64_t otherwise) {
    if (!fields.find(name) || !is_default) return;
    ++count;
    writer.uint(static_cast<std::uint64_t>(field)).uint(otherwise);
  };
  const auto flag = [&](std::string_view name, bool is_default, Field field, bool otherwise) {
    if (!fields.find(name) || !is_default) return;
    ++count;
    writer.uint(static_cast<std::uint64_t>(field)).boolean(otherwise);
  };
  number("priority", message->priority == normal, Field::priority, normal);
  number("ttl", message->ttl_ms == 0, Field::ttl, 0);
  flag("bounce", !message->bounce, Field::bounce, false);
  flag("expects_reply", message->expects_reply, Field::expects_reply, true);
  if (count == 0) return out;
  PackWriter(out.envelope).map(count);
  out.envelope += pairs;
  return out;
}

Result<void> resubmit_dead(const Call& call) {
  const auto id = call.arguments.required_id("id");
  if (!call.arguments.result()) return wrong(call.arguments);
  const auto changes = read_changes(call);
  if (!changes) return std::unexpected(changes.error());
  call.engine.resubmit(call.session, call.request, id, changes->view());
  return {};
}

Result<void> count_dead(const Call& call, const DeadQuery& query, std::uint64_t limit) {
  std::uint64_t count = 0;
  std::string ids;
  JsonWriter list(ids);
  list.begin_array();
  call.engine.each_dead(query, {}, [&](const DeadView& dead) {
    if (count++ < kDryRunIds) list.value(dead.id.text());
    return limit == 0 || count < limit;
  });
  list.end_array();
  std::string out;
  JsonWriter(out).begin_object().field("count", count).key("ids").raw(ids).end_object();
  return call.answer(out);
}

Result<void> redrive_dead(const Call& call) {
  auto& fields = call.arguments;
  const auto limit = fields.number("limit", 0, 1, kRedriveMax);
  const auto rate = fields.number("rate", 0, 1, 1'000'000);
  const bool is_dry = fields.flag("dry_run");
  const auto conditions = read_conditions(fields);
  if (!conditions) return std::unexpected(conditions.error());
  const auto changes = read_changes(call);
  if (!changes) return std::unexpected(changes.error());
  if (is_dry) return count_dead(call, conditions->query, limit);
  call.engine.redrive(call.session, call.request,
                      {.query = conditions->query,
                       .how = changes->view(),
                       .limit = static_cast<std::uint32_t>(limit),
                       .per_second = static_cast<std::uint32_t>(rate)});
  return {};
}

Result<void> purge_dead(const Call& call) {
  auto& fields = call.arguments;
  const auto limit = fields.number("limit", kLimitMax, 1, kLimitMax);
  const bool all = fields.flag("all");
  const auto conditions = read_conditions(fields);
  if (!conditions) return std::unexpected(conditions.error());
  if (!conditions->any && !all) {
    return failure(ErrorCode::invalid_field,
                   "no condition is given: that would be every dead letter; say so by \"all\":true");
  }
  call.engine.purge_dead(call.session, call.request, conditions->query, limit);
  return {};
}

// -- messages

Result<void> cancel_message(const Call& call) {
  const auto id = call.arguments.required_id("id");
  if (!call.arguments.result()) return wrong(call.arguments);
  call.engine.cancel_message(call.session, call.request, id);
  return {};
}

Result<void> show_attempts(const Call& call) {
  const auto id = call.arguments.required_id("id");
  if (!call.arguments.result()) return wrong(call.arguments);
  if (call.engine.receipt(id).state == ReceiptState::unknown) {
    return failure(ErrorCode::not_found,
                   fmt::format("message {} is not known here, or was settled too long ago", id.text()));
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("id", id.text());
  append_attempts(json, call.engine, id);
  json.end_object();
  return call.answer(out);
}

Result<void> show_cost(const Call& call) {
  const auto conversation = call.arguments.required_text("conversation");
  if (!call.arguments.result()) return wrong(call.arguments);
  const auto sums = call.engine.conversation(conversation);
  if (!sums)
    return failure(ErrorCode::not_found,
                   fmt::format("no message of conversation {} has reported a cost", conversation));
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("conversation", conversation)
      .field("messages", sums->messages)
      .field("tokens", sums->tokens)
      .field("money", sums->money)
      .end_object();
  return call.answer(out);
}

// -- schedules

Result<void> set_schedule(const Call& call) {
  auto& fields = call.arguments;
  const ScheduleCommand command{.name = fields.required_text("name"),
                                .cron = fields.text("cron"),
                                .every_ms = fields.long_duration_ms("every"),
                                .first_at = fields.time_ms("first_at"),
                                .until = fields.time_ms("until"),
                                .times = fields.number("times", 0, 0, kLimitMax)};
  const auto from = fields.text("from");
  const auto value = fields.find("message");
  if (!value) fields.refuse(ErrorCode::invalid_field, "`message` is missing");
  if (!fields.result()) return wrong(fields);
  auto message = message_from_json(*value, call.engine.now());
  if (!message) return failure(message.error().code, fmt::format("`message`: {}", message.error().text));
  if (message->from.empty()) message->from = from;
  message->key.clear();  // each firing is a message of its own
  message->id = {};
  const auto most = call.reactor.options().content_bytes_max;
  if (message->content.size() > most) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the content has {} bytes; {} are the most", message->content.size(), most));
  }
  std::string envelope;
  if (auto done = encode_envelope(*message, envelope); !done) return done;
  IncomingMessage incoming{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(message->content)};
  if (auto done = read_routing(incoming.envelope, incoming.routing); !done) return done;
  call.engine.set_schedule(call.session, call.request, command, incoming);
  return {};
}

Result<void> remove_schedule(const Call& call) {
  const auto name = call.arguments.required_text("name");
  if (!call.arguments.result()) return wrong(call.arguments);
  call.engine.remove_schedule(call.session, call.request, name);
  return {};
}

Result<void> list_schedules(const Call& call) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("schedules").begin_array();
  bool is_cut = false;
  call.engine.each_schedule([&](const Schedule& schedule) {
    is_cut = is_cut || out.size() >= kListBytesMax;
    if (is_cut) return;
    json.begin_object().field("name", schedule.name);
    if (schedule.cron_text.empty()) {
      json.field("every", schedule.every_ms);
    } else {
      json.field("cron", schedule.cron_text);
    }
    json.field("from", call.engine.name_of(schedule.sender)).field("next", schedule.next);
    if (schedule.until != 0) json.field("until", schedule.until);
    if (schedule.left != 0) json.field("left", schedule.left);
    json.field("fired", schedule.fired).end_object();
  });
  json.end_array();
  if (is_cut) json.field("more", true);
  json.end_object();
  return call.answer(out);
}

// -- mailboxes

Result<void> configure_mailbox(const Call& call) {
  auto& fields = call.arguments;
  MailboxCommand command{.name = fields.required_text("name"), .limits = call.reactor.options().engine.mailbox};
  auto& limits = command.limits;
  limits.max_messages = fields.number("max_messages", limits.max_messages, 1, kMailboxMessagesMax);
  if (fields.has("default_ttl")) limits.default_ttl_ms = fields.long_duration_ms("default_ttl");
  if (const auto overflow = fields.text("overflow"); !overflow.empty()) {
    if (overflow != "reject" && overflow != "drop_oldest") {
      fields.refuse(ErrorCode::invalid_field,
                    fmt::format("`overflow` is `{}`; it may be reject or drop_oldest", overflow));
    }
    limits.overflow = overflow == "reject" ? Overflow::reject : Overflow::drop_oldest;
  }
  if (const auto value = fields.find("retry")) {
    const auto policy = retry_from_json(*value);
    if (!policy) return std::unexpected(policy.error());
    limits.retry = over(*policy, limits.retry);
  }
  limits.retry.attempts =
      static_cast<std::uint16_t>(fields.number("max_deliveries", limits.retry.attempts, 1, kAttemptsMax));
  if (!fields.result()) return wrong(fields);
  call.engine.configure_mailbox(call.session, call.request, command);
  return {};
}

struct Row {
  std::string_view name;
  std::string_view arguments;  // all that it knows: one it does not know may be a condition that was misspelt
  Result<void> (*carry_out)(const Call&);
};

constexpr Row kRows[] = {
    {"dead.list", "mailbox id reason before filter limit after content", list_dead},
    {"dead.show", "id", show_dead},
    {"dead.resubmit", "id changes", resubmit_dead},
    {"dead.redrive", "mailbox id reason before filter changes limit rate dry_run", redrive_dead},
    {"dead.purge", "mailbox id reason before filter limit all", purge_dead},
    {"message.cancel", "id", cancel_message},
    {"message.attempts", "id", show_attempts},
    {"schedule.set", "name every cron first_at until times message from", set_schedule},
    {"schedule.remove", "name", remove_schedule},
    {"schedule.list", "", list_schedules},
    {"route.set", "name order filter targets strategy hash_on consumers_only", set_route},
    {"route.remove", "name", remove_route},
    {"route.list", "", list_routes},
    {"agent.load", "load agent", report_load},
    {"conversation.cost", "conversation", show_cost},
    {"mailbox.configure", "name max_messages overflow default_ttl max_deliveries retry", configure_mailbox},
};

}  // namespace

Result<void> carry_out_call(Reactor& reactor, SessionId session, std::uint32_t request, std::string_view name,
                            std::string_view arguments) {
  const auto* const row = std::ranges::find(kRows, name, &Row::name);
  if (row == std::end(kRows)) {
    return failure(ErrorCode::not_found, fmt::format("there is no call {}", is_name(name) ? name : "(unprintable)"));
  }
  JsonDocument document;
  const auto value = document.parse(arguments.empty() ? "{}" : arguments);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object())
    return failure(ErrorCode::malformed, fmt::format("the arguments of {} are not a JSON object", name));
  JsonFields fields(*value);
  fields.refuse_others(row->arguments);
  if (!fields.result()) return wrong(fields);
  return row->carry_out({reactor, reactor.engine(), session, request, fields});
}

}  // namespace folkmoot
