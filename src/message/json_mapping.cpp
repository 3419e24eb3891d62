// Reading goes over the object once and puts each field into its slot, whatever it is called; then each slot is read
// with its own rule. Two spellings of one slot must agree.
#include "message/json_mapping.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <cmath>
#include <utility>

#include "base/base64.hpp"
#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "message/envelope.hpp"
#include "message/json_document.hpp"
#include "message/json_fault.hpp"
#include "message/json_text.hpp"
#include "message/limits.hpp"
#include "message/provenance.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

namespace dom = simdjson::dom;

enum Slot : std::size_t {
  kId,
  kTimestamp,
  kFrom,
  kTo,
  kTopic,
  kType,
  kPriority,
  kContent,
  kContentType,
  kContentEncoding,
  kConversation,
  kCorrelation,
  kReplyTo,
  kKey,
  kTtl,
  kExpiresAt,
  kDeliverAt,
  kMode,
  kMetadata,
  kRetry,
  kGroup,
  kBounce,
  kExpectsReply,
  kEncoding,
  kCause,
  kHops,
  kChain,
  kDelay,
  kContentRef,
  kEventTopic,
  kProvenance,
  kSlots,
};

struct Spelling {
  std::string_view name;
  Slot slot;
};

constexpr Spelling kSpellings[] = {
    {"id", kId},
    {"message_id", kId},
    {"timestamp", kTimestamp},
    {"from", kFrom},
    {"sender_id", kFrom},
    {"from_agent_id", kFrom},
    {"source_id", kFrom},
    {"source", kFrom},
    {"to", kTo},
    {"recipient_id", kTo},
    {"to_agent_id", kTo},
    {"target_id", kTo},
    {"target", kTo},
    {"topic", kTopic},
    {"event_type", kTopic},
    {"channel", kTopic},
    {"subject", kTopic},
    {"type", kType},
    {"message_type", kType},
    {"priority", kPriority},
    {"content", kContent},
    {"payload", kContent},
    {"content_type", kContentType},
    {"content_encoding", kContentEncoding},
    {"conversation", kConversation},
    {"conversation_id", kConversation},
    {"correlation", kCorrelation},
    {"correlation_id", kCorrelation},
    {"reply_to", kReplyTo},
    {"key", kKey},
    {"idempotency_key", kKey},
    {"ttl", kTtl},
    {"expires_at", kExpiresAt},
    {"deliver_at", kDeliverAt},
    {"mode", kMode},
    {"delivery_mode", kMode},
    {"metadata", kMetadata},
    {"headers", kMetadata},
    {"retry", kRetry},
    {"retry_policy", kRetry},
    {"group", kGroup},
    {"group_id", kGroup},
    {"bounce", kBounce},
    {"expects_reply", kExpectsReply},
    {"encoding", kEncoding},
    {"cause", kCause},
    {"causation_id", kCause},
    {"hops", kHops},
    {"chain", kChain},
    {"delay", kDelay},
    {"content_ref", kContentRef},
    {"event_topic", kEventTopic},
    {"provenance", kProvenance},
};

constexpr std::pair<std::string_view, std::string_view> kTypeSpellings[] = {
    {"agent_request", "query"}, {"agent_response", "response"}, {"agent_broadcast", "event"}};

// What doors write beside a message's fields when they hand it out; it may come back with a message that is sent on.
constexpr std::string_view kDoorFields[] = {"lease", "delivery", "redelivered", "status", "content_error"};

// Fields that envelopes of other systems have and ours never: what such a one carries is not understood, and would be
// lost.
constexpr std::pair<std::string_view, std::string_view> kForeignFields[] = {
    {"specversion", "CloudEvents"}, {"jsonrpc", "JSON-RPC"}, {"performative", "FIPA ACL"}, {"@context", "JSON-LD"}};

constexpr std::int64_t kTimeMsMax = (std::int64_t{1} << 44) - 1;

