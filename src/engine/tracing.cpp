#include "engine/tracing.hpp"

#include "base/siphash.hpp"
#include "message/metadata.hpp"

namespace folkmoot {
namespace {

using What = SpanView::What;

std::string_view trace_text(Bytes envelope, const Routing& routing) {
  if (routing.metadata.empty()) return {};
  return metadata_text(envelope.subspan(routing.metadata.begin, routing.metadata.end - routing.metadata.begin),
                       kTraceParent);
}

}  // namespace

void Tracing::turn(bool on) {
  is_on_ = on;
  if (!on) held_.clear();
}

bool Tracing::is_sampled(const IncomingMessage& message) {
  const auto trace = parse_trace_parent(trace_text(message.envelope, message.routing));
  return trace && trace->is_sampled();
}

std::uint64_t Tracing::number(const Uuid& id, What what, std::uint32_t delivery) const {
  std::string text(as_text(bytes_of(id)));
  text.push_back(static_cast<char>(what));
  text.append(as_text(bytes_of(delivery)));
  const auto hash = siphash128(run_.secret(), as_bytes(text));
  return hash.low != 0 ? hash.low : 1;
}

std::optional<SpanView> Tracing::span_of(const Message& message, TraceParent& trace) const {
  Routing routing;
  if (!is_on_ || !read_routing(message.message, routing, Recipient::optional)) return std::nullopt;
  const auto found = parse_trace_parent(trace_text(message.message, routing));
  if (!found || !found->is_sampled()) return std::nullopt;
  trace = *found;
  return SpanView{.trace_high = trace.trace_high,
                  .trace_low = trace.trace_low,
                  .ended = run_.now(),
                  .id = message.id,
                  .destination = message.destination,
                  .conversation = routing.conversation,
                  .content_bytes = message.message.size() - routing.bytes + message.beyond};
}

void Tracing::published(const Message& message, std::string_view sender, Instant began) {
  TraceParent trace;
  auto span = span_of(message, trace);
  if (!span) return;
  span->what = What::publish;
  span->span = number(message.id, What::publish, 0);
  span->parent = trace.span;
  span->began = std::min(began, span->ended);
  span->agent = sender;
  effects_.traced(*span);
}

void Tracing::received(const Message& message, std::string_view agent, Instant came, std::uint32_t delivery) {
  TraceParent trace;
  auto span = span_of(message, trace);
  if (!span) return;
  const bool is_first = delivery == 1;
  span->what = What::receive;
  span->span = number(message.id, What::receive, delivery);
  span->parent = number(message.id, What::publish, 0);
  span->began = is_first ? std::min(came, span->ended) : span->ended;
  span->agent = agent;
  span->delivery = delivery;
  effects_.traced(*span);
  if (is_first) note(queue_examples_, trace, span->ended - came);
}

void Tracing::processed(const Message& message, std::string_view agent, Instant came, Instant began,
                        std::uint32_t delivery, std::string_view error) {
  TraceParent trace;
  auto span = span_of(message, trace);
  if (!span) return;
  span->what = What::process;
  span->span = number(message.id, What::process, delivery);
  span->parent = number(message.id, What::receive, delivery);
  span->began = std::min(began, span->ended);
  span->agent = agent;
  span->delivery = delivery;
  span->error = error;
  effects_.traced(*span);
  if (error.empty()) note(delivery_examples_, trace, span->ended - came);
}

void Tracing::died(const Message& message, std::string_view why) {
  TraceParent trace;
  auto span = span_of(message, trace);
  if (!span) return;
  span->what = What::expire;
  span->span = number(message.id, What::expire, 0);
  span->parent = number(message.id, What::publish, 0);
  span->began = span->ended;
  span->error = why;
  effects_.traced(*span);
}

void Tracing::hold(MessageKey key, const Message& message, std::string_view agent) {
  TraceParent trace;
  const auto span = span_of(message, trace);
  if (!span) return;
  if (held_.size() >= kHeldMax) held_.erase(held_.begin());
  held_[key] = {.trace = trace,
                .id = message.id,
                .destination = std::string(message.destination),
                .agent = std::string(agent),
                .conversation = std::string(span->conversation),
                .content_bytes = span->content_bytes,
                .since = run_.now()};
}

void Tracing::end_held(MessageKey key, std::string_view error) {
  const auto found = held_.find(key);
  if (found == held_.end()) return;
  const auto held = std::move(found->second);
  held_.erase(found);
  effects_.traced({.what = What::process,
                   .trace_high = held.trace.trace_high,
                   .trace_low = held.trace.trace_low,
                   .span = number(held.id, What::process, 1),
                   .parent = number(held.id, What::receive, 1),
                   .began = held.since,
                   .ended = run_.now(),
                   .id = held.id,
                   .destination = held.destination,
                   .agent = held.agent,
                   .conversation = held.conversation,
                   .content_bytes = held.content_bytes,
                   .delivery = 1,
                   .error = error});
}

// Below the process span of what it answers, if that is told; else below what its own trace names.
void Tracing::tell_answer(MessageKey asked, const IncomingMessage& answer, const Uuid& id, std::string_view sender) {
  const auto held = held_.find(asked);
  TraceParent trace;
  if (held != held_.end()) {
    trace = held->second.trace;
    trace.span = number(held->second.id, What::process, 1);
  } else if (const auto own = parse_trace_parent(trace_text(answer.envelope, answer.routing)); own) {
    trace = *own;
  }
  if (!trace.is_sampled()) return;
  effects_.traced({.what = What::publish,
                   .trace_high = trace.trace_high,
                   .trace_low = trace.trace_low,
                   .span = number(id, What::publish, 0),
                   .parent = trace.span,
                   .began = run_.now(),
                   .ended = run_.now(),
                   .id = id,
                   .agent = sender,
                   .conversation = answer.routing.conversation,
                   .content_bytes = answer.content.size()});
}

std::string Tracing::handed_on(const Uuid& cause, std::uint32_t delivery, std::string_view trace_parent) const {
  auto trace = is_on_ ? parse_trace_parent(trace_parent) : std::nullopt;
  if (!trace || !trace->is_sampled()) return std::string(trace_parent);
  trace->span = number(cause, What::process, delivery);
  return trace->text();
}

std::string Tracing::handed_on(MessageKey cause) const {
  const auto held = held_.find(cause);
  if (held == held_.end()) return {};
  auto trace = held->second.trace;
  trace.span = number(held->second.id, What::process, 1);
  return trace.text();
}

void Tracing::note(Examples& examples, const TraceParent& trace, Duration took) {
  examples[TimeCounts::place(TimeCounts::ms_of(took))] = {
      .trace_id = trace.trace_id(), .took = std::max(took, Duration{}), .at = run_.now()};
}

}  // namespace folkmoot
