#include "cli/whole_content.hpp"

#include "cli/print.hpp"
#include "cli/terminal.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kWholeBytesMax = 1 << 30;

}  // namespace

Result<std::string> whole_content(Session& session, const Message& message, const std::optional<Error>& content_error) {
  if (content_error) return std::unexpected(*content_error);
  if (!message.content_ref) return message.content;
  return session->fetch_bytes(*message.content_ref, kWholeBytesMax);
}

void print_stored(Session& session, const ContentRef& ref) {
  if (!stdout_is_terminal()) {
    Progress progress("fetching");
    const auto seen = watcher(ref.size, progress);
    return value(session->fetch(ref, [&](std::string_view part) {
      auto written = write_part(part);
      return written ? seen(part) : written;
    }));
  }
  Shower shower;
  value(session->fetch(ref, [&](std::string_view part) { return write_part(shower.next(part)); }));
  value(write_part(shower.end()));
}

void save_stored(Session& session, const ContentRef& ref, const std::string& path) {
  Progress progress("fetching");
  value(session->fetch_file(ref, path, watcher(ref.size, progress)));
}

ContentRef upload(Session& session, const std::string& path) {
  auto file = value(content_of_file(path));
  Progress progress("reading");
  return value(session->upload(watched(std::move(file.source), file.size, progress), file.size));
}

}  // namespace folkmoot::cli
