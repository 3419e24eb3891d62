#include "message/envelope.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "message/limits.hpp"
#include "message/metadata.hpp"
#include "message/pack.hpp"
#include "message/provenance.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

constexpr std::array<std::string_view, 11> kTypeWords = {
    "", "task", "query", "response", "event", "command", "status", "notification", "error", "heartbeat", "discovery"};

constexpr std::string_view kFieldNames[] = {"id",       "timestamp",  "from",         "to",           "topic",
                                            "type",     "priority",   "content_type", "conversation", "correlation",
                                            "reply_to", "key",        "ttl",          "deliver_at",   "mode",
                                            "metadata", "retry",      "group",        "bounce",       "expects_reply",
                                            "encoding", "cause",      "hops",         "chain",        "content_ref",
                                            "delay",    "expires_at", "event_topic",  "provenance"};
static_assert(std::size(kFieldNames) == kFields);

std::unexpected<Error> bad_name(Field field, std::string_view value) {
  return failure(ErrorCode::invalid_name, fmt::format("`{}` is {} bytes or holds control characters or broken UTF-8",
                                                      kFieldNames[static_cast<std::size_t>(field)], value.size()));
}

std::unexpected<Error> out_of_range(Field field, std::uint64_t value, std::string_view range) {
  return failure(ErrorCode::out_of_range,
                 fmt::format("`{}` is {}; it may be {}", kFieldNames[static_cast<std::size_t>(field)], value, range));
}

// What breaks off where no more is read of it.
Result<void> too_long(const Error& error) {
  return failure(error.code, fmt::format("{} within its first {} bytes, which are the most it may have", error.text,
                                         kEnvelopeBytesMax));
}

// A walk over the pairs: calls on_field(field, reader) for each known one, which must read the value.
template <class OnField>
Result<void> walk(PackReader& reader, std::uint32_t pairs, OnField on_field) {
  std::uint32_t seen = 0;
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const auto begin = reader.offset();
    const auto number = reader.uint();
    if (!reader.ok()) return failure(ErrorCode::malformed, "an envelope key is not a non-negative integer");
    if (number >= kFields) {
      if (!reader.skip()) return failure(ErrorCode::malformed, "the envelope breaks off in a value");
      continue;
    }
    if (seen & 1u << number)
      return failure(ErrorCode::malformed, fmt::format("`{}` is given twice", kFieldNames[number]));
    seen |= 1u << number;
    if (auto done = on_field(static_cast<Field>(number), begin); !done) return done;
    if (!reader.ok()) {
      return failure(ErrorCode::malformed, fmt::format("`{}` breaks off or has the wrong type", kFieldNames[number]));
    }
  }
  return {};
}

Result<void> take_type(PackReader& reader, std::uint8_t& type, bool& c1) {
  if (reader.peek() == MP_STR) {
    const auto word = reader.str();
    if (reader.ok() && !was_name(word)) return bad_name(Field::type, word);
    c1 = c1 || has_c1(word);
    type = type_number(word);
    return {};
  }
  const auto number = reader.uint();
  type = static_cast<std::uint8_t>(number);
  if (reader.ok() && (number == 0 || number >= kTypeWords.size())) {
    return out_of_range(Field::type, number, "1 to 10, or a word");
  }
  return {};
}

Result<void> take_topic(PackReader& reader, std::string_view& topic, bool& c1) {
  topic = reader.str();
  if (reader.ok() && !is_topic(topic)) {
    return failure(ErrorCode::invalid_topic, fmt::format("`{}` is not a topic", printable(topic)));
  }
  c1 = c1 || has_c1(topic);
  return {};
}

Result<void> take_provenance(PackReader& reader, Routing& routing, std::uint32_t begin) {
  const auto value = reader.offset();
  const auto raw = reader.raw();
  routing.provenance = {value, reader.offset()};
  routing.provenance_pair = {begin, reader.offset()};
  return reader.ok() ? check_provenance(raw) : Result<void>{};
}

