// Content by reference: uploads and reading, part by part; and messages whose content is too large, which are sent so
// by themselves.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/sha256.hpp"
#include "client/codec.hpp"
#include "client/content.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

using Shared = std::shared_ptr<detail::Connection>;
using detail::Answer;
using detail::carry_out;

constexpr const char* kDamagedAdvice =
    "fetch it again; if it stays so, the server's copy is damaged: have it sent again";
constexpr int kAttempts = 3;  // of an upload that a lost connection cut off

std::unexpected<Error> file_failure(std::string_view doing, const std::string& path) {
  const int cause = errno;
  return std::unexpected(system_error(cause == ENOSPC || cause == EDQUOT ? ErrorCode::disk_full : ErrorCode::io_error,
                                      fmt::format("{} {}", doing, path), cause));
}

// A descriptor that is closed with the last that uses it.
std::shared_ptr<const int> shared_file(int fd) {
  return {new int(fd), [](const int* held) {
            ::close(*held);
            delete held;
          }};
}

Result<std::string> answer_bytes(Answer& answer) { return std::string(as_text(answer.body)); }

Result<std::string> part_of(const ContentSource& source, std::uint64_t offset, std::uint64_t size) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kContentPartBytesMax, size - offset));
  auto part = source(offset, wanted);
  if (part && part->size() != wanted) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("the content was to be {} bytes and ends at {}", size, offset + part->size()));
  }
  return part;
}

asio::awaitable<Result<ContentHash>> hash_of(const ContentSource& source, std::uint64_t size) {
  Sha256 sha;
  for (std::uint64_t offset = 0; offset < size;) {
    const auto part = part_of(source, offset, size);
    if (!part) co_return std::unexpected(part.error());
    sha.add(as_bytes(*part));
    offset += part->size();
    co_await asio::post(asio::use_awaitable);  // others have a turn
  }
  co_return sha.finish();
}

struct Opened {
  bool is_stored = false;
  std::uint32_t upload = 0;
};

Result<Opened> read_opened(Answer& answer) {
  const auto is_stored = read_content_opened(answer.body);
  if (!is_stored) return std::unexpected(is_stored.error());
  return Opened{*is_stored, answer.request};
}

asio::awaitable<Result<void>> upload_once(Shared c, const ContentSource& source, ContentRef ref) {
  std::string frame;
  append_content_open(frame, 0, ref.size, ref.hash);
  const auto opened = co_await carry_out<Opened>(c, std::move(frame), read_opened, true);
  if (!opened) co_return std::unexpected(opened.error());
  if (opened->is_stored) co_return Result<void>{};
  Result<void> done;
  for (std::uint64_t offset = 0; offset < ref.size && done;) {
    const auto part = part_of(source, offset, ref.size);
    if (!part) {
      done = std::unexpected(part.error());
      break;
    }
    frame.clear();
    append_content_write(frame, 0, opened->upload, offset, *part);
    done = co_await carry_out<void>(c, std::move(frame), detail::nothing, false);
    offset += part->size();
  }
  frame.clear();
  if (!done) {
    append_cancel(frame, 0, opened->upload);
    (void)co_await carry_out<void>(c, std::move(frame), detail::nothing, false);
    co_return done;
  }
  append_content_finish(frame, 0, opened->upload, ref.hash);
  co_return co_await carry_out<void>(c, std::move(frame), detail::nothing, false);
}

asio::awaitable<Result<ContentRef>> store_content(Shared c, ContentSource source, std::uint64_t size) {
  const auto hash = co_await hash_of(source, size);
  if (!hash) co_return std::unexpected(hash.error());
  const ContentRef ref{*hash, size};
  Result<void> done;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    done = co_await upload_once(c, source, ref);
    // An upload lives with its connection; another one begins from the start.
    const bool was_cut =
        !done && (done.error().code == ErrorCode::connection_lost || done.error().code == ErrorCode::not_found);
    if (!was_cut || !c->options().resend || !c->options().reconnect) break;
  }
  if (!done) co_return std::unexpected(done.error());
  co_return ref;
}