// A field as it was found: its spelling, for error texts, and its value.
struct Found {
  std::string_view name;
  dom::element value;
};

std::unexpected<Error> refuse(ErrorCode code, const Found& found, std::string_view allowed) {
  return failure(code, fmt::format("`{}` is {}; it may be {}", found.name, shown(found.value), allowed));
}

std::optional<std::string_view> text_of(const dom::element& value) {
  std::string_view text;
  if (value.get(text)) return std::nullopt;
  return text;
}

// A whole number that is not negative; floating numbers that are whole count, as some languages write nothing else.
std::optional<std::int64_t> whole_of(const dom::element& value) {
  std::int64_t number = 0;
  if (!value.get(number)) return number >= 0 ? std::optional(number) : std::nullopt;
  double real = 0;
  if (value.is_double() && !value.get(real) && real >= 0 && real < 9e15 && real == std::floor(real)) {
    return static_cast<std::int64_t>(real);
  }
  return std::nullopt;
}

Result<void> read_name(const Found& found, std::string& into) {
  const auto text = text_of(found.value);
  if (!text) return refuse(ErrorCode::invalid_field, found, "a string");
  if (text->empty()) return {};  // the same as leaving it out
  if (!is_name(*text)) return refuse(ErrorCode::invalid_name, found, "1 to 255 bytes without control characters");
  into = *text;
  return {};
}

Result<void> read_topic(const Found& found, std::string& into) {
  if (auto done = read_name(found, into); !done) return done;
  if (!into.empty() && !is_topic(into))
    return refuse(ErrorCode::invalid_topic, found, "words joined by dots, none of them `*` or `>`");
  return {};
}

Result<void> read_id(const Found& found, Uuid& into) {
  const auto text = text_of(found.value);
  const auto id = text ? Uuid::parse(*text) : std::nullopt;
  if (!id) return refuse(ErrorCode::invalid_field, found, "a UUID of 36 characters; other identifiers go into `key`");
  into = *id;
  return {};
}

Result<void> read_time(const Found& found, std::int64_t& into) {
  constexpr std::string_view kAllowed = "Unix milliseconds up to the year 2527, or a time such as 2026-11-21T10:00:00Z";
  std::optional<std::int64_t> ms = whole_of(found.value);
  if (const auto text = text_of(found.value)) {
    if (const auto parsed = parse_time_ms(*text); parsed && *parsed >= 0) ms = *parsed;
  }
  if (!ms) return refuse(ErrorCode::invalid_field, found, kAllowed);
  if (*ms > kTimeMsMax) return refuse(ErrorCode::out_of_range, found, kAllowed);
  into = *ms;
  return {};
}

Result<void> read_duration(const Found& found, std::int64_t& into) {
  constexpr std::string_view kAllowed = "0 to ten years: milliseconds, or a duration such as 30s, 5m, 2h or 7d";
  std::optional<std::int64_t> ms = whole_of(found.value);
  if (const auto text = text_of(found.value)) {
    if (const auto parsed = parse_duration_ms(*text)) ms = *parsed;
  }
  if (!ms) return refuse(ErrorCode::invalid_field, found, kAllowed);
  if (*ms > kDurationMsMax) return refuse(ErrorCode::out_of_range, found, kAllowed);
  into = *ms;
  return {};
}

Result<void> read_type(const Found& found, std::string& into) {
  if (const auto number = whole_of(found.value)) {
    into = type_word(static_cast<std::uint64_t>(*number));
    if (into.empty()) return refuse(ErrorCode::out_of_range, found, "1 to 10, or a word");
    return {};
  }
  if (auto done = read_name(found, into); !done) return done;
  for (const auto& [other, word] : kTypeSpellings) {
    if (into == other) into = word;
  }
  return {};
}

