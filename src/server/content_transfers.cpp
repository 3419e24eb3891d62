#include "server/content_transfers.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/strong_format.hpp"

namespace folkmoot {

static Error not_stored(const ContentHash& hash) {
  return {ErrorCode::not_found, fmt::format("no content {} is stored here", hash.text()),
          "it was removed, as no message referred to it any more, or is on another server: upload it again"};
}
namespace {

// The least time between two looks at all uploads.
constexpr std::int64_t kLookMs = 1'000;

}  // namespace

ContentTransfers::ContentTransfers(const ServerOptions& options, Engine& engine, ContentAnswers& answers,
                                   ContentWorker& worker, Calls calls)
    : options_(options),
      engine_(engine),
      answers_(answers),
      worker_(worker),
      calls_(std::move(calls)),
      reads_([this](SessionId session) { return calls_.unsent(session) <= options_.pending_bytes_high; },
             [this](ContentJob read) { worker_.submit(std::move(read)); }) {}

std::optional<std::uint64_t> ContentTransfers::ask(const ContentHash& hash) {
  const auto size = engine_.contents().ask_for(hash);
  if (size) calls_.on_known({hash, *size});
  return size;
}

// -- uploads

Result<void> ContentTransfers::open(SessionId session, RequestNumber request, std::uint64_t size,
                                    const std::optional<ContentHash>& hash) {
  const auto& limits = options_.content;
  if (size == 0 || size > limits.bytes_max) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the content has {} bytes; 1 to {} may be stored by reference", size, limits.bytes_max),
                   "send less, or raise content.max_bytes");
  }
  const auto answer = [&](std::uint8_t is_stored) {
    answers_.done(session, request, bytes_of(is_stored));
    return Result<void>{};
  };
  if (hash) {
    if (const auto stored = ask(*hash)) {
      if (*stored == size) return answer(1);
      return failure(ErrorCode::invalid_field,
                     fmt::format("the content {} is stored and has {} bytes, not {}", hash->text(), *stored, size));
    }
  }
  const auto first = uploads_.lower_bound({session, 0});
  const auto mine = static_cast<std::size_t>(std::distance(first, uploads_.upper_bound({session, RequestNumber{~0u}})));
  if (uploads_.contains({session, request})) {
    return failure(ErrorCode::already_exists, fmt::format("request number {} is an upload that is open", request),
                   "give the new one another request number");
  }
  if (auto has_place = make_place(size, mine); !has_place) return has_place;
  auto& upload = uploads_[{session, request}];
  upload = {.id = next_id_++, .size = size, .opened = engine_.now().ms};
  reserved_bytes_ += size;
  ++counters_.uploads_open;
  submit(upload,
         {.kind = ContentJob::Kind::begin, .size = size, .session = session, .request = request, .number = request});
  look_at(engine_.now().ms + limits.idle_ms);
  return {};
}

// For one more upload of so many bytes, of a session that has `mine`.
Result<void> ContentTransfers::make_place(std::uint64_t bytes, std::size_t mine) {
  const auto& limits = options_.content;
  const auto& stored = engine_.contents().totals();
  if (mine >= limits.connection_uploads_max) {
    return failure(
        ErrorCode::limit_reached,
        fmt::format("{} uploads of this connection are open; {} may be", mine, limits.connection_uploads_max),
        "wait until one of them has ended");
  }
  while (uploads_.size() >= limits.uploads_max) {
    if (displace_one()) continue;
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} uploads are open; {} may be", uploads_.size(), limits.uploads_max),
                   "wait until some have ended, or raise content.uploads");
  }
  while (stored.stored_bytes + reserved_bytes_ + bytes > limits.total_bytes_max ||
         stored.stored + uploads_.size() >= options_.engine.contents_max) {
    if (displace_one()) continue;
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} contents of {} bytes are stored, {} are being uploaded; {} more are too many "
                               "for {} in all",
                               stored.stored, stored.stored_bytes, reserved_bytes_, bytes, limits.total_bytes_max),
                   "have the messages settled that refer to contents, or raise content.total_bytes");
  }
  return {};
}

