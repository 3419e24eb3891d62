#include "webhook/poster.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "webhook/address.hpp"

namespace folkmoot {
namespace {

constexpr long kConnectionsKept = 16;

}  // namespace

struct Poster::Post {
  std::uint64_t number = 0;
  PostRequest request;
  PostLimits limits;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::size_t answered = 0;  // bytes
  bool is_too_long = false, is_local = false;

  static std::size_t take(char*, std::size_t size, std::size_t count, void* self) {
    auto& post = *static_cast<Post*>(self);
    post.answered += size * count;
    post.is_too_long = post.answered > post.limits.answer_bytes_max;
    return post.is_too_long ? 0 : size * count;
  }
  // What a name stands for may change between two looks: so it is looked at here, where the connection is made.
  static curl_socket_t open(void* self, curlsocktype, curl_sockaddr* address) {
    auto& post = *static_cast<Post*>(self);
    if (!post.limits.local && is_local_address(address->addr)) {
      post.is_local = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }
};

Result<std::unique_ptr<Poster>> Poster::make() {
  const auto curl = Curl::load();
  if (!curl) return std::unexpected(curl.error());
  auto* const multi = (*curl)->curl_multi_init();
  if (multi == nullptr) return failure(ErrorCode::io_error, "libcurl cannot be used: no memory");
  (*curl)->curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kConnectionsKept);
  return std::unique_ptr<Poster>(new Poster(**curl, multi));
}

Poster::Poster(const Curl& curl, CURLM* multi) : curl_(curl), multi_(multi) {}

Poster::~Poster() {
  PostOutcome dropped;
  for (const auto& post : posts_) end(*post, dropped, CURLE_ABORTED_BY_CALLBACK);
  curl_.curl_multi_cleanup(multi_);
}

void Poster::begin(std::uint64_t number, PostRequest request, const PostLimits& limits) {
  auto post = std::make_unique<Post>();
  post->number = number;
  post->request = std::move(request);
  post->limits = limits;
  post->easy = curl_.curl_easy_init();
  bool done = post->easy != nullptr;
  const auto set = [&](CURLoption option, auto value) {
    done = done && curl_.curl_easy_setopt(post->easy, option, value) == CURLE_OK;
  };
  for (const auto& line : post->request.headers) {
    auto* const longer = curl_.curl_slist_append(post->headers, line.c_str());
    done = done && longer != nullptr;
    if (longer != nullptr) post->headers = longer;
  }
  set(CURLOPT_URL, post->request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTPHEADER, post->headers);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post->request.body.size()));
  set(CURLOPT_POSTFIELDS, post->request.body.c_str());
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(limits.timeout.count()));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_WRITEFUNCTION, &Post::take);
  set(CURLOPT_WRITEDATA, post.get());
  set(CURLOPT_OPENSOCKETFUNCTION, &Post::open);
  set(CURLOPT_OPENSOCKETDATA, post.get());
  set(CURLOPT_PRIVATE, post.get());
  // One that is kept open was looked at under the settings of its time.
  set(CURLOPT_FORBID_REUSE, limits.local ? 0L : 1L);
  set(CURLOPT_FRESH_CONNECT, limits.local ? 0L : 1L);
  done = done && curl_.curl_multi_add_handle(multi_, post->easy) == CURLM_OK;
  if (done) {
    posts_.push_back(std::move(post));
    return;
  }
  auto& outcome = failed_.emplace_back();
  end(*post, outcome, CURLE_FAILED_INIT);
}

void Poster::end(Post& post, PostOutcome& outcome, CURLcode code) {
  outcome.number = post.number;
  if (post.easy != nullptr) {
    curl_.curl_easy_getinfo(post.easy, CURLINFO_RESPONSE_CODE, &outcome.status);
    curl_.curl_multi_remove_handle(multi_, post.easy);
    curl_.curl_easy_cleanup(post.easy);
  }
  curl_.curl_slist_free_all(post.headers);
  if (post.is_local) {
    outcome.error =
        "its address is of this machine or of a private network, where webhooks may not go (webhooks.local)";
  } else if (post.is_too_long) {
    outcome.error = fmt::format("its answer has more than {} bytes", post.limits.answer_bytes_max);
  } else if (code != CURLE_OK) {
    outcome.error = curl_.curl_easy_strerror(code);
  }
}

std::vector<PostOutcome> Poster::step(int event, std::chrono::milliseconds wait) {
  auto ended = std::move(failed_);
  failed_.clear();
  int running = 0;
  curl_.curl_multi_perform(multi_, &running);
  if (ended.empty() && running == static_cast<int>(posts_.size())) {
    curl_waitfd also{.fd = event, .events = CURL_WAIT_POLLIN, .revents = 0};
    curl_.curl_multi_poll(multi_, &also, 1, static_cast<int>(wait.count()), nullptr);
    curl_.curl_multi_perform(multi_, &running);
  }
  int left = 0;
  while (const auto* const said = curl_.curl_multi_info_read(multi_, &left)) {
    if (said->msg != CURLMSG_DONE) continue;
    const auto code = said->data.result;
    const auto* const easy = said->easy_handle;
    const auto post = std::ranges::find_if(posts_, [&](const auto& each) { return each->easy == easy; });
    if (post == posts_.end()) continue;
    end(**post, ended.emplace_back(), code);
    posts_.erase(post);
  }
  return ended;
}

}  // namespace folkmoot
