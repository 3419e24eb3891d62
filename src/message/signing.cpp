#include "folkmoot/signing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "base/utf8.hpp"
#include "crypto/base64url.hpp"
#include "crypto/primitives.hpp"

namespace folkmoot {
namespace {

namespace json = boost::json;

constexpr std::string_view kAlgorithm = "EdDSA";
constexpr std::size_t kNonceBytes = 16;
constexpr std::size_t kNonceTextMax = 255;  // of other signers

// Who may say a field that the signer left empty.
enum class Left : std::uint8_t { empty, to_the_server };

struct Claim {
  std::string_view name;
  std::string Message::* field;
  Left left;
  bool sealed;  // also bound to a sealed content
};

// Of a topic's event in a mailbox, `to` is the mailbox and `event_topic` what the topic was.
constexpr std::array kClaims = {
    Claim{"from", &Message::from, Left::empty, true},
    Claim{"to", &Message::to, Left::to_the_server, true},
    Claim{"topic", &Message::topic, Left::empty, true},
    Claim{"type", &Message::type, Left::empty, true},
    Claim{"conversation", &Message::conversation, Left::empty, true},
    Claim{"correlation", &Message::correlation, Left::to_the_server, false},
    Claim{"reply_to", &Message::reply_to, Left::to_the_server, false},
    Claim{"key", &Message::key, Left::to_the_server, false},
    Claim{"group", &Message::group, Left::empty, false},
    Claim{"content_type", &Message::content_type, Left::empty, false},
};

json::string_view as_json_text(std::string_view text) { return {text.data(), text.size()}; }

std::string text_in(const json::object& object, std::string_view name) {
  const auto* const found = object.if_contains(as_json_text(name));
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

Error not_a_signature(std::string_view why) {
  return {ErrorCode::malformed, fmt::format("the message's signature is none: {}", why),
          "it is a compact JSON Web Signature (RFC 7515) with EdDSA, in the metadata under `signature`"};
}

std::unexpected<Error> altered(std::string_view what) {
  return failure(ErrorCode::unauthorized, fmt::format("{} is not what was signed", what),
                 "do not use the message: somebody has changed it, or put the signature of another one on it");
}

std::string content_hash(const Message& message) {
  if (message.content_ref) return message.content_ref->hash.text();
  if (message.content.empty()) return {};
  ContentHash hash;
  std::ranges::copy(sha256_of(message.content), hash.bytes.begin());
  return hash.text();
}

Metadata without_signature(const Metadata& metadata) {
  auto rest = metadata;
  rest.erase(as_json_text(kSignatureField));
  return rest;
}

std::string cause_of(const Message& message) { return message.cause == Uuid{} ? std::string() : message.cause.text(); }

const std::string& said(const Claim& claim, const Message& message) {
  if (claim.name == "topic" && message.topic.empty()) return message.event_topic;
  return message.*claim.field;
}

// Whether a recipient other than the one that was named may have the message.
bool stands_for_others(std::string_view to) { return to.empty() || to.starts_with("capability:"); }

bool agrees(const Claim& claim, const json::object& claims, const Message& message) {
  const auto is = said(claim, message), was = text_in(claims, claim.name);
  if (is == was) return true;
  if (claim.name == "to") return stands_for_others(was);
  return claim.left == Left::to_the_server && was.empty();
}

struct Parts {
  std::string_view input, signature;  // of the text
  json::object head, claims;
};

std::optional<json::object> object_in(std::string_view part) {
  const auto text = decode_base64url(part);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  auto value = json::parse(*text, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

Result<Parts> parts_of(const Message& message) {
  const auto* const field = message.metadata.if_contains(as_json_text(kSignatureField));
  if (field == nullptr) {
    return failure(ErrorCode::not_found, "the message is not signed",
                   "its sender signs it with `folkmoot send --sign KEY`, or sign_message()");
  }
  if (!field->is_string()) return std::unexpected(not_a_signature("it is no text"));
  const std::string_view text(field->get_string().data(), field->get_string().size());
  if (text.size() > kSignatureBytesMax) return std::unexpected(not_a_signature("it is too long"));
  const auto first = text.find('.'), last = text.rfind('.');
  if (first == last) return std::unexpected(not_a_signature("it has not three parts"));
  auto head = object_in(text.substr(0, first)), claims = object_in(text.substr(first + 1, last - first - 1));
  if (!head || !claims) return std::unexpected(not_a_signature("a part is no JSON object in base64url"));
  if (text_in(*head, "alg") != kAlgorithm) return std::unexpected(not_a_signature("`alg` is not EdDSA"));
  if (head->contains("crit") || head->contains("b64"))
    return std::unexpected(not_a_signature("it wants what is not known here (`crit` or `b64`)"));
  return Parts{text.substr(0, last), text.substr(last + 1), std::move(*head), std::move(*claims)};
}

Result<Signature> described(const Parts& parts) {
  const auto* const at = parts.claims.if_contains("iat");
  if (at == nullptr || !at->is_int64() || at->get_int64() < 0 || at->get_int64() > INT64_MAX / 1000)
    return std::unexpected(not_a_signature("`iat` is no time"));
  const auto* const nonce = parts.claims.if_contains("jti");
  if (nonce != nullptr && (!nonce->is_string() || nonce->get_string().size() > kNonceTextMax))
    return std::unexpected(not_a_signature(fmt::format("`jti` is no text of up to {} bytes", kNonceTextMax)));
  return Signature{text_in(parts.head, "kid"), at->get_int64() * 1000, text_in(parts.claims, "jti"),
                   !text_in(parts.claims, "key").empty(), text_in(parts.claims, "to")};
}

Result<void> check_fields(const json::object& claims, const Message& message) {
  for (const auto& claim : kClaims) {
    if (!agrees(claim, claims, message)) return altered(fmt::format("`{}`", claim.name));
  }
  // Of what settles another message the server says the cause.
  if (const auto cause = text_in(claims, "cause"); !cause.empty() && cause != cause_of(message))
    return altered("`cause`");
  if (text_in(claims, "content_sha256") != content_hash(message)) return altered("the content");
  const auto* const metadata = claims.if_contains("metadata");
  const auto is = without_signature(message.metadata);
  const bool is_same = metadata == nullptr ? is.empty() : metadata->is_object() && metadata->get_object() == is;
  return is_same ? Result<void>{} : altered("the metadata");
}

// Who gets it is told a type in any case, and has to compare it.
void say_type(Message& message) {
  if (message.type.empty()) message.type = message.topic.empty() ? "task" : "event";
}

json::object sealed_with(const Message& message) {
  json::object bound;
  for (const auto& claim : kClaims) {
    if (const auto& text = said(claim, message); claim.sealed && !text.empty()) bound[as_json_text(claim.name)] = text;
  }
  if (!message.content_type.empty()) bound["content_type"] = message.content_type;
  return bound;
}

}  // namespace

Result<void> sign_message(Message& message, const PrivateKey& key, std::int64_t now_ms) {
  if (key.type() != KeyType::ed25519) {
    return failure(ErrorCode::invalid_field, fmt::format("nothing is signed with a key of kind {}", name(key.type())),
                   "make one that signs: `folkmoot key generate NAME --type ed25519`");
  }
  if (message.from.empty()) {
    return failure(ErrorCode::invalid_field, "a message is signed by somebody, and it has no `from`",
                   "say who the sender is: `folkmoot --as NAME`, or Message::from");
  }
  const auto drawn = random_bytes(kNonceBytes);
  if (!drawn) return std::unexpected(drawn.error());
  say_type(message);
  json::object claims{{"iat", now_ms / 1000}, {"jti", encode_base64url(*drawn)}};
  for (const auto& claim : kClaims) {
    if (const auto& text = message.*claim.field; !text.empty()) claims[as_json_text(claim.name)] = text;
  }
  if (const auto cause = cause_of(message); !cause.empty()) claims["cause"] = cause;
  if (const auto hash = content_hash(message); !hash.empty()) claims["content_sha256"] = hash;
  if (auto rest = without_signature(message.metadata); !rest.empty()) claims["metadata"] = std::move(rest);
  const json::object head{{"alg", as_json_text(kAlgorithm)}, {"kid", key.public_key().thumbprint()}};
  auto text = fmt::format("{}.{}", encode_base64url(json::serialize(head)), encode_base64url(json::serialize(claims)));
  const auto mark = encode_base64url(key.sign(text));
  text.append(".").append(mark);
  if (text.size() > kSignatureBytesMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("the signature would have {} bytes, of {}", text.size(), kSignatureBytesMax),
                   "put less into the metadata, which is signed as a whole");
  }
  message.metadata[as_json_text(kSignatureField)] = text;
  return {};
}

Result<Signature> signature_of(const Message& message) {
  const auto parts = parts_of(message);
  return parts ? described(*parts) : std::unexpected(parts.error());
}

Result<Signature> verify_message(const Message& message, const PublicKey& key) {
  const auto parts = parts_of(message);
  if (!parts) return std::unexpected(parts.error());
  auto signature = described(*parts);
  if (!signature) return signature;
  const auto thumbprint = key.thumbprint();
  if (key.type() != KeyType::ed25519 || signature->key != thumbprint) {
    return failure(ErrorCode::unauthorized, fmt::format("the message is not signed with the key {}", thumbprint),
                   "take another key only from somebody you trust");
  }
  const auto bytes = decode_base64url(parts->signature);
  if (!bytes || !key.verifies(parts->input, *bytes)) return altered("the signature");
  if (auto good = check_fields(parts->claims, message); !good) return std::unexpected(good.error());
  return signature;
}

Result<void> MetSignatures::meet(const Message& message, const Signature& signature) {
  if (signature.nonce.empty()) return {};
  // An event is a message of its own in each mailbox that keeps it.
  auto name = message.from + '\n' + signature.nonce + '\n' + message.to;
  auto is = message.id.text();
  for (const auto* const each : {&young_, &old_}) {
    const auto met = each->find(name);
    if (met == each->end()) continue;
    if (met->second == is) return {};
    return failure(ErrorCode::unauthorized, fmt::format("the message was there before, as {}", printable(met->second)),
                   "do not use it: somebody has sent again what was sent once");
  }
  if (young_.size() >= max_) old_ = std::exchange(young_, {});
  young_.emplace(std::move(name), std::move(is));
  return {};
}

bool is_sealed(const Message& message) { return message.content_type == kSealedContentType; }

Result<void> seal_message(Message& message, std::span<const PublicKey> recipients) {
  if (is_sealed(message) || message.content_ref || !message.encoding.empty()) {
    return failure(ErrorCode::invalid_field, "a content is sealed once, before it is compressed or put aside",
                   "seal the content itself");
  }
  say_type(message);
  auto sealed = seal_for(recipients, json::serialize(sealed_with(message)), message.content);
  if (!sealed) return std::unexpected(sealed.error());
  message.content = std::move(*sealed);
  message.content_type = kSealedContentType;
  return {};
}

Result<void> open_message(Message& message, std::span<const PrivateKey> keys) {
  if (!is_sealed(message)) return failure(ErrorCode::invalid_field, "the content is not sealed");
  const auto bound = bound_of(message.content);
  if (!bound) return std::unexpected(bound.error());
  auto plain = open_sealed(keys, *bound, message.content);
  if (!plain) return std::unexpected(plain.error());
  boost::system::error_code error;
  const auto value = json::parse(*bound, error);
  const auto* const fields = error ? nullptr : value.if_object();
  if (fields == nullptr) {
    return failure(ErrorCode::unauthorized, "the content was sealed on its own, and belongs to no message",
                   "open it with `folkmoot key open --bound TEXT` if you know where it is from");
  }
  for (const auto& claim : kClaims) {
    // Who has sealed without saying who they are leaves the sender to the server.
    const bool is_free = claim.name == "from" && !fields->contains("from");
    if (claim.sealed && !is_free && !agrees(claim, *fields, message))
      return failure(ErrorCode::unauthorized, fmt::format("the content was sealed with another `{}`", claim.name),
                     "do not use it: somebody has put it where it was not sent");
  }
  message.content = std::move(*plain);
  message.content_type = text_in(*fields, "content_type");
  return {};
}

}  // namespace folkmoot
