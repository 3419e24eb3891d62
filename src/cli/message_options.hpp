// The options by which send, publish and request say a message.
#pragma once

#include <string>
#include <vector>

#include "cli/cli.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot::cli {

class MessageOptions {
 public:
  /// Adds the positionals (TO or TOPIC, and CONTENT) and the options to `app`.
  void add_to(CLI::App& app, bool topic);
  /// Reads stdin if the content is `-`. Throws Failure.
  Message build() const;

 private:
  bool topic_ = false;
  std::string to_, content_, type_, priority_, key_, conversation_, correlation_, reply_to_, mode_, content_type_;
  std::vector<std::string> meta_;
  Milliseconds ttl_{0}, delay_{0};
};

}  // namespace folkmoot::cli
