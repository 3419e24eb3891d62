#include "server/gathering.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>

#include "base/uuid.hpp"
#include "message/pack.hpp"
#include "server/calls.hpp"

namespace folkmoot {
namespace {

namespace json = boost::json;

constexpr std::size_t kArgumentsDepthMax = 256;
constexpr std::size_t kListedMailboxesMax = 1'000;
constexpr std::size_t kListBytesMax = 2 << 20;  // of a page; after that it goes on with the next

std::string body_of_call(std::string_view name, std::string_view arguments) {
  std::string body;
  PackWriter(body).map(2).uint(0).str(name).uint(1).str(arguments);
  return body;
}

class Oks final : public Gathering {
  void take(std::uint32_t, Bytes) override {}
  std::string body() override { return {}; }
};

class Settlements final : public Gathering {
 public:
  Settlements(std::vector<std::uint64_t> asked, bool quiet) : asked_(std::move(asked)), quiet_(quiet) {}

  void take(std::uint32_t, Bytes body) override {
    if (body.size() < 8) return;
    settled_ += load<std::uint32_t>(body.data());
    for (std::size_t at = 8; at + 8 <= body.size(); at += 8) {
      ++refused_[load<std::uint64_t>(body.data() + at)];
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
  const std::vector<std::uint64_t> asked_;
  const bool quiet_;
  std::uint32_t settled_ = 0;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> refused_;  // how often each
  std::uint32_t refused_count_ = 0;
};

// Pieces that stood in one frame, and were answered in several.
class Pieces : public Gathering {
 public:
  explicit Pieces(std::vector<std::vector<std::uint32_t>> places) : places_(std::move(places)) {
    std::size_t count = 0;
    for (const auto& each : places_) count += each.size();
    pieces_.resize(count);
  }

 protected:
  const std::vector<std::uint32_t>& places(std::uint32_t shard) const { return places_[shard]; }
  std::vector<std::string>& pieces() { return pieces_; }

 private:
  std::vector<std::vector<std::uint32_t>> places_;
  std::vector<std::string> pieces_;
};

class Receipts final : public Pieces {
 public:
  using Pieces::Pieces;

  void take(std::uint32_t shard, Bytes body) override {
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
    if (state == kReceiptMoved && address) moved_[address->node & kShardMask].emplace_back(place, id);
  }

  std::map<std::uint32_t, std::vector<std::pair<std::uint32_t, Uuid>>> moved_;  // by shard, not asked for yet: by place
  bool follows_ = false;
  std::vector<std::uint32_t> followed_;  // the places of what is asked for
};

class Results final : public Pieces {
 public:
  Results(std::vector<std::vector<std::uint32_t>> places, bool quiet) : Pieces(std::move(places)), quiet_(quiet) {}

  // For each u16 code, then of 0 a Confirm, else u16 length and the text.
  void take(std::uint32_t shard, Bytes body) override {
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

// What is no sum: the largest is it.
bool is_largest(std::string_view key) { return key == "uptime_ms" || key == "memory_bytes" || key == "last_sync_us"; }

void add(json::value& sum, const json::value& more, std::string_view key);

// Elements of the same name are one thing seen in two shards.
void add_list(json::array& sum, const json::array& more) {
  const auto name_of = [](const json::value& value) -> std::optional<std::string> {
    const auto* const name = value.is_object() ? value.as_object().if_contains("name") : nullptr;
    return name != nullptr && name->is_string() ? std::optional(std::string(name->as_string())) : std::nullopt;
  };
  boost::unordered_flat_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    if (auto name = name_of(sum[i])) places.emplace(std::move(*name), i);
  }
  for (const auto& each : more) {
    const auto name = name_of(each);
    const auto same = name ? places.find(*name) : places.end();
    if (same == places.end()) {
      sum.push_back(each);
    } else {
      add(sum[same->second], each, {});
    }
  }
}

void add(json::value& sum, const json::value& more, std::string_view key) {
  if (sum.is_object() && more.is_object()) {
    for (const auto& [inner, value] : more.as_object()) {
      if (inner == "contents") {  // the first shard stores them, and knows of all
        continue;
      }
      if (auto* const known = sum.as_object().if_contains(inner)) {
        add(*known, value, inner);
      } else {
        sum.as_object()[inner] = value;
      }
    }
  } else if (sum.is_array() && more.is_array()) {
    add_list(sum.as_array(), more.as_array());
  } else if (sum.is_bool() && more.is_bool()) {
    sum = key == "accepts_durable" ? sum.as_bool() && more.as_bool() : sum.as_bool() || more.as_bool();
  } else if (key == "last_read_age_ms") {  // null: never read
    if (sum.is_null() || (!more.is_null() && more.to_number<double>() < sum.to_number<double>())) sum = more;
  } else if (sum.is_double() || more.is_double()) {
    if (sum.is_number() && more.is_number()) sum = sum.to_number<double>() + more.to_number<double>();
  } else if (sum.is_number() && more.is_number()) {
    const auto a = sum.to_number<std::int64_t>(), b = more.to_number<std::int64_t>();
    sum = is_largest(key) ? std::max(a, b) : a + b;
  }
}

// Routes stand in every shard: what differs is how many messages each has routed.
void add_routes(json::value& sum, const json::value& more) {
  for (const auto& each : more.at("routes").as_array()) {
    for (auto& known : sum.at("routes").as_array()) {
      if (known.at("name") == each.at("name")) add(known.as_object()["routed"], each.at("routed"), "routed");
    }
  }
}

class Sums final : public Gathering {
 public:
  explicit Sums(std::string_view call) : call_(call) {}

  void take(std::uint32_t shard, Bytes body) override {
    ++answers_;
    if (body.empty()) return;
    boost::system::error_code bad;
    auto part = json::parse({as_text(body).data(), body.size()}, bad);
    if (bad) return;
    if (call_ == "stats" && shard == 0) contents_ = part.at("contents");
    if (sum_.is_null()) {
      sum_ = std::move(part);
    } else if (call_ == "route.list") {
      add_routes(sum_, part);
    } else {
      add(sum_, part, {});
    }
  }
  void fail(const Error& error) override {
    if (error.code != ErrorCode::not_found) return Gathering::fail(error);
    missing_ = error;
  }
  const std::optional<Error>& error() const override {
    const auto& refused = Gathering::error();
    return refused || answers_ > 0 ? refused : missing_;
  }
  std::string body() override {
    if (sum_.is_null()) return {};
    if (auto* const mailboxes = sum_.is_object() ? sum_.as_object().if_contains("mailboxes") : nullptr;
        mailboxes != nullptr) {
      if (auto& list = mailboxes->as_array(); list.size() > kListedMailboxesMax) list.resize(kListedMailboxesMax);
    }
    if (!contents_.is_null()) sum_.as_object()["contents"] = contents_;
    return json::serialize(sum_);
  }

 private:
  const std::string call_;
  std::size_t answers_ = 0;
  std::optional<Error> missing_;  // every shard has said so, unless there are answers
  json::value sum_;
  json::value contents_;
};

// Dead letters, one shard after the other: a page of them, or all that a condition fits, up to a limit.
class InTurns final : public Gathering {
 public:
  InTurns(std::string_view name, std::string_view arguments, std::uint32_t first, std::uint32_t shards)
      : name_(name), shard_(first), shards_(shards) {
    arguments_ = parse_arguments(arguments);
    text_ = arguments;
    is_list_ = name == "dead.list";
    if (!arguments_.is_object()) return;  // its first shard refuses it
    const auto* const limit = arguments_.as_object().if_contains("limit");
    if (is_list_) limit_ = kDeadListDefault;
    boost::system::error_code bad;
    if (limit != nullptr && limit->is_number()) limit_ = limit->to_number<std::uint64_t>(bad);
  }

  void take(std::uint32_t, Bytes body) override {
    if (is_list_) return take_page(as_text(body));
    if (!body.empty() && body[0] == '{' && body.size() > 8) return take_count(body);
    counts_.resize(body.size() / 4);
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += load<std::uint32_t>(body.data() + 4 * i);
    if (!counts_.empty()) done_ = counts_[0];
  }
  void fail(const Error& error) override {
    // What was done in the shards before stays done, and is told.
    is_over_ = true;
    if (counts_.empty() && sum_.is_null() && !has_page_) Gathering::fail(error);
  }
  std::optional<Next> next() override {
    if (is_over_ || shard_ + 1 >= shards_ || error() || !arguments_.is_object() || (limit_ != 0 && done_ >= limit_))
      return std::nullopt;
    ++shard_;
    auto& arguments = arguments_.as_object();
    // As they were sent, if they can stay so: what is written anew has its numbers written in another way perhaps.
    if (limit_ == 0 && !arguments.contains("after")) return Next{shard_, Opcode::call, body_of_call(name_, text_)};
    arguments.erase("after");
    if (limit_ != 0) arguments["limit"] = limit_ - done_;
    return Next{shard_, Opcode::call, body_of_call(name_, json::serialize(arguments))};
  }
  std::string body() override {
    if (is_list_) {
      // A page that ends with its shard goes on at the start of the next.
      if (next_ == kNoNext && shard_ + 1 < shards_)
        next_ = '"' + make_uuid({.key = 0, .mailbox = 0, .node = shard_ + 1}).text() + '"';
      return std::string(kPageBegin) + dead_ + std::string(kPageNext) + next_ + "}";
    }
    if (!sum_.is_null()) return json::serialize(sum_);
    std::string out;
    for (const auto count : counts_) out.append(as_text(bytes_of(count)));
    return out;
  }

 private:
  static constexpr std::string_view kPageBegin = R"({"dead":[)", kPageNext = R"(],"next":)", kNoNext = "null";

  // What stands in the messages is not read: it may be nested deeper, and have longer numbers, than a document here
  // could.
  void take_page(std::string_view body) {
    has_page_ = true;
    const auto next = body.rfind(kPageNext);
    if (!body.starts_with(kPageBegin) || next == std::string_view::npos) return void(is_over_ = true);
    const auto letters = body.substr(kPageBegin.size(), next - kPageBegin.size());
    next_ = body.substr(next + kPageNext.size(), body.size() - next - kPageNext.size() - 1);
    if (!letters.empty()) {
      if (!dead_.empty()) dead_ += ',';
      dead_ += letters;
    }
    done_ += count_of(letters);
    is_over_ = next_ != kNoNext || dead_.size() > kListBytesMax;
  }

  // Of the objects in a list, which are told by their braces.
  static std::uint64_t count_of(std::string_view list) {
    std::uint64_t count = 0, depth = 0;
    bool in_text = false;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const char c = list[i];
      if (in_text) {
        if (c == '\\') ++i;
        in_text = c != '"';
      } else if (c == '"') {
        in_text = true;
      } else if (c == '{' || c == '[') {
        count += depth++ == 0;
      } else if (c == '}' || c == ']') {
        --depth;
      }
    }
    return count;
  }

  void take_count(Bytes body) {
    boost::system::error_code bad;
    auto part = json::parse({as_text(body).data(), body.size()}, bad);
    const auto* const count = bad || !part.is_object() ? nullptr : part.as_object().if_contains("count");
    if (count == nullptr || !count->is_number()) return;
    done_ += count->to_number<std::uint64_t>(bad);
    if (sum_.is_null()) {
      sum_ = std::move(part);
    } else {
      add(sum_, part, {});
    }
  }

  const std::string name_;
  std::uint32_t shard_;
  const std::uint32_t shards_;
  std::string text_;  // the arguments as they were sent
  json::value arguments_;
  bool is_list_ = false;
  bool is_over_ = false;
  std::uint64_t limit_ = 0;  // 0: none
  std::uint64_t done_ = 0;
  bool has_page_ = false;
  std::string dead_;                   // of a list: what it has so far
  std::string next_{kNoNext};          // as JSON
  std::vector<std::uint32_t> counts_;  // of a redrive or purge
  json::value sum_;                    // of a dry run
};

}  // namespace

json::value parse_arguments(std::string_view text) {
  boost::system::error_code bad;
  json::parse_options options;
  options.max_depth = kArgumentsDepthMax;
  auto value = json::parse(text.empty() ? json::string_view("{}") : json::string_view(text.data(), text.size()), bad,
                           {}, options);
  return bad || !value.is_object() ? json::value() : std::move(value);
}

std::unique_ptr<Gathering> gather_ok() { return std::make_unique<Oks>(); }
std::unique_ptr<Gathering> gather_settled(std::vector<std::uint64_t> asked, bool quiet) {
  return std::make_unique<Settlements>(std::move(asked), quiet);
}
std::unique_ptr<Gathering> gather_receipts(std::vector<std::vector<std::uint32_t>> places) {
  return std::make_unique<Receipts>(std::move(places));
}
std::unique_ptr<Gathering> gather_results(std::vector<std::vector<std::uint32_t>> places, bool quiet) {
  return std::make_unique<Results>(std::move(places), quiet);
}
std::unique_ptr<Gathering> gather_stats() { return std::make_unique<Sums>("stats"); }
std::unique_ptr<Gathering> gather_call(std::string_view name) { return std::make_unique<Sums>(name); }
std::unique_ptr<Gathering> gather_in_turns(std::string_view name, std::string_view arguments, std::uint32_t first,
                                           std::uint32_t shards) {
  return std::make_unique<InTurns>(name, arguments, first, shards);
}

}  // namespace folkmoot
