#include "server/shard_merge.hpp"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>

#include "base/uuid.hpp"
#include "message/pack.hpp"
#include "operation/fields.hpp"
#include "operation/merge.hpp"

namespace folkmoot {
namespace {

class Oks final : public ShardMerge {
  void take(ShardNumber, Bytes) override {}
  std::string body() override { return {}; }
};

class Settlements final : public ShardMerge {
 public:
  Settlements(std::vector<LeaseToken> asked, bool quiet) : asked_(std::move(asked)), quiet_(quiet) {}

  void take(ShardNumber, Bytes body) override {
    if (body.size() < 8) return;
    settled_ += load<std::uint32_t>(body.data());
    for (std::size_t at = 8; at + 8 <= body.size(); at += 8) {
      ++refused_[load<LeaseToken>(body.data() + at)];
      ++refused_count_;
    }
  }
  Opcode opcode() const override { return Opcode::settled; }
  std::string body() override {
    const std::uint32_t counts[] = {settled_, refused_count_};
    std::string out(as_text(bytes_of(counts)));
    for (const auto lease : asked_) {
      const auto known = refused_.find(lease);
      if (known == refused_.end() || known->second == 0) continue;
      --known->second;
      out.append(as_text(bytes_of(lease)));
    }
    return out;
  }
  bool is_silent() const override { return quiet_ && refused_count_ == 0; }

 private:
  const std::vector<LeaseToken> asked_;
  const bool quiet_;
  std::uint32_t settled_ = 0;
  boost::unordered_flat_map<LeaseToken, std::uint32_t> refused_;  // how often each
  std::uint32_t refused_count_ = 0;
};

// Pieces that stood in one frame, and were answered in several.
class Pieces : public ShardMerge {
 public:
  explicit Pieces(std::vector<std::vector<std::uint32_t>> places) : places_(std::move(places)) {
    std::size_t count = 0;
    for (const auto& each : places_) count += each.size();
    pieces_.resize(count);
  }

 protected:
  const std::vector<std::uint32_t>& places(ShardNumber shard) const { return places_[shard.value]; }
  std::vector<std::string>& pieces() { return pieces_; }

 private:
  std::vector<std::vector<std::uint32_t>> places_;
  std::vector<std::string> pieces_;
};

class Receipts final : public Pieces {
 public:
  using Pieces::Pieces;

  void take(ShardNumber shard, Bytes body) override {
    PackReader reader(body);
    const auto count = reader.array();
    const auto& asked = follows_ ? followed_ : places(shard);
    if (count != asked.size()) return;
    for (const auto place : asked) enter(place, reader.raw());
  }
  // What has been carried to another shard is asked for there: all of a shard at once.
  std::optional<Next> next() override {
    if (moved_.empty()) return std::nullopt;
    follows_ = true;
    followed_.clear();
    const auto [shard, first] = *moved_.begin();
    Next next{shard, Opcode::receipt, {}};
    for (const auto& [place, id] : first) {
      followed_.push_back(place);
      next.body.append(as_text(bytes_of(id)));
    }
    moved_.erase(moved_.begin());
    return next;
  }
  std::string body() override {
    std::string out;
    PackWriter(out).array(static_cast<std::uint32_t>(pieces().size()));
    for (const auto& piece : pieces()) out += piece;
    return out;
  }

 private:
  void enter(std::uint32_t place, Bytes receipt) {
    pieces()[place] = as_text(receipt);
    PackReader reader(receipt);
    Uuid id;
    std::uint64_t state = 0;
    for (auto pairs = reader.map(); pairs-- && reader.ok();) {
      const auto key = reader.uint();
      if (key == 0) {
        const auto bytes = reader.bin();
        if (bytes.size() == sizeof id) id = load<Uuid>(reinterpret_cast<const std::uint8_t*>(bytes.data()));
      } else if (key == 2) {
        state = reader.uint();
      } else {
        reader.skip();
      }
    }
    const auto address = message_address(id);
    if (state == kReceiptMoved && address) moved_[address->shard()].emplace_back(place, id);
  }

