// folkmoot ack, nack, reject, complete and extend: settle, by its id, a message that an earlier `folkmoot recv --lease`
// took. The lease is the one that recv noted (held_notes.hpp), or --lease.
#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "cli/cli.hpp"
#include "cli/held_notes.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"

namespace folkmoot::cli {
namespace {

struct SettleOptions {
  std::vector<std::string> ids;
  std::string lease, reason, content, type;
  std::vector<std::string> to;
  Milliseconds delay{0}, more{0};
  bool json = false, delay_given = false, content_given = false;
};

// The message as it is held: by --lease, or as it was noted.
HeldNote held_by(const SettleOptions& options, const HeldNotes& notes, const std::string& text) {
  const auto id = parse_id(text);
  auto note = notes.find(id);
  if (options.lease.empty()) {
    if (note) return std::move(*note);
    throw Failure({ErrorCode::not_found, fmt::format("no lease of {} is noted here", id.text()),
                   "it was settled already, or taken by another user or on another machine: then give its --lease"});
  }
  HeldNote said = note ? std::move(*note) : HeldNote{};
  said.held.message.id = id;
  const auto* const end = options.lease.data() + options.lease.size();
  const auto read = std::from_chars(options.lease.data(), end, said.held.lease);
  if (read.ec != std::errc{} || read.ptr != end || said.held.lease == 0)
    throw_invalid("--lease", fmt::format("`{}` is not the number of a lease, as recv prints it", options.lease));
  return said;
}

void report(const SettleOptions& options, const Uuid& id, std::string_view status, std::string_view words) {
  print_done(options.json, fmt::format("{}  {}", id.text(), words), {{"id", id.text()}, {"status", status}});
}

// Does it to each; what is done with it is forgotten here, and so is what is lost.
template <class Do>
void for_each_held(const SettleOptions& options, std::string_view status, std::string_view words, Do act) {
  HeldNotes notes;
  std::vector<HeldNote> all;
  for (const auto& text : options.ids) all.push_back(held_by(options, notes, text));
  Session session;
  bool all_done = true;
  for (const auto& note : all) {
    const auto& id = note.held.message.id;
    const auto done = act(session, note);
    if (done || done.error().code == ErrorCode::lease_lost) notes.forget(id, note.held.lease);
    if (done) {
      report(options, id, status, words);
    } else if (all.size() == 1) {
      throw Failure(done.error());
    } else {
      all_done = false;
      tell("folkmoot: {}: {}", id.text(), done.error().describe());
    }
  }
  if (!all_done) throw Exit{ExitStatus::failed};
}

HeldLease lease_of(const HeldNote& note) { return {note.held.message.id, note.held.lease}; }

void add_common(App& command, SettleOptions& options) {
  command
      .add_option("--lease", options.lease,
                  "The lease, as recv prints it (default: as recv noted it for this user on this machine)")
      ->type_name("LEASE");
  command.add_flag("--json", options.json, "Print as JSON");
}

void add_one(App& command, SettleOptions& options) {
  options.ids.emplace_back();
  command.add_option("ID", options.ids.front(), "The message, as recv prints it")->required();
  add_common(command, options);
}

Message output_of(const SettleOptions& options, const HeldNote& note, const std::string* to) {
  const auto& asked = note.held.message;
  auto output = to != nullptr ? make_forward(note.held, *to) : make_reply(note.held, {});
  output.content = options.content;
  if (is_utf8(output.content)) output.content_type = "text/plain";
  if (!options.type.empty()) output.type = options.type;
  output.conversation = asked.conversation;
  return output;
}

Result<void> complete(Session& session, const SettleOptions& options, const HeldNote& note) {
  std::vector<Message> outputs;
  for (const auto& to : options.to) outputs.push_back(output_of(options, note, &to));
  if (options.to.empty() && options.content_given) {
    if (note.held.message.from.empty() && note.held.message.reply_to.empty()) {
      return failure(ErrorCode::no_recipient,
                     fmt::format("nothing is noted here of who sent {}", note.held.message.id.text()),
                     "say with --to whom it goes to");
    }
    outputs.push_back(output_of(options, note, nullptr));
  }
  const auto done = session->complete(lease_of(note), std::move(outputs));
  if (!done) return std::unexpected(done.error());
  for (const auto& result : *done) {
    if (!result) tell("folkmoot: {}", result.error().describe());
  }
  return {};
}

}  // namespace

void add_ack(App& app) {
  auto* command = app.add_subcommand("ack", "Settle messages that recv --lease took: they are done");
  const auto options = std::make_shared<SettleOptions>();
  command->add_option("ID", options->ids, "The messages, as recv prints them")->required();
  add_common(*command, *options);
  set_example(*command,
              "  $ folkmoot recv reviewer --lease 10m\n"
              "  alice task normal 0193f2c4-... lease 4295032833\n"
              "  please look at change 12\n"
              "  $ folkmoot ack 0193f2c4-...\n"
              "  0193f2c4-...  acknowledged");
  command->callback([options] {
    for_each_held(*options, "acknowledged", "acknowledged",
                  [](Session& session, const HeldNote& note) { return session->ack(lease_of(note)); });
  });
}

void add_nack(App& app) {
  auto* command = app.add_subcommand(
      "nack", "Give a message back that recv --lease took, to be tried again as the retry policy says");
  const auto options = std::make_shared<SettleOptions>();
  add_one(*command, *options);
  command->add_option("REASON,--reason", options->reason, "Why; kept with the message's attempts");
  auto* delay = add_duration(*command, "--delay", options->delay,
                             "Not tried again before this has passed, whatever the retry policy says");
  set_example(*command,
              "  $ folkmoot nack 0193f2c4-... 'the database is down' --delay 5m\n"
              "  0193f2c4-...  given back");
  command->callback([options, delay] {
    NackOptions how{.reason = options->reason};
    if (delay->count() > 0) how.delay = options->delay;
    for_each_held(*options, "returned", "given back",
                  [&](Session& session, const HeldNote& note) { return session->nack(lease_of(note), how); });
  });
}

void add_reject(App& app) {
  auto* command = app.add_subcommand("reject", "Put a message that recv --lease took with the dead letters, at once");
  const auto options = std::make_shared<SettleOptions>();
  add_one(*command, *options);
  command->add_option("REASON,--reason", options->reason, "Why; the dead letter has it");
  set_example(*command,
              "  $ folkmoot reject 0193f2c4-... 'not in my language'\n"
              "  0193f2c4-...  put with the dead letters");
  command->callback([options] {
    for_each_held(*options, "rejected", "put with the dead letters", [&](Session& session, const HeldNote& note) {
      return session->reject(lease_of(note), options->reason);
    });
  });
}

void add_complete(App& app) {
  auto* command = app.add_subcommand(
      "complete", "Settle a message that recv --lease took, and send what came of it: both or neither");
  const auto options = std::make_shared<SettleOptions>();
  add_one(*command, *options);
  auto* content = command->add_option(
      "CONTENT", options->content, "What came of it, to whoever asked (or --to); - reads stdin; none: nothing is sent");
  command->add_option("--to", options->to, "To this agent instead, as the next step; may be given several times")
      ->type_name("AGENT")
      ->expected(1)
      ->take_all();
  command->add_option("--type", options->type, "Of what is sent (default: response; with --to that of the message)");
  set_example(*command,
              "  $ folkmoot complete 0193f2c4-... 'looks good to me'\n"
              "  0193f2c4-...  completed");
  command->callback([options, content] {
    options->content_given = content->count() > 0;
    if (!options->to.empty() && !options->content_given) throw_missing("CONTENT, which goes to --to,");
    options->content = read_content(options->content);
    for_each_held(*options, "completed", "completed",
                  [&](Session& session, const HeldNote& note) { return complete(session, *options, note); });
  });
}

void add_extend(App& app) {
  auto* command = app.add_subcommand("extend", "Hold a message that recv --lease took for longer");
  const auto options = std::make_shared<SettleOptions>();
  add_one(*command, *options);
  add_duration(*command, "DURATION", options->more, "From now on")->required()->check(longer_than_zero());
  set_example(*command,
              "  $ folkmoot extend 0193f2c4-... 10m\n"
              "  0193f2c4-...  held for 10m more");
  command->callback([options] {
    // Kept in the notes, too, which are cleared away a day after their lease has ended.
    HeldNotes notes;
    const auto note = held_by(*options, notes, options->ids.front());
    Session session;
    const auto done = session->extend(lease_of(note), options->more);
    const auto& id = note.held.message.id;
    if (!done && done.error().code == ErrorCode::lease_lost) notes.forget(id, note.held.lease);
    value(done);
    if (options->lease.empty()) value(notes.keep(note.held, lease_end(options->more)));
    report(*options, id, "extended", fmt::format("held for {} more", format_duration_ms(options->more.count())));
  });
}

}  // namespace folkmoot::cli
