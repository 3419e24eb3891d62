// Spans as a collector of OpenTelemetry reads them: OTLP 1, ExportTraceServiceRequest in its JSON form, with the
// attributes of the semantic conventions for messaging.
//   source   https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids are hexadecimal, numbers of 64 bits
//            and times are strings, enumerations are numbers
#pragma once

#include <span>
#include <string>

#include "base/time.hpp"
#include "engine/span.hpp"

namespace folkmoot {

/// A span that has its texts itself.
struct KeptSpan {
  SpanView span;
  std::string destination{}, agent{}, conversation{}, error{};

  explicit KeptSpan(const SpanView& view)
      : span(view),
        destination(view.destination),
        agent(view.agent),
        conversation(view.conversation),
        error(view.error) {}
};

/// Who tells of them.
struct TraceResource {
  std::string service = "folkmoot";  // service.name
  std::string version{};
  std::string host{};
  std::uint16_t port = 0;
};

std::string otlp_request(const TraceResource& resource, std::span<const KeptSpan> spans);

}  // namespace folkmoot
