// What others say about traces and metrics: a `traceparent`, an `Accept` header.
#include <cstdlib>

#include "base/bytes.hpp"
#include "gateway/http/metrics_text.hpp"
#include "message/trace_parent.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  const auto text = as_text({data, size});
  (void)wanted_format(text);
  const auto trace = parse_trace_parent(text);
  if (!trace) return 0;
  // What was taken can be handed on, and means the same then.
  if (trace->span == 0 || (trace->trace_high | trace->trace_low) == 0) std::abort();
  const auto again = parse_trace_parent(trace->text());
  if (!again || *again != *trace || trace->text().substr(3, 32) != trace->trace_id()) std::abort();
  return 0;
}
