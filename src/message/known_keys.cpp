#include "folkmoot/known_keys.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "base/utf8.hpp"
#include "crypto/files.hpp"

namespace folkmoot {
namespace {

namespace json = boost::json;

bool is_for_sealing(KeyType type) { return type != KeyType::ed25519; }

std::int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// While one is held nobody else changes the file.
class KnownKeysLock {
 public:
  explicit KnownKeysLock(const std::string& path)
      : file_(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    while (file_ >= 0 && ::flock(file_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  KnownKeysLock(const KnownKeysLock&) = delete;
  ~KnownKeysLock() {
    if (file_ >= 0) ::close(file_);
  }
  bool is_held() const { return file_ >= 0; }

 private:
  int file_;
};

Error not_known_keys(const std::string& path) {
  return {ErrorCode::damaged, fmt::format("{} is not a file of known keys", path),
          "put back a copy, or move it away: then every agent is met anew"};
}

std::optional<KnownKey> key_in(const json::value& value) {
  const auto* const object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto* const jwk = object->if_contains("jwk");
  const auto* const pinned = object->if_contains("pinned");
  const auto* const since = object->if_contains("since");
  if (jwk == nullptr || pinned == nullptr || !pinned->is_bool() || since == nullptr || !since->is_int64())
    return std::nullopt;
  auto key = PublicKey::from_jwk(json::serialize(*jwk));
  if (!key) return std::nullopt;
  return KnownKey{std::move(*key), pinned->get_bool(), since->get_int64()};
}

std::optional<KnownAgentKeys> agent_in(const json::value& value) {
  const auto* const object = value.if_object();
  const auto* const blocked = object == nullptr ? nullptr : object->if_contains("blocked");
  const auto* const keys = object == nullptr ? nullptr : object->if_contains("keys");
  if (blocked == nullptr || !blocked->is_bool() || keys == nullptr || !keys->is_array()) return std::nullopt;
  KnownAgentKeys out{.is_blocked = blocked->get_bool()};
  for (const auto& each : keys->get_array()) {
    auto key = key_in(each);
    if (!key || out.keys.size() == kKnownKeysOfAgentMax) return std::nullopt;
    out.keys.push_back(std::move(*key));
  }
  return out;
}

std::unexpected<Error> blocked(std::string_view agent) {
  return failure(ErrorCode::unauthorized, fmt::format("{} is blocked here", printable(agent)),
                 "`folkmoot key forget AGENT` takes that back");
}

std::unexpected<Error> changed(std::string_view agent, std::string_view thumbprint, const PublicKey& known) {
  return failure(ErrorCode::unauthorized,
                 fmt::format("{} is known by the key {}, and this is of {}", printable(agent), known.thumbprint(),
                             thumbprint.empty() ? "none" : thumbprint),
                 "ask the agent's owner by another way; `folkmoot key trust AGENT FILE` takes the new one");
}

std::vector<PublicKey> readable(std::span<const AgentPublicKey> offered) {
  std::vector<PublicKey> out;
  for (const auto& each : offered) {
    if (auto key = PublicKey::parse(each.key)) out.push_back(std::move(*key));
  }
  return out;
}

}  // namespace

std::string KnownKeys::default_path() {
  if (const char* const path = std::getenv("FOLKMOOT_KNOWN_KEYS"); path != nullptr && *path != '\0') return path;
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config == '/') return std::string(config) + "/folkmoot/known-keys.json";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const auto* const user = ::getpwuid(::getuid());
    home = user != nullptr ? user->pw_dir : "/";
  }
  return std::string(home) + "/.config/folkmoot/known-keys.json";
}

Result<KnownKeys> KnownKeys::open(std::string path) {
  KnownKeys out(std::move(path));
  if (auto done = out.load(); !done) return std::unexpected(std::move(done.error()));
  return out;
}

Result<void> KnownKeys::load() {
  agents_.clear();
  std::error_code none;
  if (!std::filesystem::exists(path_, none)) return {};
  const auto text = read_key_file(path_);
  if (!text) return std::unexpected(text.error());
  boost::system::error_code error;
  const auto value = json::parse(*text, error);
  const auto* const object = error ? nullptr : value.if_object();
  const auto* const agents = object == nullptr ? nullptr : object->if_contains("agents");
  if (agents == nullptr || !agents->is_object() || agents->get_object().size() > kKnownAgentsMax)
    return std::unexpected(not_known_keys(path_));
  for (const auto& each : agents->get_object()) {
    auto known = agent_in(each.value());
    if (!known) return std::unexpected(not_known_keys(path_));
    agents_.emplace(std::string(each.key()), std::move(*known));
  }
  return {};
}

Result<void> KnownKeys::save() const {
  json::object agents;
  for (const auto& [name, known] : agents_) {
    json::array keys;
    for (const auto& each : known.keys) {
      keys.push_back(
          json::object{{"jwk", json::parse(each.key.jwk())}, {"pinned", each.is_pinned}, {"since", each.since}});
    }
    agents[name] = json::object{{"blocked", known.is_blocked}, {"keys", std::move(keys)}};
  }
  auto text = json::serialize(json::object{{"agents", std::move(agents)}}) + "\n";
  if (text.size() > kKeyFileBytesMax) {
    return failure(ErrorCode::limit_reached, fmt::format("{} has no room for more keys", path_),
                   "`folkmoot key forget AGENT` makes some");
  }
  return replace_file(path_, text, FileFor::owner);
}

const PublicKey* KnownKeys::find(std::string_view agent, std::string_view thumbprint) const {
  const auto at = agents_.find(agent);
  if (at == agents_.end() || at->second.is_blocked) return nullptr;
  for (const auto& each : at->second.keys) {
    if (!is_for_sealing(each.key.type()) && each.key.thumbprint() == thumbprint) return &each.key;
  }
  return nullptr;
}

template <class Change>
Result<void> KnownKeys::update(Change change) {
  std::error_code error;
  const auto folder = std::filesystem::path(path_).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  const KnownKeysLock lock(path_);
  if (!lock.is_held()) return std::unexpected(system_error(ErrorCode::io_error, "locking " + path_, errno));
  if (auto done = load(); !done) return done;
  if (auto done = change(); !done) return done;
  return save();
}

Result<void> KnownKeys::pin(std::string_view agent, const PublicKey& key) {
  return update([&]() -> Result<void> {
    if (!agents_.contains(agent) && agents_.size() == kKnownAgentsMax)
      return failure(ErrorCode::limit_reached, fmt::format("{} agents are known, and no more may be", kKnownAgentsMax));
    auto& known = agents_[std::string(agent)];
    known.is_blocked = false;
    std::erase_if(known.keys,
                  [&](const auto& each) { return is_for_sealing(each.key.type()) == is_for_sealing(key.type()); });
    known.keys.push_back({key, true, unix_ms()});
    return {};
  });
}

Result<void> KnownKeys::block(std::string_view agent) {
  return update([&]() -> Result<void> {
    agents_[std::string(agent)].is_blocked = true;
    return {};
  });
}

Result<void> KnownKeys::forget(std::string_view agent) {
  return update([&]() -> Result<void> {
    const auto at = agents_.find(agent);
    if (at == agents_.end())
      return failure(ErrorCode::not_found, fmt::format("nothing is known of {}", printable(agent)));
    agents_.erase(at);
    return {};
  });
}

// Unless somebody else has met the agent meanwhile, with another key of the same kind.
Result<PublicKey> KnownKeys::meet(std::string_view agent, const PublicKey& key) {
  auto done = update([&]() -> Result<void> {
    if (!agents_.contains(agent) && agents_.size() == kKnownAgentsMax)
      return failure(ErrorCode::limit_reached, fmt::format("{} agents are known, and no more may be", kKnownAgentsMax));
    auto& known = agents_[std::string(agent)];
    if (known.is_blocked) return blocked(agent);
    for (const auto& each : known.keys) {
      if (is_for_sealing(each.key.type()) != is_for_sealing(key.type())) continue;
      if (each.key.thumbprint() == key.thumbprint()) return {};
      return changed(agent, key.thumbprint(), each.key);
    }
    known.keys.push_back({key, false, unix_ms()});
    return {};
  });
  if (!done) return std::unexpected(std::move(done.error()));
  return key;
}

Result<PublicKey> KnownKeys::key_of(std::string_view agent, std::string_view thumbprint,
                                    std::span<const AgentPublicKey> offered) {
  if (const auto at = agents_.find(agent); at != agents_.end()) {
    if (at->second.is_blocked) return blocked(agent);
    for (const auto& each : at->second.keys) {
      if (is_for_sealing(each.key.type())) continue;
      if (each.key.thumbprint() == thumbprint) return each.key;
      return changed(agent, thumbprint, each.key);
    }
  }
  for (const auto& key : readable(offered)) {
    if (!is_for_sealing(key.type()) && key.thumbprint() == thumbprint) return meet(agent, key);
  }
  return failure(
      ErrorCode::not_found, fmt::format("the key {} is not known as one of {}", thumbprint, printable(agent)),
      "the agent registers it (`folkmoot agents register --key`), or you pin it: `folkmoot key trust AGENT FILE`");
}

Result<PublicKey> KnownKeys::sealing_key_of(std::string_view agent, std::span<const AgentPublicKey> offered) {
  if (const auto at = agents_.find(agent); at != agents_.end()) {
    if (at->second.is_blocked) return blocked(agent);
    for (const auto& each : at->second.keys) {
      if (is_for_sealing(each.key.type())) return each.key;
    }
  }
  for (const auto& key : readable(offered)) {
    if (is_for_sealing(key.type())) return meet(agent, key);
  }
  return failure(
      ErrorCode::not_found, fmt::format("{} has no key that contents are sealed for", printable(agent)),
      "the agent registers one (`folkmoot agents register --key`), or you pin it: `folkmoot key trust AGENT FILE`");
}

}  // namespace folkmoot
