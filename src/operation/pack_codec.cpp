#include "operation/pack_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/utf8.hpp"
#include "message/envelope.hpp"
#include "message/json_text.hpp"
#include "message/pack.hpp"
#include "operation/fields.hpp"

namespace folkmoot {
namespace {

std::unexpected<Error> malformed(std::string_view what) {
  return failure(ErrorCode::malformed, fmt::format("the body of {} is not a map as docs/protocol.md has it", what));
}

std::unexpected<Error> beyond(const FieldInfo& field, std::uint64_t value) {
  return failure(ErrorCode::out_of_range, fmt::format("`{}` is {}; it may be {}", field.name, value, allowed(field)));
}

// As the envelope has it: attempts, backoff, first wait, longest wait, multiplier in thousandths. What does not fit its
// type is above its limit too: check_retry() says so.
RetryPolicy read_retry(PackReader& reader) {
  if (reader.array() != 5) reader.fail();
  const auto attempts = reader.uint(), backoff = reader.uint(), initial = reader.uint(), max = reader.uint(),
             multiplier = reader.uint();
  return {.attempts = static_cast<std::uint16_t>(std::min<std::uint64_t>(attempts, 0xffff)),
          .backoff = static_cast<Backoff>(std::min<std::uint64_t>(backoff, 0xff)),
          .initial_ms = static_cast<std::int64_t>(std::min(initial, ~std::uint64_t{0} >> 1)),
          .max_ms = static_cast<std::int64_t>(std::min(max, ~std::uint64_t{0} >> 1)),
          .multiplier_permille = static_cast<std::uint32_t>(std::min<std::uint64_t>(multiplier, ~0u))};
}

class PackFields {
 public:
  PackFields(PackReader& reader, std::string_view what) : reader_(reader), what_(what) {}

  Result<void> read_object(const StructInfo& info, void* object) {
    const auto all = places(info, object);
    std::vector<const FieldInfo*> seen;
    for (auto pairs = reader_.map(); pairs-- && reader_.ok();) {
      const auto key = reader_.uint();
      if (!reader_.ok()) break;
      const auto place = std::ranges::find(all, key, [](const Place& each) { return std::uint64_t{each.field->key}; });
      if (place == all.end())
        return failure(ErrorCode::malformed, fmt::format("{} has no field with the key {}", what_, key));
      if (std::ranges::find(seen, place->field) != seen.end())
        return failure(ErrorCode::malformed, fmt::format("`{}` is given twice", place->field->name));
      seen.push_back(place->field);
      if (auto done = read_value(*place->field, place->type(), place->at); !done) return done;
    }
    if (!reader_.ok()) return malformed(what_);
    for (const auto& place : all) {
      if (!place.field->rules.required) continue;
      const bool is_empty = place.type().kind == Kind::text && static_cast<const std::string*>(place.at)->empty();
      if (is_empty || std::ranges::find(seen, place.field) == seen.end())
        return failure(ErrorCode::invalid_field, fmt::format("`{}` is missing", place.field->name));
    }
    return {};
  }

 private:
  Result<void> read_json_text(const FieldInfo& field, JsonText* at) {
    const auto text = reader_.str();
    if (!text.empty() && !is_json(text))
      return failure(ErrorCode::malformed, fmt::format("`{}` is not the text of a JSON value", field.name));
    at->text = text;
    return check_json_bytes(field, text.size());
  }

  Result<void> read_value(const FieldInfo& field, const TypeInfo& type, void* at) {
    if (type.is_optional()) at = type.hold(at);
    switch (type.kind) {
      case Kind::text: {
        const auto text = reader_.str();
        if (!is_utf8(text)) return failure(ErrorCode::malformed, fmt::format("`{}` is not UTF-8", field.name));
        if (text.size() > text_bytes_max(field)) {
          return failure(ErrorCode::invalid_field, fmt::format("`{}` has {} bytes; {} are the most", field.name,
                                                               text.size(), text_bytes_max(field)));
        }
        *static_cast<std::string*>(at) = text;
        return {};
      }
      case Kind::boolean:
        *static_cast<bool*>(at) = reader_.boolean();
        return {};
      case Kind::natural:
      case Kind::duration:
      case Kind::time:
      case Kind::word:
      case Kind::lease:
        return read_number(field, type, at);
      case Kind::real:
        *static_cast<double*>(at) = reader_.real();
        return {};
      case Kind::id:
        return read_bytes(field, static_cast<Uuid*>(at)->bytes);
      case Kind::hash:
        return read_bytes(field, static_cast<ContentHash*>(at)->bytes);
      case Kind::json:
        return read_json_text(field, static_cast<JsonText*>(at));
      case Kind::message: {
        const auto bytes = reader_.bin();
        if (!reader_.ok()) return {};
        return decode_message(as_bytes(bytes), *static_cast<Message*>(at));
      }
      case Kind::retry: {
        const auto policy = read_retry(reader_);
        *static_cast<RetryPolicy*>(at) = policy;
        return reader_.ok() ? check_retry(policy) : Result<void>{};
      }
      case Kind::object:
        return read_object(*type.object, at);
      case Kind::list: {
        const auto count = reader_.array();
        if (reader_.ok() && !bounds(field).hold(count)) return beyond(field, count);
        for (std::uint32_t i = 0; i < count && reader_.ok(); ++i) {
          if (auto done = read_value(field, *type.element, type.append(at)); !done) return done;
        }
        return {};
      }
    }
    return {};
  }

