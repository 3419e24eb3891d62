// A whole server, of one shard and of three: what its clients ask in frames, over links and sockets, and what is left
// when it has stopped.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "../journal/temporary_folder.hpp"
#include "access/audit_files.hpp"
#include "base/sha256.hpp"
#include "link_client.hpp"
#include "server/server.hpp"

namespace folkmoot {
namespace {

using Client = test::LinkClient;

class WholeServerTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  WholeServerTest() {
    options_.data = folder_.path();
    options_.port = 0;
    options_.unix_socket = "none";
    options_.shards = GetParam();
    options_.alerts.every_ms = 0;  // nothing wakes it but what the tests do
  }
  ~WholeServerTest() override { stop(); }

  void open() {
    auto opened = Server::open(options_);
    if (!opened) throw std::runtime_error(opened.error().describe());
    server_ = std::move(*opened);
  }
  void start() {
    if (!server_) open();
    thread_ = std::thread([this] { EXPECT_TRUE(server_->run()); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    server_->request_stop();
    thread_.join();
    server_.reset();
  }
  Hub& hub() { return server_->hub(); }

  /// The answer as text; a refusal as its code and what it says.
  static std::string answer(Client& client) {
    const auto frame = client.next();
    if (frame.header.opcode != Opcode::error) return std::string(as_text(frame.body));
    const auto error = read_error(frame);
    return error ? fmt::format("{}: {}", name(error->code), error->text) : "no error that can be read";
  }
  std::string call(Client& client, std::string_view operation, std::string_view arguments = "{}") {
    std::string frames;
    append_call(frames, ++request_, operation, arguments);
    client.say(frames);
    return answer(client);
  }
  std::string ask(Client& client, const std::string& frames) {
    client.say(frames);
    return answer(client);
  }
  /// Asks until the answer has that in it.
  std::string call_until(Client& client, std::string_view operation, std::string_view arguments,
                         std::string_view part) {
    std::string last;
    for (int i = 0; i < 500; ++i) {
      last = call(client, operation, arguments);
      if (last.contains(part)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return last;
  }
  Confirm publish(Client& client, const Message& message) {
    std::string frames;
    EXPECT_TRUE(append_publish(frames, ++request_, message));
    client.say(frames);
    return read_confirm(client.next().body).value_or(Confirm{});
  }
  Delivered take(Client& client, std::string_view mailbox) {
    std::string frames;
    append_receive(frames, ++request_, {.mailbox = mailbox, .max = 1, .wait_ms = 5'000, .lease_ms = 60'000});
    client.say(frames);
    auto delivered = read_delivery(client.next());
    EXPECT_TRUE(delivered) << mailbox;
    EXPECT_EQ(client.next().header.opcode, Opcode::ok);
    return delivered.value_or(Delivered{});
  }
  static Message message_to(std::string to, std::string content = "x") {
    Message message;
    message.to = std::move(to);
    message.content = std::move(content);
    return message;
  }
  static std::string box(std::size_t i) { return "box" + std::to_string(i); }
  std::string key_of(const std::string& added) const {
    const auto at = added.find("\"key\":\"");
    EXPECT_NE(at, std::string::npos) << added;
    return at == std::string::npos ? "" : added.substr(at + 7, added.find('"', at + 7) - at - 7);
  }
  std::vector<std::string> audited() const {
    std::vector<std::string> out;
    const auto folder = access::audit_folder(folder_.path());
    const auto files = access::audit_files(folder).value();
    (void)access::read_audit_files(folder, files, [&](const access::AuditRecord& record, std::string_view) {
      out.push_back(fmt::format("{} {} {}", record.who, record.what, record.of));
    });
    return out;
  }

  const test::TemporaryFolder folder_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::uint32_t request_ = 100;
};

INSTANTIATE_TEST_SUITE_P(Shards, WholeServerTest, testing::Values(1, 3),
                         [](const auto& shards) { return "of_" + std::to_string(shards.param); });

// -- contents

TEST_P(WholeServerTest, X19_a_content_is_uploaded_and_read) {
  start();
  Client client(hub(), "ann"), other(hub(), "bob");
  const std::string text = "hello";
  const auto hash = Sha256::of(as_bytes(text));
  std::string frames;
  append_content_open(frames, 10, text.size());
  client.say(frames);
  EXPECT_FALSE(read_content_opened(client.next().body).value());
  frames.clear();
  append_content_write(frames, 11, 10, 0, text);
  EXPECT_EQ(ask(client, frames), "");
  frames.clear();
  append_content_finish(frames, 12, 10, hash);
  client.say(frames);
  const auto finished = read_content_finished(client.next().body);
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->size, text.size());
  frames.clear();
  append_content_stat(frames, 13, hash);
  other.say(frames);
  EXPECT_EQ(read_content_size(other.next().body), text.size());
  frames.clear();
  append_content_read(frames, 14, hash, 1, 3);
  EXPECT_EQ(ask(other, frames), "ell");

  // A file that somebody has taken away is told of to whoever takes a backup.
  const auto begun = call(client, "backup.begin");
  const auto number = begun.substr(10, begun.find(',') - 10);
  std::filesystem::remove(folder_.path() + "/content/" + hash.text());
  EXPECT_TRUE(
      call(client, "backup.read", fmt::format(R"({{"backup":{},"content":"{}","bytes":5}})", number, hash.text()))
          .starts_with("io_error"));
}

// -- leases

TEST_P(WholeServerTest, A1_who_names_the_message_settles_a_lease_of_it_alone) {
  start();
  Client client(hub(), "ann");
  for (std::size_t i = 0; i < 6; ++i) {
    publish(client, message_to(box(i)));
    const auto taken = take(client, box(i));
    const std::uint64_t lease[] = {taken.lease};
    const auto settle = [&](Opcode how, const Uuid& id) {
      std::string frame;
      if (how == Opcode::ack) append_ack(frame, ++request_, lease);
      if (how == Opcode::nack) append_nack(frame, ++request_, lease, 0, "busy");
      if (how == Opcode::reject) append_reject(frame, ++request_, lease, "no");
      if (how == Opcode::extend) append_extend(frame, ++request_, lease, 60'000);
      limit_to_message(frame, id);
      client.say(frame);
      return client.next().header.opcode;
    };
    auto another = taken.message.id;
    another.bytes[7] ^= 1;  // of the same shard
    for (const auto how : {Opcode::ack, Opcode::nack, Opcode::reject, Opcode::extend})
      EXPECT_EQ(settle(how, another), Opcode::error) << box(i);
    EXPECT_NE(settle(Opcode::extend, taken.message.id), Opcode::error);
    std::string none;
    append_frame(none, Opcode::ack, kFlagOfMessage, ++request_, as_text(bytes_of(taken.message.id)));
    EXPECT_TRUE(ask(client, none).starts_with("malformed: ")) << "no lease";
    EXPECT_NE(settle(Opcode::ack, taken.message.id), Opcode::error);
  }
}

// -- who comes by which door

TEST_P(WholeServerTest, X11_what_an_endpoint_answers_says_so) {
  options_.token = "right";
  start();
  Client hook(hub(), "hook", "", DoorKind::webhook), ann(hub(), "ann", "right");
  for (std::size_t i = 0; i < 4; ++i) {
    publish(hook, message_to(box(i)));
    const auto message = take(ann, box(i)).message;
    EXPECT_EQ(message.from, "hook");
    EXPECT_GT(message.timestamp, 0);
    ASSERT_TRUE(message.provenance);
    EXPECT_EQ(message.provenance->door, "webhook");
    EXPECT_EQ(message.provenance->verified, "endpoint");
  }
}

TEST_P(WholeServerTest, A18_who_shows_what_is_wrong_too_often_waits) {
  options_.token = "right";
  options_.login.failures_per_minute = 1;
  start();
  EXPECT_EQ(Client::refusal(hub(), "ann", "wrong").code, ErrorCode::unauthorized);
  EXPECT_EQ(Client::refusal(hub(), "ann", "wrong").code, ErrorCode::limit_reached);
}

TEST_P(WholeServerTest, A18_quotas_hold_for_messages_of_accounts_and_nothing_else) {
  options_.accounts.messages_per_second = 1;
  options_.accounts.bytes_per_second = 1'000;
  start();
  const auto root_key = key_of([this] {
    Client nobody(hub(), "ann");
    return call(nobody, "account.add", R"({"name":"root","role":"admin"})");
  }());
  Client root(hub(), "root", root_key);
  Client ann(hub(), "ann", key_of(call(root, "account.add", R"({"name":"ann","role":"agent"})")));
  const auto send = [&](Client& client) {
    std::string frames;
    EXPECT_TRUE(append_publish(frames, ++request_, message_to("work")));
    client.say(frames);
    return client.next().header.opcode;
  };
  EXPECT_EQ(send(ann), Opcode::confirm);
  Opcode last{};
  for (int i = 0; i < 5; ++i) last = send(ann);
  EXPECT_EQ(last, Opcode::error);
  const auto long_call = fmt::format(R"({{"type":"{}"}})", std::string(120, 't'));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(call(ann, "agent.discover", long_call).starts_with("{\"agents\"")) << i;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(send(root), Opcode::confirm) << "who administers is not slowed down";

  EXPECT_TRUE(
      call(root, "account.disable", R"({"name":"root"})").starts_with("not_permitted: no account would be left"));
  EXPECT_EQ(call(root, "account.disable", R"({"name":"ann"})"), "");
}

TEST_P(WholeServerTest, M7_what_administers_is_in_the_audit_log_and_what_does_not_is_not) {
  start();
  std::string root_key;
  {
    Client nobody(hub(), "ann");
    call(nobody, "stream.set", R"({"name":"s","topic":"s.*"})");
    root_key = key_of(call(nobody, "account.add", R"({"name":"root","role":"admin"})"));
  }
  {
    Client root(hub(), "root", root_key);
    const auto key = key_of(call(root, "account.add", R"({"name":"ann","role":"agent"})"));
    const Client ann(hub(), "ann", key);
    call(root, "stream.set", R"({"name":"s","topic":"s.>"})");
  }
  stop();
  options_.token = "right";
  start();
  {
    const Client by_token(hub(), "bob", "right");
  }
  stop();
  EXPECT_EQ(audited(), (std::vector<std::string>{" account.add root admin", "root login root",
                                                 "root account.add ann agent", "root stream.set s", " server.stop ",
                                                 " server.start ", "(token) login bob", " server.stop "}));
}

// -- agents

TEST_P(WholeServerTest, A22_who_waits_for_a_change_of_agents_is_told_when_there_is_one_or_its_time_is_over) {
  start();
  Client watcher(hub(), "ann"), bob(hub(), "bob");
  const auto next_of = [](const std::string& changes) {
    const auto at = changes.find("\"next\":\"");
    return at == std::string::npos ? "" : changes.substr(at + 8, changes.find('"', at + 8) - at - 8);
  };
  call(bob, "agent.register", R"({"capabilities":["math"]})");
  auto next = next_of(call_until(watcher, "agent.watch", "{}", "math"));
  ASSERT_NE(next, "");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  next = next_of(call(watcher, "agent.watch", fmt::format(R"({{"after":"{}"}})", next)));
  std::string frames;
  append_call(frames, 50, "agent.watch", fmt::format(R"({{"after":"{}","wait":"30s"}})", next));
  watcher.say(frames);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  call(bob, "agent.update", R"({"agent":"bob","weight":7})");
  const auto changed = answer(watcher);
  EXPECT_TRUE(changed.contains("\"weight\":7")) << changed;
  const auto idle = call(watcher, "agent.watch", fmt::format(R"({{"after":"{}","wait":"50ms"}})", next_of(changed)));
  EXPECT_FALSE(idle.contains("\"weight\"")) << idle;
}

TEST_P(WholeServerTest, A22_who_is_there_is_known_wherever_it_came_in) {
  start();
  Client ann(hub(), "ann");
  std::vector<std::unique_ptr<Client>> all;
  for (std::size_t i = 0; i < 3; ++i) {
    all.push_back(std::make_unique<Client>(hub(), box(i)));
    call(*all.back(), "agent.register");
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const auto shown = call_until(ann, "agent.show", fmt::format(R"({{"agent":"{}"}})", box(i)), "\"connections\":1");
    EXPECT_TRUE(shown.contains("\"connections\":1")) << shown;
  }
  all.clear();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto shown = call_until(ann, "agent.show", fmt::format(R"({{"agent":"{}"}})", box(i)), "\"connections\":0");
    EXPECT_TRUE(shown.contains("\"connections\":0")) << shown;
  }
}

TEST_P(WholeServerTest, X11_the_first_wake_there_is_ends_the_waiting_for_all) {
  start();
  Client watcher(hub(), "watcher"), ann(hub(), "ann");
  std::string agents;
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(call(ann, "wake.set", fmt::format(R"({{"agent":"{}"}})", box(i))), "");
    agents += fmt::format("{}\"{}\"", i == 0 ? "" : ",", box(i));
  }
  for (std::size_t i = 0; i < 6; ++i) {
    std::string frames;
    append_call(frames, ++request_, "wake.take", fmt::format(R"({{"agents":[{}],"wait":"30s"}})", agents));
    watcher.say(frames);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    publish(ann, message_to(box(i)));
    const auto taken = answer(watcher);
    EXPECT_TRUE(taken.contains(fmt::format("\"agent\":\"{}\"", box(i)))) << taken;
  }
}

// -- across shards

TEST_P(WholeServerTest, X13_causes_are_counted_wherever_a_chain_goes) {
  start();
  Client ann(hub(), "ann"), bob(hub(), "bob");
  Uuid cause{};
  for (std::uint32_t hops = 0; hops < 12; ++hops) {
    auto message = message_to(box(hops));
    message.cause = cause;
    publish(hops % 2 == 0 ? ann : bob, message);
    const auto taken = take(ann, box(hops));
    EXPECT_EQ(taken.message.hops, hops);
    cause = taken.message.id;
  }
}

class SubscriptionNumbersTest : public WholeServerTest {
 protected:
  void SetUp() override { start(); }
  std::string subscribe(Client& client, std::string_view pattern, std::string_view filter = {}) {
    std::string frames;
    append_subscribe(frames, 7, {.pattern = pattern, .credit = 100, .echo = false, .filter = filter});
    client.say(frames);
    const auto frame = client.next();
    return frame.header.opcode == Opcode::error ? std::string(name(read_error(frame)->code)) : "";
  }
  /// From publishers in every shard.
  void hears(Client& client, const std::string& topic) {
    for (std::size_t i = 0; i < 3; ++i) {
      Client publisher(hub(), "publisher");
      Message event;
      event.topic = topic;
      event.content = std::to_string(i);
      publish(publisher, event);
      const auto delivered = read_delivery(client.next());
      ASSERT_TRUE(delivered);
      EXPECT_EQ(delivered->message.content, std::to_string(i));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Shards, SubscriptionNumbersTest, testing::Values(1, 3),
                         [](const auto& shards) { return "of_" + std::to_string(shards.param); });

TEST_P(SubscriptionNumbersTest, A2_one_that_is_in_use_is_refused_and_goes_on) {
  Client client(hub(), "ann");
  EXPECT_EQ(subscribe(client, "news.*"), "");
  EXPECT_NE(subscribe(client, "news.*"), "");
  hears(client, "news.today");
}

TEST_P(SubscriptionNumbersTest, A2_one_of_a_subscription_that_was_refused_is_free) {
  Client client(hub(), "ann");
  EXPECT_EQ(subscribe(client, "old.*", "type ="), "invalid_filter");
  EXPECT_EQ(subscribe(client, "news.*"), "");
  hears(client, "news.today");
}

// What is asked of several shards has numbers of its own, which begin again after 65,536.
TEST_P(WholeServerTest, numbers_between_shards_begin_again) {
  if (GetParam() == 1) return;
  start();
  Client client(hub(), "ann");
  std::vector<Uuid> ids;
  for (std::size_t i = 0; i < 6; ++i) ids.push_back(publish(client, message_to(box(i))).id);
  constexpr std::uint32_t kNumbers = 65'536, kAtOnce = 512;
  std::string receipts;
  for (std::uint32_t i = 0; i < kAtOnce; ++i) append_receipt(receipts, 5, ids);
  for (std::uint32_t asked = 0; asked < kNumbers - kAtOnce; asked += kAtOnce) {
    client.say(receipts);
    for (std::uint32_t i = 0; i < kAtOnce; ++i) ASSERT_EQ(client.next().header.request, 5u);
  }
  std::string calls;
  for (std::uint32_t i = 0; i < 2 * kAtOnce; ++i) append_call(calls, 1 + i, "mailbox.list", R"({"limit":1})");
  client.say(calls);
  for (std::uint32_t i = 0; i < 2 * kAtOnce; ++i) {
    const auto frame = client.next();
    ASSERT_EQ(frame.header.request, 1 + i);
    ASSERT_TRUE(as_text(frame.body).starts_with("{\"mailboxes\":[{\"name\":\"box0\"")) << as_text(frame.body);
  }
}

// -- what it says of itself

class FixedSettings final : public SettingsKeeper {
 public:
  SettingsList list() const override { return {.settings = {{.name = "a"}, {.name = "b"}}}; }
  Result<ReloadedSettings> reload() override { return ReloadedSettings{}; }
};

TEST_P(WholeServerTest, settings_are_listed_all_or_one) {
  FixedSettings settings;
  open();
  server_->set_settings(&settings);
  start();
  Client client(hub(), "ann");
  const auto all = call(client, "server.settings");
  EXPECT_TRUE(all.contains(R"("name":"a")") && all.contains(R"("name":"b")")) << all;
  const auto one = call(client, "server.settings", R"({"name":"b"})");
  EXPECT_TRUE(!one.contains(R"("name":"a")") && one.contains(R"("name":"b")")) << one;
  EXPECT_EQ(call(client, "server.settings", R"({"name":"c"})"), "not_found: there is no setting c");
  stop();
}

class CountingSpans final : public SpanSink {
 public:
  void take(const SpanView&) override {}
  Counts counts() const override { return {.exported = 4711}; }
  bool is_failing() const override { return false; }
};

TEST_P(WholeServerTest, A20_statistics_tell_what_there_is) {
  CountingSpans spans;
  open();
  server_->set_spans(&spans);
  start();
  Client client(hub(), "ann");
  std::string frames;
  append_mailbox(frames, ++request_,
                 {.name = "work", .max_messages = {}, .drop_oldest = {}, .default_ttl_ms = {}, .max_deliveries = 1});
  EXPECT_EQ(ask(client, frames), "");
  auto message = message_to("work");
  publish(client, message);
  const std::uint64_t lease[] = {take(client, "work").lease};
  frames.clear();
  append_nack(frames, ++request_, lease, 0, "busy");
  ask(client, frames);
  const auto stats = call_until(client, "server.stats", "{}", R"("max_deliveries":1)");
  EXPECT_TRUE(stats.contains(R"("max_deliveries":1)")) << stats;
  EXPECT_TRUE(stats.contains(R"("exported":4711)")) << stats;
  EXPECT_TRUE(stats.contains(R"("connections":{"native":0,"http":1,"websocket":0})")) << stats;
  EXPECT_FALSE(stats.contains(R"("segments":0)")) << stats;
  stop();
}

// -- what is left when it has stopped

TEST_P(WholeServerTest, U14_a_stream_is_read_from_its_files_after_a_clean_stop) {
  start();
  {
    Client client(hub(), "ann");
    call(client, "stream.set", R"({"name":"news","topic":"news.*"})");
    Message event;
    event.topic = "news.today";
    event.content = "rain";
    event.mode = DeliveryMode::at_least_once;
    publish(client, event);
  }
  stop();
  open();
  EXPECT_TRUE(server_->recovered().clean_stop);
  start();
  Client client(hub(), "ann");
  const auto read = call(client, "stream.read", R"({"name":"news"})");
  EXPECT_TRUE(read.contains(R"("content":"cmFpbg==")")) << read;  // "rain"
  std::string frames;
  append_call(frames, ++request_, "stream.read", R"({"name":"news"})", true);
  const auto packed = ask(client, frames);
  ASSERT_GE(packed.size(), 8u);
  EXPECT_EQ(load<std::uint64_t>(as_bytes(packed).data()), 2u) << "the next event";
}

// -- sockets

class Socket {
 public:
  explicit Socket(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval most{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  }
  Socket(Socket&&) = delete;
  Socket& operator=(Socket&&) = delete;
  ~Socket() { ::close(socket_); }
  void say(std::string_view bytes) {
    EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// So many bytes, or fewer if it ends before.
  std::string hear(std::size_t most) {
    std::string all;
    while (all.size() < most) {
      char byte = 0;
      const auto got = ::recv(socket_, &byte, 1, 0);
      EXPECT_GE(got, 0) << "nothing came";
      if (got <= 0) break;
      all += byte;
    }
    return all;
  }

 private:
  const int socket_;
};

TEST_P(WholeServerTest, a_client_of_tls_is_told_that_it_is_not_spoken_and_others_are_told_nothing) {
  start();
  Socket stranger(server_->port());
  stranger.say(std::string_view("\x01\x02\x03\x04\x05\x06", 6));
  EXPECT_EQ(stranger.hear(100), "");
  Socket secure(server_->port());
  secure.say(std::string_view("\x16\x03\x01\x00\x05", 5));
  EXPECT_EQ(secure.hear(7), std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7));
  secure.say(std::string_view("\x16\x03\x01\x00\x05", 5));
  EXPECT_EQ(secure.hear(100), "") << "once";
  Socket client(server_->port());
  std::string frames;
  append_hello(frames, 1, {.agent = "box1", .token = {}, .software = "test"});
  append_ping(frames, 2);
  client.say(frames);
  EXPECT_EQ(static_cast<Opcode>(client.hear(5)[4]), Opcode::welcome);
}

class CatchingDoor final : public Door {
 public:
  void take_over(Arrival arrival) override {
    {
      const std::lock_guard guard(lock_);
      first_ += arrival.first;
    }
    ::close(arrival.socket);
  }
  std::string first() const {
    const std::lock_guard guard(lock_);
    return first_;
  }

 private:
  mutable std::mutex lock_;
  std::string first_;
};

TEST_P(WholeServerTest, every_method_of_http_is_for_its_door) {
  CatchingDoor http;
  open();
  server_->set_http_door(&http);
  start();
  for (const std::string_view request : {"ACL / HTTP/1.1", "GET / HTTP/1.1", "\r\nPUT / HTTP/1.1"}) {
    Socket client(server_->port());
    client.say(request);
    EXPECT_EQ(client.hear(1), "");
  }
  EXPECT_EQ(http.first(), "ACL / HTTP/1.1GET / HTTP/1.1\r\nPUT / HTTP/1.1");
  stop();
}

}  // namespace
}  // namespace folkmoot
