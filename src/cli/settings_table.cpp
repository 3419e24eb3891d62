#include "cli/settings_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/byte_count.hpp"
#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

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

Result<std::uint64_t> bytes(const std::string& value, std::uint64_t least, std::uint64_t most) {
  const auto parsed = parse_byte_count(value);
  return parsed ? within(*parsed, least, most) : parsed;
}

std::string show_bytes(std::uint64_t value) {
  constexpr std::pair<unsigned, std::string_view> kUnits[] = {{30, "GiB"}, {20, "MiB"}, {10, "KiB"}};
  for (const auto& [shift, unit] : kUnits) {
    if (value != 0 && value % (std::uint64_t{1} << shift) == 0) return fmt::format("{}{}", value >> shift, unit);
  }
  return value == 0 ? "0" : fmt::format("{}B", value);
}

std::string show_duration(std::int64_t ms) {
  constexpr std::pair<std::int64_t, std::string_view> kUnits[] = {
      {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}};
  for (const auto& [unit_ms, unit] : kUnits) {
    if (ms != 0 && ms % unit_ms == 0) return fmt::format("{}{}", ms / unit_ms, unit);
  }
  return ms == 0 ? "0" : fmt::format("{}ms", ms);
}

// `at` gives the place in a ServerConfig; a constant one is only looked at.
template <class At>
const auto& look(At at, const ServerConfig& config) {
  return at(const_cast<ServerConfig&>(config));
}

template <class At, class Read>
SettingValue natural(At at, Read read, std::string (*show)(std::uint64_t), std::uint64_t least, std::uint64_t most) {
  return {.set = [=](ServerConfig& config, const std::string& value) -> Result<void> {
            const auto parsed = read(value, least, most);
            if (!parsed) return std::unexpected(parsed.error());
            auto& place = at(config);
            place = static_cast<std::remove_reference_t<decltype(place)>>(*parsed);
            return {};
          },
          .show = [=](const ServerConfig& config) { return show(static_cast<std::uint64_t>(look(at, config))); }};
}

template <class At>
SettingValue of_size(At at, std::uint64_t least, std::uint64_t most) {
  return natural(at, bytes, show_bytes, least, most);
}

template <class At>
SettingValue of_count(At at, std::uint64_t least, std::uint64_t most) {
  return natural(at, number, [](std::uint64_t value) { return std::to_string(value); }, least, most);
}

template <class At>
SettingValue of_duration(At at, std::int64_t least_ms = 0) {
  return {.set = [=](ServerConfig& config, const std::string& value) -> Result<void> {
            const auto parsed = parse_duration_ms(value);
            if (!parsed) return std::unexpected(parsed.error());
            if (*parsed < least_ms)
              return failure(ErrorCode::out_of_range,
                             fmt::format("`{}` is too short; it may be {} ms or more", value, least_ms));
            at(config) = *parsed;
            return {};
          },
          .show = [=](const ServerConfig& config) { return show_duration(look(at, config)); }};
}

template <class At>
SettingValue of_text(At at, std::string_view empty) {
  return {.set = [=](ServerConfig& config, const std::string& value) { return at(config) = value, Result<void>{}; },
          .show = [=](const ServerConfig& config) { return look(at, config); },
          .empty = empty};
}

// One of the words, each standing for a value.
template <class At, class T>
SettingValue of_word(At at, std::vector<std::pair<std::string_view, T>> words, std::string_view wanted) {
  return {.set = [=](ServerConfig& config, const std::string& value) -> Result<void> {
            const auto found = std::ranges::find(words, value, [](const auto& each) { return each.first; });
            if (found == words.end()) return bad(value, wanted);
            at(config) = found->second;
            return {};
          },
          .show =
              [=](const ServerConfig& config) {
                const auto found =
                    std::ranges::find(words, look(at, config), [](const auto& each) { return each.second; });
                return std::string(found->first);
              }};
}

// So that a list in braces is one of pairs.
template <class T>
std::vector<std::pair<std::string_view, T>> pairs(std::initializer_list<std::pair<std::string_view, T>> words) {
  return words;
}

// The words between commas, without the blanks that somebody may have put beside them.
std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> words;
  for (std::size_t from = 0; from < list.size();) {
    const auto end = std::min(list.find(',', from), list.size());
    auto word = list.substr(from, end - from);
    word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
    word = word.substr(0, word.find_last_not_of(' ') + 1);
    if (!word.empty()) words.emplace_back(word);
    from = end + 1;
  }
  return words;
}

