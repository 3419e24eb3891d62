// Whose JSON Web Tokens are taken, if their keys are fetched.
#include <fmt/format.h>

#include "cli/doctor/findings.hpp"
#include "issuer/key_fetcher.hpp"

namespace folkmoot::cli {

void examine_issuer(const ServerConfig& config, Findings& findings) {
  constexpr std::string_view kIssuer = "issuer";
  constexpr std::chrono::milliseconds kKeysWithin{3'000};
  const auto& source = config.jwt_source;
  if (!source.verifier) return;
  if (const auto done = fetch_keys(source, kKeysWithin); !done) {
    findings.warn(kIssuer, done.error().text,
                  "no token gets anybody in until its keys can be had; accounts with keys of their own do not wait");
    return;
  }
  findings.good(kIssuer, fmt::format("{} gives keys", source.url));
}

}  // namespace folkmoot::cli
