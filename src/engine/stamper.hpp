// Envelopes as recipients get them. A sender's next message has most often the same one as the last, but for id and
// time: then the one that is still there is written over.
#pragma once

#include <string>
#include <vector>

#include "engine/commands.hpp"
#include "engine/lineage.hpp"
#include "engine/run.hpp"

namespace folkmoot {

class Stamper {
 public:
  explicit Stamper(const Run& run) : run_(run) {}

  /// The envelope of a message with this id. `own_key`: what the sender gave as its id (key_of()). The bytes live until
  /// the next call.
  Bytes stamp(const IncomingMessage& message, const Uuid& id, std::string_view from, std::string_view reply_to,
              std::string_view own_key, const Lineage* lineage) {
    return stamped(message, stamp_of(message, id, from, reply_to, own_key, lineage));
  }
  Stamp stamp_of(const IncomingMessage& message, const Uuid& id, std::string_view from, std::string_view reply_to,
                 std::string_view own_key, const Lineage* lineage) const;
  /// An id that a sender gives serves as the message's key; "" if it gave none.
  static std::string key_of(const Routing& routing) { return routing.id.is_nil() ? std::string{} : routing.id.text(); }
  /// The most bytes that stamp() may come to, of a message from `from`.
  static std::size_t bytes_max(const IncomingMessage& message, std::string_view from, std::string_view reply_to,
                               const Lineage* lineage);

  /// The version of the envelope (IncomingMessage::version) that was stamped last, by nobody but server and sender; 0:
  /// it is none that could come again.
  std::uint64_t version() const { return version_; }
  /// Gives the last one another id, and the time. False, and nothing changed, if it would take other room.
  bool stamp_again(const Uuid& id) { return restamp(bytes_.data(), id, run_.now().ms); }
  Bytes last() const { return {bytes_.data(), size_}; }

 private:
  Bytes stamped(const IncomingMessage& message, const Stamp& with);

  const Run& run_;
  std::vector<std::uint8_t> bytes_;
  std::size_t size_ = 0;
  std::uint64_t version_ = 0;
  std::string from_, provenance_;  // of the version
};

}  // namespace folkmoot
