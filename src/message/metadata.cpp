#include "message/metadata.hpp"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <cmath>

#include "base/utf8.hpp"
#include "message/limits.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

namespace json = boost::json;

std::unexpected<Error> too_deep() {
  return failure(ErrorCode::out_of_range, fmt::format("`metadata` is nested deeper than {}", kMetadataDepthMax));
}

Result<void> check_value(PackReader& reader, int depth) {
  if (depth > kMetadataDepthMax) return too_deep();
  switch (reader.peek()) {
    case MP_STR:
      if (!is_utf8(reader.str())) return failure(ErrorCode::malformed, "a string in `metadata` is not UTF-8");
      break;
    case MP_ARRAY:
      for (auto count = reader.array(); count-- && reader.ok();) {
        if (auto done = check_value(reader, depth + 1); !done) return done;
      }
      break;
    case MP_MAP:
      for (auto count = reader.map(); count-- && reader.ok();) {
        if (!is_utf8(reader.str())) return failure(ErrorCode::malformed, "a key in `metadata` is not UTF-8");
        if (!reader.ok()) break;
        if (auto done = check_value(reader, depth + 1); !done) return done;
      }
      break;
    case MP_EXT:
      return failure(ErrorCode::invalid_field, "`metadata` holds a MessagePack extension type");
    default:
      reader.skip();
  }
  if (!reader.ok()) return failure(ErrorCode::malformed, "`metadata` breaks off or has a key that is not a string");
  return {};
}

// JSON has no word for the others.
json::value finite(double number) { return std::isfinite(number) ? json::value(number) : json::value(nullptr); }

json::value decode_value(PackReader& reader) {
  switch (reader.peek()) {
    case MP_UINT: {
      const auto value = reader.uint();
      if (value <= static_cast<std::uint64_t>(INT64_MAX)) return static_cast<std::int64_t>(value);
      return value;
    }
    case MP_STR:
      return json::string(reader.str());
    case MP_BIN: {
      json::string hex;
      for (const auto byte : as_bytes(reader.bin())) hex.append(fmt::format("{:02x}", byte));
      return hex;
    }
    case MP_ARRAY: {
      json::array out;
      for (auto count = reader.array(); count-- && reader.ok();) out.push_back(decode_value(reader));
      return out;
    }
    case MP_MAP: {
      json::object out;
      for (auto count = reader.map(); count-- && reader.ok();) {
        const auto key = reader.str();
        out[key] = decode_value(reader);
      }
      return out;
    }
    default:
      break;
  }
  const auto raw = reader.raw();
  const auto* at = reinterpret_cast<const char*>(raw.data());
  switch (raw.empty() ? MP_NIL : mp_typeof(*at)) {
    case MP_INT:
      return mp_decode_int(&at);
    case MP_BOOL:
      return mp_decode_bool(&at);
    case MP_FLOAT:
      return finite(static_cast<double>(mp_decode_float(&at)));
    case MP_DOUBLE:
      return finite(mp_decode_double(&at));
    default:
      return nullptr;
  }
}

Result<void> encode_value(const json::value& value, std::string& out, int depth) {
  if (depth > kMetadataDepthMax) return too_deep();
  PackWriter writer(out);
  switch (value.kind()) {
    case json::kind::null:
      writer.nil();
      break;
    case json::kind::bool_:
      writer.boolean(value.get_bool());
      break;
    case json::kind::int64:
      writer.integer(value.get_int64());
      break;
    case json::kind::uint64:
      writer.uint(value.get_uint64());
      break;
    case json::kind::double_:
      writer.real(value.get_double());
      break;
    case json::kind::string:
      writer.str(std::string_view(value.get_string()));
      break;
    case json::kind::array:
      writer.array(static_cast<std::uint32_t>(value.get_array().size()));
      for (const auto& element : value.get_array()) {
        if (auto done = encode_value(element, out, depth + 1); !done) return done;
      }
      break;
    case json::kind::object:
      writer.map(static_cast<std::uint32_t>(value.get_object().size()));
      for (const auto& [key, element] : value.get_object()) {
        PackWriter(out).str(key);
        if (auto done = encode_value(element, out, depth + 1); !done) return done;
      }
      break;
  }
  return {};
}

}  // namespace

Result<void> check_metadata(Bytes packed) {
  if (packed.size() > kMetadataBytesMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`metadata` is {} bytes; {} is the most", packed.size(), kMetadataBytesMax));
  }
  PackReader reader(packed);
  if (reader.peek() != MP_MAP) return failure(ErrorCode::malformed, "`metadata` is not a map");
  return check_value(reader, 0);
}

namespace {

// The value of `name` at the top of the map; empty if there is none.
Bytes value_of(Bytes packed, std::string_view name) {
  PackReader reader(packed);
  for (auto pairs = reader.map(); pairs-- && reader.ok();) {
    const bool wanted = reader.str() == name;
    const auto value = reader.raw();
    if (wanted && reader.ok()) return value;
  }
  return {};
}

}  // namespace

std::string_view metadata_text(Bytes packed, std::string_view name) {
  const auto value = value_of(packed, name);
  PackReader reader(value);
  return !value.empty() && reader.peek() == MP_STR ? reader.str() : std::string_view{};
}

std::optional<double> metadata_number(Bytes packed, std::string_view name) {
  const auto value = value_of(packed, name);
  if (value.empty()) return std::nullopt;
  auto* at = reinterpret_cast<const char*>(value.data());
  double number = -1;
  switch (mp_typeof(*at)) {
    case MP_UINT:
      number = static_cast<double>(mp_decode_uint(&at));
      break;
    case MP_FLOAT:
      number = static_cast<double>(mp_decode_float(&at));
      break;
    case MP_DOUBLE:
      number = mp_decode_double(&at);
      break;
    default:
      break;
  }
  if (!(number >= 0 && number <= 1e18)) return std::nullopt;
  return number;
}

Result<Metadata> decode_metadata(Bytes packed) {
  PackReader reader(packed);
  auto value = decode_value(reader);
  if (!reader.ok() || !value.is_object()) return failure(ErrorCode::malformed, "`metadata` is not a map");
  return std::move(value.get_object());
}

Result<void> encode_metadata(const Metadata& metadata, std::string& out) {
  const auto start = out.size();
  PackWriter(out).map(static_cast<std::uint32_t>(metadata.size()));
  for (const auto& [key, value] : metadata) {
    PackWriter(out).str(key);
    if (auto done = encode_value(value, out, 1); !done) return done;
  }
  return check_metadata(as_bytes(std::string_view(out).substr(start)));
}

}  // namespace folkmoot
