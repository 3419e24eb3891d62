#include "message/trace_parent.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

constexpr std::string_view kText = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceParent, X15_IsReadAndWritten) {
  const auto trace = parse_trace_parent(kText);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(trace->span, 0x00f067aa0ba902b7u);
  EXPECT_TRUE(trace->is_sampled());
  EXPECT_EQ(trace->text(), kText);
  EXPECT_FALSE(parse_trace_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02")->is_sampled());
}

TEST(TraceParent, X15_EachDigitAndDashCounts) {
  for (std::size_t i = 0; i < kText.size(); ++i) {
    for (const char c : {'g', 'A', ' ', '\0', '\xff'}) {
      std::string text(kText);
      text[i] = c;
      EXPECT_FALSE(parse_trace_parent(text)) << i << ' ' << c;
    }
    EXPECT_FALSE(parse_trace_parent(kText.substr(0, i))) << i;
  }
}

TEST(TraceParent, X15_AHigherVersionIsTakenForWhatIsKnown) {
  const auto rest = std::string(kText.substr(2));
  EXPECT_TRUE(parse_trace_parent("01" + rest));
  EXPECT_TRUE(parse_trace_parent("fe" + rest + "-more"));
  EXPECT_EQ(parse_trace_parent("cc" + rest + "-x")->text(), kText);
  for (const auto& wrong : {"ff" + rest, "01" + rest + "x", "00" + rest + "-", "00" + rest + "-more"}) {
    EXPECT_FALSE(parse_trace_parent(wrong)) << wrong;
  }
}

TEST(TraceParent, X15_NumbersOfZeroAreNone) {
  EXPECT_FALSE(parse_trace_parent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  EXPECT_FALSE(parse_trace_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
  EXPECT_TRUE(parse_trace_parent("00-00000000000000000000000000000001-0000000000000001-00"));
}

}  // namespace
}  // namespace folkmoot
