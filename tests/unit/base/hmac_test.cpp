#include "base/hmac.hpp"

#include <gtest/gtest.h>

#include "base/base64.hpp"

namespace folkmoot {
namespace {

TEST(Hmac, X11_is_as_rfc_4231_has_it) {
  EXPECT_EQ(encode_base64(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c=");
  EXPECT_EQ(encode_base64(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
}

TEST(Hmac, X11_signs_as_standard_webhooks_does) {
  const auto key = decode_base64("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(key);
  EXPECT_EQ(encode_base64(hmac_sha256(*key, R"(msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314})")),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

}  // namespace
}  // namespace folkmoot
