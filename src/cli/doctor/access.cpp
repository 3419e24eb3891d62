// What strangers could do with a server that has these settings.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "access/audit_files.hpp"
#include "cli/doctor/findings.hpp"
#include "server/listen.hpp"
#include "server/server.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kAccess = "access";
constexpr std::size_t kTokenBytesGood = 16;  // 128 bits, if they are random

void examine_token(const ServerConfig& config, Findings& findings) {
  const auto& token = config.server.token;
  if (token.empty()) return;
  if (token.size() < kTokenBytesGood) {
    findings.warn(kAccess, fmt::format("the token has {} characters, which may be guessed", token.size()),
                  "take one such as `openssl rand -hex 32` prints");
  }
  const auto source = config.sources.find("token");
  if (source != config.sources.end() && source->second == SettingSource::flag) {
    findings.warn(kAccess, "the token stands on the command line, where every user of this machine can read it (`ps`)",
                  "give it in FOLKMOOT_TOKEN, or as `token` in the configuration file");
  }
}

void examine_file(const std::string& config_file, const ServerConfig& config, Findings& findings) {
  struct stat file{};
  if (config_file.empty() || ::stat(config_file.c_str(), &file) != 0) return;
  for (const auto& [name, what] : {std::pair("token", "the token"), std::pair("history.url", "history.url")}) {
    const auto source = config.sources.find(name);
    const bool has_it = source != config.sources.end() && source->second == SettingSource::file;
    if (!has_it || (file.st_mode & 0044) == 0) continue;
    findings.warn(kAccess,
                  fmt::format("{} has {} in it, and other users of this machine can read it", config_file, what),
                  fmt::format("chmod 0600 {}", config_file));
  }
  if ((file.st_mode & 0022) != 0) {
    findings.warn(kAccess, fmt::format("other users of this machine can change {}", config_file),
                  fmt::format("chmod go-w {}", config_file));
  }
}

void examine_data(const std::string& data, Findings& findings) {
  struct stat folder{};
  if (::stat(data.c_str(), &folder) != 0 || (folder.st_mode & 0007) == 0) return;
  findings.warn(kAccess, fmt::format("every user of this machine can look into {}, where the mail is", data),
                fmt::format("chmod o-rwx {}", data));
}

// As the server opens it: without it none starts.
void examine_audit(const std::string& data, Findings& findings) {
  const auto folder = access::audit_folder(data);
  struct stat status{};
  if (::stat(folder.c_str(), &status) != 0) return;
  const auto files = access::audit_files(folder);
  const auto report = files ? access::read_audit_files(folder, *files, {}) : std::unexpected(files.error());
  if (!report) {
    return findings.problem(
        kAccess, fmt::format("the audit log cannot be read: {}", report.error().text),
        "see whose it is, and what lies there; a server makes a new one if the folder is not there");
  }
  if (const auto last = files->empty() ? folder : access::audit_file(folder, files->back());
      ::access(last.c_str(), W_OK) != 0) {
    return findings.problem(kAccess, fmt::format("this user cannot write to the audit log: {}", last),
                            "look as the user that the server runs as, or give it to that one");
  }
  auto whole = *report;
  access::check_audit_beginning(*files, whole);
  if (whole.problems_total > 0) {
    findings.warn(kAccess, fmt::format("the audit log is not what was written: {}", whole.problems[0]),
                  fmt::format("`folkmoot audit verify {}` says it all", data));
  }
  if ((status.st_mode & 0077) != 0) {
    findings.warn(kAccess, fmt::format("other users of this machine can get at the audit log, {}", folder),
                  fmt::format("chmod -R go= {}", folder));
  }
}

