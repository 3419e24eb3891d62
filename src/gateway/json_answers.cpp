#include "gateway/json_answers.hpp"

#include "base/utf8.hpp"
#include "gateway/json_messages.hpp"
#include "operation/answers.hpp"

namespace folkmoot {

void append_confirm_fields(JsonWriter& out, const Confirm& confirm) {
  const bool is_kept = confirm.outcome == PublishOutcome::kept;
  const bool is_event = is_kept || confirm.outcome == PublishOutcome::sent;
  out.field("id", confirm.id.text());
  out.field(is_kept ? "copies" : is_event ? "subscriptions" : "unread", confirm.count);
  out.field("outcome", name(confirm.outcome));
  if (!is_event) {
    if (confirm.outcome == PublishOutcome::duplicate) out.field("state", name(confirm.state));
    out.key("last_read_age_ms");
    confirm.age_ms == kNeverRead ? out.value(nullptr) : out.value(confirm.age_ms);
  }
  out.field("status", store_status(confirm));
}

std::string_view store_status(const Confirm& confirm) {
  switch (confirm.outcome) {
    case PublishOutcome::sent:
      return "delivered";
    case PublishOutcome::duplicate:
      return store_status(confirm.state, {});
    case PublishOutcome::dead:
      return "failed";
    default:
      return "pending";
  }
}

RefusedHere refused_here(std::span<const Result<Message>> messages) {
  RefusedHere refused;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i]) refused.emplace(i, messages[i].error());
  }
  return refused;
}

Result<void> append_batch_results(JsonWriter& out, Bytes body, bool& all_done, const RefusedHere& refused) {
  const auto results = read_batch_results(body);
  if (!results) return std::unexpected(results.error());
  auto result = results->begin();
  out.begin_array();
  for (std::size_t place = 0; place < results->size() + refused.size(); ++place) {
    const auto here = refused.find(place);
    if (here == refused.end() && result == results->end())
      return failure(ErrorCode::malformed, "the answer to a batch breaks off");
    const auto* const error = here != refused.end() ? &here->second : *result ? nullptr : &result->error();
    out.begin_object();
    if (error == nullptr) {
      append_confirm_fields(out, **result);
    } else {
      all_done = false;
      append_error_fields(out, *error);
    }
    out.end_object();
    if (here == refused.end()) ++result;
  }
  out.end_array();
  return {};
}

Result<std::string> call_result(const OperationInfo& operation, Bytes body) {
  auto text = answer_as_json(operation, body);
  return text && has_messages(*operation.answer) ? readable_letters(*text) : text;
}

void append_error_fields(JsonWriter& out, const Error& error) {
  out.field("code", name(error.code)).field("error", escaped_controls(error.text, KeepLines::no));
  if (const auto hint = advice_on(error); !hint.empty()) out.field("advice", hint);
}

void append_receipt_fields(JsonWriter& out, const CopyReceipt& receipt) {
  out.field("id", receipt.id.text()).optional_field("recipient", receipt.recipient);
  out.field("state", name(receipt.state)).field("status", store_status(receipt.state, receipt.reason));
  out.field("deliveries", receipt.deliveries);
  if (receipt.at) out.field("at", receipt.at);
  out.optional_field("reason", receipt.reason).optional_field("holder", receipt.holder);
  if (receipt.held_since) out.field("held_since", receipt.held_since);
}

void append_delivery_fields(JsonWriter& out, const Delivered& delivered) {
  if (delivered.lease) out.field("lease", std::to_string(delivered.lease)).field("delivery", delivered.delivery);
  out.field("redelivered", delivered.redelivered);
}

std::string_view store_status(ReceiptState state, std::string_view reason) {
  switch (state) {
    case ReceiptState::queued:
    case ReceiptState::scheduled:
      return "pending";
    case ReceiptState::offered:
    case ReceiptState::retrieved:
      return "delivered";
    case ReceiptState::acknowledged:
      return "processed";
    case ReceiptState::dead:
      return reason == "expired" ? "expired" : "failed";
    case ReceiptState::cancelled:
      return "cancelled";
    case ReceiptState::unknown:
      break;
  }
  return "unknown";
}

}  // namespace folkmoot
