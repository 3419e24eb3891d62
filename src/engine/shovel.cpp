#include "engine/shovel.hpp"

#include <algorithm>
#include <utility>

#include "base/utf8.hpp"
#include "message/envelope.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

constexpr Duration kRefusedWaitMs{1'000};  // doubled with each try
constexpr std::uint32_t kRefusedDoublingsMax = 6;

}  // namespace

RequestNumber Shovel::next_request() {
  do {
    last_request_ = std::max(last_request_ + 1, kFirstRequest);  // after the last number comes the first
  } while (owners_.contains(last_request_) || moves_.contains(last_request_) || acks_.contains(last_request_));
  return last_request_;
}

void Shovel::carry(std::string_view mailbox, ShardNumber owner) {
  const auto request = next_request();
  owners_.emplace(request, owner);
  commands_.consume(request, mailbox, credit_);
}

void Shovel::on_delivery(RequestNumber consumer, LeaseToken lease, std::uint32_t delivery, Bytes message) {
  const auto owner = owners_.find(consumer);
  if (owner == owners_.end()) return;
  Move move{.lease = lease, .consumer = consumer, .delivery = delivery};
  if (Routing routing; read_routing(message, routing)) move.id = routing.id;
  const auto request = next_request();
  moves_.emplace(request, move);
  commands_.publish(owner->second, request, message);
}

std::optional<Shovel::Move> Shovel::take_move(RequestNumber request) {
  const auto found = moves_.find(request);
  if (found == moves_.end()) return std::nullopt;
  const auto move = found->second;
  moves_.erase(found);
  if (move.lease == 0) commands_.credit(move.consumer, 1);  // of others the settlement gives it back
  return move;
}

// It is in its mailbox now, or was already.
void Shovel::on_confirmed(RequestNumber request, const Confirm& confirm) {
  const auto move = take_move(request);
  const auto address = move ? message_address(move->id) : std::nullopt;
  if (!address) return;
  if (moved_.emplace(address->key, confirm.id).second) {
    moved_order_.push_back(address->key);
    if (moved_order_.size() > moved_max_) {
      moved_.erase(moved_order_.front());
      moved_order_.pop_front();
    }
  }
  if (move->lease != 0) acknowledge(move->lease);
}

void Shovel::acknowledge(LeaseToken lease) {
  const auto request = next_request();
  acks_.emplace(request, lease);
  commands_.ack(request, lease);
}

void Shovel::retry_acks() {
  for (const auto lease : std::exchange(unacked_, {})) acknowledge(lease);
}

// An ACK is tried again as soon as the log has room; a message after a while, and in the end it is a dead letter of
// this shard.
void Shovel::on_refused(RequestNumber request, const Error& error) {
  if (const auto ack = acks_.find(request); ack != acks_.end()) {
    unacked_.push_back(ack->second);
    acks_.erase(ack);
    return;
  }
  const auto move = take_move(request);
  if (!move) return;
  if (move->lease == 0) return commands_.lost(error);
  auto text = error.describe();
  text.resize(std::min(text.size(), kReasonBytesMax));
  if (!is_utf8(text)) text = "it was refused";
  commands_.nack(move->lease, kRefusedWaitMs * (1 << std::min(move->delivery - 1, kRefusedDoublingsMax)), text);
}

std::optional<Uuid> Shovel::moved_to(const Uuid& id) const {
  const auto address = message_address(id);
  const auto known = address ? moved_.find(address->key) : moved_.end();
  return known == moved_.end() ? std::nullopt : std::optional(known->second);
}

}  // namespace folkmoot
