#include "cli/save.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "cli/whole_content.hpp"
#include "folkmoot/failure.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kNameMax = 100;

bool is_harmless(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

void write_file(const std::string& path, std::string_view bytes) {
  const auto fail = [&](std::string_view doing) {
    throw Failure(system_error(ErrorCode::io_error, fmt::format("{} {}", doing, path), errno));
  };
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) fail("opening");
  while (!bytes.empty()) {
    const auto put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      ::close(fd);
      fail("writing");
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::close(fd) != 0) fail("closing");
}

}  // namespace

std::string saved_name(const Message& message) {
  auto name = message.id.text();
  const auto* const given = message.metadata.if_contains("filename");
  if (given == nullptr || !given->is_string()) return name;
  const std::string_view text(given->get_string());
  // Of a path, what stands behind its last slash; nothing in it can name another folder, a hidden file or an option.
  std::string harmless;
  for (const char c : text.substr(text.find_last_of("/\\") + 1)) {
    if (harmless.size() < kNameMax) harmless += is_harmless(c) ? c : '_';
  }
  return harmless.empty() ? name : name + "-" + harmless;
}

std::string save_content(Session& session, const Message& message, const std::string& folder) {
  auto path = folder + "/" + saved_name(message);
  if (message.content_ref) {
    save_stored(session, *message.content_ref, path);
  } else {
    write_file(path, message.content);
  }
  return path;
}

}  // namespace folkmoot::cli