// [attempts, backoff, initial_ms, max_ms, multiplier_permille]
RetryPolicy read_policy(PackReader& reader) {
  if (reader.array() != 5) reader.fail();
  const auto attempts = reader.uint(), backoff = reader.uint(), initial = reader.uint(), max = reader.uint(),
             multiplier = reader.uint();
  RetryPolicy policy;
  if (!reader.ok()) return policy;
  policy.attempts = static_cast<std::uint16_t>(std::min<std::uint64_t>(attempts, 0xffff));
  policy.backoff = static_cast<Backoff>(std::min<std::uint64_t>(backoff, 0xff));
  policy.initial_ms = static_cast<std::int64_t>(std::min(initial, ~std::uint64_t{0} >> 1));
  policy.max_ms = static_cast<std::int64_t>(std::min(max, ~std::uint64_t{0} >> 1));
  policy.multiplier_permille = static_cast<std::uint32_t>(std::min<std::uint64_t>(multiplier, ~0u));
  return policy;
}

// [SHA-256, size]
ContentRef read_reference(PackReader& reader) {
  ContentRef ref;
  if (reader.array() != 2) reader.fail();
  const auto hash = reader.bin();
  if (hash.size() != ref.hash.bytes.size()) reader.fail();
  ref.size = reader.uint();
  if (reader.ok()) ref.hash = load<ContentHash>(hash.data());
  return ref;
}

bool is_id(std::string_view bytes) { return bytes.size() == 16; }

}  // namespace

Result<void> check_retry(const RetryPolicy& policy) {
  if (policy.attempts > kAttemptsMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`retry` has more than {} attempts, which are the most", kAttemptsMax));
  }
  if (policy.backoff > Backoff::exponential_jitter) {
    return out_of_range(Field::retry, static_cast<std::uint64_t>(policy.backoff),
                        "fixed, linear, exponential or exponential_jitter");
  }
  for (const auto ms : {policy.initial_ms, policy.max_ms}) {
    if (ms < 0 || ms > kDurationMsMax)
      return out_of_range(Field::retry, static_cast<std::uint64_t>(ms), "waits of ten years at most");
  }
  if (policy.multiplier_permille < 1000 || policy.multiplier_permille > 1'000'000) {
    return out_of_range(Field::retry, policy.multiplier_permille, "a multiplier of 1 to 1000, in thousandths");
  }
  return {};
}

std::uint8_t type_number(std::string_view word) {
  for (std::size_t i = 1; i < kTypeWords.size(); ++i) {
    if (kTypeWords[i] == word) return static_cast<std::uint8_t>(i);
  }
  return 0;
}

std::string_view type_word(std::uint64_t number) {
  return number < kTypeWords.size() ? kTypeWords[number] : std::string_view{};
}

Result<Routing> read_routing(Bytes bytes) {
  Routing routing;
  if (auto done = read_routing(bytes, routing); !done) return std::unexpected(std::move(done.error()));
  return routing;
}

