#include "engine/outputs.hpp"

namespace folkmoot {

void Outputs::hold(Durable of, const ConfirmTo& to, NameId sender, const IncomingMessage& message,
                   const Lineage& lineage, ConnectionId answerer) {
  // Kept as it will be read again: with its causes, which may no longer be known by then.
  std::string envelope(message.envelope.size() + kStampBytesMax, '\0');
  envelope.resize(stamp(message.envelope, message.routing,
                        stamper_.stamp_of(message, message.routing.id, names_[sender], {}, {}, &lineage),
                        reinterpret_cast<std::uint8_t*>(envelope.data())));
  ledger_.when_or_now(of, waiting::Output{transient_.put(as_bytes(envelope), message.content), sender, answerer, to});
}

}  // namespace folkmoot
