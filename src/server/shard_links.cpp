#include "server/shard_links.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "message/envelope.hpp"
#include "message/pack.hpp"
#include "server/reactor.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kUnsentBytesMax = 16 << 20;  // to one shard; beyond that no misplaced messages and no answers
constexpr std::size_t kAsideBytesMax = 16 << 20;   // while it rests; then nothing is taken from its own link

}  // namespace

ShardLinks::ShardLinks(Reactor& reactor, Shards& shards, ShardNumber own)
    : reactor_(reactor),
      shards_(shards),
      own_(own),
      shard_links_(shards.count()),
      shovel_(*this, reactor.options().engine.receipts_max) {}

ShardLinks::~ShardLinks() {
  for (const auto& shard_link : shard_links_) {
    if (shard_link.link) shard_link.link->close();
  }
}

void ShardLinks::start() {
  std::string hello;
  PackWriter writer(hello);
  writer.map(1).uint(0).uint(kProtocolVersion);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    auto& shard_link = shard_links_[shard.value];
    shard_link.link = shards_.reactors[shard.value]->postbox().connect(
        DoorKind::shard, kLinkInboxBytesMax, [home = &reactor_, shard] { home->postbox().post_remote(0, shard); });
    append_frame(shard_link.unsent, Opcode::hello, 0, 0, hello);
  }
  flush();
}

RequestNumber ShardLinks::next_request() {
  do {
    last_request_ = last_request_ + 1 == Shovel::kFirstRequest ? RequestNumber{1} : last_request_ + 1;
  } while (patterns_.contains(last_request_));
  return last_request_;
}

void ShardLinks::want(const std::string& pattern) {
  auto& wanted = wanted_[pattern];
  if (wanted.users++ != 0) return;
  wanted.request = next_request();
  wanted.waiting = shards_.count() - 1;
  patterns_.emplace(wanted.request, pattern);
  std::string body;
  PackWriter(body).map(1).uint(0).str(pattern);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (shard != own_) append_frame(shard_links_[shard.value].unsent, Opcode::subscribe, 0, wanted.request.value, body);
  }
}

void ShardLinks::unwant(const std::string& pattern) {
  const auto found = wanted_.find(pattern);
  if (found == wanted_.end() || --found->second.users != 0) return;
  const auto request = found->second.request;
  const std::string_view body(reinterpret_cast<const char*>(&request), sizeof request);
  for (ShardNumber shard = 0; shard < shards_.end(); ++shard) {
    if (shard != own_) append_frame(shard_links_[shard.value].unsent, Opcode::cancel, 0, 0, body);
  }
  patterns_.erase(request);
  wanted_.erase(found);
}

ShardLinks::Interest ShardLinks::interest(const std::string& pattern, SessionId waiting) {
  auto& wanted = wanted_[pattern];
  if (wanted.refused) return Interest::refused;
  if (wanted.waiting == 0) return Interest::ready;
  wanted.held.push_back(waiting);
  return Interest::coming;
}

bool ShardLinks::answer(ShardNumber shard, const MessageParts& message, ConnectionId answerer, bool is_owed) {
  auto& out = shard_links_[shard.value].unsent;
  if (out.size() > kUnsentBytesMax && !is_owed) return false;
  append_header(out, Opcode::publish, kFlagQuiet | kFlagAnswerer, 0, sizeof answerer + message.bytes());
  out.append(as_text(bytes_of(answerer))).append(as_text(message.head)).append(as_text(message.rest));
  return true;
}

void ShardLinks::look_for_misplaced() {
  reactor_.engine().mailboxes().each_new_mailbox([this](std::string_view name) {
    const auto owner = shards_.of(name);
    const bool is_ours = name.front() == '$' && name != kStreamsMailbox;
    if (owner != own_ && !is_ours) shovel_.carry(name, owner);
  });
  if (reactor_.has_room_to_settle()) shovel_.retry_acks();
}

void ShardLinks::go_on() {
  if (!std::exchange(is_stalled_, false)) return;
  // What comes first may make somebody congested again: each shard's turn to be it.
  const auto first = next_first_++;
  for (std::uint32_t i = 0; i < shards_.count(); ++i) on_ready(shards_.in_turn(first + i));
}