Result<void> read_routing(Bytes bytes, Routing& routing, Recipient recipient) {
  PackReader reader(bytes.first(std::min(bytes.size(), kEnvelopeBytesMax)));
  routing.fields = reader.map();
  routing.pairs_begin = reader.offset();
  if (!reader.ok()) return failure(ErrorCode::malformed, "the envelope is not a MessagePack map");

  const auto take_duration = [&](std::int64_t& into, Field field) -> Result<void> {
    const auto value = reader.uint();
    if (value > static_cast<std::uint64_t>(kDurationMsMax))
      return out_of_range(field, value, "ten years of ms at most");
    into = static_cast<std::int64_t>(value);
    return {};
  };
  const auto take_time = [&](std::int64_t& into, Field field) -> Result<void> {
    const auto value = reader.uint();
    if (value >> 44) return out_of_range(field, value, "Unix milliseconds up to the year 2527");
    into = static_cast<std::int64_t>(value);
    return {};
  };
  const auto take_name = [&](std::string_view& into, Field field) -> Result<void> {
    into = reader.str();
    if (reader.ok() && !was_name(into)) return bad_name(field, into);
    routing.has_c1 = routing.has_c1 || has_c1(into);
    return {};
  };
  const auto on_field = [&](Field field, std::uint32_t begin) -> Result<void> {
    Result<void> done;
    switch (field) {
      case Field::id: {
        const auto id = reader.bin();
        if (reader.ok() && id.size() != 16) return failure(ErrorCode::invalid_field, "`id` is not 16 bytes");
        if (reader.ok()) routing.id = load<Uuid>(id.data());
        routing.id_pair = {begin, reader.offset()};
        break;
      }
      case Field::timestamp:
        if (const auto value = reader.uint(); value >> 44) {
          return out_of_range(field, value, "Unix milliseconds up to the year 2527");
        } else {
          routing.timestamp = static_cast<std::int64_t>(value);
        }
        routing.timestamp_pair = {begin, reader.offset()};
        break;
      case Field::from:
        done = take_name(routing.from, field);
        routing.from_pair = {begin, reader.offset()};
        break;
      case Field::to:
        done = take_name(routing.to, field);
        break;
      case Field::topic:
        return take_topic(reader, routing.topic, routing.has_c1);
      case Field::event_topic:
        return take_topic(reader, routing.event_topic, routing.has_c1);
      case Field::type:
        return take_type(reader, routing.type, routing.has_c1);
      case Field::priority: {
        const auto value = reader.uint();
        if (reader.ok() && (value < kPriorityMin || value > kPriorityMax)) return out_of_range(field, value, "1 to 10");
        routing.priority = static_cast<Priority>(value);
        break;
      }
      case Field::content_type: {
        std::string_view ignored;
        return take_name(ignored, field);
      }
      case Field::conversation:
        return take_name(routing.conversation, field);
      case Field::correlation:
        return take_name(routing.correlation, field);
      case Field::reply_to:
        done = take_name(routing.reply_to, field);
        routing.reply_to_pair = {begin, reader.offset()};
        break;
      case Field::key:
        return take_name(routing.key, field);
      case Field::ttl:
        return take_duration(routing.ttl_ms.emplace(), field);
      case Field::deliver_at:
        return take_time(routing.deliver_at, field);
      case Field::expires_at:
        return take_time(routing.expires_at, field);
      case Field::delay:
        return take_duration(routing.delay_ms, field);
      case Field::mode: {
        const auto value = reader.uint();
        if (value > 2) return out_of_range(field, value, "0, 1 or 2");
        routing.mode = static_cast<DeliveryMode>(value);
        break;
      }
      case Field::metadata: {
        const auto value = reader.offset();
        const auto raw = reader.raw();
        routing.metadata = {value, reader.offset()};
        if (reader.ok()) return check_metadata(raw);
        break;
      }
      case Field::provenance:
        return take_provenance(reader, routing, begin);
      case Field::retry: {
        const auto value = reader.offset();
        const auto policy = read_policy(reader);
        routing.retry = {value, reader.offset()};
        if (reader.ok()) return check_retry(policy);
        break;
      }
      case Field::group:
        return take_name(routing.group, field);
      case Field::bounce:
        routing.bounce = reader.boolean();
        break;
      case Field::expects_reply:
        routing.expects_reply = reader.boolean();
        break;
      case Field::encoding: {
        const auto word = reader.str();
        if (reader.ok() && word != "gzip" && word != "zstd")
          return failure(ErrorCode::invalid_field, "`encoding` is neither gzip nor zstd");
        break;
      }
      case Field::cause: {
        const auto id = reader.bin();
        if (reader.ok() && !is_id(id)) return failure(ErrorCode::invalid_field, "`cause` is not 16 bytes");
        if (reader.ok()) routing.cause = load<Uuid>(id.data());
        routing.cause_pair = {begin, reader.offset()};
        break;
      }
      case Field::hops: {
        const auto value = reader.uint();
        if (value > kHopsMax) return out_of_range(field, value, "a million at most");
        routing.hops = static_cast<std::uint32_t>(value);
        routing.hops_pair = {begin, reader.offset()};
        break;
      }
      case Field::chain: {
        const auto ids = reader.bin();
        if (ids.size() % 16 != 0 || ids.size() > kChainMax * 16)
          return failure(ErrorCode::invalid_field, "`chain` is not 16 ids at most");
        routing.chain = as_bytes(ids);
        routing.chain_pair = {begin, reader.offset()};
        break;
      }
      case Field::content_ref: {
        const auto value = reader.offset();
        const auto ref = read_reference(reader);
        routing.content_ref = {value, reader.offset()};
        if (reader.ok() && (ref.size == 0 || ref.size > kStoredBytesMax)) {
          return out_of_range(field, ref.size, "of 1 byte to 1 TiB");
        }
        break;
      }
    }
    return done;
  };
  if (auto done = walk(reader, routing.fields, on_field); !done)
    return bytes.size() > kEnvelopeBytesMax && !reader.ok() ? too_long(done.error()) : done;
  routing.bytes = reader.offset();
  if (routing.delay_ms != 0 && routing.deliver_at != 0)
    return failure(ErrorCode::invalid_field, "both `delay` and `deliver_at` are given; give one of them");
  if (routing.ttl_ms && routing.expires_at != 0)
    return failure(ErrorCode::invalid_field, "both `ttl` and `expires_at` are given; give one of them");
  if (routing.to.empty() == routing.topic.empty() && (recipient == Recipient::required || !routing.to.empty())) {
    return failure(ErrorCode::no_recipient,
                   routing.to.empty() ? "neither `to` nor `topic` is given" : "both `to` and `topic` are given",
                   "give exactly one of them");
  }
  return {};
}

