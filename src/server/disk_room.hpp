// How much room the file system of a folder has.
#pragma once

#include <string>

#include "folkmoot/operation/stats.hpp"

namespace folkmoot {

/// Zeros if that cannot be known.
DiskCounts disk_of(const std::string& folder);

}  // namespace folkmoot
