#include "cli/webhook_secret.hpp"

#include <sys/random.h>

#include "base/base64.hpp"
#include "cli/cli.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kSecretBytes = 32;

}  // namespace

std::string make_webhook_secret() {
  std::string bytes(kSecretBytes, '\0');
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw Failure({ErrorCode::io_error, "no random numbers from the system"});
  return std::string("whsec_").append(encode_base64(bytes));
}

}  // namespace folkmoot::cli
