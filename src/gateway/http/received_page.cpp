#include "gateway/http/received_page.hpp"

#include "gateway/http/answers.hpp"
#include "gateway/json_answers.hpp"
#include "gateway/json_messages.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kFieldsBytesMax = 16 * 1'024;  // of a header: what clients of HTTP take without a word

}  // namespace

ReceivedPage::ReceivedPage(EventForm form) : form_(form), json_(answer_.body) {
  if (form_ == EventForm::none) json_.begin_object().key("messages").begin_array();
  if (form_ == EventForm::batched) json_.begin_array();
}

void ReceivedPage::add(const Delivered& delivered, const std::optional<Error>& content_error, bool is_settled) {
  const DeliveryHead held = is_settled ? DeliveryHead{} : static_cast<const DeliveryHead&>(delivered);
  if (form_ == EventForm::binary && !add_binary(delivered, held)) form_ = EventForm::structured;
  if (form_ == EventForm::structured || form_ == EventForm::batched) append_event(json_, delivered.message, held);
  if (form_ == EventForm::none) {
    json_.begin_object();
    append_message_fields(json_, delivered.message, content_error);
    append_delivery_fields(json_, delivered);
    json_.field("status", is_settled || !delivered.lease ? "processed" : "delivered").end_object();
  }
  is_empty_ = false;
}

bool ReceivedPage::add_binary(const Delivered& delivered, const DeliveryHead& held) {
  auto fields = event_fields(delivered.message, held);
  std::size_t bytes = 0;
  for (const auto& [name, value] : fields) bytes += name.size() + value.size() + 4;
  if (bytes > kFieldsBytesMax) return false;
  answer_.headers = std::move(fields);
  answer_.content_type = event_content_type(delivered.message);
  answer_.body = delivered.message.content;
  return true;
}

void ReceivedPage::end(bool has_more) {
  if (form_ == EventForm::none) {
    json_.end_array();
    if (has_more) json_.field("more", true);
    json_.end_object();
  }
  if (form_ == EventForm::batched) json_.end_array();
}

Answer ReceivedPage::take_answer() {
  if (form_ == EventForm::none) return json_answer(200, std::move(answer_.body));
  if (form_ == EventForm::batched) answer_.content_type = kEventBatchType;
  if (form_ == EventForm::structured) answer_.content_type = kEventType;
  if (form_ != EventForm::batched && is_empty_) return {.status = 204, .body = {}, .content_type = {}, .headers = {}};
  return std::move(answer_);
}

}  // namespace folkmoot
