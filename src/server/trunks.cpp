#include "server/trunks.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "message/envelope.hpp"
#include "message/limits.hpp"
#include "message/pack.hpp"
#include "server/reactor.hpp"

namespace folkmoot {
namespace {

constexpr std::uint32_t kStrayCredit = 256;           // of one mailbox, on the way at a time
constexpr std::int64_t kRefusedWaitMs = 1'000;        // doubled with each try
constexpr std::uint32_t kRefusedDoublingsMax = 6;

}  // namespace

Trunks::~Trunks() {
  for (const auto& trunk : trunks_) {
    if (trunk.link) trunk.link->close();
  }
}

void Trunks::start() {
  std::string hello;
  PackWriter writer(hello);
  writer.map(2).uint(0).uint(kProtocolVersion).uint(2).str(reactor_.options().token);
  for (std::uint32_t shard = 0; shard < shards_.count(); ++shard) {
    auto& trunk = trunks_[shard];
    trunk.link = shards_.reactors[shard]->connect(DoorKind::trunk, kLinkInboxBytesMax,
                                                  [home = &reactor_, shard] { home->post_remote(0, shard); });
    append_frame(trunk.unsent, Opcode::hello, 0, 0, hello);
  }
  flush();
}

std::uint32_t Trunks::next_request() {
  do {
    ++last_request_;
  } while (last_request_ == 0 || patterns_.contains(last_request_) || stray_owners_.contains(last_request_) || moves_.contains(last_request_));
  return last_request_;
}

void Trunks::want(const std::string& pattern) {
  auto& wanted = wanted_[pattern];
  if (wanted.users++ != 0) return;
  wanted.request = next_request();
  wanted.waiting = shards_.count() - 1;
  patterns_.emplace(wanted.request, pattern);
  std::string body;
  PackWriter(body).map(1).uint(0).str(pattern);
  for (std::uint32_t shard = 0; shard < shards_.count(); ++shard) {
    if (shard != own_) append_frame(trunks_[shard].unsent, Opcode::subscribe, 0, wanted.request, body);
  }
}

void Trunks::unwant(const std::string& pattern) {
  const auto found = wanted_.find(pattern);
  if (found == wanted_.end() || --found->second.users != 0) return;
  const auto request = found->second.request;
  const std::string_view body(reinterpret_cast<const char*>(&request), sizeof request);
  for (std::uint32_t shard = 0; shard < shards_.count(); ++shard) {
    if (shard != own_) append_frame(trunks_[shard].unsent, Opcode::cancel, 0, 0, body);
  }
  patterns_.erase(request);
  wanted_.erase(found);
}

Trunks::Interest Trunks::interest(const std::string& pattern, SessionId waiting) {
  auto& wanted = wanted_[pattern];
  if (wanted.refused) return Interest::refused;
  if (wanted.waiting == 0) return Interest::ready;
  wanted.held.push_back(waiting);
  return Interest::coming;
}

void Trunks::answer(std::uint32_t shard, const MessageParts& message) {
  auto& out = trunks_[shard].unsent;
  append_header(out, Opcode::publish, kFlagQuiet, 0, message.bytes());
  out.append(as_text(message.head)).append(as_text(message.rest));
}

void Trunks::look_for_strays() {
  reactor_.engine().each_new_mailbox([this](std::string_view name) {
    const auto owner = shards_.of(name);
    if (owner == own_ || name.front() == '$') return;
    const auto request = next_request();
    stray_owners_.emplace(request, owner);
    std::string body;
    PackWriter(body).map(2).uint(0).str(name).uint(1).uint(kStrayCredit);
    append_frame(trunks_[own_].unsent, Opcode::consume, 0, request, body);
  });
}

void Trunks::go_on() {
  if (!std::exchange(is_stalled_, false)) return;
  for (std::uint32_t shard = 0; shard < shards_.count(); ++shard) on_ready(shard);
}

void Trunks::on_ready(std::uint32_t shard) {
  if (shard != own_ && reactor_.has_congested_client()) {  // an event more would be one too many for somebody: the other shard holds its publishers
    is_stalled_ = true;
    return;
  }
  auto& taken = trunks_[shard].taken;
  trunks_[shard].link->take_into(taken);
  auto bytes = as_bytes(taken);
  for (;;) {
    const auto frame = cut_frame(bytes, ~std::size_t{0} >> 1);
    if (!frame || !*frame) break;
    const auto& header = (*frame)->header;
    const auto body = (*frame)->body;
    switch (header.opcode) {
      case Opcode::deliver:
        if (shard == own_) {
          on_stray(body, header.request, (header.flags & kFlagLeased) != 0);
        } else {
          on_event(body);
        }
        break;
      case Opcode::confirm: on_moved(header.request, body); break;
      case Opcode::ok: on_interest(header.request, true); break;
      case Opcode::error:
        if (header.request != 0 && !on_interest(header.request, false)) on_refused(header.request, body);
        break;
      default: break;
    }
  }
  flush();
}

bool Trunks::on_interest(std::uint32_t request, bool accepted) {
  const auto pattern = patterns_.find(request);
  if (pattern == patterns_.end()) return false;
  auto& wanted = wanted_[pattern->second];
  wanted.refused = wanted.refused || !accepted;
  if (wanted.waiting == 0 || --wanted.waiting != 0) return true;
  for (const auto session : std::exchange(wanted.held, {})) reactor_.go_on(session);
  return true;
}

// Its publisher's shard has checked the envelope: the topic is all that is asked for here.
void Trunks::on_event(Bytes body) {
  PackReader reader(body);
  std::string_view topic;
  for (auto pairs = reader.map(); pairs-- && reader.ok() && topic.empty();) {
    if (reader.uint() == static_cast<std::uint64_t>(Field::topic)) {
      topic = reader.str();
    } else {
      reader.skip();
    }
  }
  if (!topic.empty()) reactor_.engine().forward_event(topic, {body, body.last(0)});
}

void Trunks::on_stray(Bytes body, std::uint32_t consumer, bool leased) {
  const auto owner = stray_owners_.find(consumer);
  if (owner == stray_owners_.end() || (leased && body.size() < kLeaseBlockBytes)) return;
  Move move{.lease = 0, .consumer = consumer, .delivery = 1};
  if (leased) {
    move.lease = load<LeaseToken>(body.data());
    move.delivery = load<std::uint32_t>(body.data() + sizeof(LeaseToken));
    body = body.subspan(kLeaseBlockBytes);
  }
  if (Routing routing; read_routing(body, routing)) move.id = routing.id;
  const auto request = next_request();
  moves_.emplace(request, move);
  append_frame(trunks_[owner->second].unsent, Opcode::publish, 0, request, as_text(body));
}

std::optional<Trunks::Move> Trunks::take_move(std::uint32_t request) {
  const auto found = moves_.find(request);
  if (found == moves_.end()) return std::nullopt;
  const auto move = found->second;
  moves_.erase(found);
  if (move.lease == 0) {
    const std::uint32_t credit[] = {move.consumer, 1};
    append_frame(trunks_[own_].unsent, Opcode::credit, 0, 0, as_text(bytes_of(credit)));
  }
  return move;
}

// It is in its mailbox now, or was already.
void Trunks::on_moved(std::uint32_t request, Bytes confirm) {
  const auto move = take_move(request);
  const auto address = move ? message_address(move->id) : std::nullopt;
  if (!address) return;
  if (confirm.size() == sizeof(Confirm) && moved_.emplace(address->key, load<Confirm>(confirm.data()).id).second) {
    moved_order_.push_back(address->key);
    if (moved_order_.size() > reactor_.options().engine.receipts_max) {
      moved_.erase(moved_order_.front());
      moved_order_.pop_front();
    }
  }
  if (move->lease != 0) append_frame(trunks_[own_].unsent, Opcode::ack, kFlagQuiet, 0, as_text(bytes_of(move->lease)));
}

// Tried again after a while; in the end it is a dead letter of this shard.
void Trunks::on_refused(std::uint32_t request, Bytes error) {
  const auto move = take_move(request);
  if (!move) return;
  const auto why = read_error(error);
  auto text = why ? why->describe() : std::string("it was refused");
  if (move->lease == 0) return spdlog::warn("a message that is delivered at most once was lost on its way to its shard: {}", text);
  text.resize(std::min(text.size(), kReasonBytesMax));
  if (!is_utf8(text)) text = "it was refused";
  const auto wait = kRefusedWaitMs << std::min(move->delivery - 1, kRefusedDoublingsMax);
  std::string body;
  PackWriter(body).map(3).uint(0).array(1).uint(move->lease).uint(1).uint(static_cast<std::uint64_t>(wait)).uint(2).str(text);
  append_frame(trunks_[own_].unsent, Opcode::nack, kFlagQuiet, 0, body);
}

std::optional<Uuid> Trunks::moved_to(const Uuid& id) const {
  const auto address = message_address(id);
  const auto known = address ? moved_.find(address->key) : moved_.end();
  return known == moved_.end() ? std::nullopt : std::optional(known->second);
}

void Trunks::flush() {
  for (auto& trunk : trunks_) {
    if (!trunk.unsent.empty() && trunk.link && trunk.link->send(trunk.unsent)) trunk.unsent.clear();
  }
}

}  // namespace folkmoot
