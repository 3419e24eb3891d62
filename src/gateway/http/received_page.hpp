// The answer to GET /api/messages, message by message: an object with a list of them, or as CloudEvents.
#pragma once

#include <optional>
#include <string>

#include "gateway/http/exchange.hpp"
#include "gateway/json_events.hpp"
#include "message/operations.hpp"

namespace folkmoot {

class ReceivedPage {
 public:
  explicit ReceivedPage(EventForm form);
  ReceivedPage(const ReceivedPage&) = delete;
  ReceivedPage& operator=(const ReceivedPage&) = delete;

  /// Of the answer so far.
  std::size_t bytes() const { return answer_.body.size(); }
  /// `is_settled`: before the client can settle it. Its `content_error` says why a content is still compressed. As one
  /// event whose attributes are too long for a header, it is told in JSON. Requires: it is the first, if the form has
  /// only one.
  void add(const Delivered& delivered, const std::optional<Error>& content_error, bool is_settled);
  /// `has_more`: than what was added.
  void end(bool has_more);
  Answer take_answer();

 private:
  // False: its attributes are too long.
  bool add_binary(const Delivered& delivered, const DeliveryHead& held);

  EventForm form_;
  Answer answer_;
  JsonWriter json_;  // into the answer's body
  bool is_empty_ = true;
};

}  // namespace folkmoot
