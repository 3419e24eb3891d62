#include "cli/bridge/redis_link.hpp"

#include <fmt/format.h>
#include <sys/time.h>

#include <charconv>

#include "base/utf8.hpp"
#include "message/cloud_event_text.hpp"

namespace folkmoot::cli {
namespace {

constexpr timeval kRedisTimeout{5, 0};  // to connect, and for each answer beyond what a command waits itself

template <class Number>
bool read_whole(std::string_view text, Number& into) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), into);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

std::unexpected<Error> no_redis_url() {
  return failure(
      ErrorCode::invalid_field, "that is no address of a Redis server (it may hold a password, and is not shown)",
      "give redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or unix:/PATH; what is special in a password is "
      "written %XX. TLS (rediss://) wants a tunnel of its own, stunnel for one");
}

}  // namespace

std::string RedisAddress::called() const {
  if (!socket.empty()) return fmt::format("Redis at {}", socket);
  return fmt::format("Redis at {}:{}{}", host, port, database == 0 ? "" : fmt::format(", database {}", database));
}

Result<RedisAddress> read_redis_url(const std::string& url) {
  RedisAddress out;
  std::string_view rest = url;
  if (rest.starts_with("unix:/")) {
    rest.remove_prefix(rest.starts_with("unix:///") ? 7 : 5);
    out.socket = rest;
    if (out.socket.contains('\0')) return no_redis_url();
    return out;
  }
  constexpr std::string_view kScheme = "redis://";
  if (!rest.starts_with(kScheme)) return no_redis_url();
  rest.remove_prefix(kScheme.size());
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    const auto database = rest.substr(slash + 1);
    if (!database.empty() && !read_whole(database, out.database)) return no_redis_url();
    rest = rest.substr(0, slash);
  }
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const auto who = rest.substr(0, at);
    const auto colon = who.find(':');
    const auto user = text_of_header(who.substr(0, colon));
    const auto password = text_of_header(colon == std::string_view::npos ? std::string_view() : who.substr(colon + 1));
    if (!user || !password) return no_redis_url();
    out.user = *user;
    out.password = *password;
    rest.remove_prefix(at + 1);
  }
  const bool is_v6 = rest.starts_with('[');
  const auto host_end = is_v6 ? rest.find(']') : rest.find(':');
  if (is_v6 && host_end == std::string_view::npos) return no_redis_url();
  const auto host = is_v6 ? rest.substr(1, host_end - 1) : rest.substr(0, host_end);
  if (!host.empty()) out.host = host;
  auto port = host_end == std::string_view::npos ? std::string_view() : rest.substr(is_v6 ? host_end + 1 : host_end);
  if (!port.empty()) {
    if (port.front() != ':' || !read_whole(port.substr(1), out.port) || out.port == 0) return no_redis_url();
  }
  if (!is_utf8(out.host) || out.host.contains('\0')) return no_redis_url();
  return out;
}

std::optional<std::string> RedisReply::refusal() const {
  if (reply_->type != REDIS_REPLY_ERROR) return std::nullopt;
  return std::string(printable(text()));
}

Result<RedisLink> RedisLink::open(const RedisAddress& address) {
  const auto called = address.called();
  auto* const context = address.socket.empty()
                            ? ::redisConnectWithTimeout(address.host.c_str(), address.port, kRedisTimeout)
                            : ::redisConnectUnixWithTimeout(address.socket.c_str(), kRedisTimeout);
  if (context == nullptr) return failure(ErrorCode::connection_lost, fmt::format("{}: out of memory", called));
  RedisLink link(context, called);
  if (context->err != 0 || ::redisSetTimeout(context, kRedisTimeout) != REDIS_OK) return std::unexpected(link.lost());
  if (!address.password.empty()) {
    const auto answer = address.user.empty() ? link.ask({"AUTH", address.password})
                                             : link.ask({"AUTH", address.user, address.password});
    if (!answer) return std::unexpected(answer.error());
    if (const auto refusal = answer->refusal()) {
      return failure(ErrorCode::unauthorized, fmt::format("{} refuses user and password: {}", called, *refusal),
                     "look at the user and the password in the address");
    }
  }
  const auto database = std::to_string(address.database);
  const auto selected = address.database == 0 ? link.ask({"PING"}) : link.ask({"SELECT", database});
  if (!selected) return std::unexpected(selected.error());
  if (const auto refusal = selected->refusal()) {
    const bool wants_password = refusal->starts_with("NOAUTH");
    const bool is_starting = refusal->starts_with("LOADING") || refusal->starts_with("BUSY");
    return failure(wants_password ? ErrorCode::unauthorized
                   : is_starting  ? ErrorCode::connection_lost
                                  : ErrorCode::invalid_field,
                   fmt::format("{}: {}", called, *refusal),
                   wants_password ? "give the password in the address: redis://:PASSWORD@HOST" : "");
  }
  return link;
}

Error RedisLink::lost() const {
  return {ErrorCode::connection_lost,
          fmt::format("{}: {}", called_, context_->err != 0 ? printable(context_->errstr) : "it answers nonsense"),
          "is the server running, and can it be reached from here?"};
}

Result<void> RedisLink::send(const Words& words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const auto& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  const auto count = static_cast<int>(words.size());
  if (::redisAppendCommandArgv(context_.get(), count, texts.data(), sizes.data()) != REDIS_OK)
    return std::unexpected(lost());
  return {};
}

Result<RedisReply> RedisLink::next() {
  void* reply = nullptr;
  if (::redisGetReply(context_.get(), &reply) != REDIS_OK || reply == nullptr) return std::unexpected(lost());
  return RedisReply(static_cast<redisReply*>(reply));
}

Result<RedisReply> RedisLink::ask(const Words& words) {
  if (auto sent = send(words); !sent) return std::unexpected(sent.error());
  return next();
}

}  // namespace folkmoot::cli