void ShardLinks::on_ready(ShardNumber shard) {
  // An event more would be one too many for somebody: the other shard holds its publishers.
  if (shard != own_ && reactor_.outbox().has_congested_client()) {
    is_stalled_ = true;
    return;
  }
  if (shard == own_ && std::ranges::any_of(shard_links_, [](const auto& shard_link) {
        return shard_link.unsent.size() > kUnsentBytesMax;
      })) {
    shovel_waits_ = true;  // until flush() has found room
    return;
  }
  if (shard == own_ && rests_ && aside_bytes_ > kAsideBytesMax) return;  // until carry_on()
  auto& taken = shard_links_[shard.value].taken;
  shard_links_[shard.value].link->take_into(taken);
  auto bytes = as_bytes(taken);
  for (;;) {
    const auto frame = cut_frame(bytes, ~std::size_t{0} >> 1);
    if (!frame || !*frame) break;
    const auto& header = (*frame)->header;
    const auto body = (*frame)->body;
    const RequestNumber request{header.request};
    const bool of_misplaced = request >= Shovel::kFirstRequest;
    switch (header.opcode) {
      case Opcode::deliver:
        if (!of_misplaced) {
          on_event(body);
        } else if (rests_ && (header.flags & kFlagLeased)) {
          put_aside(header, body);  // what has no lease is gone here already: it is carried on all the same
        } else {
          on_misplaced(header, body);
        }
        break;
      case Opcode::confirm:
        if (body.size() == sizeof(Confirm)) shovel_.on_confirmed(request, load<Confirm>(body.data()));
        break;
      case Opcode::settled:
        shovel_.on_settled(request);
        break;
      case Opcode::ok:
        on_interest(request, true);
        break;
      case Opcode::error:
        if (of_misplaced) {
          shovel_.on_refused(request, read_error(body).value_or(
                                          Error{ErrorCode::malformed, "an answer between shards does not parse"}));
        } else {
          on_interest(request, false);
        }
        break;
      default:
        break;
    }
  }
  flush();
}

void ShardLinks::on_interest(RequestNumber request, bool accepted) {
  const auto pattern = patterns_.find(request);
  if (pattern == patterns_.end()) return;
  auto& wanted = wanted_[pattern->second];
  wanted.refused = wanted.refused || !accepted;
  if (wanted.waiting == 0) return;
  if (--wanted.waiting > 0) return;
  for (const auto session : std::exchange(wanted.held, {})) reactor_.go_on(session);
}

// Its publisher's shard has checked the envelope: the topic is all that is asked for here.
void ShardLinks::on_event(Bytes body) {
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

// -- the shovel

void ShardLinks::rest() { rests_ = true; }

void ShardLinks::put_aside(const FrameHeader& header, Bytes body) {
  append_frame(put_aside_.emplace_back(), header.opcode, header.flags, header.request, as_text(body));
  aside_bytes_ += body.size();
}

void ShardLinks::carry_on() {
  rests_ = false;
  for (const auto& each : std::exchange(put_aside_, {})) {
    auto bytes = as_bytes(each);
    if (const auto frame = cut_frame(bytes, ~std::size_t{0} >> 1); frame && *frame)
      on_misplaced((*frame)->header, (*frame)->body);
  }
  aside_bytes_ = 0;
  on_ready(own_);
}

void ShardLinks::on_misplaced(const FrameHeader& header, Bytes body) {
  const RequestNumber consumer{header.request};
  if ((header.flags & kFlagLeased) == 0) return shovel_.on_delivery(consumer, 0, 1, body);
  if (body.size() < kLeaseBlockBytes) return;
  shovel_.on_delivery(consumer, load<LeaseToken>(body.data()), load<std::uint32_t>(body.data() + sizeof(LeaseToken)),
                      body.subspan(kLeaseBlockBytes));
}

void ShardLinks::consume(RequestNumber request, std::string_view mailbox, std::uint32_t credit) {
  std::string body;
  PackWriter(body).map(2).uint(0).str(mailbox).uint(1).uint(credit);
  append_frame(shard_links_[own_.value].unsent, Opcode::consume, 0, request.value, body);
}

void ShardLinks::credit(RequestNumber request, std::uint32_t amount) {
  const std::uint32_t body[] = {request.value, amount};
  append_frame(shard_links_[own_.value].unsent, Opcode::credit, 0, 0, as_text(bytes_of(body)));
}

void ShardLinks::ack(RequestNumber request, LeaseToken lease) {
  append_frame(shard_links_[own_.value].unsent, Opcode::ack, 0, request.value, as_text(bytes_of(lease)));
}

void ShardLinks::nack(LeaseToken lease, Duration delay_ms, std::string_view reason) {
  std::string body;
  PackWriter(body)
      .map(3)
      .uint(0)
      .array(1)
      .uint(lease.value)
      .uint(1)
      .uint(static_cast<std::uint64_t>(delay_ms.ms))
      .uint(2)
      .str(reason);
  append_frame(shard_links_[own_.value].unsent, Opcode::nack, kFlagQuiet, 0, body);
}

void ShardLinks::publish(ShardNumber shard, RequestNumber request, Bytes message) {
  append_frame(shard_links_[shard.value].unsent, Opcode::publish, 0, request.value, as_text(message));
}

void ShardLinks::lost(const Error& why) {
  spdlog::warn("a message that is delivered at most once was lost on its way to its shard: {}", why.describe());
}

void ShardLinks::flush() {
  for (auto& shard_link : shard_links_) {
    if (!shard_link.unsent.empty() && shard_link.link && shard_link.link->send(shard_link.unsent))
      shard_link.unsent.clear();
  }
  if (std::exchange(shovel_waits_, false)) on_ready(own_);
}

}  // namespace folkmoot
