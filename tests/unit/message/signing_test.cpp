// Messages that are signed and contents that are sealed for one message (folkmoot/signing.hpp), and which keys are
// known as whose (folkmoot/known_keys.hpp).
#include "folkmoot/signing.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/utf8.hpp"
#include "crypto/base64url.hpp"
#include "folkmoot/known_keys.hpp"
#include "message/envelope.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kNow = 1'796'000'000'000;

template <class T>
ErrorCode code(const Result<T>& result) {
  return result ? ErrorCode{} : result.error().code;
}

PrivateKey signing_key() { return *PrivateKey::generate(KeyType::ed25519); }

Message plan() {
  Message message{.from = "ann", .to = "bob", .type = "task", .content = "the plan", .content_type = "text/plain"};
  message.conversation = "launch";
  message.metadata = {{"round", 2}, {"nested", {{"pi", 3.25}, {"list", {1, "two", nullptr}}}}};
  return message;
}

// As it comes out at the other end.
Message sent(const Message& message) {
  std::string bytes;
  EXPECT_TRUE(encode_envelope(message, bytes));
  return *decode_message(as_bytes(bytes += message.content));
}

TEST(Signing, U13_what_was_signed_is_known_at_the_other_end) {
  const auto key = signing_key();
  auto message = plan();
  ASSERT_TRUE(sign_message(message, key, kNow));
  EXPECT_TRUE(message.key.empty()) << "one that lives in memory may have none";
  const auto signature = verify_message(sent(message), key.public_key());
  ASSERT_TRUE(signature) << signature.error().describe();
  EXPECT_EQ(signature->signed_at, kNow);
  EXPECT_EQ(signature->key, key.public_key().thumbprint());
  EXPECT_EQ(signature->nonce.size(), 22u) << "128 bits that were drawn";
  auto again = plan();
  ASSERT_TRUE(sign_message(again, key, kNow));
  EXPECT_NE(signature_of(again)->nonce, signature->nonce)
      << "the same message, at the same time, and another signature";
  EXPECT_EQ(code(verify_message(message, signing_key().public_key())), ErrorCode::unauthorized);
}

TEST(Signing, U13_whatever_is_altered_is_seen_and_named) {
  const auto key = signing_key();
  auto message = plan();
  message.correlation = "c", message.reply_to = "ann", message.group = "g", message.key = "k";
  message.cause = *Uuid::parse("019b0a1c-0000-7000-8000-000000000001");
  ASSERT_TRUE(sign_message(message, key, kNow));
  const auto refused = [&](auto change, std::string_view what) {
    auto altered = sent(message);
    change(altered);
    const auto result = verify_message(altered, key.public_key());
    ASSERT_FALSE(result) << what;
    EXPECT_EQ(result.error().code, ErrorCode::unauthorized);
    EXPECT_NE(result.error().text.find(what), std::string::npos) << result.error().text;
  };
  refused([](Message& m) { m.from = "eve"; }, "`from`");
  refused([](Message& m) { m.to = "carol"; }, "`to`");
  refused([](Message& m) { m.to.clear(), m.topic = "all"; }, "`to`");
  refused([](Message& m) { m.type = "command"; }, "`type`");
  refused([](Message& m) { m.type.clear(); }, "`type`");
  refused([](Message& m) { m.conversation = "other"; }, "`conversation`");
  refused([](Message& m) { m.correlation = "d"; }, "`correlation`");
  refused([](Message& m) { m.reply_to = "eve"; }, "`reply_to`");
  refused([](Message& m) { m.key = "another"; }, "`key`");
  refused([](Message& m) { m.group = "h"; }, "`group`");
  refused([](Message& m) { m.content_type = "text/html"; }, "`content_type`");
  refused([](Message& m) { m.cause = Uuid{}; }, "`cause`");
  refused([](Message& m) { m.content += "!"; }, "the content");
  refused([](Message& m) { m.content.clear(); }, "the content");
  refused([](Message& m) { m.metadata["round"] = 3; }, "the metadata");
  refused([](Message& m) { m.metadata["more"] = true; }, "the metadata");
  refused([](Message& m) { m.metadata.erase("nested"); }, "the metadata");
}

// Each bit of its text.
TEST(Signing, U13_a_signature_that_was_touched_is_none) {
  const auto key = signing_key();
  auto message = plan();
  ASSERT_TRUE(sign_message(message, key, kNow));
  const std::string whole(message.metadata[std::string(kSignatureField)].as_string());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto touched = whole;
    touched[at] = static_cast<char>(touched[at] ^ 1);
    message.metadata["signature"] = touched;
    EXPECT_FALSE(verify_message(message, key.public_key())) << "at " << at;
  }
  for (const auto length : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    message.metadata["signature"] = whole.substr(0, length);
    EXPECT_FALSE(verify_message(message, key.public_key())) << "of " << length;
  }
  message.metadata["signature"] = 7;
  EXPECT_EQ(code(verify_message(message, key.public_key())), ErrorCode::malformed);
  message.metadata.erase("signature");
  EXPECT_EQ(code(verify_message(message, key.public_key())), ErrorCode::not_found);
}

