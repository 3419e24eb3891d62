// folkmoot receipts: how far messages are.
#include <fmt/format.h>

#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

struct ReceiptsOptions {
  std::vector<std::string> ids;
  bool json = false;
};

std::string json_line(const Receipt& receipt) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object().field("id", receipt.id.text()).optional_field("recipient", receipt.recipient);
  writer.field("state", name(receipt.state)).field("deliveries", receipt.deliveries);
  if (receipt.at_ms > 0) writer.field("at", receipt.at_ms);
  writer.optional_field("reason", receipt.reason).optional_field("holder", receipt.holder);
  if (receipt.held_since_ms > 0) writer.field("held_since", receipt.held_since_ms);
  writer.end_object();
  return out;
}

std::string human_line(const Receipt& receipt) {
  auto out = fmt::format("{}  {}", receipt.id.text(), name(receipt.state));
  if (!receipt.reason.empty()) out += fmt::format(" ({})", shown_on_one_line(receipt.reason));
  if (!receipt.recipient.empty()) out += fmt::format("  {}", receipt.recipient);
  if (receipt.deliveries > 0)
    out += fmt::format("  {} deliver{}", receipt.deliveries, receipt.deliveries == 1 ? "y" : "ies");
  if (receipt.held_since_ms > 0) {
    out += fmt::format("  with {} since {}", receipt.holder.empty() ? "somebody not named" : receipt.holder,
                       format_time_ms(receipt.held_since_ms));
  } else if (receipt.at_ms > 0) {
    out += fmt::format("  {}", format_time_ms(receipt.at_ms));
  }
  return out;
}

void receipts(const ReceiptsOptions& options) {
  std::vector<Uuid> ids;
  for (const auto& text : options.ids) ids.push_back(parse_id(text));
  Session session;
  for (const auto& receipt : value(session->receipts(std::move(ids)))) {
    print_line(options.json ? json_line(receipt) : human_line(receipt));
  }
}

}  // namespace

void add_receipts(App& app) {
  auto* command = app.add_subcommand("receipts", "Tell where the recipients' copies of messages are");
  const auto options = std::make_shared<ReceiptsOptions>();
  command->add_option("ID", options->ids, "Message ids, as send prints them")->required();
  command->add_flag("--json", options->json, "One receipt a line, as JSON");
  set_example(*command,
              "  $ folkmoot receipts 0193f2c4-...\n"
              "  0193f2c4-...  acknowledged  reviewer  1 delivery  2026-11-21T10:00:00.123Z");
  command->callback([options] { receipts(*options); });
}

}  // namespace folkmoot::cli
