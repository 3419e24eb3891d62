// folkmoot stream: events that are kept; set up, read, played again, carried from one server to another.
#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/line_reader.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::uint32_t kPage = 500;
constexpr Milliseconds kFollowWait{20'000};

// -- set, remove, pause

void add_stream_set(App& stream) {
  auto* command = stream.add_subcommand("set", "Keep the events of a topic or pattern; what a stream has it keeps");
  const auto rule = std::make_shared<StreamRule>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", rule->name, "By which it is read")->required();
  command->add_option("TOPIC", rule->topic, "A topic, or a pattern such as orders.>")->required();
  command->add_option("--filter", rule->filter, "Only events that this holds for (docs/filters.md)");
  command->add_option("--max-events", rule->max_events, "The newest so many stay (default: all)");
  command->add_option("--max-bytes", rule->max_bytes, "About so many bytes stay (default: all)");
  add_duration(*command, "--max-age", rule->max_age, "They stay so long, such as 7d (default: for ever)");
  command->add_option("--keep-last-by", rule->keep_last_by,
                      "Of each value of this field the newest event alone, such as content.id");
  command->add_option("--max-keys", rule->max_keys, "With --keep-last-by: so many values (default 100000)");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot stream set orders 'orders.>' --max-age 7d\n"
              "  stream orders is set\n"
              "  $ folkmoot stream set prices 'price.*' --keep-last-by content.symbol");
  command->callback([rule, json] {
    Session session;
    value(session->call(*rule));
    print_done(*json, fmt::format("stream {} is set", rule->name), {{"stream", rule->name}, {"status", "set"}});
  });
}

template <class Op>
void add_plain(App& stream, const std::string& verb, const std::string& what, const std::string& done) {
  auto* command = stream.add_subcommand(verb, what);
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "The stream")->required();
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command, fmt::format("  $ folkmoot stream {} orders\n  stream orders is {}", verb, done));
  command->callback([name, json, done] {
    Session session;
    value(session->call(Op{*name}));
    print_done(*json, fmt::format("stream {} is {}", *name, done), {{"stream", *name}, {"status", done}});
  });
}

// -- what there is

std::string summary(const StreamStatus& stream) {
  const auto& rule = stream.rule;
  auto line = fmt::format("{}  {}  {} event{}", rule.name, rule.topic, stream.events, stream.events == 1 ? "" : "s");
  if (stream.events > 0) line += fmt::format(" ({} to {})", stream.first, stream.next - 1);
  line += fmt::format("  {} bytes", stream.bytes);
  if (rule.max_events != 0) line += fmt::format("  max {} events", rule.max_events);
  if (rule.max_bytes != 0) line += fmt::format("  max {} bytes", rule.max_bytes);
  if (rule.max_age.count() != 0) line += fmt::format("  max {}", format_duration_ms(rule.max_age.count()));
  if (!rule.keep_last_by.empty()) line += fmt::format("  last by {}", rule.keep_last_by);
  if (!rule.filter.empty()) line += "  if " + rule.filter;
  if (stream.consumers > 0) line += fmt::format("  {} consumer{}", stream.consumers, stream.consumers == 1 ? "" : "s");
  if (stream.paused) line += "  paused";
  if (stream.replays) line += "  is replayed";
  if (stream.missed > 0) line += fmt::format("  {} could not be kept", stream.missed);
  if (stream.lost_to != 0) line += fmt::format("  LOST: events {} to {}", stream.lost_from, stream.lost_to - 1);
  return line;
}

std::string summary(const ConsumerStatus& consumer) {
  auto line = fmt::format("  {}  done below {}  {} left  {} pending", consumer.name, consumer.floor, consumer.left,
                          consumer.pending);
  if (consumer.readers > 0) line += fmt::format("  {} waiting", consumer.readers);
  if (consumer.skipped > 0) line += fmt::format("  {} passed over", consumer.skipped);
  if (!consumer.filter.empty()) line += "  if " + consumer.filter;
  return line;
}

void add_stream_list(App& stream) {
  auto* command = stream.add_subcommand("list", "List the streams");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot stream list\n"
              "  orders  orders.>  1204 events (1 to 1204)  431022 bytes  max 7d");
  command->callback([json] {
    Session session;
    for (const auto& one : value(session->call(ListStreams{})).streams)
      print_line(*json ? to_json_text(one, Sparse::as_described) : summary(one));
  });
}

void add_stream_show(App& stream) {
  auto* command = stream.add_subcommand("show", "Show a stream and its consumers");
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "The stream")->required();
  command->add_flag("--json", *json, "As JSON");
  set_example(*command,
              "  $ folkmoot stream show orders\n"
              "  orders  orders.>  1204 events (1 to 1204)  431022 bytes  max 7d  1 consumer\n"
              "    billing  done below 1198  7 left  2 pending");
  command->callback([name, json] {
    Session session;
    const auto shown = value(session->call(ShowStream{*name}));
    if (*json) return print_line(to_json_text(shown, Sparse::as_described));
    print_line(summary(shown.stream));
    for (const auto& consumer : shown.consumers) print_line(summary(consumer));
  });
}

// -- reading