  std::map<ShardNumber, std::vector<std::pair<std::uint32_t, Uuid>>> moved_;  // by shard, not asked for yet: by place
  bool follows_ = false;
  std::vector<std::uint32_t> followed_;  // the places of what is asked for
};

class Results final : public Pieces {
 public:
  Results(std::vector<std::vector<std::uint32_t>> places, bool quiet) : Pieces(std::move(places)), quiet_(quiet) {}

  // For each u16 code, then of 0 a Confirm, else u16 length and the text.
  void take(ShardNumber shard, Bytes body) override {
    for (const auto place : places(shard)) {
      if (body.size() < 4) return;
      const bool done = load<std::uint16_t>(body.data()) == 0;
      const auto bytes = done ? 2 + sizeof(Confirm) : 4 + std::size_t{load<std::uint16_t>(body.data() + 2)};
      if (body.size() < bytes) return;
      all_done_ = all_done_ && done;
      pieces()[place] = as_text(body.first(bytes));
      body = body.subspan(bytes);
    }
  }
  std::string body() override {
    std::string out;
    for (const auto& piece : pieces()) out += piece;
    return out;
  }
  bool is_silent() const override { return quiet_ && all_done_; }

 private:
  const bool quiet_;
  bool all_done_ = true;
};

// The answers of all shards to a call, merged in the order of the shards: what comes when makes no difference.
class Answers final : public ShardMerge {
 public:
  Answers(const OperationInfo& operation, std::uint32_t shards, std::uint64_t limit)
      : operation_(operation), parts_(shards), limit_(limit) {}

  void take(ShardNumber shard, Bytes body) override {
    auto part = read_part(operation_, body);
    if (!part) return ShardMerge::fail(part.error());
    parts_[shard.value] = std::move(*part);
    ++answers_;
  }
  void fail(const Error& error) override {
    if (error.code != ErrorCode::not_found) return ShardMerge::fail(error);
    missing_ = error;
  }
  const std::optional<Error>& error() const override {
    const auto& refused = ShardMerge::error();
    return refused || answers_ > 0 ? refused : missing_;
  }
  std::string body() override {
    std::shared_ptr<void> sum;
    for (const auto& part : parts_) {
      if (sum == nullptr) {
        sum = part;
      } else if (part != nullptr) {
        merge(*operation_.answer, sum.get(), part.get());
      }
    }
    end_page(*operation_.answer, sum.get(), limit_);
    return write_answer(operation_, sum.get(), false).value_or(std::string());
  }

 private:
  const OperationInfo& operation_;
  std::vector<std::shared_ptr<void>> parts_;
  const std::uint64_t limit_;  // of a page by name
  std::size_t answers_ = 0;
  std::optional<Error> missing_;  // every shard has said so, unless there are answers
};

// The same of a call that waits: what one has ends the waiting of all.
class FirstAnswers final : public ShardMerge {
 public:
  FirstAnswers(const OperationInfo& operation, std::uint32_t shards) : operation_(operation), parts_(shards) {}

  void take(ShardNumber shard, Bytes body) override {
    auto part = read_part(operation_, body);
    if (!part) return ShardMerge::fail(part.error());
    const auto& list = operation_.answer->fields.front();
    is_enough_ = is_enough_ || list.type->size(list.in(part->get())) > 0;
    parts_[shard.value] = std::move(*part);
  }
  void fail(const Error& error) override {
    if (!refused_) refused_ = error;
  }
  // What was given to this client it must hear of, whatever another shard says.
  const std::optional<Error>& error() const override { return is_enough_ ? ShardMerge::error() : refused_; }
  bool is_enough() const override { return is_enough_ || refused_; }
  bool may_be_cut() const override { return true; }
  std::string body() override {
    const auto sum = operation_.answer->make();
    for (const auto& part : parts_) {
      if (part != nullptr) merge(*operation_.answer, sum.get(), part.get());
    }
    return write_answer(operation_, sum.get(), false).value_or(std::string());
  }

