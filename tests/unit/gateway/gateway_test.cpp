// The gateway over real sockets (pairs), with a small server behind it.
#include "gateway/gateway.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

#include "unit/gateway/fake_hub.hpp"

namespace folkmoot {
namespace {

using testing::FakeHub;

constexpr const char* kId = "0193f2c4-a1b2-7def-8123-456789abcdef";

struct Reply {
  int status = 0;
  std::string head, body;
  boost::json::value json() const { return boost::json::parse(body); }
};

class Client {
 public:
  explicit Client(Gateway& gateway, std::string first = {}) {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    socket_ = pair[0];
    const timeval time{5, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    gateway.take_over({.socket = pair[1], .is_unix = true, .first = std::move(first)});
  }
  ~Client() { ::close(socket_); }

  void send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  bool read_more() {
    char buffer[65536];
    const auto got = ::recv(socket_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    have_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  std::string take(std::size_t size) {
    while (have_.size() < size && read_more()) {
    }
    auto taken = have_.substr(0, size);
    have_.erase(0, size);
    return taken;
  }
  bool is_closed() { return have_.empty() && !read_more(); }
  void shut() { ::shutdown(socket_, SHUT_RDWR); }

  Reply read() {
    Reply reply;
    std::size_t end = 0;
    while ((end = have_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return reply;
    }
    reply.head = take(end + 4);
    reply.status = std::stoi(reply.head.substr(9, 3));
    if (const auto at = reply.head.find("Content-Length: "); at != std::string::npos)
      reply.body = take(std::stoul(reply.head.substr(at + 16)));
    return reply;
  }
  Reply ask(std::string_view method, std::string_view target, std::string_view body = {},
            std::string_view headers = {}) {
    send(std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
    return read();
  }

 private:
  int socket_ = -1;
  std::string have_;
};

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() { gateway.start(); }

  static GatewayOptions options() {
    GatewayOptions options;
    options.threads = 2;
    options.body_bytes_max = 1024 * 1024;
    options.hello_timeout = std::chrono::milliseconds(1500);
    options.read_timeout = std::chrono::milliseconds(1500);
    options.idle_timeout = std::chrono::milliseconds(2000);
    options.connections_max = 50;
    return options;
  }

  FakeHub hub;
  Gateway gateway{hub, options()};
};

TEST_F(GatewayTest, PublishesAndTellsWhatBecameOfIt) {
  Client client(gateway);
  const auto reply = client.ask("POST", "/api/messages", R"({"to":"analyst","content":"hi"})", "X-Agent: planner\r\n");
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.json().at("id"), kId);
  EXPECT_EQ(reply.json().at("status"), "pending");
  EXPECT_TRUE(reply.json().at("last_read_age_ms").is_null());
  const auto body = hub.wait_for(Opcode::publish);
  const auto message = decode_message(as_bytes(body));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->from, "planner");
  EXPECT_EQ(message->content, "hi");
}

TEST_F(GatewayTest, UsesOneLinkForAllRequestsOfAConnection) {
  Client client(gateway);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(client.ask("POST", "/api/messages", R"({"to":"a"})").status, 201);
  EXPECT_EQ(hub.seen(Opcode::hello), 1u);
}

TEST_F(GatewayTest, AnswersABatchOneByOne) {
  Client client(gateway);
  const auto reply = client.ask("POST", "/api/messages", R"([{"to":"a"},{"to":"b"}])");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().as_array().size(), 2u);
  const auto one_wrong = client.ask("POST", "/api/messages", R"([{"to":"a"},{"to":5},{"to":"b"}])");
  ASSERT_EQ(one_wrong.status, 200) << one_wrong.body;
  ASSERT_EQ(one_wrong.json().as_array().size(), 3u);
  EXPECT_EQ(one_wrong.json().at(1).at("code"), "invalid_field");
  EXPECT_TRUE(one_wrong.json().at(2).as_object().contains("id"));
}

TEST_F(GatewayTest, SaysWhatIsWrongWithARequest) {
  Client client(gateway);
  struct Case {
    std::string_view method, target, body;
    int status;
    std::string_view code;
  };
  for (const auto& [method, target, body, status, code] : {
           Case{"POST", "/api/messages", "{", 400, "malformed"},
           {"POST", "/api/messages", R"({"to":"a","priority":0})", 422, "out_of_range"},
           {"POST", "/api/messages/batch", R"({"atomic":true,"messages":[{"to":"a"},{"to":5}]})", 422, "invalid_field"},
           {"POST", "/api/messages", "[]", 422, "out_of_range"},
           {"POST", "/api/messages", R"({"content":"x"})", 422, "no_recipient"},
           {"POST", "/api/messages", R"({"to":"full"})", 429, "mailbox_full"},
           {"GET", "/api/messages", "", 400, "invalid_name"},
           {"GET", "/api/messages?agent=a&limit=0", "", 400, "out_of_range"},
           {"GET", "/api/messages?agent=a&limit=many", "", 400, "out_of_range"},
           {"GET", "/api/messages?agent=a&wait=1h", "", 400, "out_of_range"},
           {"GET", "/api/messages?agent=a&lease=x", "", 400, "invalid_field"},
           {"GET", "/api/messages/five", "", 400, "invalid_field"},
           {"GET", "/api/messages/0193f2c4-a1b2-7def-8123-456789abcd00", "", 404, "not_found"},
           {"PUT", "/api/messages/0193f2c4-a1b2-7def-8123-456789abcdef/status", R"({"status":"delivered"})", 422,
            "invalid_field"},
           {"PUT", "/api/messages/0193f2c4-a1b2-7def-8123-456789abcdef/status", R"({"status":"eaten","lease":"7"})",
            422, "invalid_field"},
           {"PUT", "/api/messages/0193f2c4-a1b2-7def-8123-456789abcdef/status", R"({"status":"processed","lease":"8"})",
            409, "lease_lost"},
           {"POST", "/message", R"({"to":"nobody"})", 503, "no_consumer"},
           {"GET", "/nowhere", "", 404, "not_found"},
           {"DELETE", "/api/messages", "", 405, "unknown_opcode"},
           {"GET", "/%zz", "", 400, "malformed"},
           {"GET", "/ws", "", 426, "malformed"},
       }) {
    const auto reply = client.ask(method, target, body);
    EXPECT_EQ(reply.status, status) << target << " " << body << " " << reply.body;
    EXPECT_EQ(std::string_view(reply.json().at("code").as_string()), code) << target << " " << body;
    EXPECT_FALSE(reply.json().at("error").as_string().empty());
  }
}

TEST_F(GatewayTest, ReceivesAndSettles) {
  Client client(gateway);
  auto reply = client.ask("GET", "/api/messages?agent=one&limit=5");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto message = reply.json().at("messages").at(0);
  EXPECT_EQ(message.at("content"), "hello");
  EXPECT_EQ(message.at("lease"), "7");
  EXPECT_EQ(message.at("status"), "delivered");
  const auto path = "/api/messages/" + std::string(kId) + "/status";
  EXPECT_EQ(client.ask("PUT", path, R"({"status":"processed","lease":"7"})").status, 200);
  EXPECT_EQ(client.ask("PUT", path, R"({"status":"failed","lease":7,"delay_ms":"5s","reason":"no"})").status, 200);
  EXPECT_EQ(client.ask("PUT", path, R"({"status":"delivered","lease":"7","lease_ms":60000})").status, 200);
  EXPECT_EQ(hub.seen(Opcode::ack), 1u);
  EXPECT_EQ(hub.seen(Opcode::nack), 1u);
  EXPECT_EQ(hub.seen(Opcode::extend), 1u);
  const Uuid id = *Uuid::parse(kId);
  for (const auto opcode : {Opcode::ack, Opcode::nack, Opcode::extend})
    EXPECT_TRUE(hub.wait_for(opcode).starts_with(as_text(bytes_of(id))));
  reply = client.ask("GET", "/api/messages?agent=one&ack=true");
  EXPECT_EQ(reply.json().at("messages").at(0).at("status"), "processed");
  EXPECT_NE(hub.wait_for(Opcode::ack, 2), "(never came)") << "once the answer has been written";
  EXPECT_TRUE(client.ask("GET", "/api/messages?agent=empty").json().at("messages").as_array().empty());
  EXPECT_EQ(client.ask("GET", "/api/messages/" + std::string(kId)).json().at("status"), "processed");
}

TEST_F(GatewayTest, CompletesRejectsAndTellsOfAttempts) {
  Client client(gateway);
  const auto path = "/api/messages/" + std::string(kId);
  auto reply =
      client.ask("POST", path + "/complete", R"({"lease":"7","outputs":[{"to":"next","content":"a"},{"to":"last"}]})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().at("status"), "processed");
  EXPECT_EQ(reply.json().at("results").as_array().size(), 2u);
  EXPECT_EQ(reply.json().at("results").at(1).at("id"), kId);
  EXPECT_EQ(client.ask("POST", path + "/complete", R"({"lease":"7"})").status, 200);
  EXPECT_EQ(client.ask("POST", path + "/complete", R"({"lease":"8"})").status, 409);
  EXPECT_EQ(client.ask("POST", path + "/complete", R"({"outputs":[]})").json().at("code"), "invalid_field");
  EXPECT_EQ(client.ask("PUT", path + "/status", R"({"status":"rejected","lease":"7","reason":"not mine"})").status,
            200);
  EXPECT_NE(hub.wait_for(Opcode::reject).find("not mine"), std::string::npos);
  EXPECT_EQ(client.ask("GET", path).json().at("attempts"), (boost::json::value{{{"at", 5}, {"end", "nacked"}}}));
}

TEST_F(GatewayTest, MakesCallsOfTheirAddresses) {
  Client client(gateway);
  EXPECT_EQ(client.ask("GET", "/api/dead?mailbox=12&limit=5&content=true").status, 200);
  EXPECT_NE(hub.wait_for(Opcode::call).find(R"({"mailbox":"12","limit":5,"content":true})"), std::string::npos);
  EXPECT_EQ(client.ask("DELETE", "/api/dead?reason=expired").json(), (boost::json::value{{"purged", 3}}));
  EXPECT_EQ(client.ask("POST", "/api/dead/redrive", R"({"mailbox":"a"})").json(),
            (boost::json::value{{"sent", 4}, {"refused", 1}}));
  EXPECT_EQ(client.ask("POST", "/api/dead/" + std::string(kId) + "/resubmit").status, 201);
  EXPECT_EQ(client.ask("DELETE", "/api/messages/" + std::string(kId)).body, "{}\n");
  EXPECT_EQ(client.ask("POST", "/api/call/no.call").status, 404);
  EXPECT_EQ(client.ask("POST", "/api/call/dead.list", "[1]").status, 422);
  EXPECT_EQ(client.ask("POST", "/api/messages/batch", R"({"messages":[{"to":"a"},{"to":"b"}],"atomic":true})")
                .json()
                .at("results")
                .as_array()
                .size(),
            2u);
}

TEST_F(GatewayTest, CancelsALongPollWhoseClientIsGoneAndGivesBackWhatCame) {
  {
    Client client(gateway);
    client.send("GET /api/messages?agent=none&wait=60s HTTP/1.1\r\nHost: x\r\n\r\n");
    hub.wait_for(Opcode::receive);
    client.shut();
  }
  hub.wait_for(Opcode::cancel);
  const auto nack = hub.wait_for(Opcode::nack);
  EXPECT_NE(nack.find(std::string("\x00\x91\x09", 3)), std::string::npos) << "lease 9 is given back";
}

TEST_F(GatewayTest, HandsRequestsToLiveAgents) {
  Client client(gateway);
  EXPECT_EQ(client.ask("POST", "/message", R"({"to":"one"})").json(), (boost::json::value{{"status", "delivered"}}));
  const auto reply = client.ask("POST", "/message?wait=5s", R"({"to":"one"})");
  EXPECT_EQ(reply.json().at("response").at("content"), "hello");
}

TEST_F(GatewayTest, TellsHealthAndMetrics) {
  Client client(gateway);
  auto reply = client.ask("GET", "/health");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json().at("status"), "ok");
  reply = client.ask("GET", "/metrics");
  EXPECT_NE(reply.head.find("text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(reply.body.find("folkmoot_uptime_seconds 0.005"), std::string::npos);
  hub.stats = R"({"accepts_durable":false,"journal":{"disk_full":true,"refusal":"it may take 5 bytes"}})";
  reply = client.ask("GET", "/health");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.json().at("reason"), "the journal has no room: it may take 5 bytes");
}

TEST_F(GatewayTest, RefusesAWrongTokenAndTakesTheRightOneAfterwards) {
  Client client(gateway);
  auto reply = client.ask("GET", "/health", "", "Authorization: Bearer wrong-token\r\n");
  EXPECT_EQ(reply.status, 401);
  EXPECT_NE(reply.head.find("WWW-Authenticate: Bearer"), std::string::npos);
  EXPECT_EQ(client.ask("GET", "/health", "", "Authorization: bearer right\r\n").status, 200);
}

TEST(GatewayCors, LetsPagesOfOtherOriginsInWhenToldTo) {
  FakeHub hub;
  GatewayOptions options;
  options.cors_origins = {"*"};
  Gateway gateway(hub, options);
  gateway.start();
  Client client(gateway);
  const auto preflight = client.ask("OPTIONS", "/api/messages", "", "Origin: https://example.org\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_NE(preflight.head.find("Access-Control-Allow-Origin: *"), std::string::npos);
  EXPECT_NE(preflight.head.find("Access-Control-Allow-Methods: POST, GET, HEAD, OPTIONS"), std::string::npos);
  EXPECT_NE(client.ask("GET", "/health").head.find("Access-Control-Allow-Origin: *"), std::string::npos);
}

TEST_F(GatewayTest, RefusesPagesOfOtherOriginsButNotItsOwn) {
  EXPECT_EQ(Client(gateway)
                .ask("POST", "/api/messages", R"({"to":"a","content":"b"})", "Origin: https://bad.example\r\n")
                .status,
            403);
  EXPECT_EQ(hub.seen(Opcode::publish), 0u);
  const auto own = Client(gateway).ask("GET", "/health", "", "Origin: http://x\r\n");
  EXPECT_EQ(own.status, 200);
  EXPECT_EQ(own.head.find("Access-Control"), std::string::npos);
}

TEST(GatewayCors, MayBeLimitedToNamedOriginsOrSwitchedOff) {
  FakeHub hub;
  GatewayOptions options;
  options.cors_origins = {"https://good.example"};
  Gateway gateway(hub, options);
  gateway.start();
  Client client(gateway);
  EXPECT_NE(client.ask("GET", "/health", "", "Origin: https://good.example\r\n")
                .head.find("Allow-Origin: https://good.example"),
            std::string::npos);
  EXPECT_EQ(client.ask("GET", "/health", "", "Origin: https://bad.example\r\n").head.find("Allow-Origin"),
            std::string::npos);
  const auto upgrade =
      Client(gateway).ask("GET", "/ws", "",
                          "Origin: https://bad.example\r\nUpgrade: websocket\r\nConnection: "
                          "Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
  EXPECT_EQ(upgrade.status, 403);
}

TEST_F(GatewayTest, ReadsWhatTheReactorReadFirstAndWhatIsPipelined) {
  const std::string get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  Client client(gateway, get + get + get.substr(0, 10));
  client.send(get.substr(10));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read().status, 200);
}

TEST_F(GatewayTest, ReadsARequestByteByByte) {
  Client client(gateway, "P");
  for (const char c :
       std::string_view("OST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"to\":\"a\"}"))
    client.send({&c, 1});
  EXPECT_EQ(client.read().status, 201);
}

TEST_F(GatewayTest, SendsContinueWhenAsked) {
  Client client(gateway);
  client.send("POST /api/messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("{\"to\":\"a\"}");
  EXPECT_EQ(client.read().status, 201);
}

TEST_F(GatewayTest, BoundsHeaderAndBody) {
  Client head(gateway);
  head.send("GET /health HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(head.read().status, 431);
  EXPECT_TRUE(head.is_closed());
  Client body(gateway);
  body.send("POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_EQ(body.read().status, 413);
  Client chunked(gateway);
  chunked.send("POST /api/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1fffff\r\n" +
               std::string(0x1fffff, ' '));
  EXPECT_EQ(chunked.read().status, 413);
}

TEST_F(GatewayTest, RefusesWhatIsNotHttp) {
  for (const std::string_view text : {"HELLO\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nbroken header\r\n\r\n",
                                      "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    Client client(gateway);
    client.send(text);
    EXPECT_EQ(client.read().status, 400) << text;
    EXPECT_TRUE(client.is_closed());
  }
}

TEST_F(GatewayTest, ClosesConnectionsThatAreSlowOrIdle) {
  Client idle(gateway);
  Client slow(gateway, "GET /hea");
  EXPECT_TRUE(slow.is_closed());
  EXPECT_TRUE(idle.is_closed());
}

TEST_F(GatewayTest, RefusesMoreConnectionsThanItsLimit) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(std::make_unique<Client>(gateway));
  Client more(gateway);
  EXPECT_EQ(more.read().status, 503);
  EXPECT_EQ(clients.front()->ask("GET", "/health").status, 200);
}

TEST_F(GatewayTest, RefusesWorkWhileItStopsAndEndsLongPolls) {
  Client polling(gateway), idle(gateway);
  ASSERT_EQ(idle.ask("GET", "/health").status, 200);
  polling.send("GET /api/messages?agent=none&wait=60s HTTP/1.1\r\nHost: x\r\n\r\n");
  hub.wait_for(Opcode::receive);
  gateway.close();
  gateway.close();
  const auto reply = polling.read();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.json().at("code"), "shutting_down");
  EXPECT_TRUE(idle.is_closed());
  Client late(gateway);
  EXPECT_EQ(late.read().status, 503);
  polling.shut();
  gateway.stop();
  gateway.stop();
}

TEST_F(GatewayTest, SaysThatTheServerStopsWhenThereIsNoLink) {
  hub.refuses = true;
  Client client(gateway);
  EXPECT_EQ(client.ask("GET", "/health").status, 503);
}

// -- WebSocket

class WebsocketClient : public Client {
 public:
  explicit WebsocketClient(Gateway& gateway, std::string_view target = "/ws?agent=me", std::string_view headers = {})
      : Client(gateway, "GET " + std::string(target) +
                            " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                            std::string(headers) + "\r\n") {
    const auto reply = read();
    EXPECT_EQ(reply.status, 101) << reply.head;
    EXPECT_NE(reply.head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
  }

  void send_message(int opcode, std::string_view payload) {
    std::string frame{static_cast<char>(0x80 | opcode)};
    if (payload.size() < 126) {
      frame.push_back(static_cast<char>(0x80 | payload.size()));
    } else {
      frame.push_back(static_cast<char>(0xff));
      for (int shift = 56; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(payload.size() >> shift));
    }
    frame.append(4, '\0');  // a mask of zeros
    send(frame.append(payload));
  }
  /// Opcode and payload of the next message; opcode 8 is close.
  std::pair<int, std::string> read_message() {
    const auto head = take(2);
    if (head.size() < 2) return {-1, ""};
    std::size_t size = static_cast<unsigned char>(head[1]);
    if (const int wide = size == 126 ? 2 : size == 127 ? 8 : 0) {
      size = 0;
      for (const char c : take(static_cast<std::size_t>(wide))) size = size << 8 | static_cast<unsigned char>(c);
    }
    return {head[0] & 15, take(size)};
  }
  boost::json::value ask_text(std::string_view text) {
    send_message(1, text);
    const auto [opcode, payload] = read_message();
    EXPECT_EQ(opcode, 1) << payload;
    return opcode == 1 ? boost::json::parse(payload) : boost::json::value{};
  }
};

TEST_F(GatewayTest, SpeaksJsonOverAWebSocket) {
  WebsocketClient client(gateway);
  hub.wait_for(Opcode::hello);
  EXPECT_EQ(hub.seen(Opcode::hello), 1u) << "its agent is there before it says anything";
  const auto confirm = client.ask_text(R"({"op":"publish","request":3,"message":{"to":"a","content":"x"}})");
  EXPECT_EQ(confirm.at("op"), "confirm");
  EXPECT_EQ(confirm.at("request"), 3);
  EXPECT_EQ(client.ask_text("no json").at("code"), "malformed");
  EXPECT_EQ(client.ask_text(R"({"op":"ping","request":4})").at("request"), 4);
  const auto hello = hub.wait_for(Opcode::hello);
  EXPECT_NE(hello.find("me"), std::string::npos) << "the gateway says HELLO for the agent of the upgrade";
  EXPECT_EQ(hub.seen(Opcode::hello), 1u) << "the link that shows the token is the session's";
}

TEST_F(GatewayTest, LetsTheClientSayHelloItself) {
  WebsocketClient client(gateway, "/ws");
  EXPECT_EQ(client.ask_text(R"({"op":"hello","request":1,"agent":"x"})").at("op"), "welcome");
  EXPECT_EQ(client.ask_text(R"({"op":"ping"})").at("op"), "ok");
  EXPECT_EQ(hub.seen(Opcode::hello), 2u) << "that of the upgrade, and the client's: another session";
}

TEST_F(GatewayTest, PassesNativeFramesThroughAWebSocket) {
  WebsocketClient client(gateway);
  std::string frames;
  append_frame(frames, Opcode::ping, 0, 5, "one");
  append_frame(frames, Opcode::ping, 0, 6, "two");
  client.send_message(2, frames);
  std::string back;
  while (back.size() < 30) {
    const auto [opcode, payload] = client.read_message();
    ASSERT_EQ(opcode, 2);
    back += payload;
  }
  std::string expected;
  append_frame(expected, Opcode::ok, 0, 5, "one");
  append_frame(expected, Opcode::ok, 0, 6, "two");
  EXPECT_EQ(back, expected);
  EXPECT_EQ(client.ask_text(R"({"op":"ping","request":5})").at("request"), 5) << "text beside it, with the same number";
}

TEST_F(GatewayTest, EndsAWebSocketWhoseFramingIsBroken) {
  for (const std::string& text :
       {std::string("\x0c\0\0\0\x10\0\0\0\x01\0\0\0", 12), std::string("\x07\0\0\0\x10\0\0\0\x01\0\0\0", 12),
        std::string("\x08\0\0\0\x10\0\0\0\x01\0\0\x80", 12)}) {
    WebsocketClient client(gateway);
    client.send_message(2, text);
    const auto goodbye = client.read_message();
    EXPECT_EQ(goodbye.first, 2);
    EXPECT_EQ(goodbye.second[4], static_cast<char>(Opcode::goodbye));
    EXPECT_EQ(client.read_message().first, 8);
  }
}

TEST_F(GatewayTest, TellsAWebSocketWhyTheServerEndedIt) {
  WebsocketClient client(gateway, "/ws?agent=me", "Authorization: Bearer wrong-token\r\n");
  const auto goodbye = client.ask_text(R"({"op":"ping"})");
  EXPECT_EQ(goodbye.at("op"), "goodbye");
  EXPECT_EQ(goodbye.at("code"), "unauthorized");
  const auto [opcode, reason] = client.read_message();
  EXPECT_EQ(opcode, 8);
  EXPECT_EQ(reason.substr(2), "unauthorized");
}

TEST_F(GatewayTest, CarriesALargeMessageBothWays) {
  WebsocketClient client(gateway);
  std::string frame;
  append_frame(frame, Opcode::ping, 0, 5, std::string(3'000'000, 'p'));
  client.send_message(2, frame);
  std::size_t got = 0;
  while (got < frame.size()) {
    const auto [opcode, payload] = client.read_message();
    ASSERT_EQ(opcode, 2);
    got += payload.size();
  }
  EXPECT_EQ(got, frame.size());
}

TEST_F(GatewayTest, ClosesWebSocketsWhenItStops) {
  WebsocketClient client(gateway);
  EXPECT_EQ(client.ask_text(R"({"op":"ping"})").at("op"), "ok");
  gateway.close();
  EXPECT_EQ(boost::json::parse(client.read_message().second).at("code"), "shutting_down");
  EXPECT_EQ(client.read_message().first, 8);
  client.shut();
  gateway.stop();
}

TEST_F(GatewayTest, SurvivesClientsThatVanishAtAnyPoint) {
  const std::string whole =
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
      "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  for (std::size_t size = 0; size <= whole.size(); size += 7) {
    Client client(gateway, whole.substr(0, size));
    client.shut();
  }
  for (int i = 0; i < 20; ++i) {
    WebsocketClient client(gateway);
    client.send_message(1, R"({"op":"wait","mailbox":"none","timeout_ms":"1m"})");
  }
  Client after(gateway);
  EXPECT_EQ(after.ask("GET", "/health").status, 200);
}

}  // namespace
}  // namespace folkmoot