asio::awaitable<Result<void>> read_content(Shared c, ContentRef ref, ContentSink sink) {
  Sha256 sha;
  for (std::uint64_t offset = 0; offset < ref.size;) {
    const auto wanted = std::min<std::uint64_t>(kContentPartBytesMax, ref.size - offset);
    std::string frame;
    append_content_read(frame, 0, ref.hash, offset, static_cast<std::uint32_t>(wanted));
    const auto part = co_await carry_out<std::string>(c, std::move(frame), answer_bytes, true);
    if (!part) co_return std::unexpected(part.error());
    if (part->size() != wanted) {
      co_return failure(
          ErrorCode::damaged,
          fmt::format("content {} ends at {} of {} bytes", ref.hash.text(), offset + part->size(), ref.size),
          kDamagedAdvice);
    }
    sha.add(as_bytes(*part));
    offset += part->size();
    if (auto taken = sink(*part); !taken) co_return taken;
  }
  if (const auto is = sha.finish(); is != ref.hash) {
    co_return failure(ErrorCode::damaged, fmt::format("content {} has the SHA-256 {}", ref.hash.text(), is.text()),
                      kDamagedAdvice);
  }
  co_return Result<void>{};
}

// Into a file beside `path`, which takes its name when it is whole.
asio::awaitable<Result<void>> read_into_file(Shared c, ContentRef ref, std::string path, ContentSink seen) {
  const std::string temporary = path + ".part";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) co_return file_failure("opening", temporary);
  const auto file = shared_file(fd);
  const ContentSink sink = [&](std::string_view part) -> Result<void> {
    for (auto left = part; !left.empty();) {
      const auto put = ::write(*file, left.data(), left.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return file_failure("writing", temporary);
      left.remove_prefix(static_cast<std::size_t>(put));
    }
    return seen ? seen(part) : Result<void>{};
  };
  auto done = co_await read_content(c, ref, sink);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = file_failure("naming", path);
  if (!done) ::unlink(temporary.c_str());
  co_return done;
}

asio::awaitable<Result<std::string>> read_all(Shared c, ContentRef ref, std::size_t bytes_max) {
  if (ref.size > bytes_max) {
    co_return failure(ErrorCode::content_too_large,
                      fmt::format("the content has {} bytes; {} were the most wanted", ref.size, bytes_max));
  }
  std::string bytes;
  bytes.reserve(ref.size);
  const ContentSink sink = [&](std::string_view part) { return bytes.append(part), Result<void>{}; };
  const auto done = co_await read_content(c, ref, sink);
  if (!done) co_return std::unexpected(done.error());
  co_return bytes;
}

asio::awaitable<Result<std::optional<std::uint64_t>>> ask_size(Shared c, ContentHash hash) {
  std::string frame;
  append_content_stat(frame, 0, hash);
  const auto size = co_await carry_out<std::uint64_t>(
      c, std::move(frame), [](Answer& answer) { return read_content_size(answer.body); }, true);
  if (size) co_return std::optional(*size);
  if (size.error().code == ErrorCode::not_found) co_return std::optional<std::uint64_t>{};
  co_return std::unexpected(size.error());
}

asio::awaitable<Result<std::vector<Message>>> store_large(Shared c, std::vector<Message> messages, std::size_t above) {
  for (auto& message : messages) {
    if (!detail::is_large(message, above)) continue;
    const auto content = std::make_shared<const std::string>(std::move(message.content));
    message.content.clear();
    const ContentSource source = [content](std::uint64_t offset, std::size_t most) -> Result<std::string> {
      return content->substr(offset, most);
    };
    const auto ref = co_await store_content(c, source, content->size());
    if (!ref) co_return std::unexpected(ref.error());
    message.content_ref = *ref;
  }
  co_return messages;
}

