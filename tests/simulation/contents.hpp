// Contents by reference: the files that a server would have, which live through every crash, and what must be true of
// them. One that a message refers to is never removed; one that none refers to is gone when its grace is over.
#pragma once

#include <algorithm>

#include "simulation/model.hpp"
#include "simulation/random.hpp"

namespace folkmoot::simulation {

class ContentChecker {
 public:
  static constexpr std::uint32_t kContents = 4;

  ContentChecker(Model& model, RuleCounts& rules) : model_(model), rules_(rules) {}

  static ContentRef ref(std::uint32_t content) {
    ContentRef ref{.hash = {}, .size = 1'000'000 + content};
    ref.hash.bytes.fill(static_cast<std::uint8_t>(content));
    return ref;
  }

  /// An upload has ended.
  void store(Engine& engine, std::uint32_t content) {
    files_.insert(content);
    engine.contents().stored(ref(content));
  }
  /// One to refer to; 0 if there is none. The engine hears of it before any time passes.
  std::uint32_t any(Random& random) {
    if (files_.empty()) return 0;
    return *std::next(files_.begin(), static_cast<std::ptrdiff_t>(random.below(files_.size())));
  }
  /// As a server does at its start.
  void recover(Engine& engine) {
    for (const auto content : files_) engine.contents().stored(ref(content));
  }

  void removed(const ContentHash& hash) {
    const std::uint32_t content = hash.bytes[0];
    expect(files_.contains(content) && ref(content).hash == hash, "a content is removed that was not stored");
    expect(!is_referred(content), "content {} is removed, and a message refers to it", content);
    files_.erase(content);
    rules_.saw(Rule::content_removed);
  }
  void compare(const Engine& engine) const {
    expect(engine.contents().totals().missing == 0, "{} contents are missing that messages refer to",
           engine.contents().totals().missing);
    for (const auto content : files_) rules_.saw(Rule::content_referred, is_referred(content));
  }
  /// When all is durable, and a grace has passed: what nothing refers to has gone. But a message whose end the log had
  /// no room for may be back after a crash: what it refers to stays for this life.
  void check_gone() const {
    for (const auto content : files_)
      expect(is_referred(content) || model_.unnoted_contents.contains(content),
             "content {} is there, and nothing refers to it", content);
  }

 private:
  bool is_referred(std::uint32_t content) const {
    return std::ranges::any_of(model_.messages(), [&](const auto& each) {
      const auto stand = each.second.stand;
      return each.second.asked.content == content && stand != Stand::gone && stand != Stand::handing;
    });
  }

  Model& model_;
  RuleCounts& rules_;
  std::set<std::uint32_t> files_;
};

}  // namespace folkmoot::simulation