Result<void> read_priority(const Found& found, Priority& into) {
  std::optional<Priority> priority;
  if (const auto number = whole_of(found.value)) priority = parse_priority(std::to_string(*number));
  if (const auto text = text_of(found.value)) priority = parse_priority(*text);
  if (!priority)
    return refuse(ErrorCode::out_of_range, found, "1 (first) to 10, or critical, high, normal, low, background");
  into = *priority;
  return {};
}

Result<void> read_mode(const Found& found, std::optional<DeliveryMode>& into) {
  if (const auto number = whole_of(found.value)) into = parse_mode(std::to_string(*number));
  if (const auto text = text_of(found.value)) into = parse_mode(*text);
  if (!into) return refuse(ErrorCode::out_of_range, found, "at_most_once (0), at_least_once (1) or exactly_once (2)");
  return {};
}

Result<boost::json::value> to_value(const Found& found, const dom::element& value, int depth) {
  if (depth > kMetadataDepthMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`{}` is nested deeper than {}", found.name, kMetadataDepthMax));
  }
  switch (value.type()) {
    case dom::element_type::OBJECT: {
      boost::json::object out;
      for (const auto [key, element] : dom::object(value)) {
        auto inner = to_value(found, element, depth + 1);
        if (!inner) return inner;
        out[key] = std::move(*inner);
      }
      return out;
    }
    case dom::element_type::ARRAY: {
      boost::json::array out;
      for (const auto element : dom::array(value)) {
        auto inner = to_value(found, element, depth + 1);
        if (!inner) return inner;
        out.push_back(std::move(*inner));
      }
      return out;
    }
    case dom::element_type::INT64:
      return boost::json::value(std::int64_t(value));
    case dom::element_type::UINT64:
      return boost::json::value(std::uint64_t(value));
    case dom::element_type::DOUBLE:
      return boost::json::value(double(value));
    case dom::element_type::STRING:
      return boost::json::value(std::string_view(value));
    case dom::element_type::BOOL:
      return boost::json::value(bool(value));
    case dom::element_type::NULL_VALUE:
      break;
  }
  return boost::json::value(nullptr);
}

Result<void> read_metadata(const Found& found, Metadata& into) {
  if (!found.value.is_object()) return refuse(ErrorCode::invalid_field, found, "an object");
  auto value = to_value(found, found.value, 0);
  if (!value) return std::unexpected(value.error());
  into = std::move(value->get_object());
  return {};
}

Result<void> read_flag(const Found& found, bool& into) {
  if (found.value.get(into)) return refuse(ErrorCode::invalid_field, found, "true or false");
  return {};
}

Result<void> read_count(const Found& found, std::int64_t max, std::int64_t& into) {
  const auto number = whole_of(found.value);
  if (!number || *number > max) return refuse(ErrorCode::out_of_range, found, fmt::format("0 to {}", max));
  into = *number;
  return {};
}

Result<void> read_multiplier(const Found& found, std::uint32_t& permille) {
  double factor = 0;
  if (found.value.get(factor) || !(factor >= 1 && factor <= 1000))
    return refuse(ErrorCode::out_of_range, found, "1 to 1000");
  permille = static_cast<std::uint32_t>(std::lround(factor * 1000));
  return {};
}

Result<void> read_backoff(const Found& found, Backoff& into) {
  const auto text = text_of(found.value);
  const auto backoff = text ? parse_backoff(*text) : std::nullopt;
  if (!backoff) return refuse(ErrorCode::invalid_field, found, "fixed, linear, exponential or exponential_jitter");
  into = *backoff;
  return {};
}

Result<void> read_chain(const Found& found, std::vector<Uuid>& into) {
  if (!found.value.is_array() || dom::array(found.value).size() > kChainMax) {
    return refuse(ErrorCode::invalid_field, found, fmt::format("a list of {} ids at most", kChainMax));
  }
  for (const auto id : dom::array(found.value)) {
    if (auto done = read_id({found.name, id}, into.emplace_back()); !done) return done;
  }
  return {};
}

