// The examples of FIPS 180-4, and the text of a hash.
#include "base/sha256.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

TEST(Sha256, X19_the_published_examples) {
  EXPECT_EQ(Sha256::of({}).text(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256::of(as_bytes("abc")).text(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256::of(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).text(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, X19_bytes_may_come_in_parts) {
  Sha256 sha;
  for (int i = 0; i < 1'000'000; i += 1000) sha.add(as_bytes(std::string(1000, 'a')));
  EXPECT_EQ(sha.finish().text(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(ContentHash, X19_reads_64_digits_and_nothing_else) {
  const auto hash = Sha256::of(as_bytes("abc"));
  EXPECT_EQ(ContentHash::parse(hash.text()), hash);
  EXPECT_EQ(ContentHash::parse("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"), hash);
  EXPECT_FALSE(ContentHash::parse(""));
  EXPECT_FALSE(ContentHash::parse(hash.text().substr(1)));
  EXPECT_FALSE(ContentHash::parse(hash.text() + "0"));
  EXPECT_FALSE(ContentHash::parse("../" + hash.text().substr(3)));
  EXPECT_FALSE(ContentHash::parse("g" + hash.text().substr(1)));
}

}  // namespace
}  // namespace folkmoot