struct ReadOptions {
  ReadStream read;
  std::uint64_t limit = 0;  // 0: all there are
  bool json = false, raw = false, follow = false;
};

void print_event(const StreamedEvent& event, const ReadOptions& options) {
  if (options.json) return print_line(to_json_text(event, Sparse::as_described));
  if (!options.raw)
    print_line(fmt::format("#{}  {}  {}", event.sequence, format_time_ms(event.at_ms), event.message.topic));
  print_message(event.message, options.raw ? Style::raw : Style::human);
}

void read(const ReadOptions& options) {
  Session session;
  auto ask = options.read;
  auto left = options.limit == 0 ? ~std::uint64_t{0} : options.limit;
  while (left > 0 && !session.interrupted()) {
    ask.limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, kPage));
    const auto page = session->call(ask);
    if (!page && session.interrupted()) return;
    if (!page) throw Failure(page.error());
    for (const auto& event : page->events) print_event(event, options);
    left -= std::min<std::uint64_t>(left, page->events.size());
    ask.from = page->next;
    if (ask.newest != 0 && !options.follow) return;
    ask.newest = 0;
    const bool is_through = ask.backwards ? page->next == 0 : page->next >= page->end;
    if (!is_through) continue;
    if (!options.follow) return;
    ask.wait = kFollowWait;
  }
}

void add_read(App& stream) {
  auto* command = stream.add_subcommand("read", "Read events: all of them, or from somewhere on");
  const auto options = std::make_shared<ReadOptions>();
  auto& ask = options->read;
  command->add_option("NAME", ask.name, "The stream")->required();
  auto* from = command->add_option("--from", ask.from, "From this sequence on")->check(at_least_one());
  auto* since = add_time(*command, "--since", ask.since_ms, "Only events that came at this time or later");
  auto* newest = command->add_option("--newest", ask.newest, "Only the newest so many")->check(in_range(1, 10'000));
  auto* backwards = command->add_flag("--backwards", ask.backwards, "The newest first");
  command->add_option("--filter", ask.filter, "Only events that this holds for (docs/filters.md)");
  command->add_option("--limit", options->limit, "So many at most")->check(at_least_one());
  auto* follow = command->add_flag("--follow", options->follow, "Go on with those that come, until Ctrl-C");
  auto* json = command->add_flag("--json", options->json, "One a line, as JSON");
  command->add_flag("--raw", options->raw, "The contents alone")->excludes(json);
  newest->excludes(from)->excludes(since);
  follow->excludes(backwards);
  set_example(*command,
              "  $ folkmoot stream read orders --newest 2\n"
              "  $ folkmoot stream read orders --since 2026-11-21T10:00:00Z --filter \"type = 'order'\" --json\n"
              "  $ folkmoot stream read orders --from 1200 --follow");
  command->callback([options] { read(*options); });
}

// -- purge, replay, copy

void add_stream_purge(App& stream) {
  auto* command = stream.add_subcommand("purge", "Give events up for good");
  const auto purge = std::make_shared<PurgeStream>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", purge->name, "The stream")->required();
  command->add_option("--below", purge->below, "Those before this sequence")->check(at_least_one());
  command->add_option("--keep", purge->keep, "All but the newest so many")->check(at_least_one());
  command->add_flag("--all", purge->all, "All of them");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot stream purge orders --keep 1000\n"
              "  204 events are gone");
  command->callback([purge, json] {
    if (purge->below == 0 && purge->keep == 0 && !purge->all) throw_missing("--below, --keep or --all");
    Session session;
    const auto done = value(session->call(*purge));
    if (*json) return print_line(fmt::format("{{\"purged\":{}}}", done.purged));
    print_line(fmt::format("{} event{} gone", done.purged, done.purged == 1 ? " is" : "s are"));
  });
}

void print_played(const Played& done, bool json, bool kept) {
  if (json) return print_line(to_json_text(done, Sparse::as_described));
  if (kept) return print_line("it goes on without this program; `folkmoot call stream.stop` ends it");
  auto line = fmt::format("{} event{} went out", done.played, done.played == 1 ? "" : "s");
  if (done.refused > 0) line += fmt::format(", {} could not", done.refused);
  print_line(line);
}

double speed_of(const std::string& text) {
  if (text == "now") return 0;
  double speed = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, speed);
  if (read.ec != std::errc{} || (read.ptr != end && std::string_view(read.ptr) != "x") || !(speed > 0))
    throw_invalid("--speed", text + " is not a number such as 10, nor `now`");
  return speed;
}

void add_replay(App& stream) {
  auto* command = stream.add_subcommand("replay", "Publish the events again, on another topic");
  const auto play = std::make_shared<ReplayStream>();
  const auto speed = std::make_shared<std::string>("now");
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", play->name, "The stream")->required();
  command->add_option("TOPIC", play->to, "Where they are published")->required();
  command->add_option("--from", play->from, "From this sequence on")->check(at_least_one());
  command->add_option("--until", play->until, "Up to before this one")->check(at_least_one());
  add_time(*command, "--since", play->since_ms, "Only events that came at this time or later");
  command->add_option("--filter", play->filter, "Only events that this holds for (docs/filters.md)");
  command->add_option("--speed", *speed, "now (default); 1: as far apart as they came; 10: ten times faster");
  command->add_flag("--keep", play->keep, "Let it go on without this program");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot stream replay orders test.orders --speed 10\n"
              "  1204 events went out");
  command->callback([play, speed, json] {
    play->speed = speed_of(*speed);
    Session session;
    print_played(value(session->call(*play)), *json, play->keep);
  });
}

