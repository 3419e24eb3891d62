// TLS of one connection, without its socket (transport/tls_session.hpp): two sessions, and the bytes between them.
#include "transport/tls_session.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "crypto/certificates.hpp"
#include "crypto/files.hpp"

namespace folkmoot {
namespace {

class TlsSessionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto pattern = (std::filesystem::temp_directory_path() / "folkmoot-tls-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    const auto authority = *make_authority("test", KeyKind::p256, 10);
    ASSERT_TRUE(write_new_file(path("ca.pem"), authority.certificate, FileFor::everybody));
    write("server", *issue_certificate(authority, KeyKind::p256, {.hosts = {"bus.example", "127.0.0.1"}}));
    write("agent", *issue_certificate(authority, KeyKind::ed25519, {.agent = "ann"}));
    write("stranger", *issue_certificate(*make_authority("other", KeyKind::p256, 10), KeyKind::p256, {.agent = "ann"}));
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }
  static std::string path(const std::string& name) { return folder_ + "/" + name; }
  static void write(const std::string& name, const MadeCertificate& made) {
    ASSERT_TRUE(write_new_file(path(name + ".pem"), made.certificate, FileFor::everybody));
    ASSERT_TRUE(write_new_file(path(name + "-key.pem"), made.key, FileFor::owner));
  }

  struct Ends {
    std::unique_ptr<TlsSession> server, client;
  };
  static Ends ends(const TlsTrust& trust, const std::string& host, const std::string& client_ca = {}) {
    const auto server =
        TlsContext::server({.certificate = path("server.pem"), .key = path("server-key.pem"), .client_ca = client_ca});
    const auto client = TlsContext::client(trust);
    EXPECT_TRUE(server && client);
    return {TlsSession::accept(**server), TlsSession::connect(**client, host)};
  }
  static TlsTrust trust() {
    TlsTrust made;
    made.ca = path("ca.pem");
    return made;
  }
  static TlsTrust trust_in_anybody() {
    TlsTrust made;
    made.insecure = true;
    return made;
  }

  // Each hands the other what it has, `step` bytes at a time.
  static std::pair<TlsSession::Step, TlsSession::Step> shake(const Ends& ends, std::size_t step = ~std::size_t{0}) {
    auto client = ends.client->handshake({}), server = TlsSession::Step::more;
    const auto give = [&](TlsSession& from, TlsSession& to, TlsSession::Step& state) {
      auto said = std::exchange(from.unsent(), {});
      for (std::size_t at = 0; at < said.size(); at += std::min(step, said.size() - at)) {
        const auto part = std::string_view(said).substr(at, step);
        if (state == TlsSession::Step::more) {
          state = to.handshake(as_bytes(part));
        } else {
          to.take_in(as_bytes(part));
        }
      }
      return !said.empty();
    };
    while (give(*ends.client, *ends.server, server) || give(*ends.server, *ends.client, client)) {
    }
    return {server, client};
  }
  static std::string read(TlsSession& session, std::string_view fresh, std::size_t room) {
    std::string got(room, '\0');
    const auto taken = session.read(as_bytes(fresh), {reinterpret_cast<std::uint8_t*>(got.data()), room});
    got.resize(taken.count);
    return got;
  }
  static std::string sealed(TlsSession& session, std::string_view text) {
    std::string out;
    EXPECT_TRUE(session.write(as_bytes(text), out));
    return out;
  }

