#include "cli/server_config.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <vector>

#include "base/duration.hpp"
#include "base/nearest.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

struct Key {
  std::string_view name;
  std::string_view meaning;
  std::function<Result<void>(ServerConfig&, const std::string&)> set;
};

std::unexpected<Error> bad(std::string_view value, std::string_view wanted) {
  return failure(ErrorCode::invalid_field, fmt::format("`{}` is not {}", value, wanted));
}

Result<std::uint64_t> within(std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value >= least && value <= most) return value;
  return failure(ErrorCode::out_of_range, fmt::format("{} is outside {} to {}", value, least, most));
}

Result<std::uint64_t> number(const std::string& value, std::uint64_t least, std::uint64_t most) {
  std::uint64_t parsed = 0;
  const auto* const end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, parsed);
  if (error != std::errc{} || at != end) return bad(value, "a number");
  return within(parsed, least, most);
}

// A size has a unit: 512B, 64KiB, 8MiB, 1GiB; but for 0.
Result<std::uint64_t> bytes(const std::string& value, std::uint64_t least, std::uint64_t most) {
  std::uint64_t parsed = 0;
  const auto* const end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, parsed);
  const std::string_view unit(at, static_cast<std::size_t>(end - at));
  const bool is_plain = unit == "B" || (unit.empty() && parsed == 0);
  const unsigned shift = unit == "KiB" ? 10 : unit == "MiB" ? 20 : unit == "GiB" ? 30 : is_plain ? 0 : 64;
  if (error != std::errc{} || shift == 64 || (parsed << shift) >> shift != parsed)
    return bad(value, "a size with its unit, such as 512B, 64KiB, 8MiB or 1GiB");
  return within(parsed << shift, least, most);
}

template <class T>
auto size(T& (*where)(ServerConfig&), std::uint64_t least, std::uint64_t most) {
  return [=](ServerConfig& config, const std::string& value) -> Result<void> {
    const auto parsed = bytes(value, least, most);
    if (!parsed) return std::unexpected(parsed.error());
    where(config) = static_cast<T>(*parsed);
    return {};
  };
}

template <class T>
auto count(T& (*where)(ServerConfig&), std::uint64_t least, std::uint64_t most) {
  return [=](ServerConfig& config, const std::string& value) -> Result<void> {
    const auto parsed = number(value, least, most);
    if (!parsed) return std::unexpected(parsed.error());
    where(config) = static_cast<T>(*parsed);
    return {};
  };
}

auto duration(std::int64_t& (*where)(ServerConfig&), std::int64_t least_ms = 0) {
  return [=](ServerConfig& config, const std::string& value) -> Result<void> {
    const auto parsed = parse_duration_ms(value);
    if (!parsed) return std::unexpected(parsed.error());
    if (*parsed < least_ms)
      return failure(ErrorCode::out_of_range,
                     fmt::format("`{}` is too short; it may be {} ms or more", value, least_ms));
    where(config) = *parsed;
    return {};
  };
}

auto text(std::string& (*where)(ServerConfig&)) {
  return [=](ServerConfig& config, const std::string& value) -> Result<void> {
    where(config) = value;
    return {};
  };
}

Result<void> set_sync(ServerConfig& config, const std::string& value) {
  auto& journal = config.server.journal;
  if (value == "always") {
    journal.sync = SyncPolicy::always;
  } else if (value == "never") {
    journal.sync = SyncPolicy::never;
  } else {
    const auto interval = parse_duration_ms(value);
    if (!interval || *interval == 0) return bad(value, "`always`, `never`, or how often, as 200ms");
    journal.sync = SyncPolicy::interval;
    journal.sync_interval_ms = *interval;
  }
  return {};
}

Result<void> set_token(ServerConfig& config, const std::string& value) {
  if (value.size() > kTokenBytesMax)
    return failure(ErrorCode::out_of_range,
                   fmt::format("the token has {} bytes; {} are the most", value.size(), kTokenBytesMax));
  config.server.token = value;
  return {};
}