 private:
  const OperationInfo& operation_;
  std::vector<std::shared_ptr<void>> parts_;
  bool is_enough_ = false;
  std::optional<Error> refused_;
};

// One shard after the other: a page, or all that there are up to a limit.
class InTurns final : public ShardMerge {
 public:
  InTurns(ReadCall call, ShardNumber first, std::uint32_t shards)
      : call_(std::move(call)), shard_(first), end_(shards) {
    if (const auto limit = argument(Role::limit); limit.field != nullptr) limit_ = load_natural(limit.type(), limit.at);
  }

  void take(ShardNumber, Bytes body) override {
    auto part = read_part(operation(), body);
    if (!part) return ShardMerge::fail(part.error());
    for (const auto& place : places(*operation().answer, part->get())) {
      if (place.field->rules.role == Role::count) done_ += count_of(place);
    }
    const auto next = find_place(*operation().answer, part->get(), Role::next);
    is_over_ = next.field != nullptr && !static_cast<const Uuid*>(next.at)->is_nil();
    if (sum_ == nullptr) {
      sum_ = std::move(*part);
      return;
    }
    if (is_over_)
      *static_cast<Uuid*>(find_place(*operation().answer, sum_.get(), Role::next).at) =
          *static_cast<const Uuid*>(next.at);
    merge(*operation().answer, sum_.get(), part->get());
  }
  void fail(const Error& error) override {
    // What was done in the shards before stays done, and is told.
    is_over_ = true;
    if (sum_ == nullptr) ShardMerge::fail(error);
  }
  std::optional<Next> next() override {
    bytes_ = sum_ == nullptr ? 0 : write_answer(operation(), sum_.get(), false).value_or(std::string()).size();
    const bool is_enough = limit_ != 0 && done_ >= limit_;
    if (is_over_ || is_enough || bytes_ > kPageBytesMax || shard_ + 1 >= end_ || error()) return std::nullopt;
    ++shard_;
    if (const auto after = argument(Role::after); after.field != nullptr) *static_cast<Uuid*>(after.at) = {};
    if (const auto limit = argument(Role::limit); limit_ != 0) store_natural(limit.type(), limit.at, limit_ - done_);
    return Next{shard_, Opcode::call, body_of_call(operation(), call_.arguments.get())};
  }
  std::string body() override {
    const auto next = find_place(*operation().answer, sum_.get(), Role::next);
    // A page that ends with its shard goes on at the start of the next.
    if (next.field != nullptr && static_cast<const Uuid*>(next.at)->is_nil() && shard_ + 1 < end_)
      *static_cast<Uuid*>(next.at) = make_uuid({.key = 0, .mailbox = 0, .node = (shard_ + 1).value});
    return write_answer(operation(), sum_.get(), false).value_or(std::string());
  }

 private:
  static constexpr std::size_t kPageBytesMax = 2 << 20;  // of a page; after that it goes on with the next

  const OperationInfo& operation() const { return *call_.operation; }
  Place argument(Role role) const { return find_place(*operation().arguments, call_.arguments.get(), role); }
  static std::uint64_t count_of(const Place& place) {
    const auto& type = place.type();
    const auto* const at = type.is_optional() ? type.held(place.at) : place.at;
    if (at == nullptr) return 0;
    return type.kind == Kind::list ? type.size(at) : load_natural(type, at);
  }

  ReadCall call_;
  ShardNumber shard_;
  const ShardNumber end_;
  bool is_over_ = false;
  std::uint64_t limit_ = 0;  // 0: none
  std::uint64_t done_ = 0;
  std::size_t bytes_ = 0;  // of what there is so far, as it will be written
  std::shared_ptr<void> sum_;
};

// One shard after the other, each for the ids that it was not asked for yet, until none meets more.
class Chained final : public ShardMerge {
 public:
  Chained(ReadCall call, ShardNumber first, std::uint32_t shards) : call_(std::move(call)), asked_(shards) {
    known_ = ids(Role::follow, *call_.operation->arguments, call_.arguments.get());
    known_.insert(known_.begin(), call_.id(Role::shard_by_id));
    asked_[first.value] = known_.size();
  }

