// What all connections of a gateway share. Private to this room.
#pragma once

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "gateway/admission.hpp"
#include "gateway/gateway.hpp"
#include "gateway/stream.hpp"

namespace folkmoot {

using Clock = std::chrono::steady_clock;

/// Completion as a tuple (error code first): errors of the network are values here.
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Context {
  /// As they are now; whoever has them keeps them while he needs them.
  std::shared_ptr<const GatewayOptions> options() const { return shared_options.load(); }

  Hub& hub;
  std::atomic<std::shared_ptr<const GatewayOptions>> shared_options;
  // Links hold it too: the reactor may post into it for a moment longer than the gateway lives.
  const std::shared_ptr<asio::io_context> io;
  Admission admission;
  std::atomic<bool> is_draining = false;
  mutable std::atomic<std::uint64_t> faults = 0;  // connections that ended, as what came on them could not be read
};

}  // namespace folkmoot
