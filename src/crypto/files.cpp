#include "crypto/files.hpp"

namespace folkmoot {

Result<std::string> read_key_file(const std::string& path) {
  auto text = read_small_file(path, kKeyFileBytesMax);
  if (!text && text.error().code == ErrorCode::out_of_range)
    text.error().advice = "that is no file of keys or certificates";
  return text;
}

}  // namespace folkmoot
