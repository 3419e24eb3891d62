// The table of the server's settings: the name of each, what it is for, whether it may change while the server runs,
// and how it is read and shown. --help, `folkmoot settings` and docs/operations.md are made of it, or compared with it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/server_config.hpp"

namespace folkmoot {

// How a setting's value is read, and written so that it reads the same.
struct SettingValue {
  std::function<Result<void>(ServerConfig&, const std::string&)> set;
  std::function<std::string(const ServerConfig&)> show;
  std::string_view empty = "";  // what a value that is empty means
};

enum class Takes { at_once, restart };

/// A row.
struct Setting {
  std::string_view name;
  Takes takes;
  std::string_view meaning;
  SettingValue value;
  bool is_secret = false;  // that it is set is all that is told

  std::string shown(const ServerConfig& config) const {
    const auto text = value.show(config);
    if (text.empty()) return std::string(value.empty);
    return is_secret ? "(set)" : text;
  }
};

const std::vector<Setting>& settings_table();

}  // namespace folkmoot
