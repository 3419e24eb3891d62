#include "access/signatures.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "base/utf8.hpp"
#include "message/compression.hpp"

namespace folkmoot::access {
namespace {

std::unexpected<Error> not_signed_well(const Message& message, const Error& why) {
  const auto code = why.code == ErrorCode::not_found ? ErrorCode::not_permitted : ErrorCode::unauthorized;
  return failure(code,
                 fmt::format("this server takes only what is signed, and a message of {} is not: {}",
                             printable(message.from), why.text),
                 why.advice);
}

}  // namespace

Result<void> Signatures::check(Message message, std::int64_t now) const {
  const auto known = known_.agents().find(message.from);
  if (known != known_.agents().end() && known->second.is_blocked) {
    return failure(ErrorCode::not_permitted, fmt::format("{} is blocked", printable(message.from)),
                   "whoever runs the server has done so, and can take it back");
  }
  return demands_.required ? check_signed(message, now) : Result<void>{};
}

Result<void> Signatures::check_signed(Message& message, std::int64_t now) const {
  if (!message.encoding.empty()) {
    auto plain = decompress(message.encoding, as_bytes(message.content), kSignedContentBytesMax);
    if (!plain) return std::unexpected(std::move(plain.error()));
    message.content = std::move(*plain);
  }
  const auto said = signature_of(message);
  if (!said) return not_signed_well(message, said.error());
  const auto* const key = known_.find(message.from, said->key);
  if (key == nullptr) {
    return not_signed_well(
        message, {ErrorCode::unauthorized, fmt::format("the key {} is not known here as its key", printable(said->key)),
                  "have it added to the file that policy.known_keys names"});
  }
  const auto signature = verify_message(message, *key);
  if (!signature) return not_signed_well(message, signature.error());
  if (signature->signed_at + demands_.age_ms < now || signature->signed_at > now + kSignerAheadMs) {
    return not_signed_well(message, {ErrorCode::unauthorized,
                                     fmt::format("it was signed {} s ago, of {} s (policy.signature_age)",
                                                 (now - signature->signed_at) / 1000, demands_.age_ms / 1000),
                                     "sign it anew; look at the clocks if it has just been signed"});
  }
  // Whatever goes to a mailbox is known by its key, on disk, for longer than a signature is good for.
  return message.topic.empty() ? Result<void>{} : note_event(message, signature->signed_at, now);
}

Result<void> Signatures::note_event(const Message& message, std::int64_t signed_at, std::int64_t now) const {
  if (signed_at < demands_.since - 1000) {  // a signature's time has whole seconds
    return not_signed_well(message,
                           {ErrorCode::unauthorized,
                            "it was signed before this server read its keys, and it cannot know whether it was sent "
                            "before",
                            "sign it anew"});
  }
  auto name = message.from + '\n' + message.key;
  const std::lock_guard guard(lock_);
  if (const auto at = events_.find(name); at != events_.end() && at->second >= now)
    return not_signed_well(message, {ErrorCode::unauthorized, "it was sent before", "sign it anew"});
  if (events_.size() >= kSignedEventsMax) std::erase_if(events_, [&](const auto& each) { return each.second < now; });
  if (events_.size() >= kSignedEventsMax) {
    return failure(ErrorCode::busy,
                   fmt::format("{} signed events are remembered, and no more can be for now", kSignedEventsMax),
                   "send it again in a moment, or have policy.signature_age made shorter");
  }
  events_[std::move(name)] = signed_at + demands_.age_ms + kSignerAheadMs;
  return {};
}

}  // namespace folkmoot::access
