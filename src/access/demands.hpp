// What the server asks of accounts' messages beside who may send them: that their contents are sealed, and that their
// senders have signed them, with keys that its administrator knows, and lately (docs/security.md, "Policy"). Made of
// the settings and a file of known keys; constant then.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "access/nonces.hpp"
#include "base/error.hpp"
#include "folkmoot/known_keys.hpp"

namespace folkmoot::access {

constexpr std::int64_t kSignerAheadMs = 60'000;            // by how much a signer's clock may be before ours
constexpr std::size_t kSignedContentBytesMax = 64u << 20;  // of a compressed one, as it comes out

class Demands {
 public:
  struct Asked {
    bool sealed = false;  // contents that the server cannot read, or none
    bool is_signed = false;
    std::int64_t age_ms = 0;  // how long ago a message may have been signed
  };
  /// Where a message without a topic goes: into a mailbox, which knows it by its key, on disk; or from hand to hand,
  /// where keys are not looked at (a request or an answer in memory).
  enum class Kept : std::uint8_t { mailbox, memory };
  /// `nonces`: nothing was looked at before its time that it does not know.
  Demands(KnownKeys known, Asked asked, std::shared_ptr<Nonces> nonces)
      : known_(std::move(known)), asked_(asked), nonces_(std::move(nonces)) {}
  /// The same that goes on remembering what `before` has, if that has looked at all there was.
  std::shared_ptr<const Demands> after(const Demands& before) const {
    const bool goes_on = asked_.is_signed && before.asked_.is_signed;
    return std::make_shared<const Demands>(known_, asked_, goes_on ? before.nonces_ : nonces_);
  }

  /// Whether an account's message may be carried out. Errors: not_permitted (a sender who is blocked, a content that is
  /// not sealed, no signature), unauthorized (a wrong one, an old one, one that was sent before), limit_reached, busy.
  /// `kept`: where the server keeps the message. `number`: the one that it is remembered by from now on; empty: it is
  /// known by its key.
  Result<void> check(Message message, Kept kept, std::int64_t now, std::string& number) const;
  /// It was not carried out, for the sake of another one.
  void take_back(std::string_view from, std::string_view number) const { nonces_->take_back(from, number); }

 private:
  Result<void> check_signed(Message& message, Kept kept, std::int64_t now, std::string& number) const;

  KnownKeys known_;
  Asked asked_;
  std::shared_ptr<Nonces> nonces_;
};

}  // namespace folkmoot::access