  Result<void> read_number(const FieldInfo& field, const TypeInfo& type, void* at) {
    const auto value = reader_.uint();
    if (!reader_.ok()) return {};
    const bool is_good = type.kind == Kind::word    ? value < type.words.size()
                         : type.kind == Kind::lease ? true
                                                    : bounds(field).hold(value);
    if (!is_good) return beyond(field, value);
    if (type.kind == Kind::duration) {
      *static_cast<std::chrono::milliseconds*>(at) = std::chrono::milliseconds(value);
    } else if (type.kind == Kind::time) {
      *static_cast<std::int64_t*>(at) = static_cast<std::int64_t>(value);
    } else {
      store_natural(type, at, value);
    }
    return {};
  }

  template <std::size_t N>
  Result<void> read_bytes(const FieldInfo& field, std::array<std::uint8_t, N>& into) {
    const auto bytes = reader_.bin();
    if (!reader_.ok()) return {};
    if (bytes.size() != N)
      return failure(ErrorCode::malformed, fmt::format("`{}` has {} bytes, not {}", field.name, bytes.size(), N));
    std::memcpy(into.data(), bytes.data(), N);
    return {};
  }

  PackReader& reader_;
  const std::string_view what_;
};

Result<void> write_value(PackWriter& out, const TypeInfo& type, const void* at);

Result<void> write_object(PackWriter& out, const StructInfo& info, const void* object) {
  const auto all = places(info, object), blank = places(info, info.blank());
  std::vector<const Place*> written;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!equal(all[i].type(), all[i].at, blank[i].at) || all[i].field->rules.required) written.push_back(&all[i]);
  }
  out.map(static_cast<std::uint32_t>(written.size()));
  for (const auto* const place : written) {
    out.uint(place->field->key);
    if (auto done = write_value(out, place->type(), place->at); !done) return done;
  }
  return {};
}

Result<void> write_value(PackWriter& out, const TypeInfo& type, const void* at) {
  if (type.is_optional()) at = type.held(at);
  switch (type.kind) {
    case Kind::text:
      out.str(*static_cast<const std::string*>(at));
      break;
    case Kind::boolean:
      out.boolean(*static_cast<const bool*>(at));
      break;
    case Kind::natural:
    case Kind::word:
    case Kind::lease:
      out.uint(load_natural(type, at));
      break;
    case Kind::real:
      out.real(*static_cast<const double*>(at));
      break;
    case Kind::id:
      out.bin(as_text(bytes_of(static_cast<const Uuid*>(at)->bytes)));
      break;
    case Kind::hash:
      out.bin(as_text(bytes_of(static_cast<const ContentHash*>(at)->bytes)));
      break;
    case Kind::duration:
      out.uint(static_cast<std::uint64_t>(static_cast<const std::chrono::milliseconds*>(at)->count()));
      break;
    case Kind::time:
      out.uint(static_cast<std::uint64_t>(*static_cast<const std::int64_t*>(at)));
      break;
    case Kind::json:
      out.str(static_cast<const JsonText*>(at)->text);
      break;
    case Kind::message: {
      const auto& message = *static_cast<const Message*>(at);
      std::string bytes;
      if (auto done = encode_with_provenance(message, bytes); !done) return done;
      out.bin(bytes += message.content);
      break;
    }
    case Kind::retry: {
      const auto& policy = *static_cast<const RetryPolicy*>(at);
      out.array(5).uint(policy.attempts).uint(static_cast<std::uint64_t>(policy.backoff));
      out.integer(policy.initial_ms).integer(policy.max_ms).uint(policy.multiplier_permille);
      break;
    }
    case Kind::object:
      return write_object(out, *type.object, at);
    case Kind::list:
      out.array(static_cast<std::uint32_t>(type.size(at)));
      for (std::size_t i = 0; i < type.size(at); ++i) {
        if (auto done = write_value(out, *type.element, type.at(at, i)); !done) return done;
      }
      break;
  }
  return {};
}

}  // namespace

Result<void> read_pack(const StructInfo& info, void* object, Bytes body, std::string_view what) {
  constexpr std::uint8_t kNoPairs[] = {0x80};
  if (body.empty()) body = kNoPairs;
  PackReader reader(body);
  PackFields fields(reader, what);
  if (auto done = fields.read_object(info, object); !done) return done;
  if (!reader.at_end())
    return failure(ErrorCode::malformed, fmt::format("the body of {} goes on behind its map", what));
  return {};
}

Result<void> write_pack(std::string& out, const StructInfo& info, const void* object) {
  PackWriter writer(out);
  return write_object(writer, info, object);
}

std::optional<std::string> write_numbers(const StructInfo& info, const void* object) {
  std::string out;
  for (const auto& field : info.fields) {
    const auto kind = field.type->kind;
    const bool is_number = (kind == Kind::natural || kind == Kind::boolean) && !field.type->is_optional();
    if (is_number) {
      out.append(static_cast<const char*>(field.in(object)), kind == Kind::boolean ? 1 : field.type->bytes);
    } else if (!is_blank(field, info, object)) {
      return std::nullopt;
    }
  }
  return out;
}

Result<void> read_numbers(const StructInfo& info, void* object, Bytes body) {
  for (const auto& field : info.fields) {
    const auto kind = field.type->kind;
    if ((kind != Kind::natural && kind != Kind::boolean) || field.type->is_optional()) continue;
    const std::size_t bytes = kind == Kind::boolean ? 1 : field.type->bytes;
    if (body.size() < bytes) return failure(ErrorCode::malformed, "the answer breaks off");
    if (kind == Kind::boolean) {
      *static_cast<bool*>(field.at(object)) = body[0] != 0;
    } else {
      std::memcpy(field.at(object), body.data(), bytes);
    }
    body = body.subspan(bytes);
  }
  return {};
}

}  // namespace folkmoot
