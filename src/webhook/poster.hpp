// HTTP requests of webhooks: several at a time, each bounded in time and in what it may answer. A request goes where
// its URL says and nowhere else: no redirect is followed, no proxy is asked, certificates are verified, and the address
// that a name stands for is looked at as the connection is made.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "webhook/curl.hpp"

namespace folkmoot {

struct PostRequest {
  std::string url, body;
  std::vector<std::string> headers;  // whole lines
};

struct PostLimits {
  std::chrono::milliseconds timeout{10'000};  // for all of it
  std::size_t answer_bytes_max = 64 * 1024;
  bool local = false;  // may go to this machine and to private networks
};

struct PostOutcome {
  std::uint64_t number = 0;  // as it was begun
  long status = 0;           // of HTTP; 0: there was no answer
  std::string error;         // in words; empty if there was a whole answer
};

class Poster {
 public:
  /// Errors: those of Curl::load(), io_error.
  static Result<std::unique_ptr<Poster>> make();
  ~Poster();
  Poster(const Poster&) = delete;

  /// `number`: what its outcome is called.
  void begin(std::uint64_t number, PostRequest request, const PostLimits& limits);
  std::size_t under_way() const { return posts_.size(); }
  /// Does what can be done, after a wait of at most `wait` for that, or for `event` to become readable.
  std::vector<PostOutcome> step(int event, std::chrono::milliseconds wait);

 private:
  struct Post;
  Poster(const Curl& curl, CURLM* multi);
  void end(Post& post, PostOutcome& outcome, CURLcode code);

  const Curl& curl_;
  CURLM* const multi_;
  std::list<std::unique_ptr<Post>> posts_;
  std::vector<PostOutcome> failed_;  // that could not be begun
};

}  // namespace folkmoot
