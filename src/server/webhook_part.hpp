// One shard's part in webhooks: what is on disk of its rules is put up for who posts. Its reactor's thread only.
#pragma once

#include "engine/webhooks/webhook_table.hpp"
#include "server/webhook_board.hpp"

namespace folkmoot {

class WebhookPart {
 public:
  WebhookPart(const WebhookTable& table, ShardNumber own) : table_(table), own_(own) {}

  /// It must outlive it.
  void join(WebhookBoard& board) { board_ = &board; }
  /// Null: nobody posts.
  const WebhookBoard* board() const { return board_; }
  /// Between two turns.
  void turn() {
    if (seen_ != table_.version() && board_ != nullptr) [[unlikely]]
      put_up();
  }

 private:
  void put_up() {
    seen_ = table_.version();
    std::vector<SharedWebhookRule> rules;
    table_.each([&](const SharedWebhookRule& rule) { rules.push_back(rule); });
    board_->put_up(own_, std::move(rules));
  }

  const WebhookTable& table_;
  const ShardNumber own_;
  WebhookBoard* board_ = nullptr;
  std::uint64_t seen_ = 0;
};

}  // namespace folkmoot
