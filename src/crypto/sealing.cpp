#include "folkmoot/sealing.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>

#include "crypto/base64url.hpp"
#include "crypto/primitives.hpp"

namespace folkmoot {
namespace {

namespace json = boost::json;

constexpr std::string_view kAgreed = "ECDH-ES+A256KW", kOaep = "RSA-OAEP-256", kShared = "dir", kCipher = "A256GCM";
constexpr std::size_t kSealedBytesMax = 64u << 20;
constexpr std::size_t kKeyNameBytesMax = 255;

// What one content is encrypted with.
struct Lock {
  std::string key, nonce;
};

Result<Lock> draw_lock() {
  auto key = random_bytes(kAesKeyBytes), nonce = random_bytes(kGcmNonceBytes);
  if (!key || !nonce) return failure(ErrorCode::io_error, "no random numbers");
  return Lock{std::move(*key), std::move(*nonce)};
}

json::string_view as_json(std::string_view text) { return {text.data(), text.size()}; }

// RFC 7516, section 5.1, steps 14 to 19.
void add_content(json::object& out, const Lock& lock, std::string_view head, std::string_view bound,
                 std::string_view plain) {
  const auto front = encode_base64url(head), aad = encode_base64url(bound);
  auto sealed = seal_gcm(lock.key, lock.nonce, fmt::format("{}.{}", front, aad), plain);
  const auto tag = sealed.substr(sealed.size() - kGcmTagBytes);
  sealed.resize(sealed.size() - kGcmTagBytes);
  out["protected"] = front;
  out["aad"] = aad;
  out["iv"] = encode_base64url(lock.nonce);
  out["ciphertext"] = encode_base64url(sealed);
  out["tag"] = encode_base64url(tag);
}

// The content's key for one recipient.
Result<json::object> recipient_of(const PublicKey& key, std::string_view content_key) {
  json::object head;
  std::string wrapped;
  if (key.type() == KeyType::rsa) {
    auto sealed = key.encrypt(content_key);
    if (!sealed) return std::unexpected(sealed.error());
    wrapped = std::move(*sealed);
    head["alg"] = as_json(kOaep);
  } else if (key.type() == KeyType::x25519) {
    const auto own = PrivateKey::generate(KeyType::x25519);
    if (!own) return std::unexpected(own.error());
    const auto secret = own->agree(key);
    if (!secret)
      return failure(ErrorCode::invalid_field, fmt::format("nothing can be sealed for the key {}", key.thumbprint()));
    wrapped = wrap_key(concat_kdf(*secret, kAgreed, {}, {}), content_key);
    head["alg"] = as_json(kAgreed);
    head["epk"] = json::parse(own->public_key().jwk());
  } else {
    return failure(ErrorCode::invalid_field,
                   fmt::format("the key {} signs, and nothing is sealed for it", key.thumbprint()),
                   "give the agent's X25519 or RSA key");
  }
  head["kid"] = key.thumbprint();
  return json::object{{"header", std::move(head)}, {"encrypted_key", encode_base64url(wrapped)}};
}

// A sealed content as it came, its parts decoded.
struct Sealed {
  json::object all;
  json::object head;
  std::string front, bound, nonce, cipher;  // cipher: with its tag
};

Error not_sealed(std::string_view why) {
  return {ErrorCode::malformed, fmt::format("that is no sealed content: {}", why),
          "it is JSON as RFC 7516, section 7.2, has it, with A256GCM"};
}

std::string text_of_member(const json::object& object, std::string_view key) {
  const auto* const found = object.if_contains(as_json(key));
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

Result<json::object> object_of(std::string_view text, std::string_view what) {
  boost::system::error_code error;
  auto value = json::parse(as_json(text), error);
  if (error || !value.is_object()) return std::unexpected(not_sealed(fmt::format("{} is no JSON object", what)));
  return std::move(value.as_object());
}

Result<Sealed> read_sealed(std::string_view text) {
  if (text.size() > kSealedBytesMax) return std::unexpected(not_sealed("it is too long"));
  auto all = object_of(text, "it");
  if (!all) return std::unexpected(all.error());
  Sealed out;
  out.front = text_of_member(*all, "protected");
  const auto head = decode_base64url(out.front), bound = decode_base64url(text_of_member(*all, "aad"));
  const auto nonce = decode_base64url(text_of_member(*all, "iv")),
             cipher = decode_base64url(text_of_member(*all, "ciphertext"));
  const auto tag = decode_base64url(text_of_member(*all, "tag"));
  if (!head || !bound || !nonce || !cipher || !tag) return std::unexpected(not_sealed("a part is not in base64url"));
  if (nonce->size() != kGcmNonceBytes || tag->size() != kGcmTagBytes)
    return std::unexpected(not_sealed("`iv` has not 12 bytes, or `tag` not 16"));
  auto protected_head = object_of(*head, "`protected`");
  if (!protected_head) return std::unexpected(protected_head.error());
  if (text_of_member(*protected_head, "enc") != kCipher) return std::unexpected(not_sealed("`enc` is not A256GCM"));
  if (protected_head->contains("crit") || protected_head->contains("zip"))
    return std::unexpected(not_sealed("it wants what is not known here (`crit` or `zip`)"));
  out.all = std::move(*all);
  out.head = std::move(*protected_head);
  out.bound = *bound;
  out.nonce = *nonce;
  out.cipher = *cipher + *tag;
  return out;
}

Result<std::string> open_content(const Sealed& sealed, std::string_view key, std::string_view bound) {
  auto plain =
      open_gcm(key, sealed.nonce, fmt::format("{}.{}", sealed.front, encode_base64url(sealed.bound)), sealed.cipher);
  if (!plain) return failure(ErrorCode::unauthorized, "the sealed content was altered, or is of another key");
  if (!is_same_secret(sealed.bound, bound))
    return failure(ErrorCode::unauthorized, "the sealed content belongs to another message",
                   "do not use it: somebody has put it where it was not sent");
  return std::move(*plain);
}

const json::array* recipients_of(const Sealed& sealed) {
  const auto* const found = sealed.all.if_contains("recipients");
  const auto* const list = found == nullptr ? nullptr : found->if_array();
  return list != nullptr && list->size() <= kSealRecipientsMax ? list : nullptr;
}

// The content's key, by one of the recipients; nothing if it cannot be had by this one.
std::optional<std::string> content_key(const json::object& recipient, const json::object& head, const PrivateKey& key) {
  const auto wrapped = decode_base64url(text_of_member(recipient, "encrypted_key"));
  const auto algorithm = text_of_member(head, "alg");
  if (!wrapped) return std::nullopt;
  // The algorithm goes by the key, and never the other way round.
  if (key.type() == KeyType::rsa) return algorithm == kOaep ? key.decrypt(*wrapped) : std::nullopt;
  const auto* const ephemeral = head.if_contains("epk");
  if (key.type() != KeyType::x25519 || algorithm != kAgreed || ephemeral == nullptr) return std::nullopt;
  const auto other = PublicKey::from_jwk(json::serialize(*ephemeral));
  if (!other || other->type() != KeyType::x25519) return std::nullopt;
  const auto party = decode_base64url(text_of_member(head, "apu")),
             partner = decode_base64url(text_of_member(head, "apv"));
  const auto secret = key.agree(*other);
  if (!secret || !party || !partner) return std::nullopt;
  return unwrap_key(concat_kdf(*secret, kAgreed, *party, *partner), *wrapped);
}

}  // namespace

Result<std::string> seal_for(std::span<const PublicKey> recipients, std::string_view bound, std::string_view plain) {
  if (recipients.empty() || recipients.size() > kSealRecipientsMax)
    return failure(ErrorCode::invalid_field, fmt::format("{} recipients; a content is sealed for 1 to {}",
                                                         recipients.size(), kSealRecipientsMax));
  const auto lock = draw_lock();
  if (!lock) return std::unexpected(lock.error());
  json::object out;
  json::array list;
  for (const auto& key : recipients) {
    auto made = recipient_of(key, lock->key);
    if (!made) return std::unexpected(made.error());
    list.push_back(std::move(*made));
  }
  add_content(out, *lock, fmt::format(R"({{"enc":"{}"}})", kCipher), bound, plain);
  out["recipients"] = std::move(list);
  return json::serialize(out);
}

Result<std::string> seal_shared(std::string_view key, std::string_view key_name, std::string_view bound,
                                std::string_view plain) {
  if (key.size() != kAesKeyBytes)
    return failure(ErrorCode::invalid_field,
                   fmt::format("a shared key has {} bytes, not {}", kAesKeyBytes, key.size()));
  if (key_name.size() > kKeyNameBytesMax)
    return failure(ErrorCode::invalid_field, fmt::format("a key's name has at most {} bytes", kKeyNameBytesMax));
  auto lock = draw_lock();
  if (!lock) return std::unexpected(lock.error());
  lock->key = key;
  json::object head{{"alg", as_json(kShared)}, {"enc", as_json(kCipher)}};
  if (!key_name.empty()) head["kid"] = as_json(key_name);
  json::object out;
  add_content(out, *lock, json::serialize(head), bound, plain);
  return json::serialize(out);
}

Result<std::string> open_sealed(std::span<const PrivateKey> keys, std::string_view bound, std::string_view sealed) {
  const auto read = read_sealed(sealed);
  if (!read) return std::unexpected(read.error());
  const auto* const recipients = recipients_of(*read);
  if (recipients == nullptr) return std::unexpected(not_sealed("it has no `recipients`, or too many"));
  for (const auto& each : *recipients) {
    const auto* const recipient = each.if_object();
    const auto* const header = recipient == nullptr ? nullptr : recipient->if_contains("header");
    if (header == nullptr || !header->is_object()) return std::unexpected(not_sealed("a recipient has no `header`"));
    const auto& head = header->get_object();
    for (const auto& key : keys) {
      if (text_of_member(head, "kid") != key.public_key().thumbprint()) continue;
      const auto content = content_key(*recipient, head, key);
      if (!content) return failure(ErrorCode::unauthorized, "the key in the sealed content was altered");
      return open_content(*read, *content, bound);
    }
  }
  return failure(ErrorCode::not_found, "the content is sealed for none of these keys",
                 "have it sealed for a key that you have, or give the key that it is for");
}

Result<std::string> open_shared(std::string_view key, std::string_view bound, std::string_view sealed) {
  const auto read = read_sealed(sealed);
  if (!read) return std::unexpected(read.error());
  if (text_of_member(read->head, "alg") != kShared)
    return std::unexpected(not_sealed("it is not sealed with a shared key (`alg` is not dir)"));
  return open_content(*read, key, bound);
}

Result<std::string> bound_of(std::string_view sealed) {
  auto read = read_sealed(sealed);
  if (!read) return std::unexpected(read.error());
  return std::move(read->bound);
}

Result<std::vector<std::string>> sealed_for(std::string_view sealed) {
  const auto read = read_sealed(sealed);
  if (!read) return std::unexpected(read.error());
  std::vector<std::string> names;
  if (text_of_member(read->head, "alg") == kShared) return std::vector{text_of_member(read->head, "kid")};
  const auto* const recipients = recipients_of(*read);
  if (recipients == nullptr) return std::unexpected(not_sealed("it has no `recipients`, or too many"));
  for (const auto& each : *recipients) {
    const auto* const recipient = each.if_object();
    const auto* const header = recipient == nullptr ? nullptr : recipient->if_contains("header");
    if (header == nullptr || !header->is_object()) return std::unexpected(not_sealed("a recipient has no `header`"));
    names.push_back(text_of_member(header->get_object(), "kid"));
  }
  return names;
}

}  // namespace folkmoot