Result<void> set_overflow(ServerConfig& config, const std::string& value) {
  if (value != "reject" && value != "drop_oldest") return bad(value, "`reject` or `drop_oldest`");
  config.server.engine.mailbox.overflow = value == "reject" ? Overflow::reject : Overflow::drop_oldest;
  return {};
}

// Words with commas between them.
auto list(std::vector<std::string>& (*where)(ServerConfig&)) {
  return [=](ServerConfig& config, const std::string& value) -> Result<void> {
    auto& words = where(config);
    words.clear();
    for (std::size_t at = 0; at < value.size();) {
      const auto end = std::min(value.find(',', at), value.size());
      if (end > at) words.push_back(value.substr(at, end - at));
      at = end + 1;
    }
    return {};
  };
}

Result<void> set_log_level(ServerConfig& config, const std::string& value) {
  for (const auto* level : {"debug", "info", "warn", "error"}) {
    if (value == level) return config.log_level = value, Result<void>{};
  }
  return bad(value, "`debug`, `info`, `warn` or `error`");
}

Result<void> set_backoff(ServerConfig& config, const std::string& value) {
  const auto backoff = parse_backoff(value);
  if (!backoff) return bad(value, "`fixed`, `linear`, `exponential` or `exponential_jitter`");
  config.server.engine.mailbox.retry.backoff = *backoff;
  return {};
}

// A factor with up to three decimals.
Result<void> set_multiplier(ServerConfig& config, const std::string& value) {
  double factor = 0;
  const auto* const end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, factor);
  if (error != std::errc{} || at != end || !(factor >= 1 && factor <= 1000))
    return bad(value, "a number from 1 to 1000");
  config.server.engine.mailbox.retry.multiplier_permille = static_cast<std::uint32_t>(std::lround(factor * 1000));
  return {};
}

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