template <class At>
SettingValue of_list(At at, std::string_view empty, Result<void> (*check)(std::string_view) = nullptr,
                     std::size_t words_max = std::string::npos) {
  return {.set = [=](ServerConfig& config, const std::string& value) -> Result<void> {
            auto words = words_of(value);
            if (words.size() > words_max)
              return failure(ErrorCode::out_of_range,
                             fmt::format("{} of them are given; {} are the most", words.size(), words_max));
            for (const auto& word : words) {
              if (auto good = check != nullptr ? check(word) : Result<void>(); !good) return good;
            }
            at(config) = std::move(words);
            return {};
          },
          .show = [=](const ServerConfig& config) { return fmt::format("{}", fmt::join(look(at, config), ",")); },
          .empty = empty};
}

// The same, if what it makes of the settings is good.
SettingValue checked(SettingValue value, Result<void> (*is_good)(const ServerConfig&)) {
  value.set = [set = std::move(value.set), is_good](ServerConfig& config, const std::string& text) -> Result<void> {
    auto done = set(config, text);
    return done ? is_good(config) : done;
  };
  return value;
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

std::string show_sync(const ServerConfig& config) {
  const auto& journal = config.server.journal;
  if (journal.sync == SyncPolicy::interval) return show_duration(journal.sync_interval_ms);
  return journal.sync == SyncPolicy::always ? "always" : "never";
}

Result<void> set_token(ServerConfig& config, const std::string& value) {
  if (value.size() > kTokenBytesMax)
    return failure(ErrorCode::out_of_range,
                   fmt::format("the token has {} bytes; {} are the most", value.size(), kTokenBytesMax));
  config.server.token = value;
  return {};
}

// "1000=planner,0=root".
Result<void> set_unix_accounts(ServerConfig& config, const std::string& value) {
  std::map<std::uint32_t, std::string> accounts;
  for (std::size_t from = 0; from < value.size();) {
    const auto end = std::min(value.find(',', from), value.size());
    const auto one = std::string_view(value).substr(from, end - from);
    const auto equals = one.find('=');
    std::uint32_t user = 0;
    const auto* const stop = one.data() + std::min(equals, one.size());
    const auto read = std::from_chars(one.data(), stop, user);
    if (equals == std::string_view::npos || read.ec != std::errc{} || read.ptr != stop ||
        !is_name(one.substr(equals + 1)))
      return bad(one, "UID=ACCOUNT, as 1000=planner");
    accounts.insert_or_assign(user, std::string(one.substr(equals + 1)));
    from = end + 1;
  }
  config.server.unix_accounts = std::move(accounts);
  return {};
}

std::string show_unix_accounts(const ServerConfig& config) {
  std::string out;
  for (const auto& [user, account] : config.server.unix_accounts)
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", user, account);
  return out;
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

std::string show_multiplier(const ServerConfig& config) {
  return fmt::format("{}", config.server.engine.mailbox.retry.multiplier_permille / 1000.0);
}

std::string show_listen(const ServerConfig& config) {
  const auto& host = config.server.host;
  return fmt::format(fmt::runtime(host.contains(':') ? "[{}]:{}" : "{}:{}"), host, config.server.port);
}

// "HOST:PORT", "[::1]:7470", ":7470" or "7470".
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

constexpr std::size_t kTraceTextMax = 2'048, kTraceHeadersMax = 16;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

// All of them: those of what works beside the bus behind the others.
std::vector<Setting> with_helpers(std::vector<Setting> settings) {
  using C = ServerConfig;
  using enum Takes;
  const Setting helpers[] = {
      {"history.store", restart,
       "what became of every durable message is kept: sqlite, in the data folder; postgres, in the database of "
       "history.url; or none",
       of_word([](C& c) -> auto& { return c.server.history.store; },
               pairs<HistoryOptions::Store>({{"none", HistoryOptions::Store::none},
                                             {"sqlite", HistoryOptions::Store::sqlite},
                                             {"postgres", HistoryOptions::Store::postgres}}),
               "`sqlite`, `postgres` or `none`")},
      {.name = "history.url",
       .takes = restart,
       .meaning =
           "the PostgreSQL database of the history: postgresql://USER:PASSWORD@HOST:5432/DATABASE; a secret; if it is "
           "not set, DATABASE_URL of the environment",
       .value = of_text([](C& c) -> auto& { return c.server.history.url; }, "none"),
       .is_secret = true},
      {"history.retention", restart, "how long the history keeps what has ended; 0: for ever",
       of_duration([](C& c) -> auto& { return c.server.history.keep_ms; })},
      {"history.behind", restart,
       "of a shard's journal, that may wait for the history; what is more goes unread, and is told of",
       of_size([](C& c) -> auto& { return c.server.history.behind_bytes_max; }, 1 << 20, 1024 * kGiB)},
      {"history.not_kept", at_once,
       "contents of these types are kept as hash and size alone: types of messages, or of contents, with commas "
       "between "
       "and `*` for anything, as `medical.*,image/*`",
       of_list([](C& c) -> auto& { return c.server.history.policy.not_kept; }, "none", check_type_pattern,
               kHistoryPatternsMax)},
      {"history.events", at_once,
       "events of these topics are in the history too, if a stream keeps them: patterns with commas between, as "
       "`orders.>,audit.*`",
       of_list([](C& c) -> auto& { return c.server.history.policy.events; }, "none", check_topic_pattern,
               kHistoryPatternsMax)},
      {"webhooks.local", at_once,
       "whether webhooks may go to this machine and to private networks: yes, no, or auto: if the server listens on "
       "loopback alone",
       of_word([](C& c) -> auto& { return c.webhooks_local; },
               pairs<WebhooksLocal>(
                   {{"auto", WebhooksLocal::automatic}, {"yes", WebhooksLocal::yes}, {"no", WebhooksLocal::no}}),
               "auto, yes or no")},
      {"webhooks.timeout", at_once, "for a webhook's request and its answer",
       of_duration([](C& c) -> auto& { return c.webhooks_timeout_ms; }, 100)},
      {"webhooks.at_once", at_once, "requests of webhooks that wake, at a time",
       of_count([](C& c) -> auto& { return c.webhooks_at_once; }, 1, 1'000)},
      {"webhooks.deliveries", at_once, "requests of webhooks that deliver messages, at a time; 0: nothing is posted",
       of_count([](C& c) -> auto& { return c.webhooks_deliveries; }, 0, 10'000)},
  };
  settings.insert(settings.end(), std::begin(helpers), std::end(helpers));
  return settings;
}

// A URL that spans may be posted to.
Result<void> set_trace_endpoint(ServerConfig& config, const std::string& value) {
  const bool is_url = value.starts_with("http://") || value.starts_with("https://");
  const bool is_plain = std::ranges::all_of(value, [](char c) { return c > ' ' && c <= '~'; });
  if (!value.empty() && (!is_url || !is_plain || value.size() > kTraceTextMax))
    return bad(value, "a URL, as http://127.0.0.1:4318/v1/traces");
  config.traces.endpoint = value;
  config.server.traces = !value.empty();
  return {};
}

// "authorization=Bearer x,x-tenant=1".
Result<void> set_trace_headers(ServerConfig& config, const std::string& value) {
  std::vector<std::string> headers;
  for (std::size_t from = 0; from < value.size();) {
    const auto end = std::min(value.find(',', from), value.size());
    const auto one = value.substr(from, end - from);
    const auto equals = one.find('=');
    const auto is_name = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    const bool is_one = equals != std::string::npos && equals > 0 && one.size() <= kTraceTextMax &&
                        std::ranges::all_of(one.substr(0, equals), is_name) &&
                        std::ranges::all_of(one, [](char c) { return c >= ' ' && c <= '~'; });
    if (!is_one || headers.size() == kTraceHeadersMax)
      return failure(ErrorCode::invalid_field,
                     fmt::format("it is not up to {} headers as NAME=VALUE, with commas between", kTraceHeadersMax));
    headers.push_back(one);
    from = end + 1;
  }
  config.traces.headers = std::move(headers);
  return {};
}

std::string show_trace_headers(const ServerConfig& config) {
  return fmt::format("{}", fmt::join(config.traces.headers, ","));
}

Result<void> set_trace_service(ServerConfig& config, const std::string& value) {
  if (value.empty() || value.size() > 255 || utf8_prefix(value) != value.size())
    return bad(value, "a name of 1 to 255 bytes");
  config.traces.service = value;
  return {};
}

// Likewise, those of what the server tells of itself.
std::vector<Setting> with_telemetry(std::vector<Setting> settings) {
  using C = ServerConfig;
  using enum Takes;
  const Setting telemetry[] = {
      {"metrics.mailboxes", at_once,
       "mailboxes that /metrics tells of one by one: those with the most messages; 0: none",
       of_count([](C& c) -> auto& { return c.gateway.metrics_mailboxes_max; }, 0, 1'000)},
      {"alerts.every", at_once,
       "how often the server looks whether to raise an alarm, as an event on bus.alerts and in the log; 0: never",
       of_duration([](C& c) -> auto& { return c.server.alerts.every_ms; })},
      {"alerts.queue_depth", at_once, "alarm: more messages wait for an agent; 0: none",
       of_count([](C& c) -> auto& { return c.server.alerts.queue_depth; }, 0, 1'000'000'000)},
      {"alerts.dead_per_minute", at_once, "alarm: more messages died within a minute; 0: none",
       of_count([](C& c) -> auto& { return c.server.alerts.dead_per_minute; }, 0, 1'000'000'000)},
      {"alerts.failed_per_minute", at_once, "alarm: more deliveries failed within a minute; 0: none",
       of_count([](C& c) -> auto& { return c.server.alerts.failed_per_minute; }, 0, 1'000'000'000)},
      {"alerts.history_behind", at_once, "alarm: the history is further behind a shard's journal; 0: none",
       of_size([](C& c) -> auto& { return c.server.alerts.history_behind_bytes; }, 0, 1024 * kGiB)},
      {"alerts.disk_free_percent", at_once, "alarm: the data folder's disk has less left; 0: none",
       of_count([](C& c) -> auto& { return c.server.alerts.disk_free_percent; }, 0, 100)},
      {"alerts.heartbeat", at_once, "alarm: a registered agent is not heard of any more; yes or no",
       of_word([](C& c) -> auto& { return c.server.alerts.heartbeat; }, pairs<bool>({{"yes", true}, {"no", false}}),
               "yes or no")},
      {"log.format", at_once, "text: a line for people; json: an object a line, with time, level, component and text",
       of_word([](C& c) -> auto& { return c.log.format; },
               pairs<LogFormat>({{"text", LogFormat::text}, {"json", LogFormat::json}}), "`text` or `json`")},
      {"traces.endpoint",
       at_once,
       "URL of a collector that takes OTLP over HTTP in JSON, as http://127.0.0.1:4318/v1/traces: it is told what "
       "becomes "
       "of messages with a sampled traceparent; if it is not set, OTEL_EXPORTER_OTLP_ENDPOINT of the environment",
       {set_trace_endpoint, [](const C& c) { return c.traces.endpoint; }, "none"}},
      {"traces.headers",
       at_once,
       "headers for it: NAME=VALUE, with commas between; a secret; likewise OTEL_EXPORTER_OTLP_HEADERS",
       {set_trace_headers, show_trace_headers, "none"},
       true},
      {"traces.service",
       at_once,
       "what the server is called there; likewise OTEL_SERVICE_NAME",
       {set_trace_service, [](const C& c) { return c.traces.service; }}},
  };
  settings.insert(settings.end(), std::begin(telemetry), std::end(telemetry));
  return settings;
}

// Likewise, those about who has which account.
std::vector<Setting> with_tokens(std::vector<Setting> settings) {
  using C = ServerConfig;
  using enum Takes;
  const Setting tokens[] = {
      {"accounts.messages_per_second", at_once,
       "messages that an account may send a second, over all its connections; a second's worth at once; 0: as many as "
       "it likes",
       of_count([](C& c) -> auto& { return c.server.accounts.messages_per_second; }, 0, 100'000'000)},
      {"accounts.bytes_per_second", at_once,
       "bytes of messages that an account may send a second, over all its connections; a second's worth at once; 0: as "
       "many as it likes",
       of_size([](C& c) -> auto& { return c.server.accounts.bytes_per_second; }, 0, std::uint64_t{1} << 30)},
      {"accounts.connections", at_once,
       "connections that an account may have at a time, over all doors; 0: as many as it likes",
       of_count([](C& c) -> auto& { return c.server.accounts.connections_max; }, 0, 1'000'000)},
      {"teams.messages_per_second", at_once,
       "the same of all accounts together whose names begin alike, up to the first slash",
       of_count([](C& c) -> auto& { return c.server.teams.messages_per_second; }, 0, 100'000'000)},
      {"teams.bytes_per_second", at_once, "likewise, bytes of messages",
       of_size([](C& c) -> auto& { return c.server.teams.bytes_per_second; }, 0, std::uint64_t{1} << 30)},
      {"teams.connections", at_once, "likewise, connections at a time",
       of_count([](C& c) -> auto& { return c.server.teams.connections_max; }, 0, 1'000'000)},
      {"unix_accounts",
       at_once,
       "whose account somebody has who comes by the Unix socket and shows nothing: UID=ACCOUNT, with commas between",
       {set_unix_accounts, show_unix_accounts, "none"}},
      {"login.failures_per_minute", at_once, "wrong credentials of one address and account; 0: as many as come",
       of_count([](C& c) -> auto& { return c.server.login.failures_per_minute; }, 0, 1'000)},
      {"policy.known_keys", at_once,
       "file of keys as `folkmoot key trust` and `key block` make it: whose signatures are good, and who is blocked; "
       "read again on reload",
       of_text([](C& c) -> auto& { return c.policy.known_keys; }, "none")},
      {"policy.require_signature", at_once,
       "yes: an account's messages are taken only with a signature of their sender's, by a key of policy.known_keys",
       of_word([](C& c) -> auto& { return c.policy.require_signature; }, pairs<bool>({{"yes", true}, {"no", false}}),
               "yes or no")},
      {"policy.require_encryption", at_once, "yes: an account's messages are taken only with a sealed content, or none",
       of_word([](C& c) -> auto& { return c.policy.require_encryption; }, pairs<bool>({{"yes", true}, {"no", false}}),
               "yes or no")},
      {"policy.signature_age", at_once,
       "how long ago a message may have been signed; at most keys.window less a minute",
       of_duration([](C& c) -> auto& { return c.policy.signature_age_ms; }, 1'000)},
      {"jwt.keys", at_once,
       "path of a JWK set, or the https URL of one: whose JSON Web Tokens about accounts are taken; read again on "
       "reload",
       of_text([](C& c) -> auto& { return c.jwt.keys; }, "none")},
      {"jwt.issuer", at_once, "what `iss` of a token must be; needed with jwt.keys",
       of_text([](C& c) -> auto& { return c.jwt.issuer; }, "none")},
      {"jwt.audience", at_once, "what `aud` of a token must be or have; needed with jwt.keys",
       of_text([](C& c) -> auto& { return c.jwt.audience; }, "none")},
      {"jwt.algorithms", at_once, "which signatures are taken, with commas between: HS256, RS256, ES256, EdDSA",
       of_list([](C& c) -> auto& { return c.jwt.algorithms; }, "none")},
      {"jwt.leeway", at_once, "by how much the clock of who signs may be wrong",
       of_duration([](C& c) -> auto& { return c.jwt.leeway_ms; }, 0)},
      {"jwt.refresh", at_once, "how often the keys of a URL are fetched again, whether or not a token asks for it",
       of_duration([](C& c) -> auto& { return c.jwt.refresh_ms; }, 1'000)},
      {"jwt.keep", at_once, "how long keys of a URL stay good while it cannot be reached; at least jwt.refresh",
       of_duration([](C& c) -> auto& { return c.jwt.keep_ms; }, 1'000)},
  };
  settings.insert(settings.end(), std::begin(tokens), std::end(tokens));
  return settings;
}

// Likewise, those of TLS.
std::vector<Setting> with_tls(std::vector<Setting> settings) {
  using C = ServerConfig;
  using enum Takes;
  const Setting tls[] = {
      {"tls.mode", at_once,
       "off; optional: with and without; required: who comes without is refused, but for tls.plain; or auto: required "
       "if there is a certificate",
       of_word([](C& c) -> auto& { return c.server.tls.mode; },
               pairs<TlsOptions::Mode>({{"auto", TlsOptions::Mode::automatic},
                                        {"off", TlsOptions::Mode::off},
                                        {"optional", TlsOptions::Mode::optional},
                                        {"required", TlsOptions::Mode::required}}),
               "auto, off, optional or required")},
      {"tls.certificate", at_once,
       "PEM file with the server's certificate and those between it and its authority; read again on SIGHUP",
       of_text([](C& c) -> auto& { return c.server.tls.files.certificate; }, "none")},
      {"tls.key", at_once, "PEM file with its key",
       of_text([](C& c) -> auto& { return c.server.tls.files.key; }, "none")},
      {"tls.client_ca", at_once, "PEM file with the authorities of clients' certificates",
       of_text([](C& c) -> auto& { return c.server.tls.files.client_ca; }, "none")},
      {"tls.clients", at_once, "with tls.client_ca: whether a client must show a certificate, or may",
       of_word([](C& c) -> auto& { return c.server.tls.files.needs_client_certificate; },
               pairs<bool>({{"required", true}, {"optional", false}}), "required or optional")},
      {"tls.minimum", at_once, "the oldest version that is spoken: 1.2 or 1.3",
       of_word([](C& c) -> auto& { return c.server.tls.files.minimum; },
               pairs<TlsVersion>({{"1.2", TlsVersion::tls12}, {"1.3", TlsVersion::tls13}}), "1.2 or 1.3")},
      {"tls.ciphers", at_once,
       "which ciphers are spoken, the preferred one first, with commas between; versions that none of them is for are "
       "not spoken",
       checked(of_list([](C& c) -> auto& { return c.server.tls.files.ciphers; }, "all that are good"),
               [](const C& c) { return check_tls_ciphers(c.server.tls.files.ciphers); })},
      {"tls.plain", at_once, "who may come without TLS where it is required: loopback (and the Unix socket), or unix",
       of_word([](C& c) -> auto& { return c.server.tls.plain; },
               pairs<TlsOptions::Plain>(
                   {{"loopback", TlsOptions::Plain::loopback}, {"unix", TlsOptions::Plain::unix_socket}}),
               "loopback or unix")},
  };
  settings.insert(settings.end(), std::begin(tls), std::end(tls));
  return settings;
}

}  // namespace

const std::vector<Setting>& settings_table() {
  using C = ServerConfig;
  using enum Takes;
  static const std::vector<Setting> kSettings = with_tls(with_tokens(with_telemetry(with_helpers({
      {"listen", restart, "HOST:PORT to listen on; port 0 takes a free one", {set_listen, show_listen}},
      {"data", restart, "the data folder", of_text([](C& c) -> auto& { return c.server.data; }, "")},
      {"unix_socket", restart, "path of the Unix socket, or none",
       of_text([](C& c) -> auto& { return c.server.unix_socket; }, "folkmoot.sock in the data folder")},
      {"token",
       at_once,
       "what clients must give when they connect; needed on any address but loopback",
       {set_token, [](const C& c) { return c.server.token; }, "none"},
       true},
      {"log_level", at_once, "debug, info, warn or error",
       of_word([](C& c) -> auto& { return c.log.level; },
               pairs<std::string>({{"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}}),
               "`debug`, `info`, `warn` or `error`")},
      {"log.target", at_once,
       "stderr, with time stamps; journald: stderr, with priorities in their place; file; or auto: the file if there "
       "is "
       "one, else stderr in the way of whoever reads it",
       of_word([](C& c) -> auto& { return c.log.target; },
               pairs<LogTarget>({{"auto", LogTarget::automatic},
                                 {"stderr", LogTarget::standard_error},
                                 {"journald", LogTarget::journald},
                                 {"file", LogTarget::file}}),
               "`auto`, `stderr`, `journald` or `file`")},
      {"log.file", at_once,
       "file that the log is appended to; opened anew on SIGHUP and when it was renamed or removed",
       of_text([](C& c) -> auto& { return c.log.file; }, "none")},
      {"sync",
       restart,
       "on disk before a message is confirmed; or an interval such as 200ms, or never",
       {set_sync, show_sync}},
      {"backup.idle", at_once, "how long nothing may be asked of a backup; then it is given up",
       of_duration([](C& c) -> auto& { return c.server.backup_idle_ms; }, 1'000)},
      {"backup.journal_growth", at_once, "written to a journal while a backup copies it; then the backup is given up",
       of_size([](C& c) -> auto& { return c.server.backup_growth_max; }, 1 << 20, 1024 * kGiB)},
      {"journal.bytes_max", at_once, "the most bytes of the journal's files; 0: as the disk allows",
       of_size([](C& c) -> auto& { return c.server.journal.bytes_max; }, 0, ~0ull)},
      {"journal.cache_bytes", at_once, "of what was written last, kept in memory",
       of_size([](C& c) -> auto& { return c.server.journal.cache_bytes; }, 0, kGiB)},
      {"journal.key_command", restart,
       "shell command that writes to stdout what journal.key_file would have in it, when the server starts",
       of_text([](C& c) -> auto& { return c.journal_key.command; }, "none")},
      {"journal.key_file", restart,
       "file with the key that the journal is sealed with, and below it those that it was sealed with before; its "
       "owner's "
       "alone",
       of_text([](C& c) -> auto& { return c.journal_key.file; }, "none")},
      {"journal.segment_bytes", restart, "of a new data folder",
       of_size([](C& c) -> auto& { return c.server.journal.segment_bytes; }, 65536, kGiB)},
      {"mailbox.max_messages", at_once, "waiting, scheduled and leased messages of a mailbox",
       of_count([](C& c) -> auto& { return c.server.engine.mailbox.max_messages; }, 1, 1'000'000'000)},
      {"mailbox.overflow", at_once, "reject: a full mailbox refuses; or drop_oldest, to its dead letters",
       of_word([](C& c) -> auto& { return c.server.engine.mailbox.overflow; },
               pairs<Overflow>({{"reject", Overflow::reject}, {"drop_oldest", Overflow::drop_oldest}}),
               "`reject` or `drop_oldest`")},
      {"mailbox.default_ttl", at_once, "how long a message without a ttl lives; 0: for ever",
       of_duration([](C& c) -> auto& { return c.server.engine.mailbox.default_ttl_ms.ms; })},
      {"mailbox.retry_attempts", at_once, "failed deliveries until a message is a dead letter",
       of_count([](C& c) -> auto& { return c.server.engine.mailbox.retry.attempts; }, 1, kAttemptsMax)},
      {"mailbox.retry_backoff",
       at_once,
       "how the wait grows: fixed, linear, exponential, exponential_jitter",
       {set_backoff, [](const C& c) { return std::string(name(c.server.engine.mailbox.retry.backoff)); }}},
      {"mailbox.retry_initial", at_once, "wait before the second attempt",
       of_duration([](C& c) -> auto& { return c.server.engine.mailbox.retry.initial_ms; })},
      {"mailbox.retry_max", at_once, "the longest wait between attempts; 0: no bound",
       of_duration([](C& c) -> auto& { return c.server.engine.mailbox.retry.max_ms; })},
      {"mailbox.retry_multiplier", at_once, "factor of the exponential backoffs", {set_multiplier, show_multiplier}},
      {"keys.max", at_once, "idempotency keys remembered",
       of_count([](C& c) -> auto& { return c.server.engine.keys_max; }, 0, 100'000'000)},
      {"keys.window", at_once, "how long they are remembered",
       of_duration([](C& c) -> auto& { return c.server.engine.keys_ms.ms; })},
      {"dead.max", at_once, "dead letters a mailbox keeps",
       of_count([](C& c) -> auto& { return c.server.engine.dead_max; }, 0, 1'000'000)},
      {"dead.max_age", at_once, "how long dead letters are kept; 0: no bound",
       of_duration([](C& c) -> auto& { return c.server.engine.dead_ttl_ms.ms; })},
      {"guard.hops", at_once, "causes that may stand before a message; 0: no bound",
       of_count([](C& c) -> auto& { return c.server.engine.guard.hops_max; }, 0, kHopsMax)},
      {"guard.pair_per_minute", at_once, "caused messages from one agent to one mailbox; 0: no bound",
       of_count([](C& c) -> auto& { return c.server.engine.guard.pair_per_minute; }, 0, 1'000'000'000)},
      {"guard.conversation_per_minute", at_once, "caused messages of one conversation; 0: no bound",
       of_count([](C& c) -> auto& { return c.server.engine.guard.conversation_per_minute; }, 0, 1'000'000'000)},
      {"max_content_bytes", at_once, "of one message",
       of_size([](C& c) -> auto& { return c.server.content_bytes_max; }, 1024, 4 << 20)},
      {"content.max_bytes", at_once, "of one content stored by reference",
       of_size([](C& c) -> auto& { return c.server.content.bytes_max; }, 1, kStoredBytesMax)},
      {"content.total_bytes", at_once, "of all that are stored",
       of_size([](C& c) -> auto& { return c.server.content.total_bytes_max; }, 1, ~0ull)},
      {"content.grace", at_once, "how long a content is kept that no message refers to",
       of_duration([](C& c) -> auto& { return c.server.engine.content_grace_ms.ms; })},
      {"content.uploads", at_once, "at a time",
       of_count([](C& c) -> auto& { return c.server.content.uploads_max; }, 1, 4096)},
      {"content.idle", at_once, "how long an upload waits for its next bytes",
       of_duration([](C& c) -> auto& { return c.server.content.idle_ms; })},
      {"content.pace", at_once,
       "a second, on average; an upload that is slower ends, as soon as another needs its place",
       of_size([](C& c) -> auto& { return c.server.content.pace_bytes; }, 1, kGiB)},
      {"max_connections", at_once, "more are turned away",
       of_count([](C& c) -> auto& { return c.server.connections_max; }, 1, 1'000'000)},
      {"login.connections", at_once, "that have not said HELLO or sent a request; for one more the oldest is closed",
       of_count([](C& c) -> auto& { return c.server.login.connections_max; }, 1, 1'000'000)},
      {"login.per_address", at_once, "of these, of one address",
       of_count([](C& c) -> auto& { return c.server.login.of_address_max; }, 1, 1'000'000)},
      {"login.timeout", at_once, "how long such a connection, or the header of a request, may take",
       of_duration([](C& c) -> auto& { return c.server.login.timeout_ms; }, 100)},
      {"frame.total_bytes", at_once, "of frames that have come in part, of all connections; more wait unread",
       of_size([](C& c) -> auto& { return c.server.partial_frames.total_bytes_max; }, 1 << 20, 16 * kGiB)},
      {"frame.timeout", at_once, "from the first byte of a frame to its last; and a second for each 64 KiB of it",
       of_duration([](C& c) -> auto& { return c.server.partial_frames.timeout_ms; }, 100)},
      {"agents.stale_after", at_once, "how long a heartbeat of an agent without a connection is good for",
       of_duration([](C& c) -> auto& { return c.server.engine.agent_stale_ms.ms; }, 100)},
      {"agents.grace", at_once, "how long an agent whose last connection has gone is taken to be back in a moment",
       of_duration([](C& c) -> auto& { return c.server.engine.agent_grace_ms.ms; })},
      {"max_names", at_once, "agents and mailboxes",
       of_count([](C& c) -> auto& { return c.server.engine.names_max; }, 1, 100'000'000)},
      {"receipts_max", restart, "settled messages whose receipts are remembered",
       of_count([](C& c) -> auto& { return c.server.engine.receipts_max; }, 0, 100'000'000)},
      {"max_pending_bytes", at_once, "unsent bytes at which a slow subscriber misses events",
       of_size([](C& c) -> auto& { return c.server.pending_bytes_max; }, 1 << 20, 16 * kGiB)},
      {"slow_consumer_timeout", at_once,
       "how long a subscriber without a credit may not take the events that wait for it",
       of_duration([](C& c) -> auto& { return c.server.slow_consumer_ms; })},
      {"host_timeout", at_once,
       "how long nothing may be heard of a host that something is on its way to; 4m and less can cut who only does not "
       "read",
       of_duration([](C& c) -> auto& { return c.server.host_timeout_ms; }, 1'000)},
      {"shards", restart,
       "engines that divide the mailboxes, each with a thread of its own; fixed when the data folder is made",
       of_count([](C& c) -> auto& { return c.server.shards; }, 1, kShardsMax)},
      {"http.threads", restart, "threads for HTTP and WebSocket",
       of_count([](C& c) -> auto& { return c.gateway.threads; }, 1, 64)},
      {"http.cors_origins", at_once, "other origins that web pages may come from, with commas between; * for any",
       of_list([](C& c) -> auto& { return c.gateway.cors_origins; }, "none")},
      {"http.hosts", at_once,
       "names that clients may call the server by, beside localhost, its address and that of `listen`; * for any",
       of_list([](C& c) -> auto& { return c.gateway.hosts; }, "none")},
      {"http.timeout", at_once, "for a request's body or a message to come whole, and for an answer to be taken",
       of_duration([](C& c) -> auto& { return c.http_timeout_ms; }, 1)},
      {"http.idle", at_once, "between two requests of a connection, and how long a WebSocket may be silent",
       of_duration([](C& c) -> auto& { return c.http_idle_ms; }, 100)},
      {"http.strangers", at_once, "HTTP and WebSocket connections that have shown no token yet",
       of_count([](C& c) -> auto& { return c.gateway.strangers_max; }, 1, 1'000'000)},
      {"http.strangers_by_address", at_once, "of these, from one address",
       of_count([](C& c) -> auto& { return c.gateway.strangers_by_address_max; }, 1, 1'000'000)},
      {"http.unfinished_bytes", at_once, "of requests and messages that are not whole yet, or not answered",
       of_size([](C& c) -> auto& { return c.gateway.unfinished_bytes_max; }, 1 << 20, 1024 * kGiB)},
      {"http.unfinished_bytes_by_address", at_once, "of these, from one address",
       of_size([](C& c) -> auto& { return c.gateway.unfinished_bytes_by_address_max; }, 1 << 20, 1024 * kGiB)},
  }))));
  return kSettings;
}

}  // namespace folkmoot