// When less of it has come than should have, if nothing more comes.
std::int64_t ContentTransfers::slow_at(const Upload& upload, std::int64_t grace_ms) const {
  return upload.opened + grace_ms + static_cast<std::int64_t>(upload.accepted * 1'000 / options_.content.pace_bytes);
}

// The one that is behind its time the most goes for another. False: none comes too slowly.
bool ContentTransfers::displace_one() {
  const auto now = engine_.now().ms;
  auto slowest = uploads_.end();
  for (auto upload = uploads_.begin(); upload != uploads_.end(); ++upload) {
    const auto& each = upload->second;
    if (each.jobs > 0 || slow_at(each, kMomentMs) >= now) continue;
    if (slowest == uploads_.end() || slow_at(each, 0) < slow_at(slowest->second, 0)) slowest = upload;
  }
  if (slowest == uploads_.end()) return false;
  const auto& upload = slowest->second;
  give_up(slowest, fmt::format("{} bytes of {} have come in {} ms, and another upload needs its place: it is gone "
                               "(content.pace, content.uploads)",
                               upload.accepted, upload.size, now - upload.opened));
  return true;
}

void ContentTransfers::look_at(std::int64_t at) { expiry_at_ = expiry_at_ < 0 ? at : std::min(expiry_at_, at); }

Result<ContentTransfers::Upload*> ContentTransfers::find(SessionId session, RequestNumber number) {
  const auto found = uploads_.find({session, number});
  if (found == uploads_.end() || found->second.finishing) {
    return failure(ErrorCode::not_found, fmt::format("no upload {} is open on this connection", number));
  }
  return &found->second;
}

void ContentTransfers::submit(Upload& upload, ContentJob job) {
  job.upload = upload.id;
  ++upload.jobs;
  upload.last = engine_.now().ms;
  worker_.submit(std::move(job));
}

Result<void> ContentTransfers::write(SessionId session, RequestNumber request, RequestNumber number,
                                     std::uint64_t offset, Bytes bytes) {
  const auto found = find(session, number);
  if (!found) return std::unexpected(found.error());
  auto& upload = **found;
  if (bytes.empty() || bytes.size() > kContentPartBytesMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("{} bytes at once; 1 to {} are possible", bytes.size(), kContentPartBytesMax));
  }
  if (offset != upload.accepted) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("the offset is {}; upload {} goes on at {}", offset, number, upload.accepted));
  }
  if (bytes.size() > upload.size - upload.accepted) {
    return failure(ErrorCode::content_too_large, fmt::format("upload {} was to be {} bytes and becomes {}", number,
                                                             upload.size, upload.accepted + bytes.size()));
  }
  if (upload.in_flight + bytes.size() > kContentWindowBytes) {
    return failure(ErrorCode::busy, fmt::format("{} bytes of upload {} are not written yet; wait for their answers",
                                                upload.in_flight, number));
  }
  upload.accepted += bytes.size();
  upload.in_flight += bytes.size();
  in_flight_ += bytes.size();
  submit(upload, {.kind = ContentJob::Kind::write,
                  .size = bytes.size(),
                  .bytes = std::string(as_text(bytes)),
                  .session = session,
                  .request = request,
                  .number = number});
  return {};
}

bool ContentTransfers::makes_wait(SessionId session) {
  if (in_flight_ < kInFlightBytesMax) return false;
  made_wait_.push_back(session);
  return true;
}

Result<void> ContentTransfers::finish(SessionId session, RequestNumber request, RequestNumber number,
                                      const ContentHash& hash) {
  const auto found = find(session, number);
  if (!found) return std::unexpected(found.error());
  (*found)->finishing = true;
  ++finishing_[hash].uploads;
  submit(**found,
         {.kind = ContentJob::Kind::finish, .hash = hash, .session = session, .request = request, .number = number});
  return {};
}

