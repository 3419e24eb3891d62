// The keys of an issuer of JSON Web Tokens, fetched from where its URL says, on a thread of its own, which is there
// only while there is a URL.
//
//   fetched   at once, every `refresh`, and when a token says a key that is not known; no sooner than kRest after the
//             last time, so that nobody has a server ask as often as he likes
//   kept      what was fetched last stays good for `keep` while nothing newer can be had; what comes and is no set of
//             keys changes nothing
//   bounded   in time and bytes; no redirect is followed, and certificates are verified (webhook/poster.hpp)
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "access/jwt.hpp"
#include "webhook/poster.hpp"

namespace folkmoot {

/// Where keys are fetched, and whom they are for.
struct KeySource {
  std::string url{};
  std::shared_ptr<access::JwtVerifier> verifier{};  // null: nothing is fetched
  std::chrono::milliseconds refresh{3'600'000}, keep{86'400'000};
  std::string software{};
};

/// Whether it names a place rather than a file.
inline bool is_key_url(std::string_view keys) { return keys.contains("://"); }
/// https, or http on this machine, where nobody sits between. Errors: invalid_field.
Result<void> check_key_url(std::string_view url);
/// Asks once, on this thread, and gives the verifier what came. Errors: io_error, and those of take_keys().
Result<void> fetch_keys(const KeySource& source, std::chrono::milliseconds timeout, const std::stop_token& stop = {});

class KeyFetcher {
 public:
  static constexpr std::chrono::milliseconds kRest{60'000}, kTimeout{10'000};

  KeyFetcher() = default;
  ~KeyFetcher() { stop(); }
  KeyFetcher(const KeyFetcher&) = delete;

  /// From now on those; they are fetched at once. Any thread.
  void change(const KeySource& source);
  /// Until there was an answer, or that it cannot be had; at most so long.
  void wait_for_first(std::chrono::milliseconds most);
  /// What is under way is cut off. May be called twice.
  void stop();

 private:
  using Steady = std::chrono::steady_clock;

  void run();
  void note(const KeySource& source, const Result<void>& done);

  std::stop_source stopping_;
  std::mutex lock_;
  std::condition_variable changed_;
  // Guarded by lock_.
  KeySource source_;
  bool has_tried_ = false;
  bool is_wanted_ = false;         // at once
  bool is_unknown_ = false;        // a token has said a key that is not known
  Steady::time_point next_at_{};   // when they are fetched again in any case
  Steady::time_point rests_to_{};  // ... and not before, whatever a token says
  std::thread thread_;
  // The thread's.
  bool is_failing_ = false;
};

}  // namespace folkmoot
