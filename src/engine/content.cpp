// Content by reference: a message may refer to what is stored, what is referred to stays, and what has not been for a
// while is removed.
#include <fmt/format.h>

#include "engine/engine.hpp"

namespace folkmoot {

void Engine::content_stored(const ContentRef& ref) {
  contents_.enter_stored(ref, now_);
  watch_contents();
}

std::optional<std::uint64_t> Engine::ask_for_content(const ContentHash& hash) {
  const auto* const content = contents_.find(hash);
  if (content == nullptr || !content->is_stored) return std::nullopt;
  contents_.touch(hash, now_);
  return content->bytes;
}

void Engine::each_missing_content(
    const std::function<void(const ContentRef& ref, std::uint32_t references)>& each) const {
  contents_.each_missing(
      [&](const ContentHash& hash, const Content& content) { each({hash, content.bytes}, content.references); });
}

// Whether what the message refers to, if anything, is there. It is asked for by that: it stays until the message is
// accepted.
Result<void> Engine::check_content(const IncomingMessage& message) {
  if (message.routing.content_ref.empty()) return {};
  if (!message.content.empty()) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("the message has {} bytes of content and a `content_ref`; give one of them",
                               message.content.size()));
  }
  const auto ref = read_content_ref(message.envelope, message.routing);
  auto bytes = ask_for_content(ref.hash);
  if (!bytes && (bytes = effects_.stored_elsewhere(ref.hash))) content_stored({ref.hash, *bytes});
  if (!bytes) {
    return failure(ErrorCode::not_found, fmt::format("no content {} is stored here: upload it first", ref.hash.text()));
  }
  if (*bytes != ref.size) {
    return failure(ErrorCode::invalid_field, fmt::format("`content_ref` says {} bytes; the content {} has {}", ref.size,
                                                         ref.hash.text(), *bytes));
  }
  return {};
}

// Sees to it that contents are looked at when the first of them may go, in `least_ms` at the earliest.
void Engine::watch_contents(std::int64_t least_ms) {
  const auto* const oldest = contents_.longest_idle();
  if (content_timer_ != 0 || oldest == nullptr || !started_) return;
  content_timer_ = std::max(contents_.find(*oldest)->idle_since + options_.content_grace_ms, now_ + least_ms);
  add_timer({.at = content_timer_, .id = 0, .box = 0, .kind = TimerKind::content});
}

// Some may go; but a crash could bring the messages back that referred to them, if their ends are not on disk yet. So a
// fact is noted now, and what may go does when that is durable, with all before it.
void Engine::on_content_timer() {
  content_timer_ = 0;
  const auto* const oldest = contents_.longest_idle();
  if (oldest == nullptr || contents_.find(*oldest)->idle_since + options_.content_grace_ms > now_)
    return watch_contents();
  const auto before = started_place_;
  note_run();
  if (started_place_ == before) {  // no room
    content_timer_ = now_ + kRetryMs;
    return add_timer({.at = content_timer_, .id = 0, .box = 0, .kind = TimerKind::content});
  }
  content_timer_ = kContentsLeave;
  contents_due_ = now_;
  pending_.push({.lsn = started_place_.lsn, .kind = Pending::Kind::contents});
}

void Engine::remove_idle_contents() {
  content_timer_ = 0;
  std::vector<ContentRef> kept;
  while (const auto* const oldest = contents_.longest_idle()) {
    if (contents_.find(*oldest)->idle_since + options_.content_grace_ms > contents_due_) break;
    const ContentRef ref{*oldest, contents_.find(*oldest)->bytes};
    contents_.remove(ref.hash);
    if (effects_.remove_content(ref.hash)) {
      ++counters_.contents_removed;
    } else {
      kept.push_back(ref);
    }
  }
  for (const auto& ref : kept) contents_.enter_stored(ref, now_);
  watch_contents(kept.empty() ? 1 : kRetryMs);
}

void Engine::drop_content(MessageKey message) {
  contents_.drop(message, now_);
  watch_contents();
}

}  // namespace folkmoot