// The token's head says nothing about how it is looked at (RFC 8725).
TEST(Signing, U13_the_known_attacks_on_tokens_do_not_pass) {
  const auto key = signing_key();
  auto message = plan();
  ASSERT_TRUE(sign_message(message, key, kNow));
  const std::string whole(message.metadata["signature"].as_string());
  const auto claims = whole.substr(whole.find('.') + 1, whole.rfind('.') - whole.find('.') - 1);
  for (const std::string head : {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({"alg":"EdDSA","crit":["exp"]})",
                                 R"({"alg":"EdDSA","b64":false})", R"({})", R"([])", R"({"alg":["EdDSA"]})"}) {
    for (const std::string& mark : {std::string(), whole.substr(whole.rfind('.') + 1)}) {
      message.metadata["signature"] = encode_base64url(head) + "." + claims + "." + mark;
      EXPECT_EQ(code(verify_message(message, key.public_key())), ErrorCode::malformed) << head;
    }
  }
}

TEST(Signing, U13_what_the_server_decides_may_differ_and_nothing_else) {
  const auto key = signing_key();
  auto routed = plan();
  routed.to = "capability:analysis";
  ASSERT_TRUE(sign_message(routed, key, kNow));
  routed.to = "dora";
  EXPECT_TRUE(verify_message(routed, key.public_key()));
  auto event = plan();
  event.to.clear(), event.topic = "market.eu";
  ASSERT_TRUE(sign_message(event, key, kNow));
  event.topic.clear(), event.event_topic = "market.eu", event.to = "desk";
  EXPECT_TRUE(verify_message(event, key.public_key())) << "as a durable subscription puts it into a mailbox";
  event.event_topic = "market.us";
  EXPECT_FALSE(verify_message(event, key.public_key()));
  auto asked = plan();
  ASSERT_TRUE(sign_message(asked, key, kNow));
  asked.reply_to = "@1f", asked.correlation = "7";
  EXPECT_TRUE(verify_message(asked, key.public_key())) << "a request gets its address from the server";
}

TEST(Signing, U13_a_signature_that_comes_a_second_time_as_another_message_is_known) {
  const auto key = signing_key();
  auto message = plan();
  message.id = *Uuid::parse("019b0a1c-0000-7000-8000-000000000001");
  ASSERT_TRUE(sign_message(message, key, kNow));
  const auto said = *signature_of(message);
  MetSignatures met(2);
  EXPECT_TRUE(met.meet(message, said));
  EXPECT_TRUE(met.meet(message, said)) << "it may be delivered again";
  auto repeated = message;
  repeated.id = *Uuid::parse("019b0a1c-0000-7000-8000-000000000002");
  EXPECT_EQ(code(met.meet(repeated, said)), ErrorCode::unauthorized);
  auto other = said;
  other.nonce = "another", repeated.from = "bob";
  EXPECT_TRUE(met.meet(repeated, other));
  EXPECT_TRUE(met.meet(repeated, said)) << "bob's number has nothing to do with ann's";
  repeated.from = "ann";
  EXPECT_EQ(code(met.meet(repeated, said)), ErrorCode::unauthorized) << "two were met since, as many as are remembered";
  for (int i = 0; i < 4; ++i) {
    other.nonce = std::to_string(i);
    EXPECT_TRUE(met.meet(message, other));
  }
  EXPECT_TRUE(met.meet(repeated, said)) << "no more than twice as many are";
}

TEST(Signing, U13_an_event_that_several_mailboxes_keep_is_one_event) {
  const auto key = signing_key();
  Message event{.from = "ann", .topic = "news"};
  event.id = *Uuid::parse("019b0a1c-0000-7000-8000-000000000001");
  ASSERT_TRUE(sign_message(event, key, kNow));
  const auto said = *signature_of(event);
  MetSignatures met;
  EXPECT_TRUE(met.meet(event, said));
  Message kept = event;
  for (const auto* const mailbox : {"bob", "carol"}) {
    kept.topic.clear(), kept.to = mailbox, kept.event_topic = "news";
    kept.id = *Uuid::parse(std::string("019b0a1c-0000-7000-8000-00000000000") + (*mailbox == 'b' ? "2" : "3"));
    EXPECT_TRUE(met.meet(kept, said));
  }
  event.id = kept.id = *Uuid::parse("019b0a1c-0000-7000-8000-000000000009");
  EXPECT_EQ(code(met.meet(event, said)), ErrorCode::unauthorized);
  EXPECT_EQ(code(met.meet(kept, said)), ErrorCode::unauthorized);
}

