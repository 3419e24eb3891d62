// Envelopes: what routing accepts can be decoded, stamped, and encoded again to the same message.
#include <cstdlib>

#include "message/envelope.hpp"
#include "message/json_document.hpp"
#include "message/json_mapping.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  const auto routing = read_routing({data, size});
  const auto message = decode_message({data, size});
  if (routing.has_value() != message.has_value()) std::abort();
  if (!routing) return 0;
  if (routing->bytes > size) std::abort();

  const Uuid id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef");
  std::string stamped(routing->bytes + kStampBytesMax, '\0');
  const auto bytes = stamp({data, size}, *routing,
                           {.id = id, .timestamp = 1'795'255'200'000, .from = "server", .reply_to = "@1", .key = "k"},
                           reinterpret_cast<std::uint8_t*>(stamped.data()));
  if (bytes > stamped.size()) std::abort();
  stamped.resize(bytes);
  const auto after = read_routing(as_bytes(stamped));
  if (after) {
    if (after->bytes != bytes || after->from != "server" || after->reply_to != "@1" || after->id != id) std::abort();
    if (after->to != routing->to || after->topic != routing->topic || after->priority != routing->priority)
      std::abort();
  } else if (bytes <= 128 * 1024) {
    std::abort();
  }

  // Nobody but the server says whose a message is: that is not encoded, and goes with what is said instead.
  auto its = *message;
  its.provenance.reset();
  const auto token = pack(Provenance{.door = "native", .verified = "token", .trust = "shared"});
  const auto marked = with_provenance({data, size}, *routing, token);
  if (const auto read = read_routing(as_bytes(marked)); read) {
    const auto at = read->provenance;
    if (std::string_view(marked).substr(at.begin, at.end - at.begin) != token) std::abort();
  } else if (marked.size() <= 128 * 1024) {
    std::abort();
  }
  std::string again;
  if (encode_envelope(*message, again)) {
    const auto back = decode_message(as_bytes(again + message->content));
    if (!back || !(*back == its)) std::abort();
  }
  JsonDocument document;
  if (!document.parse(to_json(*message))) std::abort();
  return 0;
}
