// Which bytes of a content a request wants (X19).
#include "gateway/http/range.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

TEST(ByteRange, X19_from_to_from_on_and_the_last) {
  EXPECT_EQ(parse_range("bytes=0-0", 10), (ByteRange{0, 1, true}));
  EXPECT_EQ(parse_range("bytes=2-5", 10), (ByteRange{2, 6, true}));
  EXPECT_EQ(parse_range("bytes=2-", 10), (ByteRange{2, 10, true}));
  EXPECT_EQ(parse_range("bytes=-3", 10), (ByteRange{7, 10, true}));
  EXPECT_EQ(parse_range("bytes=-30", 10), (ByteRange{0, 10, true}));
  EXPECT_EQ(parse_range("bytes=9-18446744073709551615", 10), (ByteRange{9, 10, true}));
}

TEST(ByteRange, X19_none_of_it_is_there) {
  EXPECT_FALSE(parse_range("bytes=10-", 10)->is_satisfiable);
  EXPECT_FALSE(parse_range("bytes=10-20", 10)->is_satisfiable);
  EXPECT_FALSE(parse_range("bytes=-0", 10)->is_satisfiable);
}

TEST(ByteRange, X19_what_is_no_range_is_ignored) {
  for (const auto* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-b", "bytes=5-2", "bytes=1-2,4-5", "lines=1-2",
        "bytes=1", "bytes=+1-2", "bytes= 1-2", "bytes=18446744073709551616-", "bytes=--1"}) {
    EXPECT_FALSE(parse_range(header, 10)) << header;
  }
}

}  // namespace
}  // namespace folkmoot