std::string_view promise_of_the_log(const Routing& routing) {
  if (!routing.group.empty()) return "group";
  if (routing.deliver_at != 0) return "deliver_at";
  if (routing.delay_ms != 0) return "delay";
  if (!routing.retry.empty()) return "retry";
  if (routing.bounce) return "bounce";
  return routing.key.empty() ? "" : "key";
}

std::size_t stamp(Bytes envelope, const Routing& routing, const Stamp& stamp, std::uint8_t* out) {
  auto* at = reinterpret_cast<char*>(out);
  const bool set_key = !stamp.key.empty() && routing.key.empty();
  const bool set_reply = !stamp.reply_to.empty();
  const bool set_cause = !stamp.cause.is_nil();
  const bool set_hops = stamp.hops != 0;
  const bool set_provenance = !stamp.provenance.empty();

  // What is left out of the sender's pairs, in the order it stands there.
  std::array<EnvelopePart, 8> cuts;
  std::size_t cut_count = 0;
  const auto cut = [&](EnvelopePart part) {
    if (part.empty()) return;
    auto place = cut_count++;
    for (; place > 0 && cuts[place - 1].begin > part.begin; --place) cuts[place] = cuts[place - 1];
    cuts[place] = part;
  };
  cut(routing.id_pair);
  cut(routing.timestamp_pair);
  cut(routing.from_pair);
  cut(routing.hops_pair);
  cut(routing.chain_pair);
  if (set_reply) cut(routing.reply_to_pair);
  if (set_cause) cut(routing.cause_pair);
  if (set_provenance) cut(routing.provenance_pair);

  const auto fields =
      routing.fields - cut_count + 3 + set_reply + set_key + set_cause + set_provenance + (set_hops ? 2 : 0);
  at = mp_encode_map(at, static_cast<std::uint32_t>(fields));
  const auto key = [&](Field field) { *at++ = static_cast<char>(field); };
  key(Field::id);
  at = mp_encode_bin(at, reinterpret_cast<const char*>(stamp.id.bytes.data()), 16);
  key(Field::timestamp);
  at = mp_encode_uint(at, static_cast<std::uint64_t>(stamp.timestamp));
  const auto text = [&](Field field, std::string_view value) {
    key(field);
    at = mp_encode_str(at, value.data(), static_cast<std::uint32_t>(value.size()));
  };
  text(Field::from, stamp.from);
  if (set_reply) text(Field::reply_to, stamp.reply_to);
  if (set_key) text(Field::key, stamp.key);
  const auto binary = [&](Field field, const std::uint8_t* bytes, std::size_t size) {
    key(field);
    at = mp_encode_bin(at, reinterpret_cast<const char*>(bytes), static_cast<std::uint32_t>(size));
  };
  if (set_cause) binary(Field::cause, stamp.cause.bytes.data(), 16);
  if (set_hops) {
    key(Field::hops);
    at = mp_encode_uint(at, stamp.hops);
    binary(Field::chain, stamp.chain.data(), stamp.chain.size());
  }
  if (set_provenance) {
    key(Field::provenance);
    std::memcpy(at, stamp.provenance.data(), stamp.provenance.size());
    at += stamp.provenance.size();
  }

  auto from = routing.pairs_begin;
  const auto copy_to = [&](std::uint32_t end) {
    std::memcpy(at, envelope.data() + from, end - from);
    at += end - from;
  };
  for (std::size_t i = 0; i < cut_count; ++i) {
    copy_to(cuts[i].begin);
    from = cuts[i].end;
  }
  copy_to(routing.bytes);
  return static_cast<std::size_t>(at - reinterpret_cast<char*>(out));
}