TEST(Signing, U13_a_key_that_the_server_has_given_is_none_of_the_signers) {
  const auto key = signing_key();
  auto message = plan();
  ASSERT_TRUE(sign_message(message, key, kNow));
  message.key = "the server's";
  const auto signature = verify_message(sent(message), key.public_key());
  EXPECT_TRUE(signature && !signature->signs_key);
  message.key = "its own";
  ASSERT_TRUE(sign_message(message, key, kNow));
  EXPECT_TRUE(verify_message(sent(message), key.public_key())->signs_key);
  message.key = "another";
  EXPECT_EQ(code(verify_message(sent(message), key.public_key())), ErrorCode::unauthorized);
}

TEST(Signing, U13_a_number_that_is_none_is_refused) {
  const auto key = signing_key();
  for (const std::string_view jti : {R"("jti":7)", R"("jti":null)"}) {
    auto message = plan();
    const auto input = encode_base64url(R"({"alg":"EdDSA","kid":")" + key.public_key().thumbprint() + R"("})") + "." +
                       encode_base64url(R"({"iat":1,)" + std::string(jti) + "}");
    message.metadata["signature"] = input + "." + encode_base64url(key.sign(input));
    EXPECT_EQ(code(signature_of(message)), ErrorCode::malformed);
  }
}

