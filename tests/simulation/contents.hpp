// Contents by reference: the files that a server would have, which live through every crash, and what must be true of them. One that a
// message refers to is never removed; one that none refers to is gone when its grace is over.
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
    files_[content] = kUnknown;
    engine.content_stored(ref(content));
  }
  /// One to refer to; 0 if there is none. The engine hears of it before any time passes.
  std::uint32_t any(Random& random) {
    if (files_.empty()) return 0;
    const auto file = std::next(files_.begin(), static_cast<std::ptrdiff_t>(random.below(files_.size())));
    file->second = kUnknown;
    return file->first;
  }
  /// As a server does at its start.
  void recover(Engine& engine) {
    for (auto& [content, idle_since] : files_) store(engine, content);
  }

  void removed(const ContentHash& hash) {
    const std::uint32_t content = hash.bytes[0];
    expect(files_.contains(content) && ref(content).hash == hash, "a content is removed that was not stored");
    expect(!is_referred(content), "content {} is removed, and a message refers to it", content);
    files_.erase(content);
    rules_.saw(Rule::content_removed);
  }
  void compare(const Engine& engine, std::int64_t grace_ms) {
    for (auto& [content, idle_since] : files_) {
      if (is_referred(content)) {
        idle_since = kUnknown;
        rules_.saw(Rule::content_referred);
      } else if (idle_since == kUnknown) {
        idle_since = engine.now();
      } else {
        expect(engine.now() - idle_since <= grace_ms, "content {} is there {} ms after the last message that referred to it", content,
               engine.now() - idle_since);
      }
    }
  }

 private:
  static constexpr std::int64_t kUnknown = -1;

  bool is_referred(std::uint32_t content) const {
    return std::ranges::any_of(model_.messages(), [&](const auto& each) {
      const auto stand = each.second.stand;
      return each.second.asked.content == content && stand != Stand::gone && stand != Stand::handing;
    });
  }

  Model& model_;
  RuleCounts& rules_;
  std::map<std::uint32_t, std::int64_t> files_;  // since when nothing refers to it, as far as was seen
};

}  // namespace folkmoot::simulation
