// One frame being carried out, for the files that hold the rows of the table in commands.cpp.
#pragma once

#include <fmt/format.h>

#include "message/pack.hpp"
#include "server/caller.hpp"
#include "server/reactor.hpp"

namespace folkmoot {

struct CommandContext {
  Reactor& reactor;
  Engine& engine;
  Connection& connection;
  const Frame& frame;

  SessionId session() const { return connection.id; }
  RequestNumber request() const { return RequestNumber{frame.header.request}; }
  bool quiet() const { return (frame.header.flags & kFlagQuiet) != 0; }
  Caller caller() const { return {session(), engine.agent_of(session()), connection.door}; }
};

inline std::unexpected<Error> malformed(std::string_view what) {
  return failure(ErrorCode::malformed, std::string(what));
}

/// Walks a map with integer keys; `on_key` reads the value and returns true, or false to have it passed over.
template <class OnKey>
Result<void> read_map(Bytes body, std::string_view what, OnKey on_key) {
  PackReader reader(body);
  for (auto pairs = reader.map(); pairs-- && reader.ok();) {
    const auto key = reader.uint();
    if (reader.ok() && !on_key(key, reader)) reader.skip();
  }
  if (!reader.ok()) return malformed(fmt::format("the body of {} is not a map as docs/protocol.md has it", what));
  return {};
}

/// The string under that key of a map; empty if there is none, or the body is no map.
inline std::string_view text_under(Bytes body, std::uint64_t wanted) {
  std::string_view text;
  const auto read = read_map(
      body, {}, [&](std::uint64_t key, PackReader& reader) { return key == wanted && (text = reader.str(), true); });
  return read ? text : std::string_view{};
}

// content_commands.cpp
Result<void> on_content_write(const CommandContext& context);
Result<void> on_content_finish(const CommandContext& context);
Result<void> on_content_stat(const CommandContext& context);
Result<void> on_content_read(const CommandContext& context);

}  // namespace folkmoot
