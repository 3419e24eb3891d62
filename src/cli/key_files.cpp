#include "cli/key_files.hpp"

#include <fmt/format.h>

#include "cli/cli.hpp"
#include "crypto/files.hpp"

namespace folkmoot::cli {

std::string key_passphrase(const std::string& passphrase_file) {
  if (passphrase_file.empty()) return {};
  const auto text = value(read_key_file(passphrase_file));
  const auto line = text.substr(0, text.find('\n'));
  if (line.empty()) throw_invalid("--passphrase-file", fmt::format("{} is empty", passphrase_file));
  return line;
}

PublicKey public_key_of(const std::string& path, const std::string& passphrase_file) {
  const auto text = value(read_key_file(path));
  if (auto key = PublicKey::parse(text)) return *key;
  auto key = PrivateKey::parse(text, key_passphrase(passphrase_file));
  if (!key) throw Failure(within(path, key.error()));
  return key->public_key();
}

PrivateKey private_key_of(const std::string& path, const std::string& passphrase_file) {
  auto key = PrivateKey::parse(value(read_key_file(path)), key_passphrase(passphrase_file));
  if (!key) throw Failure(within(path, key.error()));
  return *key;
}

}  // namespace folkmoot::cli