const std::vector<Key>& keys() {
  using C = ServerConfig;
  static const std::vector<Key> kKeys = {
      {"listen", "127.0.0.1:7470: HOST:PORT to listen on; port 0 takes a free one", set_listen},
      {"data", "./folkmoot-data: the data folder", text([](C& c) -> std::string& { return c.server.data; })},
      {"unix_socket", "folkmoot.sock in the data folder: path of the Unix socket, or none",
       text([](C& c) -> std::string& { return c.server.unix_socket; })},
      {"token", "none: what clients must give; needed on any address but loopback", set_token},
      {"log_level", "info: debug, info, warn or error", set_log_level},
      {"sync", "always: before a message is confirmed; or an interval such as 200ms, or never", set_sync},
      {"journal.bytes_max", "0: as the disk allows; else the most bytes of the journal's files",
       size(
           +[](C& c) -> std::uint64_t& { return c.server.journal.bytes_max; }, 0, ~0ull)},
      {"journal.cache_bytes", "4MiB: of what was written last, kept in memory",
       size(
           +[](C& c) -> std::size_t& { return c.server.journal.cache_bytes; }, 0, kGiB)},
      {"journal.segment_bytes", "64MiB: of a new data folder",
       size(
           +[](C& c) -> std::size_t& { return c.server.journal.segment_bytes; }, 65536, kGiB)},
      {"mailbox.max_messages", "1000000: waiting, scheduled and leased messages of a mailbox",
       count(
           +[](C& c) -> std::uint64_t& { return c.server.engine.mailbox.max_messages; }, 1, 1'000'000'000)},
      {"mailbox.overflow", "reject: a full mailbox refuses; or drop_oldest, to its dead letters", set_overflow},
      {"mailbox.default_ttl", "0: none; how long a message without a ttl lives",
       duration([](C& c) -> std::int64_t& { return c.server.engine.mailbox.default_ttl_ms.ms; })},
      {"mailbox.retry_attempts", "20: failed deliveries until a message is a dead letter",
       count(
           +[](C& c) -> std::uint16_t& { return c.server.engine.mailbox.retry.attempts; }, 1, kAttemptsMax)},
      {"mailbox.retry_backoff",
       "exponential_jitter: how the wait grows: fixed, linear, exponential, exponential_jitter", set_backoff},
      {"mailbox.retry_initial", "0: wait before the second attempt",
       duration([](C& c) -> std::int64_t& { return c.server.engine.mailbox.retry.initial_ms; })},
      {"mailbox.retry_max", "0: no bound; the longest wait between attempts",
       duration([](C& c) -> std::int64_t& { return c.server.engine.mailbox.retry.max_ms; })},
      {"mailbox.retry_multiplier", "2: factor of the exponential backoffs", set_multiplier},
      {"keys.max", "1000000: idempotency keys remembered",
       count(
           +[](C& c) -> std::size_t& { return c.server.engine.keys_max; }, 0, 100'000'000)},
      {"keys.window", "24h: how long they are remembered",
       duration([](C& c) -> std::int64_t& { return c.server.engine.keys_ms.ms; })},
      {"dead.max", "10000: dead letters a mailbox keeps",
       count(
           +[](C& c) -> std::size_t& { return c.server.engine.dead_max; }, 0, 1'000'000)},
      {"dead.max_age", "14d: how long dead letters are kept; 0: no bound",
       duration([](C& c) -> std::int64_t& { return c.server.engine.dead_ttl_ms.ms; })},
      {"guard.hops", "64: causes that may stand before a message; 0: no bound",
       count(
           +[](C& c) -> std::uint32_t& { return c.server.engine.guard.hops_max; }, 0, kHopsMax)},
      {"guard.pair_per_minute", "0: no bound; caused messages from one agent to one mailbox",
       count(
           +[](C& c) -> std::uint32_t& { return c.server.engine.guard.pair_per_minute; }, 0, 1'000'000'000)},
      {"guard.conversation_per_minute", "0: no bound; caused messages of one conversation",
       count(
           +[](C& c) -> std::uint32_t& { return c.server.engine.guard.conversation_per_minute; }, 0, 1'000'000'000)},
      {"max_content_bytes", "1MiB: of one message",
       size(
           +[](C& c) -> std::size_t& { return c.server.content_bytes_max; }, 1024, 4 << 20)},
      {"content.max_bytes", "1GiB: of one content stored by reference",
       size(
           +[](C& c) -> std::uint64_t& { return c.server.content.bytes_max; }, 1, kStoredBytesMax)},
      {"content.total_bytes", "64GiB: of all that are stored",
       size(
           +[](C& c) -> std::uint64_t& { return c.server.content.total_bytes_max; }, 1, ~0ull)},
      {"content.grace", "10m: how long a content is kept that no message refers to",
       duration([](C& c) -> std::int64_t& { return c.server.engine.content_grace_ms.ms; })},
      {"content.uploads", "64: at a time",
       count(
           +[](C& c) -> std::size_t& { return c.server.content.uploads_max; }, 1, 4096)},
      {"content.idle", "60s: how long an upload waits for its next bytes",
       duration([](C& c) -> std::int64_t& { return c.server.content.idle_ms; })},
      {"content.pace", "4KiB: a second, on average; an upload that is slower ends, as soon as another needs its place",
       size(
           +[](C& c) -> std::uint64_t& { return c.server.content.pace_bytes; }, 1, kGiB)},
      {"max_connections", "65536",
       count(
           +[](C& c) -> std::size_t& { return c.server.connections_max; }, 1, 1'000'000)},
      {"login.connections", "4096: that have not said HELLO or sent a request; for one more the oldest is closed",
       count(
           +[](C& c) -> std::size_t& { return c.server.login.connections_max; }, 1, 1'000'000)},
      {"login.per_address", "1024: of these, of one address",
       count(
           +[](C& c) -> std::size_t& { return c.server.login.of_address_max; }, 1, 1'000'000)},
      {"login.timeout", "10s: how long such a connection, or the header of a request, may take",
       duration([](C& c) -> std::int64_t& { return c.server.login.timeout_ms; }, 100)},
      {"frame.total_bytes", "64MiB: of frames that have come in part, of all connections; more wait unread",
       size(
           +[](C& c) -> std::size_t& { return c.server.partial_frames.total_bytes_max; }, 1 << 20, 16 * kGiB)},
      {"frame.timeout", "15s: from the first byte of a frame to its last; and a second for each 64 KiB of it",
       duration([](C& c) -> std::int64_t& { return c.server.partial_frames.timeout_ms; }, 100)},
      {"max_names", "1000000: agents and mailboxes",
       count(
           +[](C& c) -> std::size_t& { return c.server.engine.names_max; }, 1, 100'000'000)},
      {"receipts_max", "65536: settled messages whose receipts are remembered",
       count(
           +[](C& c) -> std::size_t& { return c.server.engine.receipts_max; }, 0, 100'000'000)},
      {"max_pending_bytes", "64MiB: unsent bytes at which a slow subscriber misses events",
       size(
           +[](C& c) -> std::size_t& { return c.server.pending_bytes_max; }, 1 << 20, 16 * kGiB)},
      {"slow_consumer_timeout", "5s: how long a subscriber without a credit may not take the events that wait for it",
       duration([](C& c) -> std::int64_t& { return c.server.slow_consumer_ms; })},
      {"host_timeout",
       "5m: how long nothing may be heard of a host that something is on its way to; 4m and less can cut who only does "
       "not read",
       duration([](C& c) -> std::int64_t& { return c.server.host_timeout_ms; }, 1'000)},
      {"shards", "engines that divide the mailboxes, each with a thread of its own; fixed when the data folder is made",
       count(
           +[](C& c) -> std::uint32_t& { return c.server.shards; }, 1, kShardsMax)},
      {"http.threads", "1: threads for HTTP and WebSocket",
       count(
           +[](C& c) -> int& { return c.gateway.threads; }, 1, 64)},
      {"http.cors_origins", "none: other origins that web pages may come from, with commas between; * for any",
       list([](C& c) -> std::vector<std::string>& { return c.gateway.cors_origins; })},
      {"http.hosts",
       "none: names that clients may call the server by, beside localhost, its address and that of `listen`; * for any",
       list([](C& c) -> std::vector<std::string>& { return c.gateway.hosts; })},
      {"http.timeout", "30s: for a request's body or a message to come whole, and for an answer to be taken",
       duration([](C& c) -> std::int64_t& { return c.http_timeout_ms; }, 1)},
      {"http.idle", "2m: between two requests of a connection, and how long a WebSocket may be silent",
       duration([](C& c) -> std::int64_t& { return c.http_idle_ms; }, 100)},
      {"http.strangers", "2048: HTTP and WebSocket connections that have shown no token yet",
       count(
           +[](C& c) -> std::size_t& { return c.gateway.strangers_max; }, 1, 1'000'000)},
      {"http.strangers_by_address", "1024: of these, from one address",
       count(
           +[](C& c) -> std::size_t& { return c.gateway.strangers_by_address_max; }, 1, 1'000'000)},
      {"http.unfinished_bytes", "128MiB: of requests and messages that are not whole yet, or not answered",
       size(
           +[](C& c) -> std::size_t& { return c.gateway.unfinished_bytes_max; }, 1 << 20, 1024 * kGiB)},
      {"http.unfinished_bytes_by_address", "64MiB: of these, from one address",
       size(
           +[](C& c) -> std::size_t& { return c.gateway.unfinished_bytes_by_address_max; }, 1 << 20, 1024 * kGiB)},
  };
  return kKeys;
}

std::string variable_of(std::string_view setting) {
  std::string variable = "FOLKMOOT_";
  for (const char c : setting)
    variable += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

Result<void> read_table(ServerConfig& config, const toml::table& table, const std::string& prefix) {
  for (const auto& [name, node] : table) {
    const auto key = prefix + std::string(name.str());
    if (const auto* inner = node.as_table()) {
      if (auto done = read_table(config, *inner, key + "."); !done) return done;
      continue;
    }
    std::string value;
    if (const auto* string = node.as_string()) {
      value = string->get();
    } else if (const auto* integer = node.as_integer()) {
      value = std::to_string(integer->get());
    } else if (const auto* real = node.as_floating_point()) {
      value = fmt::format("{}", real->get());
    } else {
      return failure(ErrorCode::invalid_field, fmt::format("`{}` is neither text nor a number", key));
    }
    if (auto done = set_config(config, key, value); !done) return done;
  }
  return {};
}

}  // namespace

Result<void> set_config(ServerConfig& config, std::string_view name, const std::string& value) {
  for (const auto& key : keys()) {
    if (key.name != name) continue;
    if (auto done = key.set(config, value); !done) {
      return std::unexpected(within(fmt::format("`{}`", name), done.error()));
    }
    return {};
  }
  std::vector<std::string_view> known;
  for (const auto& key : keys()) known.push_back(key.name);
  return failure(ErrorCode::invalid_field, fmt::format("there is no setting `{}`{}; `folkmoot serve --help` lists them",
                                                       name, did_you_mean(name, known)));
}

Result<void> read_config_file(ServerConfig& config, const std::string& path) {
  try {
    const auto table = toml::parse_file(path);
    if (auto done = read_table(config, table, {}); !done) {
      return std::unexpected(within(path, done.error()));
    }
    return {};
  } catch (const toml::parse_error& error) {
    return failure(ErrorCode::malformed,
                   fmt::format("{}, line {}: {}", path, error.source().begin.line, error.description()));
  }
}

Result<void> check_environment() {
  // Of clients; of what `folkmoot reply --exec` tells its command; of the scripts.
  std::vector<std::string> variables = {"FOLKMOOT_ADDRESS", "FOLKMOOT_AGENT",        "FOLKMOOT_FROM",
                                        "FOLKMOOT_TYPE",    "FOLKMOOT_ID",           "FOLKMOOT_PRIORITY",
                                        "FOLKMOOT_PROGRAM", "FOLKMOOT_CONVERSATION", "FOLKMOOT_REPLY_TO"};
  for (const auto& key : keys()) variables.push_back(variable_of(key.name));
  const std::vector<std::string_view> known(variables.begin(), variables.end());
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const auto name = std::string_view(*each).substr(0, std::string_view(*each).find('='));
    if (!name.starts_with("FOLKMOOT_") || std::ranges::find(known, name) != known.end()) continue;
    return failure(ErrorCode::invalid_field, fmt::format("the environment has {}, which is no variable of folkmoot{}",
                                                         name, did_you_mean(name, known)));
  }
  return {};
}

Result<void> read_config_environment(ServerConfig& config) {
  for (const auto& key : keys()) {
    const auto variable = variable_of(key.name);
    const char* const value = std::getenv(variable.c_str());
    if (value == nullptr) continue;
    if (auto done = set_config(config, key.name, value); !done) {
      return std::unexpected(within(variable, done.error()));
    }
  }
  return {};
}

Result<void> set_listen(ServerConfig& config, const std::string& text) {
  const auto colon = text.rfind(':');
  auto host = colon == std::string::npos ? std::string() : text.substr(0, colon);
  const auto port_text = colon == std::string::npos ? text : text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  unsigned port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc{} || end != port_text.data() + port_text.size() || port > 65535) {
    return bad(text, "an address such as 127.0.0.1:7470");
  }
  if (!host.empty()) config.server.host = host;
  config.server.port = static_cast<std::uint16_t>(port);
  return {};
}

std::string config_help() {
  std::string out;
  for (const auto& key : keys()) out += fmt::format("  {:<32}{}\n", key.name, key.meaning);
  return out;
}

}  // namespace folkmoot
