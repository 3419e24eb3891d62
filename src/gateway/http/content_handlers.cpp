// The requests about contents by reference: bodies of any size, handed on part by part in either direction.
#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "base/sha256.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/conditions.hpp"
#include "gateway/http/range.hpp"
#include "gateway/http/routes.hpp"
#include "message/json_writer.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kPartBytes = 256 * 1024;
constexpr std::size_t kPartsAhead = 4;  // asked for, or sent, and not yet answered
static_assert(kPartBytes * kPartsAhead <= kContentWindowBytes);

Clock::time_point soon() { return Clock::now() + kAnswerTimeout; }

std::optional<ContentHash> hash_of(const std::string& text) { return ContentHash::parse(text); }

Answer no_hash(std::string_view where) {
  return error_answer({ErrorCode::invalid_field, fmt::format("{} is not a SHA-256 of 64 hexadecimal digits", where)});
}

std::string content_json(const ContentRef& ref) {
  std::string out;
  JsonWriter(out).begin_object().field("sha256", ref.hash.text()).field("size", ref.size).end_object();
  return out;
}

// The body, which begins with `first`, into an upload that is open, several parts on the way at a time. The hash is of
// what came.
asio::awaitable<Result<ContentHash>> send_body(Exchange& exchange, std::uint32_t upload, std::uint64_t size,
                                               std::string_view first) {
  Sha256 sha;
  std::deque<std::uint32_t> unanswered;
  std::uint64_t offset = 0;
  Result<std::string_view> part = first;
  while (offset < size || !unanswered.empty()) {
    if (unanswered.size() >= kPartsAhead || offset == size) {
      const auto answered = co_await exchange.link.answer(unanswered.front(), soon());
      if (!answered) co_return std::unexpected(answered.error());
      unanswered.pop_front();
      continue;
    }
    if (offset > 0) part = co_await exchange.body->read(kPartBytes);
    if (!part) co_return std::unexpected(part.error());
    sha.add(as_bytes(*part));
    unanswered.push_back(exchange.link.number());
    std::string frames;
    append_content_write(frames, unanswered.back(), upload, offset, *part);
    offset += part->size();
    if (auto sent = co_await exchange.link.send(std::move(frames)); !sent) co_return std::unexpected(sent.error());
  }
  co_return sha.finish();
}

// Whether a content of that hash and size is stored. Errors: not those of one that is not.
asio::awaitable<Result<bool>> is_stored(Exchange& exchange, const ContentHash& hash, std::uint64_t size) {
  const auto request = exchange.link.number();
  std::string frames;
  append_content_stat(frames, request, hash);
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame && frame.error().code == ErrorCode::not_found) co_return false;
  if (!frame) co_return std::unexpected(frame.error());
  const auto stored = read_content_size(frame->body);
  if (!stored) co_return std::unexpected(stored.error());
  co_return *stored == size;
}

}  // namespace