// The table of section 12. A string in base64 wins over its content type: it says plainly what it is.
Result<void> read_content(const Found& found, bool is_base64, Message& message) {
  const auto written = content_text(found.value);
  const bool is_json = !is_base64 && is_json_type(message.content_type);
  auto text = text_of(found.value);
  std::string unquoted;
  if (written && written->starts_with('"') && !is_json) {
    auto said = unquote_json(*written);
    if (!said) {
      return failure(said.error().code,
                     fmt::format("`{}`: {}; with the content_type application/json it is taken as it stands",
                                 found.name, said.error().text));
    }
    unquoted = std::move(*said);
    text = unquoted;
  }
  if (is_base64) {
    auto bytes = text ? decode_base64(*text) : std::nullopt;
    if (!bytes) return refuse(ErrorCode::invalid_field, found, "a string in base64, as `content_encoding` says");
    message.content = std::move(*bytes);
    if (message.content_type.empty()) message.content_type = "application/octet-stream";
  } else if (text && !is_json) {
    message.content = *text;
    if (message.content_type.empty()) message.content_type = "text/plain";
  } else {
    message.content = written ? std::string(*written) : std::string(simdjson::minify(found.value));
    if (message.content_type.empty()) message.content_type = "application/json";
  }
  return {};
}

// {"sha256": 64 digits, "size": bytes}
Result<void> read_content_ref(const Found& found, std::optional<ContentRef>& into) {
  std::string_view digits;
  dom::element size;
  dom::object object;
  const bool is_whole =
      !found.value.get(object) && !object.at_key("sha256").get(digits) && !object.at_key("size").get(size);
  const auto hash = is_whole ? ContentHash::parse(digits) : std::nullopt;
  const auto bytes = is_whole ? whole_of(size) : std::nullopt;
  if (!hash || !bytes)
    return refuse(ErrorCode::invalid_field, found,
                  "an object with `sha256`, 64 hexadecimal digits, and `size`, in bytes");
  if (*bytes == 0 || static_cast<std::uint64_t>(*bytes) > kStoredBytesMax)
    return refuse(ErrorCode::out_of_range, found, "of 1 byte to 1 TiB");
  into = ContentRef{*hash, static_cast<std::uint64_t>(*bytes)};
  return {};
}

const Spelling* find_spelling(std::string_view name) {
  const auto* const known = std::ranges::find(kSpellings, name, &Spelling::name);
  return known == std::end(kSpellings) ? nullptr : known;
}

using Slots = std::array<std::optional<Found>, kSlots>;

std::string_view shown_name(std::string_view name) {
  return name.substr(0, utf8_prefix(name.substr(0, kNameBytesMax)));
}

Result<void> check_unknown(std::string_view field) {
  for (const auto& [name, system] : kForeignFields) {
    if (field != name) continue;
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is a field of {}, which is not understood as a message: send what it carries as "
                               "`content`",
                               name, system),
                   name == "specversion" ? "publish it as what it is: POST /api/events (docs/cloudevents.md)" : "");
  }
  return {};
}

Result<Slots> sort_fields(const dom::element& value, JsonFault* fault) {
  if (!value.is_object())
    return failure(ErrorCode::malformed, fmt::format("a message is a JSON object, not {}", shown(value)));
  Slots slots;
  std::optional<std::string_view> unknown;  // the first field that is none of a message's
  for (const auto [name, element] : dom::object(value)) {
    const auto* const known = find_spelling(name);
    if (known == nullptr) {
      if (auto ours = check_unknown(name); !ours) {
        note_fault(fault, name, ours.error().text);
        return std::unexpected(std::move(ours.error()));
      }
      if (!unknown && !element.is_null() && std::ranges::find(kDoorFields, name) == std::end(kDoorFields))
        unknown = name;
      continue;
    }
    if (element.is_null() && known->slot != kContent) continue;  // the same as leaving it out
    auto& slot = slots[known->slot];
    if (slot && std::string(simdjson::minify(slot->value)) != std::string(simdjson::minify(element))) {
      auto text = fmt::format("`{}` is {} but `{}` is {}; give one of them", slot->name, shown(slot->value), name,
                              shown(element));
      note_fault(fault, name, text);
      return failure(ErrorCode::invalid_field, std::move(text));
    }
    slot = Found{known->name, element};
  }
  if (unknown && !slots[kContent] && !slots[kContentRef]) {
    auto text = fmt::format("`{}` is no field of a message, and there is no `content`: what it says would be lost",
                            shown_name(*unknown));
    note_fault(fault, *unknown, text);
    return failure(ErrorCode::invalid_field, std::move(text));
  }
  return slots;
}

