#include "cli/protection.hpp"

#include <fmt/format.h>

#include <chrono>

#include "cli/key_files.hpp"
#include "cli/terminal.hpp"
#include "crypto/base64url.hpp"
#include "crypto/primitives.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kDrawnKeyBytes = 16;

std::int64_t signed_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A forgery; what only cannot be told now is none.
bool is_forged(const Error& error) {
  return error.code == ErrorCode::unauthorized || error.code == ErrorCode::malformed ||
         error.code == ErrorCode::not_found;
}

}  // namespace

void Protection::add_to(App& app, bool topic) {
  auto* const sign = app.add_option("--sign", sign_, "Sign it with this key of yours (Ed25519, PEM or JWK)")
                         ->type_name("FILE")
                         ->check(existing_file());
  app.add_option("--passphrase-file", passphrase_file_, "File whose first line is the passphrase of that key")
      ->needs(sign);
  app.add_option("--encrypt-for", recipients_, "Seal the content for who has this public key; several times")
      ->type_name("FILE")
      ->check(existing_file())
      ->take_all();
  if (topic) return;
  app.add_flag("--encrypt", encrypt_, "Seal the content for TO, by the key that is known or registered of it");
}

void Protection::apply(Session& session, Message& message) const {
  if (!is_wanted()) return;
  if (message.from.empty()) message.from = client_options().agent;
  std::vector<PublicKey> keys;
  for (const auto& file : recipients_) keys.push_back(public_key_of(file));
  if (encrypt_) {
    auto known = value(KnownKeys::open(KnownKeys::default_path()));
    keys.push_back(value(find_sealing_key(session.client(), known, message.to)));
  }
  if (!keys.empty()) value(seal_message(message, keys));
  if (!sign_.empty()) value(sign_message(message, private_key_of(sign_, passphrase_file_), signed_now_ms()));
}

void Protection::apply_to_mail(Session& session, Message& message) const {
  if (!sign_.empty() && message.topic.empty() && message.key.empty())
    message.key = encode_base64url(value(random_bytes(kDrawnKeyBytes)));
  apply(session, message);
}

void Examination::add_to(App& app) {
  app.add_flag("--verify", verify_,
               "Take only what its sender has signed; anything else goes to the dead letters, with the reason");
  auto* const open = app.add_option("--open", files_, "Open what is sealed with this key of yours; several times")
                         ->type_name("FILE")
                         ->check(existing_file())
                         ->take_all();
  app.add_option("--passphrase-file", passphrase_file_, "File whose first line is the passphrase of those keys")
      ->needs(open);
}

std::optional<Message> Examination::pass(Session& session, const Message& message) {
  refusal_.clear();
  Result<void> good;
  if (verify_) {
    if (!known_) known_ = value(KnownKeys::open(KnownKeys::default_path()));
    if (auto signature = verify_sender(session.client(), *known_, met_, message); !signature)
      good = std::unexpected(std::move(signature.error()));
  }
  auto out = message;
  if (good && !files_.empty() && is_sealed(message)) {
    if (keys_.empty())
      for (const auto& file : files_) keys_.push_back(private_key_of(file, passphrase_file_));
    good = open_message(out, keys_);
    // One that is sealed for somebody else was not sent here by mistake of whoever wrote it alone: it is not judged.
    if (!good && good.error().code == ErrorCode::not_found) throw Failure(good.error());
  }
  if (good) return out;
  if (!is_forged(good.error())) throw Failure(good.error());
  refusal_ = good.error().text;
  tell("folkmoot: refused {} of {}: {}", message.id.text(), message.from, good.error().describe());
  return std::nullopt;
}

}  // namespace folkmoot::cli
