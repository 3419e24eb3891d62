// HTTP requests of webhooks: several at a time, each bounded in time and in what it may answer, over HTTP/1.1
// connections that are kept for the next ones. A request goes where its URL says and nowhere else: no redirect is
// followed, no proxy is asked, certificates are verified, and the address that a name stands for is looked at as the
// connection is made.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "webhook/curl.hpp"

namespace folkmoot {

struct PostRequest {
  std::string url, body;
  std::vector<std::string> headers;  // whole lines
  bool gets = false;                 // GET, without a body; else POST
  bool only_connects = false;        // no request: a connection, with TLS if it is to have that, is all that is wanted
};

struct PostLimits {
  std::chrono::milliseconds timeout{10'000};  // for all of it
  std::size_t answer_bytes_max = 64 * 1024;
  bool keeps_answer = false;  // else only its length is looked at
  bool local = false;         // may go to this machine and to private networks
};

/// Why there was no whole answer.
enum class PostFailure : std::uint8_t { none, timed_out, unreachable, forbidden, broken, too_long };

struct PostOutcome {
  std::uint64_t number = 0;  // as it was begun
  long status = 0;           // of HTTP; 0: there was no answer
  std::string error{};       // in words; empty if there was a whole answer
  PostFailure failure{};
  std::string body{}, content_type{};  // if the answer is kept: as far as it came
  std::optional<std::chrono::seconds> retry_after{};
};

class Poster {
 public:
  /// `connections`: kept open for the next ones. Errors: those of Curl::load(), io_error.
  static Result<std::unique_ptr<Poster>> make(std::size_t connections = 16);
  ~Poster();
  Poster(const Poster&) = delete;

  /// `number`: what its outcome is called.
  void begin(std::uint64_t number, PostRequest request, const PostLimits& limits);
  std::size_t under_way() const { return posts_.size(); }
  /// Does what can be done, after a wait of at most `wait` for that, or for `event` to become readable.
  std::vector<PostOutcome> step(int event, std::chrono::milliseconds wait);

 private:
  struct Post;
  // Connections that were made under the same rule about addresses: one that is kept was looked at as it was made.
  struct Pool {
    CURLM* multi = nullptr;
    bool local = false;
    std::size_t under_way = 0;
  };
  Poster(const Curl& curl, std::size_t connections);
  // Those of another rule get no new request, and end with their last one.
  Pool* pool_for(bool local);
  void end(Post& post, PostOutcome& outcome, CURLcode code);
  void take_ended(Pool& pool, std::vector<PostOutcome>& ended);

  const Curl& curl_;
  const std::size_t connections_;
  std::list<Pool> pools_;  // the newest last
  std::list<std::unique_ptr<Post>> posts_;
  std::vector<PostOutcome> failed_;  // that could not be begun
};

}  // namespace folkmoot
