#include "message/metadata.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cmath>

#include "message/limits.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

TEST(Metadata, BringsBackWhateverJsonCanSay) {
  const auto value = boost::json::parse(
      R"({"a":null,"b":true,"c":-5,"d":18446744073709551615,"e":0.1,"f":"grün","g":[[],{}],"":{"x":[1]}})");
  std::string packed;
  ASSERT_TRUE(encode_metadata(value.as_object(), packed));
  ASSERT_TRUE(check_metadata(as_bytes(packed)));
  const auto back = decode_metadata(as_bytes(packed));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, value.as_object());
}

TEST(Metadata, ShowsBinaryAsHexAndNumbersWithoutAWordAsNull) {
  std::string packed;
  PackWriter(packed).map(3).str("bin").bin("\x01\xff").str("nan").real(NAN).str("inf").real(INFINITY);
  ASSERT_TRUE(check_metadata(as_bytes(packed)));
  const auto back = decode_metadata(as_bytes(packed));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->at("bin"), "01ff");
  EXPECT_TRUE(back->at("nan").is_null());
  EXPECT_TRUE(back->at("inf").is_null());
}

std::string nested(int depth) {
  std::string packed;
  PackWriter writer(packed);
  for (int i = 0; i < depth; ++i) writer.map(1).str("in");
  writer.uint(1);
  return packed;
}

TEST(Metadata, IsBoundedInDepthAndSize) {
  EXPECT_TRUE(check_metadata(as_bytes(nested(kMetadataDepthMax))));
  const auto deep = check_metadata(as_bytes(nested(kMetadataDepthMax + 1)));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code, ErrorCode::out_of_range);
  std::string large;
  PackWriter(large).map(1).str("x").str(std::string(kMetadataBytesMax, 'y'));
  EXPECT_EQ(check_metadata(as_bytes(large)).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(check_metadata(as_bytes(nested(20'000))).error().code, ErrorCode::out_of_range);
}

TEST(Metadata, EncodingRefusesWhatIsTooDeep) {
  boost::json::value value = 1;
  for (int i = 0; i < kMetadataDepthMax + 1; ++i) value = boost::json::object{{"in", value}};
  std::string packed;
  EXPECT_EQ(encode_metadata(value.as_object(), packed).error().code, ErrorCode::out_of_range);
}

}  // namespace
}  // namespace folkmoot