bool ContentTransfers::cancel(SessionId session, RequestNumber number) {
  const auto found = uploads_.find({session, number});
  if (found == uploads_.end() || found->second.finishing) return false;
  drop(found);
  return true;
}

void ContentTransfers::close_session(SessionId session) {
  for (auto at = uploads_.lower_bound({session, 0}); at != uploads_.end() && at->first.first == session;) {
    const auto upload = at++;
    // One that is about to end does so; nobody hears of it.
    if (!upload->second.finishing) drop(upload);
  }
  reads_.close(session);
}

void ContentTransfers::forget(std::map<Place, Upload>::iterator upload) {
  reserved_bytes_ -= upload->second.size;
  --counters_.uploads_open;
  uploads_.erase(upload);
}

void ContentTransfers::drop(std::map<Place, Upload>::iterator upload) {
  worker_.submit({.kind = ContentJob::Kind::drop, .upload = upload->second.id});
  forget(upload);
}

void ContentTransfers::expire(std::int64_t now) {
  if (expiry_at_ < 0 || now < expiry_at_) return;
  expiry_at_ = -1;
  for (auto at = uploads_.begin(); at != uploads_.end();) {
    const auto upload = at++;
    const auto& each = upload->second;
    const auto idle_ms = options_.content.idle_ms;
    const auto idle_at = each.last + idle_ms, late_at = slow_at(each, idle_ms);
    const auto expiry = std::min(idle_at, late_at);
    if (expiry > now || each.jobs > 0) {
      look_at(std::max(expiry, now + kLookMs));
    } else if (idle_at <= now) {
      give_up(upload, fmt::format("nothing came for this upload in {} ms: it is gone (content.idle)", idle_ms));
    } else {
      give_up(upload, fmt::format("{} bytes of {} have come in {} ms, less than {} a second: it is gone (content.pace)",
                                  each.accepted, each.size, now - each.opened, options_.content.pace_bytes));
    }
  }
}

void ContentTransfers::give_up(std::map<Place, Upload>::iterator upload, std::string why) {
  answers_.refuse(upload->first.first, upload->first.second,
                  {ErrorCode::timed_out, std::move(why), "begin it again, without pauses between its parts"});
  ++counters_.expired;
  drop(upload);
}

// -- reading

Result<void> ContentTransfers::stat(SessionId session, RequestNumber request, const ContentHash& hash) {
  const auto bytes = ask(hash);
  if (!bytes) return std::unexpected(not_stored(hash));
  answers_.done(session, request, bytes_of(*bytes));
  return {};
}

Result<void> ContentTransfers::read(SessionId session, RequestNumber request, const ContentHash& hash,
                                    std::uint64_t offset, std::uint64_t bytes) {
  const auto size = ask(hash);
  if (!size) return std::unexpected(not_stored(hash));
  if (bytes == 0 || bytes > kContentPartBytesMax || offset > *size) {
    return failure(ErrorCode::out_of_range, fmt::format("{} bytes from {} on of {}; 1 to {} from 0 to {} are possible",
                                                        bytes, offset, *size, kContentPartBytesMax, *size));
  }
  const bool is_added = reads_.add({.kind = ContentJob::Kind::read,
                                    .hash = hash,
                                    .offset = offset,
                                    .size = std::min(bytes, *size - offset),
                                    .session = session,
                                    .request = request});
  if (is_added) return {};
  return failure(ErrorCode::busy, fmt::format("too many reads wait; {} of one connection may, and {} of all",
                                              ContentReads::kWaitingOfSessionMax, ContentReads::kWaitingMax));
}

// -- what came of it

