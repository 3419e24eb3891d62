// A server that was just started: `folkmoot serve &` and what is typed below it, in one go. It listens some hundred
// milliseconds later, so whoever finds nobody there on this machine looks again for a moment. Elsewhere it says
// nothing: a server of another machine was not started by the line before.
#pragma once

#include <string>

#include "folkmoot/options.hpp"

namespace folkmoot::cli {

/// So long; README.md, docs/troubleshooting.md and --help say it.
constexpr Milliseconds kServerPatience{3'000};

/// Whether `address` is a Unix socket or a port of this machine, by loopback, that nothing listens at now. What is no
/// address is none.
bool may_be_about_to_listen(const std::string& address);

/// Waits until something listens there, at most `patience`; or until stop_waiting(). False: nothing does.
bool wait_until_listening(const std::string& address, Milliseconds patience = kServerPatience);

}  // namespace folkmoot::cli
