#include "mutation/mutant.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace folkmoot::mutation {

std::uint32_t on = 0;
bool recording = false;

namespace {

// Numbers are told apart by their last bits: where two are the same, one seems reached that is not, which costs a run.
constexpr std::size_t kSeen = 1 << 20;
std::array<std::atomic<std::uint8_t>, kSeen> seen;
std::FILE* file = nullptr;
bool is_named = false;

// What reads its environment before everything else is made, as static objects call mutated code.
__attribute__((constructor(101))) void look() {
  if (const auto* number = std::getenv("FOLKMOOT_MUTANT")) {
    on = static_cast<std::uint32_t>(std::strtoul(number, nullptr, 16));
  }
  if (const auto* path = std::getenv("FOLKMOOT_MUTANT_REACHED")) {
    file = std::fopen(path, "a");
    recording = file != nullptr;
  }
}

// A program without tests of its own is one.
__attribute__((destructor)) void finish() {
  if (file != nullptr && !is_named) end("", 0);
}

}  // namespace

void reach(std::uint32_t number) noexcept { seen[number % kSeen].store(1, std::memory_order_relaxed); }

void begin() {
  for (auto& each : seen) each.store(0, std::memory_order_relaxed);
}

void end(const char* name, double seconds) {
  is_named = true;
  if (file == nullptr) return;
  std::fprintf(file, "%s\t%.6f\t", name, seconds);
  for (std::size_t i = 0; i < kSeen; ++i) {
    if (seen[i].load(std::memory_order_relaxed) != 0) std::fprintf(file, "%zx ", i);
  }
  std::fputc('\n', file);
  std::fflush(file);
}

}  // namespace folkmoot::mutation
