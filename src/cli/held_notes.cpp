#include "cli/held_notes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/duration.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kKeptMs = 24 * 3'600'000;  // a note whose lease ended so long ago is of no use to anybody
constexpr std::size_t kLookedAtMax = 10'000;      // files of the folder, at a time

std::string state_folder() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return state;
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const auto* const user = ::getpwuid(::getuid());
    home = user != nullptr ? user->pw_dir : "/";
  }
  return std::string(home).append("/.local/state");
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string written(const Delivery& taken, std::int64_t until_ms) {
  const auto& message = taken.message;
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("id", message.id.text())
      .field("lease", std::to_string(taken.lease))
      .field("until", until_ms)
      .field("session", static_cast<std::int64_t>(::getsid(0)))
      .field("from", message.from)
      .field("to", message.to)
      .field("type", message.type)
      .field("reply_to", message.reply_to)
      .field("conversation", message.conversation)
      .field("priority", static_cast<std::uint64_t>(message.priority))
      .end_object();
  return out.append("\n");
}

std::string text_of(const boost::json::object& note, std::string_view name) {
  const auto* const value = note.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t number_of(const boost::json::object& note, std::string_view name) {
  const auto* const value = note.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

std::optional<HeldNote> read_note(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  boost::system::error_code wrong;
  const auto value = boost::json::parse(text, wrong);
  if (wrong || !value.is_object()) return std::nullopt;
  const auto& object = value.get_object();
  const auto id = Uuid::parse(text_of(object, "id"));
  const auto number = text_of(object, "lease");
  HeldNote note{.until_ms = number_of(object, "until"), .session = number_of(object, "session")};
  const auto* const end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, note.held.lease);
  if (!id || read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  auto& message = note.held.message;
  message.id = *id;
  message.from = text_of(object, "from");
  message.to = text_of(object, "to");
  message.type = text_of(object, "type");
  message.reply_to = text_of(object, "reply_to");
  message.conversation = text_of(object, "conversation");
  const auto priority = number_of(object, "priority");
  if (priority >= kPriorityMin && priority <= kPriorityMax) message.priority = static_cast<Priority>(priority);
  return note;
}

// Calls `look` with each note's path, in no order.
template <class Look>
void each_note(const std::string& folder, Look look) {
  std::error_code none;
  std::size_t seen = 0;
  for (fs::directory_iterator at(folder, none), end; !none && at != end && seen < kLookedAtMax;
       at.increment(none), ++seen) {
    look(at->path());
  }
}

void clear_away(const std::string& folder) {
  const auto before = now_ms() - kKeptMs;
  each_note(folder, [&](const fs::path& path) {
    const auto note = read_note(path);
    std::error_code none;
    if (note && note->until_ms < before) fs::remove(path, none);
  });
}

Result<void> failed(std::string_view doing, const std::string& path) {
  return std::unexpected(system_error(ErrorCode::io_error, fmt::format("{} {}", doing, path), errno));
}

// Whole, or not at all.
Result<void> write_note(const std::string& path, std::string_view text) {
  const auto beside = fmt::format("{}.{}", path, ::getpid());
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed("making", beside);
  const auto put = ::write(fd, text.data(), text.size());
  if (put >= 0 && static_cast<std::size_t>(put) < text.size()) errno = ENOSPC;
  const bool is_whole = put == static_cast<ssize_t>(text.size());
  if (::close(fd) == 0 && is_whole && ::rename(beside.c_str(), path.c_str()) == 0) return {};
  auto wrong = failed("writing", path);
  ::unlink(beside.c_str());
  return wrong;
}

}  // namespace

std::int64_t lease_end(std::chrono::milliseconds lease) { return now_ms() + lease.count(); }

HeldNotes::HeldNotes() : folder_(state_folder().append("/folkmoot/held")) {}

Result<void> HeldNotes::keep(const Delivery& taken, std::int64_t until_ms) {
  std::error_code wrong;
  fs::create_directories(fs::path(folder_).parent_path(), wrong);
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) return failed("making the folder", folder_);
  clear_away(folder_);
  return write_note(fmt::format("{}/{}.{}", folder_, taken.message.id.text(), taken.lease), written(taken, until_ms));
}

std::optional<HeldNote> HeldNotes::find(const Uuid& id) const {
  std::optional<HeldNote> best;
  const auto mine = static_cast<std::int64_t>(::getsid(0));
  const auto is_better = [&](const HeldNote& note) {
    if (!best) return true;
    const bool is_mine = note.session == mine, best_is_mine = best->session == mine;
    return is_mine != best_is_mine ? is_mine : note.until_ms > best->until_ms;
  };
  each_note(folder_, [&](const fs::path& path) {
    if (!path.filename().native().starts_with(id.text())) return;
    if (auto note = read_note(path); note && note->held.message.id == id && is_better(*note)) best = std::move(note);
  });
  return best;
}

void HeldNotes::forget(const Uuid& id, std::uint64_t lease) {
  ::unlink(fmt::format("{}/{}.{}", folder_, id.text(), lease).c_str());
}

}  // namespace folkmoot::cli
