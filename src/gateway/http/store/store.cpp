#include "gateway/http/store/store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "folkmoot/operation/registry.hpp"
#include "folkmoot/operation/trace.hpp"
#include "gateway/http/fault.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/http/shapes.hpp"
#include "gateway/http/store/calls.hpp"
#include "gateway/http/trace_context.hpp"
#include "gateway/json_answers.hpp"

namespace folkmoot {
namespace {

struct StorePage {
  std::vector<StoredMessage> messages{};
  std::string next{};
};

struct StoreQuery {
  std::string agent, status, after;
  std::uint32_t limit = kStoreListDefault;
};

// A page that begins behind a message; nothing for the first.
Result<Uuid> place_of(const StoreQuery& wanted) {
  if (wanted.after.empty()) return Uuid{};
  if (const auto id = Uuid::parse(wanted.after)) return *id;
  return failure(ErrorCode::invalid_field, "`after` is no message's id; give it the X-Next of the page before");
}

std::string next_of(const Uuid& next) { return next.is_nil() ? std::string() : next.text(); }

// What stands in the mailbox: in somebody's hands, or not.
asio::awaitable<Result<StorePage>> list_standing(Exchange& exchange, StoreQuery wanted) {
  const auto after = place_of(wanted);
  if (!after) co_return std::unexpected(after.error());
  const bool held = wanted.status == "delivered";
  PeekMailbox peek;  // g++ 12 destroys an aggregate twice that is made within a co_await
  peek.name = wanted.agent;
  peek.state = held ? "leased" : "";
  peek.limit = wanted.limit;
  peek.after = *after;
  peek.content = true;
  auto peeked = co_await carry_out(exchange, std::move(peek));
  StorePage page;
  if (!peeked && peeked.error().code == ErrorCode::not_found) co_return page;  // nobody has sent it anything yet
  if (!peeked) co_return std::unexpected(peeked.error());
  page.next = next_of(peeked->next);
  for (auto& message : peeked->messages) {
    if (!held && message.state == "leased") continue;
    page.messages.push_back({.id = message.id, .status = wanted.status, .said = stored_fields(std::move(message))});
  }
  co_return page;
}

// What was given up.
asio::awaitable<Result<StorePage>> list_dead(Exchange& exchange, StoreQuery wanted) {
  const auto after = place_of(wanted);
  if (!after) co_return std::unexpected(after.error());
  const bool expired = wanted.status == "expired";
  ListDead list{
      .which = {.mailbox = wanted.agent, .reason = expired ? "expired" : "", .before_ms = 0, .filter = {}, .id = {}},
      .limit = wanted.limit,
      .after = *after,
      .content = true};
  auto dead = co_await carry_out(exchange, std::move(list));
  if (!dead) co_return std::unexpected(dead.error());
  StorePage page{.messages = {}, .next = next_of(dead->next)};
  for (auto& letter : dead->dead) {
    if (!expired && letter.reason == "expired") continue;
    page.messages.push_back({.id = letter.id, .status = wanted.status, .said = stored_fields(std::move(letter))});
  }
  co_return page;
}

// What was settled: only the history remembers it.
asio::awaitable<Result<StorePage>> list_processed(Exchange& exchange, StoreQuery wanted) {
  FindHistory find;
  find.to = wanted.agent;
  find.state = HistoryState::processed;
  find.limit = wanted.limit;
  find.after = wanted.after;
  find.content = true;
  auto found = co_await carry_out(exchange, std::move(find));
  if (!found) co_return std::unexpected(found.error());
  StorePage page{.messages = {}, .next = std::move(found->next)};
  for (auto& past : found->messages)
    page.messages.push_back({.id = past.id, .status = wanted.status, .said = stored_fields(std::move(past))});
  co_return page;
}

Result<StoreQuery> read_query(const Target& target) {
  StoreQuery out{.agent = {}, .status = "pending", .after = std::string(target.parameter("after"))};
  for (const auto* const other : {"agent", "wait", "lease", "ack"}) {
    if (!target.has(other)) continue;
    return failure(
        ErrorCode::invalid_field,
        fmt::format("`{}` takes messages, and `to_agent_id` looks at them: say `agent` to take them", other));
  }
  if (target.has("status")) out.status = target.parameter("status");
  if (std::ranges::find(kStoreListWords, out.status) == std::end(kStoreListWords)) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`status` is `{}`; it may be pending, delivered, processed, failed or expired",
                               printable(out.status)));
  }
  if (target.has("limit")) {
    const auto limit = parse_lease(target.parameter("limit"));
    if (!limit || *limit == 0 || *limit > kPeekPageMax) {
      return failure(ErrorCode::out_of_range, fmt::format("`limit` is `{}`; it may be 1 to {}",
                                                          printable(target.parameter("limit")), kPeekPageMax));
    }
    out.limit = static_cast<std::uint32_t>(*limit);
  }
  return out;
}

