// A set of keys as whoever answers in the issuer's place could write it, and tokens of strangers: nothing may break,
// and no token is good that none of the keys has signed.
#include <cstdlib>

#include "access/jwt.hpp"
#include "base/bytes.hpp"

namespace {

using namespace folkmoot;

constexpr std::string_view kGood =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
const Instant kNow{1'800'000'000'000};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text({data, size});
  const auto verifier = *access::JwtVerifier::make_for_fetched(
      {.algorithms = {"RS256", "ES256", "EdDSA"}, .issuer = "joe", .audience = "bus"});
  unsigned asked = 0;
  verifier->on_unknown_key([&] { ++asked; });
  // None is looked at before there are keys; what is no set leaves it so.
  const bool is_set = verifier->take_keys(text, kNow + Duration{1'000}).has_value();
  const auto first = verifier->verify(text, kNow);
  if (first || (first.error().code == ErrorCode::busy) == is_set) std::abort();
  if (!verifier->take_keys(kGood, kNow + Duration{1'000})) std::abort();
  if (verifier->verify(text, kNow) || verifier->verify_signature(text)) std::abort();
  // ... and one that is wrong changes nothing of what is there.
  if (!is_set && !verifier->take_keys(text, kNow) && verifier->verify(text, kNow).error().code == ErrorCode::busy)
    std::abort();
  if (asked > 4) std::abort();
  (void)access::JwtVerifier::claimed_subject(text);
  return 0;
}
