// One CALL being carried out, for the files that hold the rows of the table in calls.cpp.
#pragma once

#include "engine/engine.hpp"
#include "message/json_fields.hpp"
#include "server/reactor.hpp"

namespace folkmoot {

struct Call {
  Reactor& reactor;
  Engine& engine;
  SessionId session;
  std::uint32_t request;
  JsonFields& arguments;

  Result<void> answer(std::string_view text) const {
    return reactor.done(session, request, as_bytes(text)), Result<void>{};
  }
};

inline std::unexpected<Error> wrong(const JsonFields& fields) { return std::unexpected(fields.result().error()); }

// route_calls.cpp
Result<void> set_route(const Call& call);
Result<void> remove_route(const Call& call);
Result<void> list_routes(const Call& call);
Result<void> report_load(const Call& call);

}  // namespace folkmoot