HistoryState state_of(ReceiptState state) {
  switch (state) {
    case ReceiptState::queued:
    case ReceiptState::scheduled:
    case ReceiptState::offered:
    case ReceiptState::retrieved:
      return HistoryState::pending;
    case ReceiptState::dead:
      return HistoryState::failed;
    default:
      return HistoryState::processed;
  }
}

StoredFields with_result(HistoryRecord record) {
  auto said = stored_fields(std::move(record.message));
  said.result = std::move(record.result);
  return said;
}

// Of messages alone: an event has no life that could be told of.
asio::awaitable<Result<std::optional<HistoryRecord>>> look_up_past(Exchange& exchange, Uuid id) {
  auto past = co_await look_up(exchange, ShowHistory{id});
  if (past && *past && (**past).message.state == HistoryState::event) co_return std::nullopt;
  co_return past;
}

}  // namespace

bool looks_at_store(const Target& target) { return target.has("to_agent_id"); }

asio::awaitable<Answer> list_stored(Exchange& exchange) {
  auto wanted = read_query(exchange.request.target);
  if (!wanted) co_return error_answer(wanted.error());
  auto agent = co_await agent_addressed(exchange, exchange.request.target.parameter("to_agent_id"));
  if (!agent) co_return error_answer(agent.error());
  wanted->agent = std::move(*agent);
  const auto& status = wanted->status;
  Result<StorePage> page;
  if (status == "processed")
    page = co_await list_processed(exchange, *wanted);
  else if (status == "failed" || status == "expired")
    page = co_await list_dead(exchange, *wanted);
  else
    page = co_await list_standing(exchange, *wanted);
  if (!page) co_return error_answer(page.error());
  std::string body;
  JsonWriter json(body);
  json.begin_array();
  for (const auto& message : page->messages)
    write_json(json, describe<StoredMessage>(), &message, Sparse::as_described);
  json.end_array();
  auto answer = json_answer(200, std::move(body));
  if (!page->next.empty()) answer.headers.emplace_back("X-Next", page->next);
  co_return answer;
}

asio::awaitable<Result<std::optional<StoredFields>>> find_stored(Exchange& exchange, Uuid id, ReceiptState state) {
  if (state_of(state) == HistoryState::pending) {
    auto standing = co_await look_up(exchange, ShowMessage{id});
    if (!standing) co_return std::unexpected(standing.error());
    if (*standing) co_return stored_fields(std::move(**standing));
  }
  if (state == ReceiptState::dead) {
    auto dead = co_await look_up(exchange, ShowDead{id});
    if (!dead) co_return std::unexpected(dead.error());
    if (*dead) co_return stored_fields(DeadMessage(std::move(**dead)));
  }
  auto past = co_await look_up_past(exchange, id);
  if (!past) co_return std::unexpected(past.error());
  if (!*past) co_return std::nullopt;
  co_return with_result(std::move(**past));
}