// POST /api/content: the body is the content. ?sha256= is compared with what came, and saves sending what is stored.
asio::awaitable<Answer> store_content(Exchange& exchange) {
  std::optional<ContentHash> expected;
  if (exchange.request.target.has("sha256")) {
    expected = hash_of(std::string(exchange.request.target.parameter("sha256")));
    if (!expected) co_return no_hash("`sha256`");
  }
  const auto size = exchange.body->body_bytes();
  if (!size) {
    Answer answer =
        error_answer({ErrorCode::invalid_field, "the size of a content must be known first: give Content-Length"});
    answer.status = 411;
    co_return answer;
  }
  const auto bytes_max = exchange.options.content_bytes_max;
  if (*size == 0 || *size > bytes_max) {
    co_return error_answer(
        {ErrorCode::content_too_large,
         fmt::format("the content has {} bytes; 1 to {} may be stored by reference (content.max_bytes)", *size,
                     bytes_max)});
  }
  if (expected) {
    const auto known = co_await is_stored(exchange, *expected, *size);
    if (!known) co_return error_answer(known.error());
    if (*known) co_return json_answer(200, content_json({*expected, *size}));
  }
  // There are few uploads at a time: none for who does not send.
  const auto first = co_await exchange.body->read(kPartBytes);
  if (!first) co_return error_answer(first.error());
  const auto upload = exchange.link.number();
  std::string frames;
  append_content_open(frames, upload, *size, expected);
  const auto opened = co_await ask(exchange, upload, std::move(frames));
  if (!opened) co_return error_answer(opened.error());
  const auto has_it = read_content_opened(opened->body);
  if (!has_it) co_return error_answer(has_it.error());
  if (*has_it) co_return json_answer(200, content_json({*expected, *size}));

  const auto hash = co_await send_body(exchange, upload, *size, *first);
  if (!hash) co_return error_answer(hash.error());
  if (expected && *expected != *hash) {
    const auto request = exchange.link.number();
    frames.clear();
    append_cancel(frames, request, upload);
    (void)co_await ask(exchange, request, std::move(frames));
    co_return error_answer({ErrorCode::invalid_field, fmt::format("the body has the SHA-256 {}, not {} as said",
                                                                  hash->text(), expected->text())});
  }
  const auto request = exchange.link.number();
  frames.clear();
  append_content_finish(frames, request, upload, *hash);
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame) co_return error_answer(frame.error());
  const auto finished = read_content_finished(frame->body);
  if (!finished) co_return error_answer(finished.error());
  co_return json_answer(finished->was_known ? 200 : 201, content_json({*hash, finished->size}));
}

// GET and HEAD /api/content/{hash}
asio::awaitable<Answer> fetch_content(Exchange& exchange) {
  const auto hash = hash_of(exchange.parameter);
  if (!hash) co_return no_hash("the address");
  const auto request = exchange.link.number();
  std::string frames;
  append_content_stat(frames, request, *hash);
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame) co_return error_answer(frame.error());
  const auto size = read_content_size(frame->body);
  if (!size) co_return error_answer(size.error());

  const auto& head_of_request = exchange.request.head;
  const auto etag = fmt::format("\"{}\"", hash->text());
  const auto condition = check_conditions(head_of_request, etag);
  if (condition == Condition::not_modified)
    co_return Answer{.status = 304, .body = {}, .content_type = {}, .headers = {{"ETag", etag}}};
  if (condition == Condition::failed) {
    Answer answer =
        error_answer({ErrorCode::invalid_field, fmt::format("If-Match does not name the content {}", etag)});
    answer.status = 412;
    co_return answer;
  }
  const auto range =
      may_answer_range(head_of_request, etag) ? parse_range(head_of_request.field("range"), *size) : std::nullopt;
  if (range && !range->is_satisfiable) {
    Answer answer = error_answer({ErrorCode::out_of_range, fmt::format("the content has {} bytes", *size)});
    answer.status = 416;
    answer.headers.emplace_back("Content-Range", fmt::format("bytes */{}", *size));
    co_return answer;
  }
  auto at = range ? range->begin : 0;
  const auto end = range ? range->end : *size;
  Answer head{.status = range ? 206 : 200, .body = {}, .content_type = "application/octet-stream"};
  head.headers.emplace_back("Accept-Ranges", "bytes");
  head.headers.emplace_back("ETag", etag);
  if (range) head.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", at, end - 1, *size));
  if (!co_await exchange.answer_stream.begin(std::move(head), end - at)) co_return Answer{};
  if (exchange.request.is_head()) co_return Answer{};

  std::deque<std::uint32_t> asked;
  while (at < end || !asked.empty()) {
    if (at < end && asked.size() < kPartsAhead) {
      const auto bytes = std::min<std::uint64_t>(kPartBytes, end - at);
      asked.push_back(exchange.link.number());
      frames.clear();
      append_content_read(frames, asked.back(), *hash, at, static_cast<std::uint32_t>(bytes));
      at += bytes;
      if (auto sent = co_await exchange.link.send(frames); !sent) break;
      continue;
    }
    const auto part = co_await exchange.link.answer(asked.front(), soon());
    asked.pop_front();
    // The status has gone out already: a connection that ends too early is all that can be said now.
    if (!part || !co_await exchange.answer_stream.write(as_text(part->body))) break;
  }
  co_return Answer{};
}

}  // namespace folkmoot
