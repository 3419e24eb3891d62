// What is answered in JSON on a WebSocket (docs/protocol.md, section 11), described for the AsyncAPI document:
// json_frames.cpp writes it. `op` and `request` stand in front of these fields.
#pragma once

#include "gateway/answer_shapes.hpp"

namespace folkmoot::told {

struct Welcome {
  std::uint64_t version = 0, session = 0, max_frame_bytes = 0, max_content_bytes = 0, node = 0, max_stored_bytes = 0;
  std::string server{};

  static constexpr auto fields() {
    return std::array{
        field<&Welcome::version>(0, "version", "Of the protocol"),
        field<&Welcome::server>(1, "server", "Its software"),
        field<&Welcome::session>(2, "session", "The connection's number"),
        field<&Welcome::max_frame_bytes>(3, "max_frame_bytes", "Of one frame"),
        field<&Welcome::max_content_bytes>(4, "max_content_bytes", "Of one message's content"),
        field<&Welcome::node>(5, "node", "The server's number"),
        field<&Welcome::max_stored_bytes>(6, "max_stored_bytes", "Of one content by reference; 0: it stores none"),
    };
  }
};

struct Deliver {
  std::uint32_t index = 0, delivery = 0;
  std::string recipient{}, code{}, error{}, advice{};
  std::uint64_t lease = 0;
  bool redelivered = false;
  Message message{};

  static constexpr auto fields() {
    return std::array{
        field<&Deliver::index>(0, "index", "Of request_many and command: whose answer it is", {.sparse = true}),
        field<&Deliver::recipient>(1, "recipient", "And its name", {.sparse = true}),
        lease_field<&Deliver::lease>(2, "lease", "By which it is settled, if it is to be", {.sparse = true}),
        field<&Deliver::delivery>(3, "delivery", "The how manieth delivery of it this is", {.sparse = true}),
        field<&Deliver::redelivered>(4, "redelivered", "Somebody may have had it before", {.sparse = true}),
        field<&Deliver::message>(5, "message", "What is delivered", {.sparse = true}),
        field<&Deliver::code>(6, "code", "In its place, if it cannot be read", {.sparse = true}),
        field<&Deliver::error>(7, "error", "Why it cannot be", {.sparse = true}),
        field<&Deliver::advice>(8, "advice", "What to do", {.sparse = true}),
    };
  }
};

struct Settled {
  std::uint32_t settled = 0;
  std::vector<std::uint64_t> refused{};

  static constexpr auto fields() {
    return std::array{field<&Settled::settled>(0, "settled", "How many were"),
                      lease_field<&Settled::refused>(1, "refused", "Leases that are not held any more")};
  }
};

struct Lagged {
  std::uint32_t count = 0;

  static constexpr auto fields() {
    return std::array{field<&Lagged::count>(0, "count", "Events that were skipped, as the client did not keep up")};
  }
};

struct Withdrawn {
  Uuid id{};
  std::uint64_t lease = 0;

  static constexpr auto fields() {
    return std::array{field<&Withdrawn::id>(0, "id", "The message that is not the client's any more"),
                      lease_field<&Withdrawn::lease>(1, "lease", "If it came with one", {.sparse = true})};
  }
};

struct ResultsOk {
  std::vector<OneResult> results{};

  static constexpr auto fields() {
    return std::array{field<&ResultsOk::results>(0, "results", "Of each message, in their order")};
  }
};

struct ReadyOk {
  std::uint32_t ready = 0;

  static constexpr auto fields() {
    return std::array{field<&ReadyOk::ready>(0, "ready", "Messages that are ready now")};
  }
};

struct CountOk {
  std::uint32_t count = 0;
  bool more = false;

  static constexpr auto fields() {
    return std::array{field<&CountOk::count>(0, "count", "Messages that were delivered before"),
                      field<&CountOk::more>(1, "more", "More may be taken at once", {.sparse = true})};
  }
};

struct WaitOk {
  std::uint32_t ready = 0, first_priority = 0;

  static constexpr auto fields() {
    return std::array{field<&WaitOk::ready>(0, "ready", "Messages that are ready now"),
                      field<&WaitOk::first_priority>(1, "first_priority", "Of the first of them")};
  }
};

struct ReceiptsOk {
  std::vector<ReceiptAnswer> receipts{};

  static constexpr auto fields() {
    return std::array{field<&ReceiptsOk::receipts>(0, "receipts", "Of each id, in their order")};
  }
};

struct StatsOk {
  JsonText stats{};

  static constexpr auto fields() {
    return std::array{field<&StatsOk::stats>(0, "stats", "The statistics", {.shape = "Statistics"})};
  }
};

struct CallOk {
  JsonText result{};

  static constexpr auto fields() {
    return std::array{field<&CallOk::result>(0, "result", "What the operation answers")};
  }
};

struct OpenedOk {
  bool stored = false;

  static constexpr auto fields() {
    return std::array{field<&OpenedOk::stored>(0, "stored", "It is there already: nothing is to be uploaded")};
  }
};

struct FinishedOk {
  std::uint64_t size = 0;
  bool known = false;

  static constexpr auto fields() {
    return std::array{field<&FinishedOk::size>(0, "size", "Of the whole", {.unit = "bytes"}),
                      field<&FinishedOk::known>(1, "known", "It was stored before")};
  }
};

struct SizeOk {
  std::uint64_t size = 0;

  static constexpr auto fields() {
    return std::array{field<&SizeOk::size>(0, "size", "Of the whole", {.unit = "bytes"})};
  }
};

struct DataOk {
  std::string data{};

  static constexpr auto fields() { return std::array{field<&DataOk::data>(0, "data", "The bytes, in base64")}; }
};

}  // namespace folkmoot::told