asio::awaitable<Result<Uuid>> sent_again_as(Exchange& exchange, Uuid id) {
  TraceMessage question;
  question.id = id;
  const auto trace = co_await look_up(exchange, std::move(question));
  if (!trace) co_return std::unexpected(trace.error());
  if (!*trace) co_return Uuid{};
  const auto& chain = (*trace)->messages;
  const auto again = std::ranges::find_if(
      chain, [&](const TracedMessage& each) { return each.after == id && each.how == kStepWords[0]; });
  co_return again == chain.end() ? Uuid{} : again->id;
}

asio::awaitable<Result<std::optional<StoredMessage>>> find_past(Exchange& exchange, Uuid id) {
  auto past = co_await look_up_past(exchange, id);
  if (!past) co_return std::unexpected(past.error());
  if (!*past) co_return std::nullopt;
  StoredMessage out;
  out.id = id;
  out.status = kHistoryStateWords[static_cast<std::size_t>((*past)->message.state)];
  out.said = with_result(std::move(**past));
  co_return out;
}

asio::awaitable<Answer> settle_stored(Exchange& exchange, Uuid id, JsonElement body) {
  JsonFields fields(body);
  const auto status = fields.required_text("status");
  SettleMessage settle{.id = id,
                       .status = status == "failed" ? SettledAs::failed : SettledAs::processed,
                       .lease = fields.has("lease") ? fields.lease("lease") : 0,
                       .result = {},
                       .reason = std::string(fields.text("reason", kReasonBytesMax))};
  if (const auto result = fields.find("result"); result && !result->is_null()) settle.result.text = json_of(*result);
  if (auto good = fields.result(); !good) co_return error_answer(good.error());
  if (status != "processed" && status != "acknowledged" && status != "failed") {
    co_return error_answer(
        {ErrorCode::invalid_field,
         fmt::format("`status` is `{}`, which is said of a message that somebody has: its `lease` is missing",
                     printable(status)),
         "without a lease a message that waits may become processed or failed"});
  }
  for (const auto* const timed : {"delay_ms", "lease_ms"}) {
    if (!fields.has(timed)) continue;
    co_return error_answer({ErrorCode::invalid_field,
                            fmt::format("`{}` is for a message that somebody has: its `lease` is missing", timed)});
  }
  const auto settled = co_await carry_out(exchange, std::move(settle));
  if (!settled) co_return error_answer(settled.error());
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("id", id.text()).field("status", status);
  if (fields.has("result")) json.field("result_kept", settled->result_kept);
  json.end_object();
  co_return json_answer(200, std::move(text));
}

asio::awaitable<Answer> publish_gateway_message(Exchange& exchange) {
  JsonDocument document;
  const auto value = read_body(exchange, document);
  if (!value) co_return error_answer(value.error());
  auto said = from_json<GatewayMessage>(*value);
  if (!said) co_return error_answer(said.error());
  auto agent = co_await agent_addressed(exchange, said->target_agent);
  if (!agent) co_return error_answer(agent.error());
  Message message;
  message.from = exchange.request.agent;
  message.to = std::move(*agent);
  message.type = "query";
  message.content_type = "application/json";
  message.content = std::move(said->payload.text);
  give_trace(exchange.request.head, {&message, 1});
  const auto request = exchange.link.number();
  std::string frames;
  if (auto done = append_publish(frames, request, message); !done) co_return error_answer(done.error());
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame) co_return error_answer(frame.error());
  const auto confirm = read_confirm(frame->body);
  if (!confirm) co_return error_answer(confirm.error());
  co_return json_answer(200, to_json_text(GatewayAnswer{.delivered = true, .id = confirm->id}, Sparse::as_described));
}

asio::awaitable<Result<std::string>> agent_addressed(Exchange& exchange, std::string_view given) {
  if (!is_name(given)) {
    co_return failure(ErrorCode::invalid_name,
                      "`to_agent_id` is an agent's name or id: 1 to 255 bytes without control characters");
  }
  if (!Uuid::parse(given)) co_return std::string(given);
  ShowAgent show;
  show.agent = given;
  auto agent = co_await look_up(exchange, std::move(show));
  if (!agent) co_return std::unexpected(agent.error());
  co_return *agent ? std::move((*agent)->record.agent) : std::string(given);
}

}  // namespace folkmoot
