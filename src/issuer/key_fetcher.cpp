#include "issuer/key_fetcher.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "engine/endpoint.hpp"

namespace folkmoot {
namespace {

Instant unix_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Instant{std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
}

// Nobody sits between: the name that never leaves a machine, and addresses; `127.0.0.1.example` is a name like others.
bool is_of_this_machine(std::string_view url) {
  const auto rest = url.substr(url.find("://") + 3);
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  const auto bracket = authority.find(']');
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string host(authority.substr(0, colon));
  const auto port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon + 1);
  if (!std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; })) return false;
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) == 1) return (ntohl(address.s_addr) >> 24) == 127;
  return host == "localhost" || host == "[::1]";
}

}  // namespace

Result<void> check_key_url(std::string_view url) {
  const auto good = check_endpoint_url(url);
  if (good && (url.starts_with("https://") || is_of_this_machine(url))) return {};
  return failure(ErrorCode::invalid_field,
                 good ? "keys are fetched by https, or by http from this machine: whoever sits between could put his in"
                      : "that is no URL that keys can be fetched from",
                 "jwt.keys is the path of a file, or such as https://issuer.example/.well-known/jwks.json");
}

Result<void> fetch_keys(const KeySource& source, std::chrono::milliseconds timeout, const std::stop_token& stop) {
  auto poster = Poster::make(1);
  if (!poster) return std::unexpected(std::move(poster.error()));
  PostRequest request{.url = source.url, .body = {}, .headers = {"Accept: application/json"}, .gets = true};
  if (!source.software.empty()) request.headers.push_back("User-Agent: " + source.software);
  const PostLimits limits{
      .timeout = timeout, .answer_bytes_max = access::kJwkSetBytesMax, .keeps_answer = true, .local = true};
  (*poster)->begin(1, std::move(request), limits);
  PostOutcome outcome{.error = "it did not answer"};
  const auto until = std::chrono::steady_clock::now() + 2 * timeout;
  while ((*poster)->under_way() > 0 && !stop.stop_requested() && std::chrono::steady_clock::now() < until) {
    for (auto& ended : (*poster)->step(-1, std::chrono::milliseconds(200))) outcome = std::move(ended);
  }
  if (outcome.error.empty() && outcome.status != 200)
    outcome.error = fmt::format("it answers {}, and redirects are not followed", outcome.status);
  if (!outcome.error.empty()) {
    return failure(ErrorCode::io_error, fmt::format("{}: {}", source.url, outcome.error),
                   "see whether `curl` gets a JWK set from there, on this machine");
  }
  auto taken = source.verifier->take_keys(outcome.body, unix_now() + Duration{source.keep.count()});
  if (!taken) taken.error().text.insert(0, source.url + ": ");
  return taken;
}

void KeyFetcher::change(const KeySource& source) {
  const std::lock_guard guard(lock_);
  if (source_.verifier && source_.verifier != source.verifier) source_.verifier->on_unknown_key({});
  source_ = source;
  is_wanted_ = true;
  has_tried_ = false;
  if (source_.verifier) {
    source_.verifier->on_unknown_key([this] {
      {
        const std::lock_guard told(lock_);
        is_unknown_ = true;
      }
      changed_.notify_all();
    });
    if (!thread_.joinable() && !stopping_.stop_requested()) {
      thread_ = std::thread([this] { run(); });
      pthread_setname_np(thread_.native_handle(), "keys");
    }
  }
  changed_.notify_all();
}

void KeyFetcher::wait_for_first(std::chrono::milliseconds most) {
  std::unique_lock guard(lock_);
  if (source_.verifier) changed_.wait_for(guard, most, [&] { return has_tried_ || stopping_.stop_requested(); });
}

void KeyFetcher::stop() {
  {
    const std::lock_guard guard(lock_);
    stopping_.request_stop();
    if (source_.verifier) source_.verifier->on_unknown_key({});
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void KeyFetcher::run() {
  std::unique_lock guard(lock_);
  while (!stopping_.stop_requested()) {
    const auto now = Steady::now();
    const bool is_due = is_wanted_ || now >= next_at_ || (is_unknown_ && now >= rests_to_);
    if (!source_.verifier || !is_due) {
      if (!source_.verifier) {
        changed_.wait(guard);
      } else {
        changed_.wait_until(guard, is_unknown_ ? std::min(next_at_, rests_to_) : next_at_);
      }
      continue;
    }
    const auto source = source_;
    is_wanted_ = is_unknown_ = false;
    guard.unlock();
    const auto done = fetch_keys(source, kTimeout, stopping_.get_token());
    if (!stopping_.stop_requested()) note(source, done);
    guard.lock();
    // One that came meanwhile was perhaps of a key that was not yet there: it is asked for after the rest.
    const auto rest = std::min(kRest, source.refresh);
    rests_to_ = Steady::now() + rest;
    next_at_ = Steady::now() + (done ? source.refresh : rest);
    has_tried_ = true;
    changed_.notify_all();
  }
}

// Said when it begins and when it ends, not each time.
void KeyFetcher::note(const KeySource& source, const Result<void>& done) {
  const bool was_failing = std::exchange(is_failing_, !done);
  if (!done && !was_failing) {
    spdlog::warn("jwt: the keys of the issuer cannot be had: {}; those that were fetched before stay good for {} s",
                 done.error().describe(), source.keep.count() / 1000);
  } else if (done && was_failing) {
    spdlog::info("jwt: the keys of the issuer can be had again");
  }
}

}  // namespace folkmoot