void add_copy(App& stream) {
  auto* command = stream.add_subcommand("copy", "Append the events to another stream");
  const auto copy = std::make_shared<CopyStream>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", copy->name, "The stream")->required();
  command->add_option("TO", copy->to, "The stream that gets them")->required();
  command->add_option("--from", copy->from, "From this sequence on")->check(at_least_one());
  command->add_option("--until", copy->until, "Up to before this one")->check(at_least_one());
  command->add_option("--filter", copy->filter, "Only events that this holds for (docs/filters.md)");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot stream copy orders archive\n"
              "  1204 events went out");
  command->callback([copy, json] {
    Session session;
    print_played(value(session->call(*copy)), *json, copy->keep);
  });
}

// -- from one server to another

void add_export(App& stream) {
  auto* command = stream.add_subcommand("export", "Write all events to stdout, one a line, as JSON");
  const auto options = std::make_shared<ReadOptions>();
  options->json = true;
  command->add_option("NAME", options->read.name, "The stream")->required();
  command->add_option("--from", options->read.from, "From this sequence on")->check(at_least_one());
  command->add_option("--filter", options->read.filter, "Only events that this holds for (docs/filters.md)");
  set_example(*command, "  $ folkmoot stream export orders > orders.jsonl");
  command->callback([options] { read(*options); });
}

Message imported(const std::string& line, std::size_t number, const std::string& topic) {
  StreamedEvent event;
  const auto wrong = [&](const std::string& why) {
    return Failure(
        {ErrorCode::malformed, fmt::format("line {}: {}", number, why), "give what `folkmoot stream export` writes"});
  };
  if (const auto read = read_json(folkmoot::describe<StreamedEvent>(), &event, line); !read)
    throw wrong(read.error().describe());
  auto& message = event.message;
  // They are another server's, and were found out there.
  message.id = {};
  message.key.clear();
  message.cause = {};
  message.hops = 0;
  message.chain.clear();
  message.timestamp = 0;
  if (message.from.starts_with('$')) message.from.clear();
  message.mode = DeliveryMode::at_least_once;
  if (!topic.empty()) message.topic = topic;
  return std::move(message);
}

void add_import(App& stream) {
  auto* command = stream.add_subcommand("import", "Publish events that were exported; confirmed when they are kept");
  const auto file = std::make_shared<std::string>("-");
  const auto topic = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("FILE", *file, "What export wrote; - or left out: stdin");
  command->add_option("--topic", *topic, "On this topic (default: their own, which some stream must take)");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot stream import orders.jsonl\n"
              "  1204 events were published and are kept");
  command->callback([file, topic, json] {
    auto lines = value(LineReader::open(*file));
    Session session;
    std::uint64_t count = 0;
    std::string line;
    std::vector<Message> batch;
    const auto send = [&] {
      if (batch.empty()) return;
      for (const auto& receipt : value(session->publish_batch(std::exchange(batch, {})))) value(receipt), ++count;
    };
    while (value(lines.next(line))) {
      if (line.empty()) continue;
      batch.push_back(imported(line, lines.number(), *topic));
      if (batch.size() == 100) send();
    }
    send();
    if (*json) return print_line(fmt::format("{{\"published\":{}}}", count));
    print_line(fmt::format("{} event{} published and {} kept", count, count == 1 ? " was" : "s were",
                           count == 1 ? "is" : "are"));
  });
}

}  // namespace

void add_stream(App& app) {
  auto* command = app.add_subcommand("stream", "Keep events of topics, and read them again from wherever you like");
  command->require_subcommand(1);
  add_stream_set(*command);
  add_stream_list(*command);
  add_stream_show(*command);
  add_read(*command);
  add_stream_purge(*command);
  add_plain<PauseStream>(*command, "pause", "Take no events until it is resumed", "paused");
  add_plain<ResumeStream>(*command, "resume", "Take events again", "resumed");
  add_plain<RemoveStream>(*command, "remove", "Remove a stream with its events and consumers", "removed");
  add_replay(*command);
  add_copy(*command);
  add_export(*command);
  add_import(*command);
  set_example(*command,
              "  $ folkmoot stream set orders 'orders.>' --max-age 7d\n"
              "  $ folkmoot publish --kept orders.new '{\"id\":1}'\n"
              "  $ folkmoot stream read orders --newest 10\n"
              "A consumer, which remembers how far somebody is:\n"
              "  $ folkmoot call consumer.set stream=orders name=billing\n"
              "  $ folkmoot call consumer.read stream=orders name=billing limit=10 wait=30s\n"
              "  $ folkmoot call consumer.ack stream=orders name=billing sequences=1 sequences=2");
}

}  // namespace folkmoot::cli
