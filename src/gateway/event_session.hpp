// A WebSocket of CloudEvents (WebSockets Protocol Binding 1.0.2; docs/cloudevents.md): each text is an event, or of the
// sub-protocol for batches a list of them. What the client sends is published; what it hears is what the upgrade's
// query has subscribed to. Whatever else the server has to say comes as an event of its own.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/json_events.hpp"
#include "gateway/limits.hpp"
#include "gateway/text_side.hpp"

namespace folkmoot {

inline constexpr std::string_view kEventProtocol = "cloudevents.json";
inline constexpr std::string_view kEventBatchProtocol = "cloudevents.json.batch";

/// What the query of an upgrade says.
struct EventChannel {
  bool is_batched = false;
  std::string pattern{}, filter{};  // what is heard; no pattern: nothing
  std::string topic{}, to{};        // where events go that are sent
  std::optional<DeliveryMode> mode{};
  bool echo = false;
  bool confirm = false;  // events that were published are confirmed
};

class EventSession : public TextSide {
 public:
  /// `name`: of this session, told in the ids of the server's own events.
  EventSession(EventChannel channel, std::string name);

  /// The frame that subscribes; empty: nothing is heard.
  std::string begin();

  Asked ask(std::string_view text) override;
  Told tell(const Frame& frame) override;
  std::string goodbye(const Frame& frame) const override;
  bool owes_answers() const override { return !published_.empty(); }

 private:
  EventAddress target() const { return {.topic = channel_.topic, .to = channel_.to, .mode = channel_.mode}; }
  std::uint32_t take_number();
  template <class AppendFields>
  std::string own_event(std::string_view type, std::string_view subject, AppendFields append_fields) const;
  std::string refused(std::string_view subject, const Error& error) const;
  Result<void> publish(std::string_view text, std::string& frames);
  std::string told_event(const Frame& frame) const;

  const EventChannel channel_;
  const std::string name_;
  std::uint32_t next_ = kTextRequestMin + 1;
  mutable std::uint64_t told_ = 0;                            // events of its own
  std::unordered_map<std::uint32_t, std::string> published_;  // ids of events that are not answered yet, by request
};

}  // namespace folkmoot