bool is_changeable(Slot slot) {
  return slot != kId && slot != kTimestamp && slot != kFrom && slot != kTopic && slot != kEventTopic &&
         slot != kProvenance;
}

// Each by the first of its spellings.
std::string changeable_fields() {
  std::string names;
  Slot last = kId;
  for (const auto& [name, slot] : kSpellings) {
    if (slot == std::exchange(last, slot) || !is_changeable(slot)) continue;
    names += names.empty() ? "" : ", ";
    names += name;
  }
  return names;
}

std::string_view without_parameters(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return content_type;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void append_content(JsonWriter& out, const Message& message) {
  if (const auto& ref = message.content_ref) {
    out.key("content_ref").begin_object().field("sha256", ref->hash.text()).field("size", ref->size).end_object();
  }
  const std::string_view content = message.content;
  if (is_json_type(message.content_type) && !content.empty()) {
    // The sender's own text, byte for byte.
    if (is_json(content)) {
      out.key("content").raw(content);
      return;
    }
  } else if (is_text_type(message.content_type) && is_utf8(content)) {
    if (!message.content_ref) out.field("content", content);
    return;
  }
  if (content.empty()) return;
  out.field("content", encode_base64(content)).field("content_encoding", "base64");
}

Result<void> read_retry(const Found& found, std::optional<RetryPolicy>& into, JsonFault* fault) {
  auto policy = retry_from_json(found.value, fault);
  if (!policy) return std::unexpected(policy.error());
  into = *policy;
  return {};
}

Result<void> read_delay(const Found& found, const Slots& slots, Message& message) {
  std::int64_t delay = 0;
  if (auto done = read_duration(found, delay); !done) return done;
  if (slots[kDeliverAt])
    return failure(ErrorCode::invalid_field, "both `delay` and `deliver_at` are given; give one of them");
  message.delay_ms = delay;
  return {};
}

Result<void> read_end(const Found& found, const Slots& slots, Message& message) {
  std::int64_t at = 0;
  if (auto done = read_time(found, at); !done) return done;
  if (slots[kTtl]) return failure(ErrorCode::invalid_field, "both `ttl` and `expires_at` are given; give one of them");
  if (at == 0) return refuse(ErrorCode::out_of_range, found, "a time to come");
  message.expires_at = at;
  return {};
}

}  // namespace

bool is_json_type(std::string_view content_type) {
  const auto word = lower(without_parameters(content_type));
  return word == "application/json" || word.ends_with("+json");
}

bool is_text_type(std::string_view content_type) { return lower(content_type.substr(0, 5)) == "text/"; }

Result<RetryPolicy> retry_from_json(const dom::element& value) { return retry_from_json(value, nullptr); }

