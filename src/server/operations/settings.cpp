#include <fmt/format.h>

#include "base/utf8.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

Error has_none() { return {ErrorCode::not_found, "this server was started without settings that could be asked for"}; }

}  // namespace

Result<void> carry_out(const Call& call, const ListSettings& arguments) {
  auto* const settings = call.reactor.doors().settings;
  if (settings == nullptr) return std::unexpected(has_none());
  auto all = settings->list();
  if (!arguments.name.empty()) {
    std::erase_if(all.settings, [&](const SettingRow& row) { return row.name != arguments.name; });
    if (all.settings.empty()) {
      return failure(ErrorCode::not_found, fmt::format("there is no setting {}", printable(arguments.name)),
                     "`folkmoot settings` lists them");
    }
  }
  return call.answer(all);
}

Result<void> carry_out(const Call& call, const ReloadSettings&) {
  auto* const settings = call.reactor.doors().settings;
  if (settings == nullptr) return std::unexpected(has_none());
  const auto done = settings->reload();
  if (!done) return std::unexpected(done.error());
  return call.answer(*done);
}

}  // namespace folkmoot