// What a coroutine returns, to a completion. It runs on the client's executor.
template <class T>
void settle_with(const Shared& c, asio::awaitable<Result<T>> work, Completion<T> done) {
  asio::co_spawn(c->executor(), std::move(work),
                 [done = std::move(done)](std::exception_ptr thrown, Result<T> result) mutable {
                   if (!thrown) return done(std::move(result));
                   try {
                     std::rethrow_exception(thrown);
                   } catch (const std::exception& error) {
                     done(failure(ErrorCode::internal, error.what()));
                   }
                 });
}

}  // namespace

Result<ContentFile> content_of_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return file_failure("opening", path);
  const auto file = shared_file(fd);
  struct stat status{};
  if (::fstat(fd, &status) != 0) return file_failure("asking the size of", path);
  if (!S_ISREG(status.st_mode)) return failure(ErrorCode::invalid_field, fmt::format("{} is not a file", path));
  if (status.st_size == 0)
    return failure(ErrorCode::invalid_field, fmt::format("{} is empty: there is nothing to store", path));
  ContentSource source = [file, path](std::uint64_t offset, std::size_t most) -> Result<std::string> {
    std::string part(most, '\0');
    std::size_t filled = 0;
    while (filled < most) {
      const auto got = ::pread(*file, part.data() + filled, most - filled, static_cast<off_t>(offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return file_failure("reading", path);
      if (got == 0) break;
      filled += static_cast<std::size_t>(got);
    }
    part.resize(filled);
    return part;
  };
  return ContentFile{std::move(source), static_cast<std::uint64_t>(status.st_size)};
}

bool detail::is_large(const Message& message, std::size_t above) {
  return message.content.size() > above && !message.content_ref;
}

std::size_t detail::reference_above(const Connection& connection) {
  const auto limit = connection.content_bytes_max();
  const auto wanted = connection.options().reference_above;
  return wanted == 0 ? limit : std::min(wanted, limit);
}

void detail::store_contents(const std::shared_ptr<Connection>& connection, std::vector<Message> messages,
                            Completion<std::vector<Message>> done) {
  settle_with<std::vector<Message>>(
      connection, store_large(connection, std::move(messages), reference_above(*connection)), std::move(done));
}

void Client::start_upload(const Shared& c, ContentSource source, std::uint64_t size, Completion<ContentRef> done) {
  if (size == 0 || size > kStoredBytesMax) {
    return done(failure(ErrorCode::content_too_large,
                        fmt::format("a content of {} bytes; 1 to {} may be stored", size, kStoredBytesMax)));
  }
  settle_with<ContentRef>(c, store_content(c, std::move(source), size), std::move(done));
}

void Client::start_upload_file(const Shared& c, const std::string& path, Completion<ContentRef> done) {
  auto file = content_of_file(path);
  if (!file) return done(std::unexpected(std::move(file.error())));
  start_upload(c, std::move(file->source), file->size, std::move(done));
}

void Client::start_fetch(const Shared& c, const ContentRef& ref, ContentSink sink, Completion<void> done) {
  settle_with<void>(c, read_content(c, ref, std::move(sink)), std::move(done));
}

void Client::start_fetch_file(const Shared& c, const ContentRef& ref, std::string path, ContentSink seen,
                              Completion<void> done) {
  settle_with<void>(c, read_into_file(c, ref, std::move(path), std::move(seen)), std::move(done));
}

void Client::start_fetch_bytes(const Shared& c, const ContentRef& ref, std::size_t bytes_max,
                               Completion<std::string> done) {
  settle_with<std::string>(c, read_all(c, ref, bytes_max), std::move(done));
}

void Client::start_find_content(const Shared& c, const ContentHash& hash,
                                Completion<std::optional<std::uint64_t>> done) {
  settle_with<std::optional<std::uint64_t>>(c, ask_size(c, hash), std::move(done));
}

}  // namespace folkmoot
