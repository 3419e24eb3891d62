// Keys out of files, as the shell's options name them.
#pragma once

#include <string>

#include "folkmoot/keys.hpp"

namespace folkmoot::cli {

/// The first line of a file, as a passphrase does not stand on a command line, where others can read it; empty without
/// a file. Throws Failure.
std::string key_passphrase(const std::string& passphrase_file);
/// Public, or the public part of one that is not. Throws Failure.
PublicKey public_key_of(const std::string& path, const std::string& passphrase_file = {});
PrivateKey private_key_of(const std::string& path, const std::string& passphrase_file = {});

}  // namespace folkmoot::cli
