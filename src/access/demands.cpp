#include "access/demands.hpp"

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

// A message with a key is known by it on disk, for longer than a signature is good for (EngineOptions::keys_kept_ms)
// and as often as its sender likes to repeat it: but by each mailbox by itself, and only if it is kept in one. So it
// may go only where it was signed for: who signs `capability:...`, or nobody, leaves the choice to the server, and not
// to whoever has seen the message.
Result<void> check_keyed(const Message& message, const Signature& signature, Demands::Kept kept) {
  if (kept == Demands::Kept::memory) {
    return not_signed_well(message, {ErrorCode::unauthorized,
                                     "its signature has a `key`, and what goes from hand to hand is not known by one",
                                     "sign it without a `key`; or send it to a mailbox, a request durably"});
  }
  if (signature.to == message.to) return {};
  return not_signed_well(
      message, {ErrorCode::unauthorized,
                fmt::format("it was signed for {}, and is sent to {}",
                            signature.to.empty() ? "whom the server finds" : printable(signature.to),
                            message.to.empty() ? "whom the server finds" : printable(message.to)),
                "send it where it was signed for, or sign it anew; what has no `key` is told by its number instead"});
}

}  // namespace

Result<void> Demands::check(Message message, Kept kept, std::int64_t now, std::string& number) const {
  const auto known = known_.agents().find(message.from);
  if (known != known_.agents().end() && known->second.is_blocked) {
    return failure(ErrorCode::not_permitted, fmt::format("{} is blocked", printable(message.from)),
                   "whoever runs the server has done so, and can take it back");
  }
  if (asked_.sealed && !is_sealed(message) && (!message.content.empty() || message.content_ref)) {
    return failure(ErrorCode::not_permitted,
                   fmt::format("this server takes only contents that it cannot read, and one of {} is not sealed",
                               printable(message.from)),
                   "seal it (`folkmoot send --encrypt`, `--encrypt-for FILE`; seal_message() of the library)");
  }
  return asked_.is_signed ? check_signed(message, kept, now, number) : Result<void>{};
}

Result<void> Demands::check_signed(Message& message, Kept kept, std::int64_t now, std::string& number) const {
  const auto said = signature_of(message);
  if (!said) return not_signed_well(message, said.error());
  const auto* const key = known_.find(message.from, said->key);
  if (key == nullptr) {
    return not_signed_well(
        message, {ErrorCode::unauthorized, fmt::format("the key {} is not known here as its key", printable(said->key)),
                  "have it added to the file that policy.known_keys names"});
  }
  // Not before: for whoever has no key here it is work for nothing.
  if (!message.encoding.empty()) {
    auto plain = decompress(message.encoding, as_bytes(message.content), kSignedContentBytesMax);
    if (!plain) return std::unexpected(std::move(plain.error()));
    message.content = std::move(*plain);
  }
  const auto signature = verify_message(message, *key);
  if (!signature) return not_signed_well(message, signature.error());
  if (signature->signed_at + asked_.age_ms < now || signature->signed_at > now + kSignerAheadMs) {
    return not_signed_well(message, {ErrorCode::unauthorized,
                                     fmt::format("it was signed {} s ago, of {} s (policy.signature_age)",
                                                 (now - signature->signed_at) / 1000, asked_.age_ms / 1000),
                                     "sign it anew; look at the clocks if it has just been signed"});
  }
  // Anybody could give it another one that is not signed. Which way it went first is not remembered, so an event of a
  // topic is always told by its number, also when it comes as mail.
  const bool is_event = !message.topic.empty() || !message.event_topic.empty();
  if (!is_event && signature->signs_key) return check_keyed(message, *signature, kept);
  if (signature->nonce.empty()) {
    return not_signed_well(message, {ErrorCode::unauthorized, "its signature has no number of its own (`jti`)",
                                     "draw one for each signature; a message for a mailbox may have a `key` instead"});
  }
  auto noted = nonces_->note({message.from, signature->nonce, signature->signed_at}, asked_.age_ms, now);
  if (noted) number = signature->nonce;
  if (!noted && noted.error().code == ErrorCode::unauthorized) return not_signed_well(message, noted.error());
  return noted;
}

}  // namespace folkmoot::access
