// What needs no disk itself, an event or the response to a request, and goes out when what it came of is durable.
#pragma once

#include "engine/ledger.hpp"
#include "engine/names.hpp"
#include "engine/stamper.hpp"
#include "engine/transient_store.hpp"

namespace folkmoot {

class Outputs {
 public:
  Outputs(Ledger& ledger, const Names& names, const Stamper& stamper, TransientStore& transient)
      : ledger_(ledger), names_(names), stamper_(stamper), transient_(transient) {}

  bool has_room(const IncomingMessage& message) const { return transient_.has_room(bytes_max(message)); }
  /// What hold() needs in memory.
  static std::size_t bytes_max(const IncomingMessage& message) {
    return message.envelope.size() + kStampBytesMax + message.content.size();
  }
  /// Goes out when `of` is durable, as Engine says (waiting::Output). `answerer`: as there. Requires:
  /// has_room(message).
  void hold(Durable of, const ConfirmTo& to, NameId sender, const IncomingMessage& message, const Lineage& lineage,
            ConnectionId answerer = 0);

 private:
  Ledger& ledger_;
  const Names& names_;
  const Stamper& stamper_;
  TransientStore& transient_;
};

}  // namespace folkmoot
