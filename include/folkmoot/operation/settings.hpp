// The server's settings: what each is, where that comes from, and reading them again while the server runs.
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

enum class SettingSource : std::uint8_t { builtin, file, environment, flag };
inline constexpr std::string_view kSettingSourceWords[] = {"default", "file", "environment", "flag"};
template <>
inline constexpr std::span<const std::string_view> kWords<SettingSource> = kSettingSourceWords;

constexpr std::uint64_t kSettingBytesMax = 1 << 20;  // of a value as text
constexpr std::uint64_t kSettingsMax = 1'000;

struct SettingRow {
  std::string name{}, value{};
  SettingSource source = SettingSource::builtin;
  bool changes_at_once = false;
  std::string default_value{}, what{}, after_restart{};

  static constexpr auto fields() {
    using S = SettingRow;
    return std::array{
        field<&S::name>(0, "name", "As the configuration file has it"),
        field<&S::value>(1, "value", "In force; of the token only whether it is set", {.max = kSettingBytesMax}),
        field<&S::source>(2, "source", "Where that comes from"),
        field<&S::changes_at_once>(3, "changes_at_once", "Another value is taken while the server runs"),
        field<&S::default_value>(4, "default", "What it is unless it is set", {.max = kSettingBytesMax}),
        field<&S::what>(5, "what", "What it is for", {.max = kSettingBytesMax}),
        field<&S::after_restart>(6, "after_restart", "What has been read since and takes a restart",
                                 {.max = kSettingBytesMax, .sparse = true}),
    };
  }
};

struct SettingsList {
  std::vector<SettingRow> settings{};
  std::string config_file{};

  static constexpr auto fields() {
    return std::array{
        field<&SettingsList::settings>(0, "settings", "In the order of the pages", {.max = kSettingsMax}),
        field<&SettingsList::config_file>(1, "config_file", "Which file is read", {.max = 4096, .sparse = true}),
    };
  }
};

struct ListSettings {
  std::string name{};

  using Answer = SettingsList;
  static constexpr OperationRow kOperation{.name = "server.settings",
                                           .what = "Lists the server's settings, and where their values come from",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/settings",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ListSettings::name>(0, "name", "This one alone, which must be there")};
  }
};

struct SettingChange {
  std::string name{}, from{}, to{};

  static constexpr auto fields() {
    using S = SettingChange;
    return std::array{
        field<&S::name>(0, "name", "Of the setting"),
        field<&S::from>(1, "from", "Its value before", {.max = kSettingBytesMax}),
        field<&S::to>(2, "to", "The value that was read", {.max = kSettingBytesMax}),
    };
  }
};

struct ReloadedSettings {
  std::vector<SettingChange> changed{}, restart_needed{};

  static constexpr auto fields() {
    using R = ReloadedSettings;
    return std::array{
        field<&R::changed>(0, "changed", "In force from now on", {.max = kSettingsMax}),
        field<&R::restart_needed>(1, "restart_needed", "Different, and taken when the server is started again",
                                  {.max = kSettingsMax}),
    };
  }
};

struct ReloadSettings {
  using Answer = ReloadedSettings;
  static constexpr OperationRow kOperation{
      .name = "server.reload",
      .what = "Reads the configuration file again, takes what may change while the server runs, and opens its log anew",
      .right = Right::administer,
      .where = Where::first,
      .http = "POST /api/settings/reload",
      .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

}  // namespace folkmoot
