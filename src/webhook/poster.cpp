#include "webhook/poster.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "webhook/address.hpp"

namespace folkmoot {
namespace {

constexpr long kConnectionSecondsMax = 300;                 // then a name is looked up anew
constexpr std::chrono::milliseconds kWaitWithOthersMs{20};  // while pools that are to end have requests
constexpr std::int64_t kRetryAfterMax = 366LL * 86'400;

PostFailure failure_of(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return PostFailure::none;
    case CURLE_OPERATION_TIMEDOUT:
      return PostFailure::timed_out;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return PostFailure::unreachable;
    default:
      return PostFailure::broken;
  }
}

}  // namespace

struct Poster::Post {
  std::uint64_t number = 0;
  PostRequest request;
  PostLimits limits;
  Pool* pool = nullptr;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::size_t answered = 0;  // bytes
  std::string answer;
  bool is_too_long = false, is_local = false;

  static std::size_t take(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& post = *static_cast<Post*>(self);
    post.answered += size * count;
    post.is_too_long = post.answered > post.limits.answer_bytes_max;
    if (post.is_too_long) return 0;
    if (post.limits.keeps_answer) post.answer.append(bytes, size * count);
    return size * count;
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

Result<std::unique_ptr<Poster>> Poster::make(std::size_t connections) {
  const auto curl = Curl::load();
  if (!curl) return std::unexpected(curl.error());
  std::unique_ptr<Poster> poster(new Poster(**curl, connections));
  if (poster->pool_for(false) == nullptr) return failure(ErrorCode::io_error, "libcurl cannot be used: no memory");
  return poster;
}

Poster::Poster(const Curl& curl, std::size_t connections) : curl_(curl), connections_(connections) {}

Poster::~Poster() {
  PostOutcome dropped;
  for (const auto& post : posts_) end(*post, dropped, CURLE_ABORTED_BY_CALLBACK);
  for (const auto& pool : pools_) curl_.curl_multi_cleanup(pool.multi);
}

Poster::Pool* Poster::pool_for(bool local) {
  if (!pools_.empty() && pools_.back().local == local) return &pools_.back();
  auto* const multi = curl_.curl_multi_init();
  if (multi == nullptr) return nullptr;
  curl_.curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(connections_));
  return &pools_.emplace_back(Pool{.multi = multi, .local = local});
}

void Poster::begin(std::uint64_t number, PostRequest request, const PostLimits& limits) {
  auto post = std::make_unique<Post>();
  post->number = number;
  post->request = std::move(request);
  post->limits = limits;
  post->pool = pool_for(limits.local);
  post->easy = curl_.curl_easy_init();
  bool done = post->easy != nullptr && post->pool != nullptr;
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
  set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(CURLOPT_HTTPHEADER, post->headers);
  if (post->request.gets) {
    set(CURLOPT_HTTPGET, 1L);
  } else {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post->request.body.size()));
    set(CURLOPT_POSTFIELDS, post->request.body.c_str());
  }
  if (post->request.only_connects) set(CURLOPT_CONNECT_ONLY, 1L);
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
  set(CURLOPT_MAXLIFETIME_CONN, kConnectionSecondsMax);
  done = done && curl_.curl_multi_add_handle(post->pool->multi, post->easy) == CURLM_OK;
  if (done) {
    ++post->pool->under_way;
    posts_.push_back(std::move(post));
    return;
  }
  post->pool = nullptr;
  auto& outcome = failed_.emplace_back();
  end(*post, outcome, CURLE_FAILED_INIT);
}

void Poster::end(Post& post, PostOutcome& outcome, CURLcode code) {
  outcome.number = post.number;
  if (post.easy != nullptr) {
    curl_.curl_easy_getinfo(post.easy, CURLINFO_RESPONSE_CODE, &outcome.status);
    const char* type = nullptr;
    curl_.curl_easy_getinfo(post.easy, CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) outcome.content_type = type;
    curl_off_t seconds = 0;
    curl_.curl_easy_getinfo(post.easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds > 0) outcome.retry_after = std::chrono::seconds(std::min<std::int64_t>(seconds, kRetryAfterMax));
    if (post.pool != nullptr) curl_.curl_multi_remove_handle(post.pool->multi, post.easy);
    curl_.curl_easy_cleanup(post.easy);
  }
  if (post.pool != nullptr) --post.pool->under_way;
  curl_.curl_slist_free_all(post.headers);
  outcome.body = std::move(post.answer);
  outcome.failure = failure_of(code);
  if (post.is_local) {
    outcome.failure = PostFailure::forbidden;
    outcome.error =
        "its address is of this machine or of a private network, where webhooks may not go (webhooks.local)";
  } else if (post.is_too_long) {
    outcome.failure = PostFailure::too_long;
    outcome.error = fmt::format("its answer has more than {} bytes", post.limits.answer_bytes_max);
  } else if (code != CURLE_OK) {
    outcome.error = curl_.curl_easy_strerror(code);
  }
}

void Poster::take_ended(Pool& pool, std::vector<PostOutcome>& ended) {
  int left = 0;
  while (const auto* const said = curl_.curl_multi_info_read(pool.multi, &left)) {
    if (said->msg != CURLMSG_DONE) continue;
    const auto code = said->data.result;
    const auto* const easy = said->easy_handle;
    const auto post = std::ranges::find_if(posts_, [&](const auto& each) { return each->easy == easy; });
    if (post == posts_.end()) continue;
    end(**post, ended.emplace_back(), code);
    posts_.erase(post);
  }
}

std::vector<PostOutcome> Poster::step(int event, std::chrono::milliseconds wait) {
  auto ended = std::move(failed_);
  failed_.clear();
  std::size_t busy = 0;
  const auto perform = [&] {
    busy = 0;
    for (auto& pool : pools_) {
      int running = 0;
      curl_.curl_multi_perform(pool.multi, &running);
      busy += static_cast<std::size_t>(running);
    }
  };
  perform();
  if (ended.empty() && busy == posts_.size()) {
    if (pools_.size() > 1) wait = std::min(wait, kWaitWithOthersMs);
    curl_waitfd also{.fd = event, .events = CURL_WAIT_POLLIN, .revents = 0};
    curl_.curl_multi_poll(pools_.back().multi, &also, 1, static_cast<int>(wait.count()), nullptr);
    perform();
  }
  for (auto& pool : pools_) take_ended(pool, ended);
  for (auto pool = pools_.begin(); pool != pools_.end();) {
    if (pool->under_way != 0 || &*pool == &pools_.back()) {
      ++pool;
      continue;
    }
    curl_.curl_multi_cleanup(pool->multi);
    pool = pools_.erase(pool);
  }
  return ended;
}

}  // namespace folkmoot