Result<RetryPolicy> retry_from_json(const dom::element& value, JsonFault* fault) {
  if (!value.is_object())
    return failure(ErrorCode::invalid_field, fmt::format("`retry` is {}; it may be an object", shown(value)));
  RetryPolicy policy;
  for (const auto [key, element] : dom::object(value)) {
    const Found found{key, element};
    Result<void> done;
    std::int64_t attempts = 0;
    if (key == "attempts" || key == "max_attempts") {
      done = read_count(found, kAttemptsMax, attempts);
      policy.attempts = static_cast<std::uint16_t>(attempts);
    } else if (key == "backoff") {
      done = read_backoff(found, policy.backoff);
    } else if (key == "initial" || key == "initial_delay") {
      done = read_duration(found, policy.initial_ms);
    } else if (key == "max" || key == "max_delay") {
      done = read_duration(found, policy.max_ms);
    } else if (key == "multiplier") {
      done = read_multiplier(found, policy.multiplier_permille);
    } else {
      done = failure(ErrorCode::invalid_field,
                     fmt::format("`retry` has `{}`; it may have attempts, backoff, initial, max and multiplier", key));
    }
    if (done) continue;
    note_fault(fault, key, done.error().text);
    return std::unexpected(done.error());
  }
  return policy;
}

Result<Message> message_from_json(const dom::element& value) { return message_from_json(value, nullptr); }

Result<Message> message_from_json(const dom::element& value, JsonFault* fault) {
  auto sorted = sort_fields(value, fault);
  if (!sorted) return std::unexpected(sorted.error());
  const Slots& slots = *sorted;
  Message message;
  Result<void> result;
  const auto with = [&](Slot slot, auto read) {
    if (!result || !slots[slot]) return;
    result = read(*slots[slot]);
    if (!result) note_fault(fault, slots[slot]->name, result.error().text);
  };
  const auto name_into = [&](Slot slot, std::string& into) {
    with(slot, [&](const Found& found) { return read_name(found, into); });
  };
  with(kId, [&](const Found& found) { return read_id(found, message.id); });
  with(kTimestamp, [&](const Found& found) { return read_time(found, message.timestamp); });
  name_into(kFrom, message.from);
  name_into(kTo, message.to);
  with(kTopic, [&](const Found& found) { return read_topic(found, message.topic); });
  with(kEventTopic, [&](const Found& found) { return read_topic(found, message.event_topic); });
  with(kType, [&](const Found& found) { return read_type(found, message.type); });
  with(kPriority, [&](const Found& found) { return read_priority(found, message.priority); });
  name_into(kContentType, message.content_type);
  name_into(kConversation, message.conversation);
  name_into(kCorrelation, message.correlation);
  name_into(kReplyTo, message.reply_to);
  name_into(kKey, message.key);
  with(kTtl, [&](const Found& found) { return read_duration(found, message.ttl_ms.emplace()); });
  with(kDeliverAt, [&](const Found& found) { return read_time(found, message.deliver_at); });
  with(kMode, [&](const Found& found) { return read_mode(found, message.mode); });
  with(kMetadata, [&](const Found& found) { return read_metadata(found, message.metadata); });
  with(kRetry, [&](const Found& found) { return read_retry(found, message.retry, fault); });
  name_into(kGroup, message.group);
  with(kBounce, [&](const Found& found) { return read_flag(found, message.bounce); });
  with(kExpectsReply, [&](const Found& found) { return read_flag(found, message.expects_reply); });
  name_into(kEncoding, message.encoding);
  with(kCause, [&](const Found& found) { return read_id(found, message.cause); });
  with(kHops, [&](const Found& found) -> Result<void> {
    std::int64_t hops = 0;
    auto done = read_count(found, kHopsMax, hops);
    message.hops = static_cast<std::uint32_t>(hops);
    return done;
  });
  with(kChain, [&](const Found& found) { return read_chain(found, message.chain); });
  with(kDelay, [&](const Found& found) { return read_delay(found, slots, message); });
  with(kExpiresAt, [&](const Found& found) { return read_end(found, slots, message); });
  bool is_base64 = false;
  with(kContentEncoding, [&](const Found& found) -> Result<void> {
    is_base64 = text_of(found.value) == "base64";
    const bool is_plain = text_of(found.value) == "utf-8" || text_of(found.value) == "";
    if (!is_base64 && !is_plain) return refuse(ErrorCode::invalid_field, found, "base64, or left out");
    return {};
  });
  with(kProvenance, [&](const Found& found) { return provenance_from_json(found.value, message.provenance); });
  with(kContentRef, [&](const Found& found) { return read_content_ref(found, message.content_ref); });
  with(kContent, [&](const Found& found) { return read_content(found, is_base64, message); });
  if (!result) return std::unexpected(result.error());
  return message;
}

