// Every parser of the crypto module: keys in PEM and JWK, certificates, sealed contents, Fernet tokens. What is taken
// for a key comes back as it went out.
#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "crypto/certificates.hpp"
#include "crypto/fernet.hpp"
#include "folkmoot/keys.hpp"
#include "folkmoot/sealing.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  const auto text = as_text({data, size});
  static const auto kKey = *PrivateKey::generate(KeyType::x25519);
  static const auto kToken = *FernetKey::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
  static const std::string kShared(32, 'k');
  if (const auto key = PublicKey::parse(text)) {
    const auto again = PublicKey::parse(key->pem());
    FOLKMOOT_ASSERT(again && again->thumbprint() == key->thumbprint());
    const auto from_jwk = PublicKey::parse(key->jwk());
    FOLKMOOT_ASSERT(from_jwk && from_jwk->thumbprint() == key->thumbprint());
  }
  if (const auto key = PrivateKey::parse(text, "passphrase")) {
    const auto again = PrivateKey::parse(key->jwk());
    FOLKMOOT_ASSERT(again && again->public_key().thumbprint() == key->public_key().thumbprint());
  }
  (void)describe_certificates(text);
  (void)sealed_for(text);
  FOLKMOOT_ASSERT(!open_sealed({&kKey, 1}, "bound", text));
  FOLKMOOT_ASSERT(!open_shared(kShared, "bound", text));
  FOLKMOOT_ASSERT(!kToken.open(text, 499'162'800, 60) || size == 100);  // the specification's own token
  return 0;
}
