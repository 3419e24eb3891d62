// The two texts that metrics are told in, which differ in how counters are called and how the text ends.
//   source   Prometheus text format 0.0.4; OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace folkmoot {

enum class MetricsFormat : std::uint8_t { prometheus, open_metrics };

std::string_view content_type(MetricsFormat format);
/// What a client wants that sends this header `Accept`; Prometheus' own unless OpenMetrics 1.0 is asked for, and not
/// less wanted.
MetricsFormat wanted_format(std::string_view accept);

enum class MetricType : std::uint8_t { counter, gauge, histogram, info };

/// What a sample is of, as name and value.
using MetricLabels = std::span<const std::pair<std::string_view, std::string_view>>;

/// A trace that a sample is an example of.
struct Exemplar {
  std::string_view trace_id{};  // empty: none
  double value = 0;
  double at = 0;  // seconds since 1970
};

class MetricsText {
 public:
  explicit MetricsText(MetricsFormat format) : format_(format) {}

  /// The samples that follow are its. `name`: without the suffixes of its type.
  void begin(std::string_view name, MetricType type, std::string_view help);
  void sample(double value, MetricLabels labels = {});
  void sample(std::uint64_t value, MetricLabels labels = {});
  /// Of a histogram: so many were at most `bound`. The last one's bound is infinite.
  void bucket(double bound, std::uint64_t count, const Exemplar& exemplar);
  void last_bucket(std::uint64_t count, const Exemplar& exemplar);
  void sums(double sum, std::uint64_t count);
  /// All of it.
  std::string end() &&;

 private:
  void line(std::string_view suffix, MetricLabels labels, std::string_view value, const Exemplar& exemplar = {});
  void append_bucket(std::string_view bound, std::uint64_t count, const Exemplar& exemplar);

  const MetricsFormat format_;
  std::string name_;
  MetricType type_{};
  std::string out_;
};

}  // namespace folkmoot