void ContentTransfers::remove(const ContentHash& hash) {
  // An upload of the same content is about to end, and will find it there, or not: that decides.
  if (const auto found = finishing_.find(hash); found != finishing_.end()) {
    found->second.removal_waits = true;
    return;
  }
  worker_.submit({.kind = ContentJob::Kind::remove, .hash = hash});
}

void ContentTransfers::on_done() {
  auto all = worker_.collect();
  for (auto& done : all) {
    switch (done.job.kind) {
      case ContentJob::Kind::begin:
      case ContentJob::Kind::write:
        on_upload_done(done);
        break;
      case ContentJob::Kind::finish:
        on_finished(done);
        break;
      case ContentJob::Kind::read:
        on_read(done);
        break;
      case ContentJob::Kind::piece:
        calls_.on_piece(done);
        break;
      case ContentJob::Kind::drop:
        break;
      case ContentJob::Kind::remove:
        if (!done.result)
          spdlog::error("content {} could not be removed: {}", done.job.hash.text(), done.result.error().text);
        break;
    }
  }
  if (made_wait_.empty() || in_flight_ > kInFlightBytesMax / 2) return;
  for (const auto session : std::exchange(made_wait_, {})) calls_.go_on(session);
}

void ContentTransfers::on_upload_done(const ContentDone& done) {
  const auto& job = done.job;
  const bool is_begin = job.kind == ContentJob::Kind::begin;
  const auto found = uploads_.find({job.session, job.number});
  const bool is_open = found != uploads_.end() && found->second.id == job.upload;
  if (!is_begin) in_flight_ -= job.size;
  if (is_open) {
    auto& upload = found->second;
    --upload.jobs;
    upload.last = engine_.now().ms;
    if (!is_begin) upload.in_flight -= job.size;
  }
  if (done.result) {
    if (!is_begin) counters_.uploaded_bytes += job.size;
    constexpr std::uint8_t kSendIt = 0;
    return answers_.done(job.session, job.request, is_begin ? bytes_of(kSendIt) : Bytes{});
  }
  if (is_open && !found->second.finishing) {
    spdlog::warn("an upload of {} bytes failed: {}", found->second.size, done.result.error().text);
    ++counters_.failed;
    forget(found);  // the thread has ended it
  }
  answers_.refuse(job.session, job.request, done.result.error());
}

void ContentTransfers::on_finished(const ContentDone& done) {
  const auto& job = done.job;
  const auto upload = uploads_.find({job.session, job.number});
  if (upload != uploads_.end() && upload->second.id == job.upload) forget(upload);
  const auto finishing = finishing_.find(job.hash);
  const bool removal_waits = finishing->second.removal_waits;
  const bool is_last = --finishing->second.uploads == 0;
  if (is_last || done.result) {
    // It was seen there, or put there, after the removal was decided: it is a new one.
    if (!done.result && removal_waits) worker_.submit({.kind = ContentJob::Kind::remove, .hash = job.hash});
    finishing->second.removal_waits = false;
    if (is_last) finishing_.erase(finishing);
  }
  if (!done.result) {
    ++counters_.failed;
    return answers_.refuse(job.session, job.request, done.result.error());
  }
  engine_.contents().stored({job.hash, job.size});
  calls_.on_known({job.hash, job.size});
  if (!done.was_known) ++counters_.stored;
  std::string body(as_text(bytes_of(job.size)));
  body += static_cast<char>(done.was_known ? 1 : 0);
  answers_.done(job.session, job.request, as_bytes(body));
}

void ContentTransfers::on_read(ContentDone& done) {
  const auto& job = done.job;
  if (done.result) {
    counters_.read_bytes += job.bytes.size();
    answers_.done(job.session, job.request, as_bytes(job.bytes));
  } else {
    spdlog::error("content {} cannot be read: {}; `folkmoot journal verify` checks all of them", job.hash.text(),
                  done.result.error().text);
    answers_.refuse(job.session, job.request, done.result.error());
  }
  reads_.done(job.session);
}

}  // namespace folkmoot
