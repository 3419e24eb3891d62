#include "engine/contents/contents.hpp"

#include <fmt/format.h>

namespace folkmoot {

void Contents::stored(const ContentRef& ref) {
  table_.enter_stored(ref, run_.now());
  watch();
}

std::optional<std::uint64_t> Contents::ask_for(const ContentHash& hash) {
  const auto* const content = table_.find(hash);
  if (content == nullptr || !content->is_stored) return std::nullopt;
  table_.touch(hash, run_.now());
  return content->bytes;
}

void Contents::each_missing(const std::function<void(const ContentRef& ref, std::uint32_t references)>& each) const {
  table_.each_missing(
      [&](const ContentHash& hash, const Content& content) { each({hash, content.bytes}, content.references); });
}

void Contents::each_stored(const std::optional<ContentHash>& after,
                           const std::function<bool(const ContentRef& ref)>& each) const {
  table_.each_stored(after,
                     [&](const ContentHash& hash, const Content& content) { return each({hash, content.bytes}); });
}

void Contents::start() {
  table_.begin(run_.now());
  watch();
}

void Contents::drop(MessageKey message) {
  table_.drop(message, run_.now());
  watch();
}

void Contents::drop(const ContentHash* hash) {
  table_.drop(hash, run_.now());
  watch();
}

Result<void> Contents::check_reference(const IncomingMessage& message) {
  if (!message.content.empty()) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("the message has {} bytes of content and a `content_ref`; give one of them",
                               message.content.size()));
  }
  const auto ref = read_content_ref(message.envelope, message.routing);
  auto bytes = ask_for(ref.hash);
  if (!bytes) {
    bytes = effects_.stored_elsewhere(ref.hash);
    if (bytes) stored({ref.hash, *bytes});
  }
  if (!bytes) {
    return failure(ErrorCode::not_found, fmt::format("no content {} is stored here: upload it first", ref.hash.text()));
  }
  if (*bytes != ref.size) {
    return failure(ErrorCode::invalid_field, fmt::format("`content_ref` says {} bytes; the content {} has {}", ref.size,
                                                         ref.hash.text(), *bytes));
  }
  return {};
}

void Contents::on_options() {
  if (timer_ == kLeave) return;  // it looks at them afterwards
  timer_ = 0;
  watch();
}

void Contents::watch(Duration least_ms) {
  const auto* const oldest = table_.longest_idle();
  if (timer_ != 0 || oldest == nullptr || !run_.is_started()) return;
  wake_at(std::max(table_.find(*oldest)->idle_since + options_.content_grace_ms, run_.now() + least_ms));
}

void Contents::wake_at(Instant at) {
  timer_ = at;
  agenda_.add({.at = at, .id = 0, .place = 0, .kind = TimerKind::content});
}

// Some may go; but a crash could bring the messages back that referred to them, if their ends are not on disk yet. So a
// fact is noted now, and what may go does when that is durable, with all before it.
void Contents::due(const Timer&) {
  timer_ = 0;
  const auto* const oldest = table_.longest_idle();
  if (oldest == nullptr || table_.find(*oldest)->idle_since + options_.content_grace_ms > run_.now()) return watch();
  const auto noted = run_.note();
  if (!noted) return wake_at(run_.now() + kRetryMs);  // no room
  timer_ = kLeave;
  due_ = run_.now();
  ledger_.when(noted, waiting::ContentsIdle{});
}

void Contents::remove_idle() {
  timer_ = 0;
  std::vector<ContentRef> kept;
  while (const auto* const oldest = table_.longest_idle()) {
    if (table_.find(*oldest)->idle_since + options_.content_grace_ms > due_) break;
    const ContentRef ref{*oldest, table_.find(*oldest)->bytes};
    table_.remove(ref.hash);
    if (effects_.remove_content(ref.hash)) {
      ++counters_.contents_removed;
    } else {
      kept.push_back(ref);
    }
  }
  for (const auto& ref : kept) table_.enter_stored(ref, run_.now());
  watch(kept.empty() ? Duration{1} : kRetryMs);
}

}  // namespace folkmoot