bool restamp(std::uint8_t* stamped, const Uuid& id, std::int64_t timestamp) {
  constexpr std::uint8_t kUint64 = 0xcf, kMap16 = 0xde;
  auto* const id_at = stamped + (stamped[0] == kMap16 ? 3 : 1) + 3;  // behind key and head of the id
  auto* const time_at = id_at + sizeof id + 1;                       // behind the timestamp's key
  if (*time_at != kUint64 || timestamp >> 32 == 0) return false;
  store(id_at, id);
  store(time_at + 1, __builtin_bswap64(static_cast<std::uint64_t>(timestamp)));
  return true;
}

RetryPolicy read_retry(Bytes envelope, const Routing& routing) {
  PackReader reader(envelope.subspan(routing.retry.begin, routing.retry.end - routing.retry.begin));
  return read_policy(reader);
}

ContentRef read_content_ref(Bytes envelope, const Routing& routing) {
  PackReader reader(envelope.subspan(routing.content_ref.begin, routing.content_ref.end - routing.content_ref.begin));
  return read_reference(reader);
}

Result<void> merge_envelopes(Bytes envelope, Bytes changes, std::string& out, Recipient recipient) {
  // The changes as they stand, then what they leave of the other.
  std::string pairs;
  std::uint32_t count = 0;
  std::uint32_t taken = 0;
  const auto add = [&](Bytes from) -> Result<void> {
    PackReader reader(from);
    const auto fields = reader.map();
    const auto before = taken;
    for (std::uint32_t i = 0; i < fields && reader.ok(); ++i) {
      const auto begin = reader.offset();
      const auto number = reader.uint();
      reader.skip();
      if (number < kFields && (before & 1u << number)) continue;
      if (number < kFields) taken |= 1u << number;
      // `to` and `topic` exclude each other: a new recipient replaces either.
      if (number == static_cast<unsigned>(Field::to) || number == static_cast<unsigned>(Field::topic)) {
        taken |= 1u << static_cast<unsigned>(Field::to) | 1u << static_cast<unsigned>(Field::topic);
      }
      pairs.append(as_text(from.subspan(begin, reader.offset() - begin)));
      ++count;
    }
    if (!reader.ok()) return failure(ErrorCode::malformed, "an envelope breaks off");
    return {};
  };
  if (auto done = add(changes); !done) return done;
  if (auto done = add(envelope); !done) return done;
  const auto start = out.size();
  PackWriter(out).map(count);
  out.append(pairs);
  Routing merged;
  return read_routing(as_bytes(std::string_view(out).substr(start)), merged, recipient);
}

