#include "transcript.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <regex>

#include "message/json_mapping.hpp"

namespace folkmoot::test {
namespace {

constexpr auto kToken = "a token";

std::string refusal(const Frame& frame) {
  const auto error = read_error(frame);
  return error ? fmt::format("{}: {}", name(error->code), error->text) : "no error that can be read";
}

std::pair<std::string_view, std::string_view> cut(std::string_view text, std::string_view at) {
  const auto end = text.find(at);
  if (end == std::string_view::npos) return {text, {}};
  return {text.substr(0, end), text.substr(end + at.size())};
}

}  // namespace

TranscriptServer::TranscriptServer(std::uint32_t shards) {
  ServerOptions options;
  options.data = folder_.path();
  options.port = 0;
  options.shards = shards;
  options.token = kToken;  // there are accounts in some transcripts, and its holder may go on
  auto opened = Server::open(options);
  if (!opened) throw std::runtime_error(opened.error().describe());
  server_ = std::move(*opened);
  thread_ = std::thread([this] { EXPECT_TRUE(server_->run()); });
}

TranscriptServer::~TranscriptServer() {
  agents_.clear();
  server_->request_stop();
  thread_.join();
}

std::string TranscriptServer::ask(std::string_view transcript) {
  std::string out;
  while (!transcript.empty()) {
    const auto [line, rest] = cut(transcript, "\n");
    transcript = rest;
    if (line.empty() || line.front() == ' ') continue;
    const auto [agent, what] = cut(line, ": ");
    out += fmt::format("{}\n  {}\n", line, answer_to(std::string(agent), filled(std::string(what))));
  }
  return out;
}

std::string TranscriptServer::answer_to(const std::string& agent, std::string_view what) {
  auto& client = agents_[agent];
  if (!client) client = std::make_unique<LinkClient>(server_->hub(), agent, kToken);
  const auto [verb, rest] = cut(what, " ");
  if (verb == "publish") return publish(*client, rest);
  if (verb == "take") return take(*client, rest, 0);
  if (verb == "await") return take(*client, rest, 5'000);
  if (verb == "ack" || verb == "nack" || verb == "reject") return settle(*client, verb);
  return told(call(*client, verb, rest));
}

std::string TranscriptServer::call(LinkClient& client, std::string_view name, std::string_view arguments) {
  std::string frames;
  append_call(frames, ++request_, name, arguments);
  client.say(frames);
  const auto frame = client.next();
  if (frame.header.opcode == Opcode::error) return refusal(frame);
  if (frame.header.opcode == Opcode::confirm) return "CONFIRM";
  if (frame.body.empty()) return "OK";
  if (as_text(frame.body).front() == '{') return std::string(as_text(frame.body));
  return fmt::format("numbers 0x{:02x}", fmt::join(frame.body, ""));
}

std::string TranscriptServer::publish(LinkClient& client, std::string_view message) {
  const auto read = message_from_json(message);
  if (!read) return read.error().text;
  std::string frames;
  EXPECT_TRUE(append_publish(frames, ++request_, *read));
  client.say(frames);
  const auto frame = client.next();
  if (frame.header.opcode == Opcode::error) return refusal(frame);
  wait_for_the_next_ms();
  const auto confirmed = read_confirm(frame.body);
  if (!confirmed) return confirmed.error().text;
  said_["id"] = confirmed->id.text();
  return fmt::format("confirmed: {}, {}", name(confirmed->outcome), confirmed->count);
}

std::string TranscriptServer::take(LinkClient& client, std::string_view mailbox, std::uint64_t wait_ms) {
  std::string frames;
  append_receive(frames, ++request_, {.mailbox = mailbox, .max = 1, .wait_ms = wait_ms, .lease_ms = 60'000});
  client.say(frames);
  const auto frame = client.next();
  if (frame.header.opcode == Opcode::error) return refusal(frame);
  if (frame.header.opcode == Opcode::ok) return "nothing";
  const auto delivered = read_delivery(frame);
  if (!delivered) return delivered.error().text;
  said_["id"] = delivered->message.id.text();
  said_["lease"] = fmt::format("{}", delivered->lease);
  const auto text =
      fmt::format("{} from {}, delivery {}", delivered->message.content, delivered->message.from, delivered->delivery);
  EXPECT_EQ(client.next().header.opcode, Opcode::ok);
  return text;
}

std::string TranscriptServer::settle(LinkClient& client, std::string_view how) {
  const std::uint64_t lease[] = {std::stoull(said_["lease"])};
  std::string frames;
  if (how == "ack") append_ack(frames, ++request_, lease);
  if (how == "nack") append_nack(frames, ++request_, lease, 0, "busy");
  if (how == "reject") append_reject(frames, ++request_, lease, "no");
  client.say(frames);
  const auto frame = client.next();
  if (frame.header.opcode == Opcode::error) return refusal(frame);
  wait_for_the_next_ms();
  const auto settled = read_settled(frame.body);
  return settled ? fmt::format("settled {}", settled->settled) : settled.error().text;
}

// Ids and times of death are in the order of their milliseconds; of the same one, shards have an order of their own.
void TranscriptServer::wait_for_the_next_ms() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

// The names that stand in it, by what they stand for.
std::string TranscriptServer::filled(std::string text) const {
  for (const auto& [name, value] : said_) {
    for (auto at = text.find("$" + name); at != std::string::npos; at = text.find("$" + name))
      text.replace(at, name.size() + 1, value);
  }
  return text;
}

// Without what is another each time.
std::string TranscriptServer::told(std::string text) {
  static const std::regex id("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  static const std::regex lease(R"re("wake":"?(\d+)"?)re"), backup(R"re("backup":(\d+))re"),
      next(R"re("next":(\["[^\]]*\]))re");
  static const std::pair<std::regex, const char*> different[] = {
      {id, "ID"},
      {std::regex(R"re(\b[0-9]{17,}\b)re"), "NUMBER"},
      {std::regex(R"re("(\w*age_ms)":\d+)re"), R"("$1":AGE)"},
      {std::regex(R"re("next":"\d{13,}")re"), R"("next":NUMBER)"},
      {std::regex(R"re("(key_id|id)":"[0-9a-f]{16}")re"), R"("$1":KEY_ID)"},
      {std::regex(R"re("(bytes)":\d{3,})re"), R"("$1":BYTES)"},
      {std::regex(R"re("revision":\d+)re"), R"("revision":NUMBER)"},
      {std::regex(R"re("key":"fm[^"]*")re"), R"("key":KEY)"},
      {std::regex(R"re("id":"\d+-[0-9a-f]+")re"), R"("id":CONNECTION)"},
      {std::regex(R"re(("next"|"journals"):\[[^\]]*\])re"), "$1:OF_EACH_SHARD"},
      {std::regex(R"re(\b1[0-9]{12}\b)re"), "TIME"},
      {std::regex(R"re(\b20\d\d-\d\d-\d\dT[0-9:.]+Z)re"), "TIME"},
      {std::regex(R"re("v1,[^"]*")re"), "SIGNATURE"},
  };
  std::smatch found;
  if (std::regex_search(text, found, id)) said_["id"] = found.str();
  if (std::regex_search(text, found, lease)) said_["lease"] = found.str(1);
  if (std::regex_search(text, found, backup)) said_["backup"] = found.str(1);
  if (std::regex_search(text, found, next)) said_["next"] = found.str(1);
  for (const auto& name : {"lease", "backup"}) {
    const auto value = said_.find(name);
    if (value == said_.end()) continue;
    for (auto at = text.find(value->second); at != std::string::npos; at = text.find(value->second))
      text.replace(at, value->second.size(), "NUMBER");
  }
  for (const auto& [pattern, name] : different) text = std::regex_replace(text, pattern, name);
  return text;
}

}  // namespace folkmoot::test
