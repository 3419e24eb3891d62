#include "engine/stamper.hpp"

namespace folkmoot {

Stamp Stamper::stamp_of(const IncomingMessage& message, const Uuid& id, std::string_view from,
                        std::string_view reply_to, std::string_view own_key, const Lineage* lineage) const {
  Stamp stamp{.id = id, .timestamp = run_.now().ms, .from = from, .reply_to = reply_to, .key = own_key};
  stamp.provenance = message.provenance;
  if (lineage != nullptr) {
    stamp.cause = lineage->cause;
    stamp.hops = lineage->hops;
    stamp.chain = as_bytes(lineage->chain);
  }
  return stamp;
}

std::size_t Stamper::bytes_max(const IncomingMessage& message, std::string_view from, std::string_view reply_to,
                               const Lineage* lineage) {
  constexpr std::size_t kIdTextBytes = 36;
  return message.envelope.size() + kStampFixedBytes + from.size() + reply_to.size() +
         (message.provenance.empty() ? 0 : 1 + message.provenance.size()) +
         (message.routing.id.is_nil() ? 0 : kIdTextBytes) + (lineage != nullptr ? lineage->chain.size() : 0);
}

Bytes Stamper::stamped(const IncomingMessage& message, const Stamp& with) {
  const bool plain =
      message.version != 0 && with.reply_to.empty() && with.key.empty() && with.cause.is_nil() && with.hops == 0;
  if (plain && message.version == version_ && with.from == from_ && with.provenance == provenance_ &&
      restamp(bytes_.data(), with.id, with.timestamp))
    return last();
  const auto most = message.envelope.size() + kStampBytesMax + 64;
  if (bytes_.size() < most) bytes_.resize(most);
  size_ = folkmoot::stamp(message.envelope, message.routing, with, bytes_.data());
  version_ = plain ? message.version : 0;
  if (plain) from_ = with.from, provenance_ = with.provenance;
  return last();
}

}  // namespace folkmoot
