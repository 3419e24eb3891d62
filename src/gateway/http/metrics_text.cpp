#include "gateway/http/metrics_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "gateway/http/head.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kOpenMetrics = "application/openmetrics-text", kPlain = "text/plain";

std::string_view word_of(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::histogram:
      return "histogram";
    case MetricType::info:
      return "info";
    case MetricType::gauge:
      break;
  }
  return "gauge";
}

// Cuts what stands before the next `separator` off.
std::string_view cut(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  const auto part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trimmed(part);
}

// One that says nothing of itself is wanted as much as can be; one that cannot be read, not at all.
double quality(std::string_view text) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc{} && value >= 0 && value <= 1 ? value : 0;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') {
      out.append("\\n");
    } else {
      out.push_back(c);
    }
  }
}

}  // namespace

std::string_view content_type(MetricsFormat format) {
  return format == MetricsFormat::open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                               : "text/plain; version=0.0.4; charset=utf-8";
}

MetricsFormat wanted_format(std::string_view accept) {
  double open = 0, plain = 0;
  while (!accept.empty()) {
    auto element = cut(accept, ',');
    const auto type = lower_case(cut(element, ';'));
    double q = 1;
    bool is_known = true;
    while (!element.empty()) {
      auto parameter = cut(element, ';');
      const auto name = lower_case(cut(parameter, '='));
      if (name == "q") q = quality(parameter);
      if (name == "version" && type == kOpenMetrics) is_known = parameter == "1.0.0";
    }
    if (type == kOpenMetrics && is_known) open = std::max(open, q);
    if (type == kPlain) plain = std::max(plain, q);
  }
  return open > 0 && open >= plain ? MetricsFormat::open_metrics : MetricsFormat::prometheus;
}

void MetricsText::begin(std::string_view name, MetricType type, std::string_view help) {
  name_ = name;
  type_ = type;
  const auto out = std::back_inserter(out_);
  if (format_ == MetricsFormat::prometheus) {
    const auto suffix = type == MetricType::counter ? "_total" : type == MetricType::info ? "_info" : "";
    const auto word = type == MetricType::info ? "gauge" : word_of(type);
    fmt::format_to(out, "# HELP {0}{1} {2}\n# TYPE {0}{1} {3}\n", name, suffix, help, word);
    return;
  }
  fmt::format_to(out, "# TYPE {} {}\n", name, word_of(type));
  for (const std::string_view unit : {"seconds", "bytes"}) {
    if (name.ends_with(unit)) fmt::format_to(out, "# UNIT {} {}\n", name, unit);
  }
  fmt::format_to(out, "# HELP {} {}\n", name, help);
}

void MetricsText::sample(double value, MetricLabels labels) {
  line(type_ == MetricType::counter ? "_total"
       : type_ == MetricType::info  ? "_info"
                                    : "",
       labels, fmt::format("{}", value));
}

void MetricsText::sample(std::uint64_t value, MetricLabels labels) {
  line(type_ == MetricType::counter ? "_total"
       : type_ == MetricType::info  ? "_info"
                                    : "",
       labels, fmt::format("{}", value));
}

void MetricsText::bucket(double bound, std::uint64_t count, const Exemplar& exemplar) {
  append_bucket(fmt::format("{}", bound), count, exemplar);
}

void MetricsText::last_bucket(std::uint64_t count, const Exemplar& exemplar) { append_bucket("+Inf", count, exemplar); }

void MetricsText::append_bucket(std::string_view bound, std::uint64_t count, const Exemplar& exemplar) {
  const std::pair<std::string_view, std::string_view> label[] = {{"le", bound}};
  line("_bucket", label, fmt::format("{}", count), exemplar);
}

void MetricsText::sums(double sum, std::uint64_t count) {
  line("_sum", {}, fmt::format("{}", sum));
  line("_count", {}, fmt::format("{}", count));
}

// Only OpenMetrics has a place for exemplars.
void MetricsText::line(std::string_view suffix, MetricLabels labels, std::string_view value, const Exemplar& exemplar) {
  out_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [name, of] : labels) {
    out_.push_back(std::exchange(before, ','));
    out_.append(name).append("=\"");
    append_escaped(out_, of);
    out_.push_back('"');
  }
  if (!labels.empty()) out_.push_back('}');
  out_.append(" ").append(value);
  if (format_ == MetricsFormat::open_metrics && !exemplar.trace_id.empty()) {
    fmt::format_to(std::back_inserter(out_), " # {{trace_id=\"{}\"}} {} {:.3f}", exemplar.trace_id, exemplar.value,
                   exemplar.at);
  }
  out_.push_back('\n');
}

std::string MetricsText::end() && {
  if (format_ == MetricsFormat::open_metrics) out_.append("# EOF\n");
  return std::move(out_);
}

}  // namespace folkmoot