void address_event(Bytes envelope, const Routing& routing, std::string_view mailbox, std::string& out) {
  std::string pairs;
  std::uint32_t count = 0;
  bool has_type = false;
  PackReader reader(envelope);
  for (auto left = reader.map(); left > 0; --left) {
    const auto begin = reader.offset();
    const auto number = reader.uint();
    reader.skip();
    const auto is = [&](Field field) { return number == static_cast<std::uint64_t>(field); };
    if (is(Field::topic) || is(Field::event_topic) || is(Field::mode) || is(Field::id)) continue;
    has_type = has_type || is(Field::type);
    pairs.append(as_text(envelope.subspan(begin, reader.offset() - begin)));
    ++count;
  }
  const auto key = routing.id.is_nil() || !routing.key.empty() ? std::string() : routing.id.text();
  PackWriter writer(out);
  writer.map(count + 2 + (has_type ? 0 : 1) + (key.empty() ? 0 : 1));
  writer.uint(static_cast<std::uint64_t>(Field::to)).str(mailbox);
  writer.uint(static_cast<std::uint64_t>(Field::event_topic)).str(routing.topic);
  if (!has_type) writer.uint(static_cast<std::uint64_t>(Field::type)).uint(type_number("event"));
  if (!key.empty()) writer.uint(static_cast<std::uint64_t>(Field::key)).str(key);
  out.append(pairs);
}

Result<void> encode_envelope(const Message& message, std::string& out) {
  const auto start = out.size();
  std::uint32_t fields = 0;
  Result<void> result;
  std::string pairs;
  PackWriter writer(pairs);
  const auto key = [&](Field field) {
    ++fields;
    writer.uint(static_cast<std::uint64_t>(field));
  };
  const auto text = [&](Field field, const std::string& value) {
    if (value.empty()) return;
    if (!is_name(value)) result = bad_name(field, value);
    key(field);
    writer.str(value);
  };
  const auto any_number = [&](Field field, std::int64_t value) {
    if (value < 0)
      result = failure(ErrorCode::out_of_range,
                       fmt::format("`{}` is negative", kFieldNames[static_cast<std::size_t>(field)]));
    key(field);
    writer.uint(static_cast<std::uint64_t>(value));
  };
  const auto number = [&](Field field, std::int64_t value) {
    if (value != 0) any_number(field, value);
  };
  if (!message.id.is_nil()) {
    key(Field::id);
    writer.bin({reinterpret_cast<const char*>(message.id.bytes.data()), 16});
  }
  number(Field::timestamp, message.timestamp);
  text(Field::from, message.from);
  text(Field::to, message.to);
  text(Field::topic, message.topic);
  if (const auto known = type_number(message.type)) {
    number(Field::type, known);
  } else {
    text(Field::type, message.type);
  }
  if (message.priority != normal) {
    key(Field::priority);  // also a 0, which the check below refuses
    writer.uint(message.priority);
  }
  text(Field::content_type, message.content_type);
  text(Field::conversation, message.conversation);
  text(Field::correlation, message.correlation);
  text(Field::reply_to, message.reply_to);
  text(Field::key, message.key);
  if (message.ttl_ms) any_number(Field::ttl, *message.ttl_ms);
  number(Field::deliver_at, message.deliver_at);
  number(Field::delay, message.delay_ms);
  number(Field::expires_at, message.expires_at);
  if (message.mode) {
    key(Field::mode);
    writer.uint(static_cast<std::uint64_t>(*message.mode));
  }
  if (!message.metadata.empty()) {
    key(Field::metadata);
    if (auto done = encode_metadata(message.metadata, pairs); !done) result = done;
  }
  if (message.retry) {
    const auto& policy = *message.retry;
    if (auto done = check_retry(policy); !done) result = done;
    key(Field::retry);
    writer.array(5).uint(policy.attempts).uint(static_cast<std::uint64_t>(policy.backoff));
    writer.uint(static_cast<std::uint64_t>(policy.initial_ms))
        .uint(static_cast<std::uint64_t>(policy.max_ms))
        .uint(policy.multiplier_permille);
  }
  text(Field::group, message.group);
  const auto flag = [&](Field field, bool value) {
    key(field);
    writer.boolean(value);
  };
  if (message.bounce) flag(Field::bounce, true);
  if (!message.expects_reply) flag(Field::expects_reply, false);
  text(Field::encoding, message.encoding);
  if (!message.cause.is_nil()) {
    key(Field::cause);
    writer.bin({reinterpret_cast<const char*>(message.cause.bytes.data()), 16});
  }
  number(Field::hops, message.hops);
  if (!message.chain.empty()) {
    key(Field::chain);
    writer.bin({reinterpret_cast<const char*>(message.chain.data()), message.chain.size() * sizeof(Uuid)});
  }
  if (message.content_ref) {
    key(Field::content_ref);
    writer.array(2)
        .bin({reinterpret_cast<const char*>(message.content_ref->hash.bytes.data()), 32})
        .uint(message.content_ref->size);
  }
  text(Field::event_topic, message.event_topic);
  if (!result) return result;
  PackWriter(out).map(fields);
  out.append(pairs);
  // What we write, every server must take: the same checks, before it costs a round trip.
  const auto routing = read_routing(as_bytes(std::string_view(out).substr(start)));
  if (!routing && routing.error().code != ErrorCode::no_recipient) {
    out.resize(start);
    return std::unexpected(routing.error());
  }
  return {};
}

