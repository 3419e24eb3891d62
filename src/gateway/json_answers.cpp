#include "gateway/json_answers.hpp"

namespace folkmoot {

void append_confirm_fields(JsonWriter& out, const Confirm& confirm) {
  const bool is_event = confirm.outcome == PublishOutcome::sent;
  out.field("id", confirm.id.text()).field(is_event ? "subscriptions" : "unread", confirm.count);
  out.field("outcome", name(confirm.outcome));
  if (is_event) return;
  out.key("last_read_age_ms");
  if (confirm.age_ms == kNeverRead) {
    out.value(nullptr);
  } else {
    out.value(confirm.age_ms);
  }
}

void append_error_fields(JsonWriter& out, const Error& error) {
  out.field("code", name(error.code)).field("error", error.text);
  if (const auto hint = advice(error.code); !hint.empty()) out.field("advice", hint);
}

void append_receipt_fields(JsonWriter& out, const CopyReceipt& receipt) {
  out.field("id", receipt.id.text()).optional_field("recipient", receipt.recipient);
  out.field("state", name(receipt.state)).field("status", store_status(receipt.state, receipt.reason));
  out.field("deliveries", receipt.deliveries);
  if (receipt.at) out.field("at", receipt.at);
  out.optional_field("reason", receipt.reason);
}

void append_delivery_fields(JsonWriter& out, const Delivered& delivered) {
  if (delivered.lease) out.field("lease", std::to_string(delivered.lease)).field("delivery", delivered.delivery);
  out.field("redelivered", delivered.redelivered);
}

std::string_view store_status(ReceiptState state, std::string_view reason) {
  switch (state) {
    case ReceiptState::queued:
    case ReceiptState::scheduled: return "pending";
    case ReceiptState::offered:
    case ReceiptState::retrieved: return "delivered";
    case ReceiptState::acknowledged: return "processed";
    case ReceiptState::dead: return reason == "expired" ? "expired" : "failed";
    case ReceiptState::unknown: break;
  }
  return "unknown";
}

}  // namespace folkmoot
