// The keys that journals of runs are sealed with. All of them can be read with each; they differ in what is new.
#pragma once

#include <array>
#include <string>

#include "journal/sealing.hpp"

namespace folkmoot::simulation {

enum class NewSegments : std::uint8_t { plain, first_key, second_key };

inline const std::shared_ptr<const JournalKeys>& seal_keys(NewSegments how) {
  static const auto all = [] {
    const std::string first = std::string(62, '1') + "23\n", second = std::string(62, '4') + "56\n";
    return std::array{*JournalKeys::parse("plain\n" + first + second), *JournalKeys::parse(first + second),
                      *JournalKeys::parse(second + first)};
  }();
  return all[static_cast<std::size_t>(how)];
}

}  // namespace folkmoot::simulation
