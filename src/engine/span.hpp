// A span of a trace: what the server did with one message, as the engine tells it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.hpp"
#include "base/uuid.hpp"

namespace folkmoot {

/// Views live until the call returns that it was given in.
struct SpanView {
  enum class What : std::uint8_t {
    publish,  // from when it came until it was on disk
    receive,  // from when it might go out until it was handed out
    process,  // from there until it was settled, or came back
    expire,   // it died in nobody's hands
  };

  What what{};
  std::uint64_t trace_high = 0, trace_low = 0;
  std::uint64_t span = 0, parent = 0;
  Instant began = 0, ended = 0;
  Uuid id{};                        // of the message
  std::string_view destination{};   // its mailbox or topic; empty: whoever waits for this answer
  std::string_view agent{};         // who sent it, or has it; empty: not named
  std::string_view conversation{};  // empty: none
  std::uint64_t content_bytes = 0;
  std::uint32_t delivery = 0;  // which it is of the message; 0: none
  std::string_view error{};    // why it went wrong; empty: it did not
};

}  // namespace folkmoot
