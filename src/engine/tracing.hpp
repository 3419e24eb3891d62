// Traces: what becomes of messages that belong to one which is to be kept, told as spans (A20). A message belongs to it
// whose metadata has a `traceparent` with the flag `sampled`; it is marked when it comes (Entry::kTraced), so that all
// others cost a look at the mark.
//
//   what a client did (named by `traceparent`)  >  publish  >  receive, one a delivery  >  process
//   process  >  publish of each message that names this one as its cause and has no trace of its own
//
// The number of a span follows from the message's id, what it is and of which delivery: so nothing has to be kept from
// one to the next, a restart goes on, and whoever knows the one before knows what to stand below. Of requests that
// wait in memory alone what is in somebody's hands is kept here, as nothing else knows of it then.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>

#include "engine/commands.hpp"
#include "engine/effects.hpp"
#include "engine/run.hpp"
#include "engine/span.hpp"
#include "engine/time_counts.hpp"
#include "message/trace_parent.hpp"

namespace folkmoot {

class Tracing {
 public:
  /// Of a trace: one that took about so long.
  struct Example {
    std::string trace_id{};  // empty: there is none
    Duration took = 0;
    Instant at = 0;
  };
  using Examples = std::array<Example, TimeCounts::kPlaces>;

  Tracing(const Run& run, Effects& effects) : run_(run), effects_(effects) {}

  /// Whether spans are told at all. Those that have begun when that changes are told if the mark says so.
  void turn(bool on);
  /// Whether the message is one to mark.
  bool is_traced(const IncomingMessage& message) const {
    return is_on_ && !message.routing.metadata.empty() && is_sampled(message);
  }

  /// A message where it stands. `message`: envelope and content.
  struct Message {
    Uuid id{};
    std::string_view destination{};
    Bytes message{};
    std::size_t beyond = 0;  // bytes of its content that stand elsewhere
  };
  void published(const Message& message, std::string_view sender, Instant began);
  void received(const Message& message, std::string_view agent, Instant came, std::uint32_t delivery);
  /// `error`: why it was not settled; empty: it was.
  void processed(const Message& message, std::string_view agent, Instant came, Instant began, std::uint32_t delivery,
                 std::string_view error);
  void died(const Message& message, std::string_view why);

  // -- requests that wait in memory alone
  /// Handed out: what is told of it from here on is kept until end().
  void hold(MessageKey key, const Message& message, std::string_view agent);
  /// It was answered, or will not be: `error` says why.
  void end(MessageKey key, std::string_view error) {
    if (!held_.empty()) [[unlikely]]
      end_held(key, error);
  }
  /// An answer to it goes to who waits. `asked`: the request's key.
  void answered(MessageKey asked, const IncomingMessage& answer, const Uuid& id, std::string_view sender) {
    if (is_on_) [[unlikely]]
      tell_answer(asked, answer, id, sender);
  }

  // -- what is caused
  /// The trace that a message is to go on with whose cause has this `traceparent`, was handed out for the `delivery`th
  /// time and is in somebody's hands: below its process span, if that is told.
  std::string handed_on(const Uuid& cause, std::uint32_t delivery, std::string_view trace_parent) const;
  /// The same for one that hold() keeps; "" if it does not.
  std::string handed_on(MessageKey cause) const;

  const Examples& queue_examples() const { return queue_examples_; }
  const Examples& delivery_examples() const { return delivery_examples_; }

 private:
  struct Held {
    TraceParent trace;
    Uuid id{};
    std::string destination, agent, conversation;
    std::uint64_t content_bytes = 0;
    Instant since = 0;
  };
  static constexpr std::size_t kHeldMax = 65'536;

  static bool is_sampled(const IncomingMessage& message);
  std::uint64_t number(const Uuid& id, SpanView::What what, std::uint32_t delivery) const;
  // What all spans of a message have in common; nothing if it belongs to no trace that is kept.
  std::optional<SpanView> span_of(const Message& message, TraceParent& trace) const;
  void tell_answer(MessageKey asked, const IncomingMessage& answer, const Uuid& id, std::string_view sender);
  void end_held(MessageKey key, std::string_view error);
  void note(Examples& examples, const TraceParent& trace, Duration took);

  const Run& run_;
  Effects& effects_;
  bool is_on_ = false;
  std::map<MessageKey, Held> held_;  // keys grow: the oldest comes first
  Examples queue_examples_, delivery_examples_;
};

}  // namespace folkmoot
