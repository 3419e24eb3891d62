// Metadata: a MessagePack map from strings to anything JSON can say, bounded in size and depth, and its value form.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

/// Errors: malformed (not a map of strings), out_of_range (size, depth), invalid_field (MessagePack extension types).
Result<void> check_metadata(Bytes packed);
/// The value of a name at the top of the map, if it is a string / a number that is not negative; else "" / nothing.
/// Requires: check_metadata(packed) holds.
std::string_view metadata_text(Bytes packed, std::string_view name);
std::optional<double> metadata_number(Bytes packed, std::string_view name);
/// Requires: check_metadata(packed) holds. Binary values become base16 text. Errors: malformed.
Result<Metadata> decode_metadata(Bytes packed);
Result<void> encode_metadata(const Metadata& metadata, std::string& out);

}  // namespace folkmoot
