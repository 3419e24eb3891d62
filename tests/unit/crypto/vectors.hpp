// Vectors that others published, as they lie in tests/vectors.
#pragma once

#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <string>

namespace folkmoot::testing {

inline boost::json::value vectors(const std::string& file) {
  std::ifstream in(std::string(FOLKMOOT_VECTORS) + "/" + file);
  std::ostringstream text;
  text << in.rdbuf();
  return boost::json::parse(text.str());
}

inline std::string text(const boost::json::value& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

inline std::string bytes(const boost::json::value& object, std::string_view key) {
  const auto hex = text(object, key);
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

/// Calls `each` with every test of a Wycheproof file and its group; how many there were.
template <class Each>
std::size_t each_wycheproof(const std::string& file, Each each) {
  std::size_t count = 0;
  const auto all = vectors("wycheproof/" + file);
  for (const auto& group : all.at("testGroups").as_array()) {
    for (const auto& test : group.at("tests").as_array()) {
      each(group, test);
      ++count;
    }
  }
  return count;
}

}  // namespace folkmoot::testing