Result<Message> decode_message(Bytes bytes) {
  Message message;
  if (auto done = decode_message(bytes, message); !done) return std::unexpected(std::move(done.error()));
  return message;
}

Result<void> decode_message(Bytes bytes, Message& message) {
  auto routing = read_routing(bytes);
  if (!routing) return std::unexpected(routing.error());
  PackReader reader(bytes.first(routing->bytes));
  const auto pairs = reader.map();
  const auto on_field = [&](Field field, std::uint32_t) -> Result<void> {
    switch (field) {
      case Field::type:
        message.type = reader.peek() == MP_STR ? reader.str() : type_word(reader.uint());
        break;
      case Field::timestamp:
        message.timestamp = static_cast<std::int64_t>(reader.uint());
        break;
      case Field::content_type:
        message.content_type = reader.str();
        break;
      case Field::metadata: {
        auto metadata = decode_metadata(reader.raw());
        if (!metadata) return std::unexpected(metadata.error());
        message.metadata = std::move(*metadata);
        break;
      }
      case Field::encoding:
        message.encoding = reader.str();
        break;
      default:
        reader.skip();
    }
    return {};
  };
  if (auto done = walk(reader, pairs, on_field); !done) return std::unexpected(done.error());
  message.id = routing->id;
  message.from = routing->from;
  message.to = routing->to;
  message.topic = routing->topic;
  message.event_topic = routing->event_topic;
  message.priority = routing->priority;
  message.conversation = routing->conversation;
  message.correlation = routing->correlation;
  message.reply_to = routing->reply_to;
  message.key = routing->key;
  message.ttl_ms = routing->ttl_ms;
  message.deliver_at = routing->deliver_at;
  message.delay_ms = routing->delay_ms;
  message.expires_at = routing->expires_at;
  message.mode = routing->mode;
  message.group = routing->group;
  message.bounce = routing->bounce;
  message.expects_reply = routing->expects_reply;
  message.cause = routing->cause;
  message.hops = routing->hops;
  for (std::size_t i = 0; i < routing->chain.size(); i += 16)
    message.chain.push_back(load<Uuid>(routing->chain.data() + i));
  if (!routing->retry.empty()) message.retry = read_retry(bytes, *routing);
  if (const auto at = routing->provenance; !at.empty())
    message.provenance = unpack_provenance(bytes.subspan(at.begin, at.end - at.begin));
  if (!routing->content_ref.empty()) message.content_ref = read_content_ref(bytes, *routing);
  message.content = as_text(bytes.subspan(routing->bytes));
  return {};
}

}  // namespace folkmoot
