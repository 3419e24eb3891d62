// What `folkmoot recv --lease` took, noted for a later `folkmoot ack ID`: one small file a message, in a folder of the
// user's own ($XDG_STATE_HOME/folkmoot/held, else ~/.local/state/folkmoot/held). A note has the number of the lease, by
// which alone a message is settled, so a process that held it before, and lost it, does not settle it for the one who
// holds it now. Of several notes about one message the one of this login session counts before others (a run of cron
// has one of its own), then the latest.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "folkmoot/delivery.hpp"

namespace folkmoot::cli {

/// What a note knows of a message: enough to settle and to answer it.
struct HeldNote {
  Delivery held{};            // its lease, and of the message what an answer needs
  std::int64_t until_ms = 0;  // Unix milliseconds when the lease ends, as far as is known here
  std::int64_t session = 0;   // of the process that took it
};

/// When a lease of so long ends that begins now, as Unix milliseconds.
std::int64_t lease_end(std::chrono::milliseconds lease);

class HeldNotes {
 public:
  HeldNotes();

  /// Notes a message that was just taken, or the new end of its lease. Errors: io_error.
  Result<void> keep(const Delivery& taken, std::int64_t until_ms);
  std::optional<HeldNote> find(const Uuid& id) const;
  /// Once it is settled, or lost.
  void forget(const Uuid& id, std::uint64_t lease);

 private:
  std::string folder_;
};

}  // namespace folkmoot::cli