void examine_tls(const ServerOptions& server, Findings& findings) {
  const auto& tls = server.tls;
  struct stat key{};
  if (!tls.files.key.empty() && ::stat(tls.files.key.c_str(), &key) == 0 && (key.st_mode & 0077) != 0) {
    findings.warn(kAccess, fmt::format("other users of this machine can get at {}, the key of TLS", tls.files.key),
                  fmt::format("chmod 0600 {}", tls.files.key));
  }
  if (is_loopback(server.host)) return;
  if (!tls.is_on()) {
    findings.warn(kAccess, fmt::format("what goes to {} can be read on its way: TLS is off", server.host),
                  "`folkmoot cert` makes what tls.certificate and tls.key need (docs/tls.md); or listen on 127.0.0.1");
  } else if (!tls.is_required()) {
    findings.warn(kAccess,
                  "clients may come without TLS, and what they say can be read on its way: tls.mode is optional",
                  "set it to required once all of them speak TLS");
  }
}

}  // namespace

void examine_access(const ServerConfig& config, const std::string& config_file, Findings& findings) {
  const auto& server = config.server;
  const bool is_local = is_loopback(server.host);
  if (auto allowed = check_options(server, false); !allowed) {
    std::error_code unknown;
    if (std::filesystem::is_empty(server.data, unknown) || unknown) {
      findings.problem(kAccess, allowed.error().text, allowed.error().advice);
    } else {  // whether accounts are in it, its journal says when it starts
      findings.warn(kAccess,
                    fmt::format("{} can be reached from other machines, and no token is set: it starts only if its "
                                "data folder has an account",
                                server.host),
                    "make one while it listens on 127.0.0.1 (`folkmoot account add`), or set FOLKMOOT_TOKEN");
    }
  }
  examine_token(config, findings);
  examine_file(config_file, config, findings);
  examine_data(server.data, findings);
  examine_audit(server.data, findings);
  examine_tls(server, findings);
  const auto has_any = [](const std::vector<std::string>& words) {
    return std::ranges::find(words, "*") != words.end();
  };
  if (has_any(config.gateway.cors_origins) && server.token.empty()) {
    findings.warn(kAccess,
                  "any web page that a user of this machine looks at may read and send mail: http.cors_origins is *",
                  "name the pages' origins, or set a token");
  }
  if (has_any(config.gateway.hosts) && server.token.empty()) {
    findings.warn(kAccess, "web pages may reach the server by a name of theirs (DNS rebinding): http.hosts is *",
                  "name the hosts by which clients call it, or set a token");
  }
  if (!is_local && config.webhooks_local == WebhooksLocal::yes) {
    findings.warn(kAccess,
                  "whoever may set a webhook can have requests sent into this machine's network: webhooks.local is yes",
                  "leave it at auto");
  }
  if (::geteuid() == 0) {
    findings.warn(kAccess, "the server would run as root, which it never needs",
                  "start it as a user of its own (deploy/folkmoot.service does)");
  }
  findings.good_if_nothing_else(kAccess, server.token.empty() ? "loopback only, where nobody is asked for anything"
                                                              : "who connects shows a token");
}

void examine_promises(const ServerConfig& config, Findings& findings) {
  constexpr std::string_view kPromises = "promises";
  const auto& server = config.server;
  if (server.journal.sync != SyncPolicy::always) {
    findings.warn(kPromises,
                  server.journal.sync == SyncPolicy::never
                      ? std::string("a power cut may lose confirmed messages of the last half minute: sync is never")
                      : fmt::format("a power cut may lose what was confirmed in the last {} ms: sync is an interval",
                                    server.journal.sync_interval_ms),
                  "sync = always, unless that may be lost");
  }
  if (server.engine.mailbox.overflow == Overflow::drop_oldest) {
    findings.warn(kPromises,
                  "a full mailbox gives up its oldest messages (to its dead letters): mailbox.overflow is drop_oldest",
                  "reject tells the sender instead");
  }
  if (server.engine.dead_max == 0) {
    findings.warn(kPromises, "no dead letters are kept: dead.max is 0", "without them nobody sees what was given up");
  }
  findings.good_if_nothing_else(kPromises, "what is confirmed is on disk");
}

}  // namespace folkmoot::cli