  static inline std::string folder_;
};

constexpr auto kDone = std::pair(TlsSession::Step::done, TlsSession::Step::done);

TEST_F(TlsSessionTest, U13_what_is_said_on_one_side_is_read_on_the_other) {
  const auto both = ends(trust(), "bus.example");
  ASSERT_EQ(shake(both), kDone);
  EXPECT_EQ(both.server->version(), "TLSv1.3");
  EXPECT_EQ(read(*both.server, sealed(*both.client, "hello"), 100), "hello");
  EXPECT_EQ(read(*both.client, sealed(*both.server, "welcome"), 100), "welcome");
  EXPECT_FALSE(both.server->has_input());
}

TEST_F(TlsSessionTest, U13_a_handshake_may_come_byte_by_byte) {
  const auto both = ends(trust(), "127.0.0.1");
  EXPECT_EQ(shake(both, 1), kDone);
}

TEST_F(TlsSessionTest, U13_what_there_is_no_room_for_is_kept) {
  const auto both = ends(trust(), "bus.example");
  ASSERT_EQ(shake(both), kDone);
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i) + " ";
  const auto record = sealed(*both.client, text);  // several records
  auto got = read(*both.server, record, 7);
  EXPECT_EQ(got.size(), 7u);
  while (both.server->has_input()) got += read(*both.server, {}, 1'000);
  EXPECT_EQ(got, text);
}

TEST_F(TlsSessionTest, U13_a_record_may_come_in_parts) {
  const auto both = ends(trust(), "bus.example");
  ASSERT_EQ(shake(both), kDone);
  std::string got;
  for (const char byte : sealed(*both.client, "a text")) got += read(*both.server, std::string(1, byte), 100);
  EXPECT_EQ(got, "a text");
}

TEST_F(TlsSessionTest, U13_the_end_is_told_after_all_that_was_said) {
  const auto both = ends(trust(), "bus.example");
  ASSERT_EQ(shake(both), kDone);
  auto said = sealed(*both.client, "last words");
  both.client->end();
  both.client->end();
  said += both.client->unsent();
  EXPECT_EQ(read(*both.server, said, 100), "last words");
  EXPECT_TRUE(both.server->has_input());
  std::array<std::uint8_t, 10> room;
  EXPECT_EQ(both.server->read({}, room).what, TlsSession::What::ended);
}

TEST_F(TlsSessionTest, X14_an_altered_record_ends_it_for_good) {
  const auto both = ends(trust(), "bus.example");
  ASSERT_EQ(shake(both), kDone);
  auto record = sealed(*both.client, "hello");
  const auto good = sealed(*both.client, "world");
  record.back() = static_cast<char>(record.back() ^ 1);
  std::array<std::uint8_t, 100> room;
  EXPECT_EQ(both.server->read(as_bytes(record), room).what, TlsSession::What::failed);
  EXPECT_TRUE(both.server->has_unsent()) << "the alert";
  EXPECT_EQ(both.server->read(as_bytes(good), room).what, TlsSession::What::failed);
  std::string out;
  EXPECT_FALSE(both.server->write(as_bytes(std::string_view("x")), out));
}

TEST_F(TlsSessionTest, X14_a_replayed_record_is_refused) {
  const auto both = ends(trust(), "bus.example");
  ASSERT_EQ(shake(both), kDone);
  const auto record = sealed(*both.client, "pay 5");
  EXPECT_EQ(read(*both.server, record, 100), "pay 5");
  std::array<std::uint8_t, 100> room;
  EXPECT_EQ(both.server->read(as_bytes(record), room).what, TlsSession::What::failed);
}

TEST_F(TlsSessionTest, U13_looking_for_the_end_takes_nothing) {
  const auto both = ends(trust(), "bus.example");
  ASSERT_EQ(shake(both), kDone);
  both.server->take_in(as_bytes(sealed(*both.client, "more")));
  EXPECT_FALSE(both.server->has_ended());
  both.client->end();
  both.server->take_in(as_bytes(both.client->unsent()));
  EXPECT_EQ(read(*both.server, {}, 100), "more");
  EXPECT_TRUE(both.server->has_ended());
}

TEST_F(TlsSessionTest, U13_a_client_believes_the_right_name_and_authority_alone) {
  for (const auto* const host : {"bus.example", "127.0.0.1"}) EXPECT_EQ(shake(ends(trust(), host)), kDone) << host;
  for (const auto* const host : {"other.example", "127.0.0.2", "example", "sub.bus.example"}) {
    const auto both = ends(trust(), host);
    EXPECT_EQ(shake(both).second, TlsSession::Step::failed) << host;
    EXPECT_EQ(both.client->error().code, ErrorCode::unauthorized);
    EXPECT_NE(both.client->error().advice.find(host), std::string::npos) << both.client->error().advice;
  }
  const auto by_the_system = ends({}, "bus.example");
  EXPECT_EQ(shake(by_the_system).second, TlsSession::Step::failed);
  EXPECT_NE(by_the_system.client->error().advice.find("--ca"), std::string::npos);
  EXPECT_EQ(shake(ends(trust_in_anybody(), "other.example")), kDone);
}

TEST_F(TlsSessionTest, U13_a_clients_certificate_says_who_it_is) {
  auto own = trust();
  own.certificate = path("agent.pem");
  own.key = path("agent-key.pem");
  const auto both = ends(own, "bus.example", path("ca.pem"));
  ASSERT_EQ(shake(both), kDone);
  EXPECT_EQ(both.server->verified().name, "ann");
  EXPECT_GT(both.server->verified().until, 0);
  const auto without = ends(trust(), "bus.example");
  ASSERT_EQ(shake(without), kDone);
  EXPECT_EQ(without.server->verified().name, "");
}

TEST_F(TlsSessionTest, X14_a_certificate_of_another_authority_says_nothing) {
  auto own = trust();
  own.certificate = path("stranger.pem");
  own.key = path("stranger-key.pem");
  const auto both = ends(own, "bus.example", path("ca.pem"));
  EXPECT_EQ(shake(both).first, TlsSession::Step::failed);
  EXPECT_EQ(both.server->verified().name, "");
}

TEST_F(TlsSessionTest, X14_what_is_no_tls_fails_without_a_word_lost) {
  for (const std::string_view said :
       {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x04\x01\x00\x00\x00", "\x15\x03\x01\x00\x02\x02\x46"}) {
    const auto both = ends(trust(), "bus.example");
    EXPECT_NE(both.server->handshake(as_bytes(said)), TlsSession::Step::done);
  }
  const auto both = ends(trust(), "bus.example");
  EXPECT_EQ(both.client->handshake({}), TlsSession::Step::more);
  EXPECT_EQ(both.client->handshake(as_bytes(std::string_view("220 mail.example\r\n"))), TlsSession::Step::failed);
  EXPECT_NE(both.client->error().text.find("does not speak TLS"), std::string::npos);
}

TEST_F(TlsSessionTest, U13_files_that_do_not_fit_are_refused) {
  const auto code = [](const std::string& certificate, const std::string& key) {
    const auto made = TlsContext::server({.certificate = path(certificate), .key = path(key), .client_ca = {}});
    return made ? ErrorCode{} : made.error().code;
  };
  EXPECT_EQ(code("server.pem", "server-key.pem"), ErrorCode{});
  EXPECT_EQ(code("server.pem", "agent-key.pem"), ErrorCode::invalid_field);
  EXPECT_EQ(code("server-key.pem", "server-key.pem"), ErrorCode::malformed);
  EXPECT_EQ(code("server.pem", "server.pem"), ErrorCode::malformed);
  EXPECT_EQ(code("none.pem", "server-key.pem"), ErrorCode::io_error);
  for (const std::vector<std::string>& ciphers :
       {std::vector<std::string>{"RC4-MD5"}, {"ECDHE-RSA-AES128-GCM-SHA256"}, {"TLS_AES_128_GCM_SHA256", "aes"}}) {
    const auto made = TlsContext::server(
        {.certificate = path("server.pem"), .key = path("server-key.pem"), .client_ca = {}, .ciphers = ciphers});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::invalid_field);
    EXPECT_FALSE(made.error().advice.empty());
  }
  auto half = trust();
  half.certificate = path("agent.pem");
  EXPECT_FALSE(TlsContext::client(half));
}

}  // namespace
}  // namespace folkmoot
