// Settings of streams and consumers as their facts have them: MessagePack lists.
#pragma once

#include "engine/streams/stream_table.hpp"

namespace folkmoot {

/// [number, name, pattern, filter, max_events, max_bytes, max_age, keep_last_by, max_keys, paused, first, next, stored]
std::string pack(const Stream& stream);
/// Errors: damaged.
Result<std::unique_ptr<Stream>> unpack_stream(Bytes body);
/// Only its number. Errors: damaged.
Result<StreamNumber> stream_of_record(Bytes body);

/// [number, stream, name, filter, ack_wait, attempts, pending_max, since, floor, [from, to, ...]]
std::string pack(const StreamConsumer& consumer, StreamNumber stream);
/// Errors: damaged.
Result<std::pair<StreamNumber, StreamConsumer>> unpack_consumer(Bytes body);

Error no_stream(std::string_view name);

/// Compiles what the settings say. Errors: invalid_filter, which names the field.
Result<void> compile(Stream& stream);

}  // namespace folkmoot