Result<void> check_changes(const dom::element& object) {
  for (const auto [name, element] : dom::object(object)) {
    const auto* const known = find_spelling(name);
    if (known != nullptr && is_changeable(known->slot)) continue;
    return failure(ErrorCode::invalid_field, fmt::format("`{}` cannot be changed; what can is {}",
                                                         name.substr(0, kNameBytesMax), changeable_fields()));
  }
  return {};
}

Result<Message> message_from_json(std::string_view text) {
  JsonDocument document;
  auto value = document.parse(text);
  if (!value) return std::unexpected(value.error());
  return message_from_json(*value);
}

void append_retry(JsonWriter& out, const RetryPolicy& policy) {
  out.begin_object();
  out.field("attempts", policy.attempts).field("backoff", name(policy.backoff)).field("initial", policy.initial_ms);
  out.field("max", policy.max_ms).field("multiplier", policy.multiplier_permille / 1000.0).end_object();
}

void append_json_fields(JsonWriter& out, const Message& message) {
  if (!message.id.is_nil()) out.field("id", message.id.text());
  if (message.timestamp) out.field("timestamp", message.timestamp);
  out.optional_field("from", message.from).optional_field("to", message.to).optional_field("topic", message.topic);
  out.optional_field("event_topic", message.event_topic);
  out.optional_field("type", message.type.empty() ? (message.topic.empty() ? "task" : "event") : message.type);
  out.field("priority", message.priority);
  out.optional_field("content_type", message.content_type);
  append_content(out, message);
  out.optional_field("conversation", message.conversation).optional_field("correlation", message.correlation);
  out.optional_field("reply_to", message.reply_to).optional_field("key", message.key);
  if (message.ttl_ms) out.field("ttl", *message.ttl_ms);
  if (message.expires_at) out.field("expires_at", message.expires_at);
  if (message.deliver_at) out.field("deliver_at", message.deliver_at);
  if (message.delay_ms) out.field("delay", message.delay_ms);
  if (message.mode) out.field("mode", name(*message.mode));
  if (!message.metadata.empty()) out.field("metadata", message.metadata);
  if (message.retry) append_retry(out.key("retry"), *message.retry);
  out.optional_field("group", message.group);
  if (message.bounce) out.field("bounce", true);
  if (!message.expects_reply) out.field("expects_reply", false);
  out.optional_field("encoding", message.encoding);
  if (!message.cause.is_nil()) out.field("cause", message.cause.text());
  if (message.hops) out.field("hops", message.hops);
  if (message.provenance) append_json(out.key("provenance"), *message.provenance);
  if (message.chain.empty()) return;
  out.key("chain").begin_array();
  for (const auto& id : message.chain) out.value(id.text());
  out.end_array();
}

std::string content_as_json(const Message& message) {
  if (message.content_ref) return "null";
  const bool is_plain = message.encoding.empty();
  if (is_plain && is_json_type(message.content_type) && is_json(message.content)) return message.content;
  std::string out;
  JsonWriter writer(out);
  const bool is_readable = is_plain && is_utf8(message.content);
  writer.value(is_readable ? message.content : encode_base64(message.content));
  return out;
}

void append_json(JsonWriter& out, const Message& message) {
  out.begin_object();
  append_json_fields(out, message);
  out.end_object();
}

std::string to_json(const Message& message) {
  std::string out;
  JsonWriter writer(out);
  append_json(writer, message);
  return out;
}

}  // namespace folkmoot
