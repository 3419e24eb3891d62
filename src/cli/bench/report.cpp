#include "cli/bench/report.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/print.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::bench {

std::int64_t now_ns() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

void Latencies::add(std::int64_t ns) {
  if (seen_++ % keep_every_ != 0) return;
  samples_.push_back(ns);
  if (samples_.size() < kSamplesMax) return;
  for (std::size_t i = 0; i < samples_.size() / 2; ++i) samples_[i] = samples_[2 * i];
  samples_.resize(samples_.size() / 2);
  keep_every_ *= 2;
}

void Latencies::merge(const Latencies& other) {
  for (const auto ns : other.samples_) add(ns);
}

double Latencies::percentile_us(double share) {
  if (samples_.empty()) return 0;
  const auto index = static_cast<std::ptrdiff_t>(share * static_cast<double>(samples_.size() - 1));
  std::ranges::nth_element(samples_, samples_.begin() + index);
  return static_cast<double>(samples_[static_cast<std::size_t>(index)]) / 1e3;
}

Progress::~Progress() {
  if (any_) fmt::print(stderr, "\r\033[K");
}

void Progress::at(std::uint64_t done) {
  if (Clock::now() - shown_ < std::chrono::seconds(1) || !::isatty(STDERR_FILENO)) return;
  shown_ = Clock::now();
  any_ = true;
  fmt::print(stderr, "\r\033[K{}: {} of {} ({}%)", what_, done, total_, total_ ? done * 100 / total_ : 100);
}

void Report::add_rate(const std::string& what, std::uint64_t count, double seconds) {
  add(what + "_per_second", static_cast<double>(count) / seconds);
}

void Report::add_latencies(const std::string& what, Latencies& latencies) {
  add(what + "_p50_us", latencies.percentile_us(0.50));
  add(what + "_p99_us", latencies.percentile_us(0.99));
  add(what + "_p999_us", latencies.percentile_us(0.999));
  add(what + "_max_us", latencies.percentile_us(1));
}

void Report::print(const std::string& workload, bool json) const {
  if (!json) {
    for (const auto& [name, value] : figures_)
      cli::print_line(fmt::format("{:<36} {:>16.{}f}", name, value, value < 1000 ? 2 : 0));
    return;
  }
  std::string out;
  JsonWriter writer(out);
  writer.begin_object().field("workload", workload);
  for (const auto& [name, value] : figures_) writer.field(name, value);
  writer.end_object();
  cli::print_line(out);
}

}  // namespace folkmoot::bench
