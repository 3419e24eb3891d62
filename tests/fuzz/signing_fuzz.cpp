// A message of a stranger: its signature and its sealed content are read, and hold for nobody who did not make them. A
// file of known keys as somebody may have left it.
#include <unistd.h>

#include <fstream>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "folkmoot/known_keys.hpp"
#include "folkmoot/signing.hpp"
#include "message/envelope.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  static const auto kSigner = *PrivateKey::generate(KeyType::ed25519);
  static const auto kReader = *PrivateKey::generate(KeyType::x25519);
  static const std::string kFile = "/tmp/folkmoot-fuzz-known-" + std::to_string(::getpid());
  const auto text = std::string(as_text({data, size}));
  if (auto message = decode_message({data, size})) {
    FOLKMOOT_ASSERT(!verify_message(*message, kSigner.public_key()));
    message->content_type = kSealedContentType;
    FOLKMOOT_ASSERT(!open_message(*message, {&kReader, 1}));
  }
  Message message;
  message.from = "ann";
  message.metadata[std::string(kSignatureField)] = text;
  FOLKMOOT_ASSERT(!verify_message(message, kSigner.public_key()));
  if (const auto said = signature_of(message)) {
    MetSignatures met;
    FOLKMOOT_ASSERT(said->nonce.size() <= 255 && met.meet(message, *said) && met.meet(message, *said));
  }
  std::ofstream(kFile, std::ios::binary | std::ios::trunc) << text;
  if (const auto known = KnownKeys::open(kFile)) {
    for (const auto& [agent, keys] : known->agents()) FOLKMOOT_ASSERT(keys.keys.size() <= kKnownKeysOfAgentMax);
  }
  ::unlink(kFile.c_str());
  return 0;
}
