#include "message/provenance.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "message/envelope.hpp"
#include "message/json_mapping.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kProvenanceWordsMax = 32;  // of door, verified and trust together

std::string* word_of(Provenance& provenance, std::string_view name) {
  if (name == "account") return &provenance.account;
  if (name == "door") return &provenance.door;
  if (name == "verified") return &provenance.verified;
  return name == "trust" ? &provenance.trust : nullptr;
}

// A map of words; what a later version says beside them is passed over.
Provenance read_words(PackReader& reader) {
  Provenance out;
  for (auto left = reader.map(); left > 0 && reader.ok(); --left) {
    auto* const word = word_of(out, reader.str());
    if (word == nullptr) {
      reader.skip();
    } else {
      *word = reader.str();
    }
  }
  return out;
}

}  // namespace

Result<void> check_provenance(Bytes raw) {
  PackReader reader(raw);
  const auto said = read_words(reader);
  const auto words = said.door + said.verified + said.trust;
  const bool is_bounded = raw.size() < kProvenanceBytesMax && words.size() <= kProvenanceWordsMax;
  if (reader.ok() && is_bounded && (said.account.empty() || is_name(said.account)) && is_name(words)) return {};
  return failure(ErrorCode::invalid_field, "`provenance` is no map of words");
}

Provenance unpack_provenance(Bytes packed) {
  PackReader reader(packed);
  return read_words(reader);
}

std::string pack(const Provenance& provenance) {
  std::string out;
  PackWriter writer(out);
  writer.map(provenance.account.empty() ? 3 : 4);
  if (!provenance.account.empty()) writer.str("account").str(provenance.account);
  writer.str("door").str(provenance.door).str("verified").str(provenance.verified);
  writer.str("trust").str(provenance.trust);
  return out;
}

std::string with_provenance(Bytes envelope, const Routing& routing, std::string_view packed) {
  const auto old = routing.provenance_pair;
  std::string out;
  PackWriter writer(out);
  writer.map(routing.fields + (old.empty() ? 1 : 0)).uint(static_cast<std::uint64_t>(Field::provenance));
  out.append(packed);
  const auto pairs = as_text(envelope.first(routing.bytes));
  if (old.empty()) return out.append(pairs.substr(routing.pairs_begin));
  return out.append(pairs.substr(routing.pairs_begin, old.begin - routing.pairs_begin)).append(pairs.substr(old.end));
}

Result<void> encode_with_provenance(const Message& message, std::string& out) {
  std::string plain;
  if (auto done = encode_envelope(message, plain); !done) return done;
  if (message.provenance) {
    Routing routing;
    if (auto done = read_routing(as_bytes(plain), routing, Recipient::optional); !done) return done;
    plain = with_provenance(as_bytes(plain), routing, pack(*message.provenance));
  }
  out.append(plain);
  return {};
}

Result<void> provenance_from_json(const simdjson::dom::element& value, std::optional<Provenance>& into) {
  constexpr std::string_view kAllowed = "an object with `account`, `door`, `verified` and `trust`, each a name";
  if (!value.is_object()) return failure(ErrorCode::invalid_field, fmt::format("`provenance` is {}", kAllowed));
  auto& provenance = into.emplace();
  for (const auto [name, element] : simdjson::dom::object(value)) {
    auto* const word = word_of(provenance, name);
    if (word == nullptr) continue;
    std::string_view text;
    if (element.get(text) || (!text.empty() && !is_name(text)))
      return failure(ErrorCode::invalid_field, fmt::format("`provenance` is {}", kAllowed));
    *word = text;
  }
  return {};
}

void append_json(JsonWriter& out, const Provenance& provenance) {
  out.begin_object().optional_field("account", provenance.account).field("door", provenance.door);
  out.field("verified", provenance.verified).field("trust", provenance.trust).end_object();
}

std::string to_json(const Provenance& provenance) {
  std::string out;
  JsonWriter writer(out);
  append_json(writer, provenance);
  return out;
}

}  // namespace folkmoot
