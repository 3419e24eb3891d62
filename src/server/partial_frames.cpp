#include "server/partial_frames.hpp"

namespace folkmoot {

using Room = Beginning::Room;

PartialFrames::PartialFrames(const ServerOptions& options, FrameRoom& room, RoomOwner& owner, Net& net)
    : frame_bytes_max_(options.frame_bytes_max), room_(room), owner_(owner), net_(net) {
  change(options);
}

void PartialFrames::change(const ServerOptions& options) {
  timeout_ms_ = options.partial_frames.timeout_ms;
  kept_bytes_max_ = options.partial_frames.total_bytes_max / options.engine.shards / 8;
}

void PartialFrames::keep(Connection& connection, std::string_view bytes, bool goes_on, std::int64_t now) {
  if (bytes.empty()) return drop(connection);
  auto& in = connection.in;
  if (!in) {
    in = std::make_unique<Beginning>();
    in->since = now;
  } else if (!goes_on) {
    give_back(connection);
    in->since = now;
  }
  // Memory that one read needed is not held for as long as the connection is there.
  if (in->room == Room::none && in->bytes.capacity() > 2 * bytes.size() + kFreeBytes) std::string().swap(in->bytes);
  in->bytes.assign(bytes);
  const bool is_frame = connection.state == Connection::State::open && connection.socket >= 0 && !connection.is_held;
  if (is_frame && in->room == Room::none) ask(connection, in->frame_bytes());
  count(connection);
}

// A frame that is too long is refused when its beginning is looked at.
void PartialFrames::ask(Connection& connection, std::size_t frame_bytes) {
  if (frame_bytes <= kFreeBytes || frame_bytes > frame_bytes_max_) return;
  auto& in = *connection.in;
  const auto peer = connection.is_unix ? PeerAddress{} : net_.peer(connection.socket);
  in.asked = frame_bytes;
  if (room_.ask(owner_, connection.id, peer, frame_bytes)) return use(in);
  in.room = Room::waits;
  ++counters_.waiting;
}

void PartialFrames::use(Beginning& in) {
  in.room = Room::has;
  counters_.room_bytes += in.asked;
  if (in.asked > kGatheredApartBytes) in.bytes.reserve(in.asked);
}

void PartialFrames::give_back(Connection& connection) {
  auto& in = *connection.in;
  if (in.room == Room::has) counters_.room_bytes -= in.asked;
  if (in.room == Room::waits) --counters_.waiting;
  if (std::exchange(in.room, Room::none) != Room::none) room_.give_back(owner_, connection.id, in.asked);
}

bool PartialFrames::on_room(Connection& connection, std::int64_t now) {
  auto& in = connection.in;
  if (!in || in->room != Room::waits) return false;
  --counters_.waiting;
  use(*in);
  in->since = now;
  count(connection);
  return true;
}

// What links bring is bounded by their inboxes.
void PartialFrames::count(const Connection& connection) {
  auto& in = *connection.in;
  const auto now = in.room == Room::has || connection.socket < 0 ? 0 : in.bytes.size();
  counters_.kept_bytes += now - std::exchange(in.counted, now);
}

std::string PartialFrames::take(Connection& connection) {
  if (!connection.in) return {};
  auto bytes = std::exchange(connection.in->bytes, {});
  count(connection);
  return bytes;
}

void PartialFrames::drop(Connection& connection) {
  if (!connection.in) return;
  counters_.kept_bytes -= connection.in->counted;
  give_back(connection);
  connection.in.reset();
}

std::size_t PartialFrames::read_bytes_max(const Connection& connection) const {
  if (counters_.kept_bytes <= kept_bytes_max_) [[likely]]
    return ~std::size_t{0};
  const bool has_room = connection.in && connection.in->room == Room::has;
  return has_room ? connection.in->frame_bytes() - connection.in->bytes.size() : kFreeBytes;
}

std::int64_t PartialFrames::deadline(const Connection& connection) const {
  if (!connection.in || connection.state != Connection::State::open || connection.socket < 0 || connection.is_held ||
      connection.in->room == Room::waits) {
    return 0;
  }
  return connection.in->since + time_of(connection.in->frame_bytes());
}

std::int64_t PartialFrames::time_of(std::size_t frame_bytes) const {
  return timeout_ms_ + static_cast<std::int64_t>(frame_bytes / kPaceBytes) * 1'000;
}

}  // namespace folkmoot