TEST(Signing, U13_who_cannot_sign_is_told_why) {
  auto message = plan();
  EXPECT_EQ(code(sign_message(message, *PrivateKey::generate(KeyType::x25519), kNow)), ErrorCode::invalid_field);
  message.from.clear();
  EXPECT_EQ(code(sign_message(message, signing_key(), kNow)), ErrorCode::invalid_field);
  message.from = "ann";
  message.metadata["much"] = std::string(60'000, 'x');
  EXPECT_EQ(code(sign_message(message, signing_key(), kNow)), ErrorCode::out_of_range);
}

TEST(Signing, U13_a_sealed_message_opens_for_its_recipient_as_it_was) {
  const auto bob = *PrivateKey::generate(KeyType::x25519);
  auto message = plan();
  ASSERT_TRUE(seal_message(message, std::vector{bob.public_key()}));
  EXPECT_TRUE(is_sealed(message));
  EXPECT_EQ(message.content.find("the plan"), std::string::npos);
  EXPECT_EQ(code(seal_message(message, std::vector{bob.public_key()})), ErrorCode::invalid_field) << "once";
  const auto ann = signing_key();
  ASSERT_TRUE(sign_message(message, ann, kNow));
  auto got = sent(message);
  EXPECT_TRUE(verify_message(got, ann.public_key()));
  const auto opened = open_message(got, {&bob, 1});
  ASSERT_TRUE(opened) << opened.error().describe();
  EXPECT_EQ(got.content, "the plan");
  EXPECT_EQ(got.content_type, "text/plain");
}

TEST(Signing, U13_a_sealed_content_does_not_open_in_another_message) {
  const auto bob = *PrivateKey::generate(KeyType::x25519);
  auto message = plan();
  ASSERT_TRUE(seal_message(message, std::vector{bob.public_key()}));
  for (const auto field : {&Message::from, &Message::to, &Message::type, &Message::conversation}) {
    auto other = message;
    other.*field = "other";
    EXPECT_EQ(code(open_message(other, {&bob, 1})), ErrorCode::unauthorized);
    EXPECT_TRUE(is_sealed(other)) << "and stays as it was";
  }
  Message bare{.to = "bob", .content = *seal_for(std::vector{bob.public_key()}, "ann to bob", "x")};
  bare.content_type = kSealedContentType;
  EXPECT_EQ(code(open_message(bare, {&bob, 1})), ErrorCode::unauthorized) << "it says of no message that it is its";
}

class Known : public ::testing::Test {
 protected:
  KnownKeys open() { return *KnownKeys::open(path_); }
  static std::vector<AgentPublicKey> offer(std::initializer_list<const PrivateKey*> keys) {
    std::vector<AgentPublicKey> out;
    for (const auto* const key : keys) out.push_back({"one", {}, key->public_key().pem()});
    return out;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::string folder_ = testing::TempDir() + "known-" + std::to_string(::getpid());
  const std::string path_ = folder_ + "/deep/known-keys.json";
};

TEST_F(Known, U13_the_first_key_stays_the_agents_one) {
  const auto first = signing_key(), second = signing_key();
  auto known = open();
  const auto thumbprint = first.public_key().thumbprint();
  EXPECT_EQ(code(known.key_of("ann", thumbprint, {})), ErrorCode::not_found);
  EXPECT_EQ(code(known.key_of("ann", thumbprint, offer({&second}))), ErrorCode::not_found);
  EXPECT_TRUE(known.key_of("ann", thumbprint, offer({&second, &first})));
  struct stat file{};
  ASSERT_EQ(::stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  auto again = open();
  EXPECT_TRUE(again.key_of("ann", thumbprint, {})) << "a file remembers it";
  const auto changed = again.key_of("ann", second.public_key().thumbprint(), offer({&second}));
  EXPECT_EQ(code(changed), ErrorCode::unauthorized) << "whoever changes the registry is not ann for that";
  ASSERT_TRUE(again.pin("ann", second.public_key()));
  EXPECT_TRUE(open().key_of("ann", second.public_key().thumbprint(), {}));
  EXPECT_EQ(code(open().key_of("ann", thumbprint, {})), ErrorCode::unauthorized);
}

TEST_F(Known, U13_keys_to_sign_and_to_be_sealed_for_are_told_apart) {
  const auto signs = signing_key(), sealed = *PrivateKey::generate(KeyType::x25519);
  auto known = open();
  EXPECT_EQ(code(known.sealing_key_of("ann", offer({&signs}))), ErrorCode::not_found);
  EXPECT_EQ(known.sealing_key_of("ann", offer({&signs, &sealed}))->thumbprint(), sealed.public_key().thumbprint());
  EXPECT_TRUE(known.key_of("ann", signs.public_key().thumbprint(), offer({&signs})));
  EXPECT_EQ(open().agents().at("ann").keys.size(), 2u);
}

TEST_F(Known, U13_who_is_blocked_is_refused_until_forgotten) {
  const auto key = signing_key();
  auto known = open();
  ASSERT_TRUE(known.pin("eve", key.public_key()));
  ASSERT_TRUE(known.block("eve"));
  EXPECT_EQ(code(open().key_of("eve", key.public_key().thumbprint(), {})), ErrorCode::unauthorized);
  EXPECT_EQ(open().find("eve", key.public_key().thumbprint()), nullptr);
  // Nor is anything sealed for who is blocked, with the key that is known or with one that is offered.
  const auto sealed = *PrivateKey::generate(KeyType::x25519);
  EXPECT_EQ(code(known.sealing_key_of("eve", offer({&sealed}))), ErrorCode::unauthorized);
  ASSERT_TRUE(known.pin("eve", sealed.public_key()));
  EXPECT_TRUE(known.sealing_key_of("eve", {})) << "a key by hand takes it back";
  ASSERT_TRUE(known.block("eve"));
  EXPECT_EQ(code(known.sealing_key_of("eve", {})), ErrorCode::unauthorized);
  ASSERT_TRUE(known.forget("eve"));
  EXPECT_EQ(code(known.forget("eve")), ErrorCode::not_found);
  EXPECT_TRUE(open().agents().empty());
}

TEST_F(Known, U13_what_two_write_at_a_time_is_both_there) {
  auto one = open(), other = open();
  ASSERT_TRUE(one.pin("ann", signing_key().public_key()));
  ASSERT_TRUE(other.pin("bob", signing_key().public_key()));
  EXPECT_EQ(open().agents().size(), 2u);
}

// `errno` has no meaning but behind a call that failed: a signal long ago must not have the lock taken for ever.
TEST_F(Known, U13_a_call_that_was_interrupted_before_does_not_matter) {
  auto known = open();
  ASSERT_TRUE(known.pin("ann", signing_key().public_key()));
  const auto key = signing_key().public_key();
  errno = EINTR;
  EXPECT_TRUE(known.pin("bob", key));
  EXPECT_EQ(open().agents().size(), 2u);
}

TEST_F(Known, U13_a_file_that_is_none_is_refused_and_kept) {
  ASSERT_TRUE(open().pin("ann", signing_key().public_key()));
  for (const std::string text :
       {"", "{", "[]", R"({"agents":[]})", R"({"agents":{"ann":{"keys":[]}}})",
        R"({"agents":{"ann":{"blocked":false,"keys":[{"jwk":{},"pinned":true,"since":1}]}}})"}) {
    std::ofstream(path_) << text;
    EXPECT_EQ(code(KnownKeys::open(path_)), ErrorCode::damaged) << text;
    std::ifstream file(path_);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
  }
}

}  // namespace
}  // namespace folkmoot