  void take(ShardNumber, Bytes body) override {
    auto part = read_part(operation(), body);
    if (!part) return ShardMerge::fail(part.error());
    for (const auto& id : ids(Role::follow, *operation().answer, part->get())) {
      if (known_.size() < kKnownMax && std::ranges::find(known_, id) == known_.end()) known_.push_back(id);
    }
    if (sum_ == nullptr) {
      sum_ = std::move(*part);
    } else {
      merge(*operation().answer, sum_.get(), part->get());
    }
  }
  void fail(const Error& error) override {
    if (error.code != ErrorCode::not_found) return ShardMerge::fail(error);
    missing_ = error;  // another shard may have met it
  }
  const std::optional<Error>& error() const override {
    const auto& refused = ShardMerge::error();
    return refused || sum_ != nullptr ? refused : missing_;
  }
  std::optional<Next> next() override {
    if (ShardMerge::error()) return std::nullopt;
    for (ShardNumber shard = 0; shard.value < asked_.size(); ++shard) {
      if (asked_[shard.value] == known_.size()) continue;
      const auto from = known_.begin() + static_cast<std::ptrdiff_t>(asked_[shard.value]);
      *static_cast<Uuid*>(find_place(*operation().arguments, call_.arguments.get(), Role::shard_by_id).at) = *from;
      ids(Role::follow, *operation().arguments, call_.arguments.get()) = {from + 1, known_.end()};
      asked_[shard.value] = known_.size();
      return Next{shard, Opcode::call, body_of_call(operation(), call_.arguments.get())};
    }
    return std::nullopt;
  }
  std::string body() override {
    ids(Role::follow, *operation().answer, sum_.get()) = known_;
    return write_answer(operation(), sum_.get(), false).value_or(std::string());
  }

 private:
  static constexpr std::size_t kKnownMax = 1'000;

  const OperationInfo& operation() const { return *call_.operation; }
  static std::vector<Uuid>& ids(Role role, const StructInfo& info, void* object) {
    return *static_cast<std::vector<Uuid>*>(find_place(info, object, role).at);
  }

  ReadCall call_;
  std::vector<Uuid> known_;
  std::vector<std::size_t> asked_;  // of each shard: so many of the known
  std::shared_ptr<void> sum_;
  std::optional<Error> missing_;
};

}  // namespace

std::unique_ptr<ShardMerge> merge_ok() { return std::make_unique<Oks>(); }
std::unique_ptr<ShardMerge> merge_settled(std::vector<LeaseToken> asked, bool quiet) {
  return std::make_unique<Settlements>(std::move(asked), quiet);
}
std::unique_ptr<ShardMerge> merge_receipts(std::vector<std::vector<std::uint32_t>> places) {
  return std::make_unique<Receipts>(std::move(places));
}
std::unique_ptr<ShardMerge> merge_results(std::vector<std::vector<std::uint32_t>> places, bool quiet) {
  return std::make_unique<Results>(std::move(places), quiet);
}
std::unique_ptr<ShardMerge> merge_answers(const OperationInfo& operation, std::uint32_t shards, std::uint64_t limit) {
  return std::make_unique<Answers>(operation, shards, limit);
}
std::unique_ptr<ShardMerge> merge_first(const OperationInfo& operation, std::uint32_t shards) {
  return std::make_unique<FirstAnswers>(operation, shards);
}
std::unique_ptr<ShardMerge> merge_chained(ReadCall call, ShardNumber first, std::uint32_t shards) {
  return std::make_unique<Chained>(std::move(call), first, shards);
}
std::unique_ptr<ShardMerge> merge_in_turns(ReadCall call, ShardNumber first, std::uint32_t shards) {
  return std::make_unique<InTurns>(std::move(call), first, shards);
}

}  // namespace folkmoot
