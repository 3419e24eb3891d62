// One answer out of several: a request that concerns more than one shard is sent to each of them in its part, and what
// they answer is put together here (docs/architecture.md, Shards).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.hpp"
#include "message/frame.hpp"
#include "server/operations/call_codec.hpp"

namespace folkmoot {

/// A receipt's state between shards: the message has gone to another one, under the id that the receipt names.
constexpr std::uint64_t kReceiptMoved = 255;

class ShardMerge {
 public:
  virtual ~ShardMerge() = default;

  /// One shard's part; `body` of OK or SETTLED.
  virtual void take(ShardNumber shard, Bytes body) = 0;
  /// An ERROR in the place of a part: the first is the answer of all.
  virtual void fail(const Error& error) {
    if (!error_) error_ = error;
  }
  /// Asked when all parts are in: what goes to this shard next, if there is more to ask.
  struct Next {
    ShardNumber shard = 0;
    Opcode opcode{};
    std::string body;
  };
  virtual std::optional<Next> next() { return std::nullopt; }
  virtual Opcode opcode() const { return Opcode::ok; }
  virtual std::string body() = 0;
  /// Nothing was refused, and nobody wants to hear of anything else.
  virtual bool is_silent() const { return false; }
  virtual const std::optional<Error>& error() const { return error_; }

  /// Asked after each part: whether there is enough, so that shards which have not answered are asked no more. They
  /// answer all the same, most often with nothing.
  virtual bool is_enough() const { return false; }
  /// Whether it may be called off by who asked.
  virtual bool may_be_cut() const { return false; }

  RequestNumber request = 0;  // as the client numbered it
  std::uint32_t waiting = 0;  // parts that are not in
  bool was_cut = false;       // the others were told to wait no more

 private:
  std::optional<Error> error_;
};

/// OK without a body.
std::unique_ptr<ShardMerge> merge_ok();
/// SETTLED: counts added, refused leases in the order of `asked`.
std::unique_ptr<ShardMerge> merge_settled(std::vector<LeaseToken> asked, bool quiet);
/// Receipts of `count` ids; places[shard] says where the shard's stand.
std::unique_ptr<ShardMerge> merge_receipts(std::vector<std::vector<std::uint32_t>> places);
/// Results of a batch, likewise.
std::unique_ptr<ShardMerge> merge_results(std::vector<std::vector<std::uint32_t>> places, bool quiet);
/// A call that every shard answers, merged as its answer's fields say; `not_found` only if it is everywhere. `limit`:
/// of a page by name (end_page()).
std::unique_ptr<ShardMerge> merge_answers(const OperationInfo& operation, std::uint32_t shards,
                                          std::uint64_t limit = 0);
/// A call of Where::any: the first answer that says anything ends it. Requires: the answer of `operation` has one list.
std::unique_ptr<ShardMerge> merge_first(const OperationInfo& operation, std::uint32_t shards);
/// A call of Where::chained. Requires: `first` is asked with it as it is.
std::unique_ptr<ShardMerge> merge_chained(ReadCall call, ShardNumber first, std::uint32_t shards);
/// A call of Where::in_turns, shard by shard from `first` on until its limit is reached. Requires: `first` is asked
/// with the arguments as they are in `call`.
std::unique_ptr<ShardMerge> merge_in_turns(ReadCall call, ShardNumber first, std::uint32_t shards);

}  // namespace folkmoot
