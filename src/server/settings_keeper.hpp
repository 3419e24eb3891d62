// The server's settings as operations see them. Where they stand, and how they are read, is for whoever started the
// server. Called on the first shard's thread only.
#pragma once

#include "base/error.hpp"
#include "folkmoot/operation/settings.hpp"

namespace folkmoot {

class SettingsKeeper {
 public:
  virtual ~SettingsKeeper() = default;
  virtual SettingsList list() const = 0;
  /// Reads them again and puts in force what may change, in all shards and doors. Errors: malformed, io_error,
  /// invalid_field, out_of_range, not_permitted: then nothing has changed.
  virtual Result<ReloadedSettings> reload() = 0;
};

}  // namespace folkmoot
