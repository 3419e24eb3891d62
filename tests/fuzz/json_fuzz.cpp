// JSON text -> message. What is accepted must survive being encoded, decoded and written again.
#include <cstdlib>

#include "message/envelope.hpp"
#include "message/json_document.hpp"
#include "message/json_fault.hpp"
#include "message/json_mapping.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  const auto message = message_from_json(as_text({data, size}));
  if (!message) {
    // Where it is wrong is said of what is wrong, whoever asks; and leads to a field, or to the message.
    JsonDocument document;
    const auto value = document.parse(as_text({data, size}));
    JsonFault fault;
    if (!value) return 0;
    const auto read = message_from_json(*value, &fault);
    if (read || read.error().text != message.error().text) std::abort();
    if (!fault.pointer.empty() && fault.pointer.front() != '/') std::abort();
    return 0;
  }
  const auto written = to_json(*message);
  const auto again = message_from_json(written);
  if (!again || to_json(*again) != written) std::abort();
  std::string envelope;
  if (!encode_envelope(*message, envelope)) return 0;
  if (!read_routing(as_bytes(envelope))) return 0;  // neither or both of `to` and `topic`
  const auto back = decode_message(as_bytes(envelope + message->content));
  if (!back || back->content != message->content || back->to != message->to || back->metadata != message->metadata)
    std::abort();
  return 0;
}
