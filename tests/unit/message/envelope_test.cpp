#include "message/envelope.hpp"

#include <gtest/gtest.h>

#include "message/json_mapping.hpp"
#include "message/limits.hpp"
#include "message/pack.hpp"
#include "unit/message/vectors.hpp"

namespace folkmoot {
namespace {

using testing::hex;
using testing::read_vectors;
using testing::text_of;
using testing::unhex;

Message full_message() {
  Message message;
  message.id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef");
  message.from = "planner";
  message.to = "analyst";
  message.type = "query";
  message.content = std::string("content \0 with a nul", 20);
  message.content_type = "text/plain";
  message.priority = high;
  message.conversation = "c-1";
  message.correlation = "r-1";
  message.reply_to = "planner";
  message.key = "once";
  message.ttl_ms = 30'000;
  message.deliver_at = 1'795'255'200'000;
  message.mode = DeliveryMode::exactly_once;
  message.metadata = {{"trace", "abc"}, {"hops", 3}, {"ratio", 0.25}, {"list", {1, "two", nullptr, true}}};
  message.timestamp = 1'795'255'199'000;
  return message;
}

std::string packed(const Message& message) {
  std::string out;
  EXPECT_TRUE(encode_envelope(message, out));
  return out + message.content;
}

Result<Routing> route(std::string_view bytes) { return read_routing(as_bytes(bytes)); }

TEST(Envelope, X14_only_a_stamp_says_whose_a_message_is) {
  const Provenance ann{.account = "ann", .door = "http", .verified = "key", .trust = "account"};
  auto message = full_message();
  message.provenance = ann;
  const auto bytes = packed(message);
  EXPECT_FALSE(decode_message(as_bytes(bytes))->provenance) << "no client says it";
  const auto routing = *route(bytes);
  const auto said = pack(ann);
  ASSERT_LT(said.size(), kProvenanceBytesMax);
  std::string stamped(bytes.size() + kStampBytesMax, '\0');
  stamped.resize(stamp(as_bytes(bytes), routing,
                       {.id = message.id, .timestamp = 1, .from = "ann", .reply_to = {}, .key = {}, .provenance = said},
                       reinterpret_cast<std::uint8_t*>(stamped.data())));
  EXPECT_EQ(decode_message(as_bytes(stamped))->provenance, ann);
  // Stamped without one it stays, as what another shard hands on; with another it is that one's.
  const auto again = *route(stamped);
  std::string later(stamped.size() + kStampBytesMax, '\0');
  const auto stamp_with = [&](std::string_view provenance) {
    const auto size =
        stamp(as_bytes(stamped), again,
              {.id = message.id, .timestamp = 2, .from = "bob", .reply_to = {}, .key = {}, .provenance = provenance},
              reinterpret_cast<std::uint8_t*>(later.data()));
    return decode_message(as_bytes(std::string_view(later).substr(0, size)))->provenance;
  };
  EXPECT_EQ(stamp_with({}), ann);
  const Provenance token{.door = "native", .verified = "token", .trust = "shared"};
  EXPECT_EQ(stamp_with(pack(token)), token);
  for (const auto& envelope : {bytes, stamped}) {
    const auto with = with_provenance(as_bytes(envelope), *route(envelope), pack(token)) + message.content;
    auto back = *decode_message(as_bytes(with));
    EXPECT_EQ(std::exchange(back.provenance, std::nullopt), token);
  }
}

TEST(Envelope, X14_a_provenance_that_is_none_is_refused) {
  std::string most(255, 'a');
  EXPECT_LT(pack({.account = most, .door = "websocket", .verified = "certificate", .trust = "account"}).size(),
            kProvenanceBytesMax);
  for (const auto& value : {std::string("\x01"),
                            std::string("\x81\xa7"
                                        "account\x01"),
                            std::string("\x80"),
                            "\x81\xa4"
                            "door\xd9\xff" +
                                most}) {
    std::string envelope;
    PackWriter(envelope).map(2).uint(3).str("bob").uint(28);
    envelope += value;
    EXPECT_FALSE(route(envelope)) << hex(value);
  }
}

TEST(Envelope, MeansWhatTheVectorsSay) {
  const auto vectors = read_vectors("envelopes.json");
  ASSERT_GT(vectors.at("good").as_array().size(), 5u);
  for (const auto& row : vectors.at("good").as_array()) {
    const auto bytes = unhex(text_of(row, "hex"));
    const auto message = decode_message(as_bytes(bytes));
    ASSERT_TRUE(message) << text_of(row, "name") << ": " << message.error().describe();
    EXPECT_EQ(boost::json::parse(to_json(*message)), row.at("message")) << text_of(row, "name");
  }
}

TEST(Envelope, IsMadeAsTheVectorsSay) {
  const auto vectors = read_vectors("envelopes.json");
  for (const auto& row : vectors.at("good").as_array()) {
    const auto message = message_from_json(boost::json::serialize(row.at("message")));
    ASSERT_TRUE(message) << text_of(row, "name") << ": " << message.error().describe();
    if (row.at("canonical").as_bool()) {
      EXPECT_EQ(hex(packed(*message)), text_of(row, "hex")) << text_of(row, "name");
    }
  }
}

TEST(Envelope, RefusesWhatTheVectorsRefuse) {
  const auto vectors = read_vectors("envelopes.json");
  ASSERT_GT(vectors.at("bad").as_array().size(), 20u);
  for (const auto& row : vectors.at("bad").as_array()) {
    const auto bytes = unhex(text_of(row, "hex"));
    const auto routing = route(bytes);
    ASSERT_FALSE(routing) << text_of(row, "name");
    EXPECT_EQ(name(routing.error().code), text_of(row, "error"))
        << text_of(row, "name") << ": " << routing.error().text;
    EXPECT_FALSE(decode_message(as_bytes(bytes))) << text_of(row, "name");
  }
}

TEST(Envelope, BringsEveryFieldBack) {
  const auto message = full_message();
  const auto back = decode_message(as_bytes(packed(message)));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, message);
}

TEST(Envelope, IsRefusedAtEveryByteWhereItBreaksOff) {
  std::string whole;
  ASSERT_TRUE(encode_envelope(full_message(), whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string part = whole.substr(0, size);  // an allocation of its own: the sanitizer sees a read beyond
    EXPECT_FALSE(route(part)) << size;
  }
  EXPECT_TRUE(route(whole));
}

TEST(Envelope, SurvivesEveryChangeOfOneByte) {
  const auto whole = packed(full_message());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; value += 3) {
      auto changed = whole;
      changed[at] = static_cast<char>(value);
      const auto routing = route(changed);
      if (!routing) continue;
      EXPECT_LE(routing->bytes, changed.size());
      EXPECT_TRUE(decode_message(as_bytes(changed)))
          << "what can be routed can be decoded: byte " << at << " as " << value;
    }
  }
}

TEST(Envelope, RoutingReadsWhatTheEngineDecidesBy) {
  const auto bytes = packed(full_message());
  const auto routing = route(bytes);
  ASSERT_TRUE(routing);
  EXPECT_EQ(routing->from, "planner");
  EXPECT_EQ(routing->to, "analyst");
  EXPECT_EQ(routing->topic, "");
  EXPECT_EQ(routing->key, "once");
  EXPECT_EQ(routing->ttl_ms, 30'000);
  EXPECT_EQ(routing->deliver_at, 1'795'255'200'000);
  EXPECT_EQ(routing->priority, high);
  EXPECT_EQ(routing->mode, DeliveryMode::exactly_once);
  EXPECT_EQ(bytes.substr(routing->bytes), full_message().content);
}

TEST(Envelope, U3_TakesTimesUpToTheirBoundAndNoLonger) {
  auto message = full_message();
  message.ttl_ms = kDurationMsMax;
  message.deliver_at = 0;
  message.delay_ms = kDurationMsMax;
  const auto back = decode_message(as_bytes(packed(message)));
  ASSERT_TRUE(back) << back.error().describe();
  EXPECT_EQ(*back, message);
  for (const auto field : {Field::ttl, Field::delay}) {
    std::string bytes;
    PackWriter(bytes).map(2).uint(3).str("bob").uint(static_cast<std::uint64_t>(field)).uint(kDurationMsMax + 1);
    EXPECT_EQ(route(bytes).error().code, ErrorCode::out_of_range);
  }
}

// Such names are read, since they are on disks; whoever sends one today is refused for what is said here.
TEST(Envelope, U3_SaysWhetherANameHasAControlCharacterThatWasAllowedOnce) {
  for (const auto field : {Field::from, Field::topic, Field::type, Field::content_type, Field::conversation,
                           Field::correlation, Field::reply_to, Field::key, Field::group, Field::event_topic}) {
    for (const bool is_odd : {false, true}) {
      std::string bytes;
      PackWriter writer(bytes);
      writer.map(field == Field::topic ? 1 : 2);
      if (field != Field::topic) writer.uint(3).str("bob");
      writer.uint(static_cast<std::uint64_t>(field)).str(is_odd ? "a\xc2\x85z" : "a\xc2\xa0z");
      const auto routing = route(bytes);
      ASSERT_TRUE(routing) << static_cast<int>(field) << routing.error().describe();
      EXPECT_EQ(routing->has_c1, is_odd) << static_cast<int>(field);
    }
  }
}

TEST(Envelope, BeyondItsLargestSizeIsRefused) {
  std::string bytes;
  PackWriter writer(bytes);
  writer.map(2).uint(3).str("a").uint(99).bin(std::string(kEnvelopeBytesMax, 'x'));
  EXPECT_FALSE(route(bytes));
}

TEST(Envelope, EncodingRefusesWhatServersWouldRefuse) {
  const auto refused = [](auto change) {
    auto message = full_message();
    change(message);
    std::string out = "before";
    const auto done = encode_envelope(message, out);
    EXPECT_EQ(out, "before") << "nothing is left behind";
    return done ? ErrorCode{} : done.error().code;
  };
  EXPECT_EQ(refused([](Message& m) { m.priority = 0; }), ErrorCode::out_of_range);
  EXPECT_EQ(refused([](Message& m) { m.priority = 11; }), ErrorCode::out_of_range);
  EXPECT_EQ(refused([](Message& m) { m.to = std::string(256, 'x'); }), ErrorCode::invalid_name);
  EXPECT_EQ(refused([](Message& m) { m.correlation = "a\nb"; }), ErrorCode::invalid_name);
  EXPECT_EQ(refused([](Message& m) { m.topic = "a..b"; }), ErrorCode::invalid_topic);
  EXPECT_EQ(refused([](Message& m) { m.ttl_ms = -1; }), ErrorCode::out_of_range);
  EXPECT_EQ(refused([](Message& m) { m.ttl_ms = kDurationMsMax + 1; }), ErrorCode::out_of_range);
  EXPECT_EQ(refused([](Message& m) { m.deliver_at = INT64_MAX; }), ErrorCode::out_of_range);
  EXPECT_EQ(refused([](Message& m) { m.metadata["x"] = std::string(kMetadataBytesMax, 'y'); }),
            ErrorCode::out_of_range);
  EXPECT_EQ(refused([](Message& m) { m.metadata["x"] = "\xff"; }), ErrorCode::malformed);
}

// -- stamping

std::string stamped(std::string_view envelope, const Stamp& with) {
  const auto routing = route(envelope);
  EXPECT_TRUE(routing);
  std::string out(envelope.size() + kStampBytesMax, '\xee');
  const auto size = stamp(as_bytes(envelope), *routing, with, reinterpret_cast<std::uint8_t*>(out.data()));
  EXPECT_LE(size, routing->bytes + kStampBytesMax);
  out.resize(size);
  return out;
}

TEST(Stamp, PutsTheServersFieldsFirstAndKeepsTheRest) {
  auto message = full_message();
  const auto envelope = packed(message);
  const auto id = *Uuid::parse("0193f2c4-ffff-7def-8123-456789abcdef");
  const auto out = stamped(
      envelope,
      {.id = id, .timestamp = 5, .from = "real sender", .reply_to = "@1.2", .key = "ignored: the sender has one"});
  EXPECT_EQ(hex(out).substr(2, 2), "00") << "id is the first field";
  message.id = id;
  message.timestamp = 5;
  message.from = "real sender";
  message.reply_to = "@1.2";
  message.content.clear();
  EXPECT_EQ(*decode_message(as_bytes(out)), message);
}

TEST(Stamp, LeavesTheSendersReplyAddressWhenItHasNone) {
  const auto out = stamped(packed(full_message()), {.id = {}, .timestamp = 5, .from = "a", .reply_to = {}, .key = {}});
  EXPECT_EQ(decode_message(as_bytes(out))->reply_to, "planner");
}

TEST(Stamp, AddsAKeyWhereTheSenderHasNone) {
  Message message;
  message.to = "a";
  const auto out = stamped(packed(message), {.id = {}, .timestamp = 5, .from = "b", .reply_to = {}, .key = "from-id"});
  EXPECT_EQ(decode_message(as_bytes(out))->key, "from-id");
}

TEST(Stamp, HandlesFieldsInEveryOrderWithUnknownOnesBetween) {
  // The fields that are cut (0, 1, 2, 10) at all places among those that stay, with a newer client's key carried along.
  std::array<int, 7> order = {0, 1, 2, 3, 6, 10, 200};
  int checked = 0;
  do {
    std::string bytes;
    PackWriter writer(bytes);
    writer.map(static_cast<std::uint32_t>(order.size()));
    for (const int key : order) {
      writer.uint(static_cast<std::uint64_t>(key));
      switch (key) {
        case 0:
          writer.bin(std::string(16, 'i'));
          break;
        case 1:
          writer.uint(123456789012);
          break;
        case 6:
          writer.uint(2);
          break;
        case 200:
          writer.array(2).str("new").nil();
          break;
        default:
          writer.str("name" + std::to_string(key));
          break;
      }
    }
    const auto out = stamped(bytes, {.id = {}, .timestamp = 7, .from = "server", .reply_to = "@9", .key = "k"});
    const auto routing = route(out);
    ASSERT_TRUE(routing);
    EXPECT_EQ(routing->bytes, out.size());
    EXPECT_EQ(routing->fields, 8u);
    EXPECT_EQ(routing->from, "server");
    EXPECT_EQ(routing->to, "name3");
    EXPECT_EQ(routing->reply_to, "@9");
    EXPECT_EQ(routing->key, "k");
    EXPECT_EQ(routing->priority, 2);
    EXPECT_NE(out.find("new"), std::string::npos);
    ++checked;
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(checked, 5040);
}

TEST(Stamp, GrowsTheMapsHeaderWhenItMust) {
  std::string bytes;
  PackWriter writer(bytes);
  writer.map(15).uint(3).str("a");
  for (int i = 0; i < 14; ++i) writer.uint(100 + static_cast<std::uint64_t>(i)).nil();
  const auto out = stamped(bytes, {.id = {},
                                   .timestamp = INT64_MAX >> 20,
                                   .from = std::string(255, 'f'),
                                   .reply_to = std::string(255, 'r'),
                                   .key = std::string(255, 'k')});
  EXPECT_EQ(route(out)->fields, 20u);
}

// Batches and fan-outs stamp once and then only anew.
TEST(Stamp, M1_CanBeGivenAnotherIdAndTimeWhereTheyStand) {
  const auto first = *Uuid::parse("0193f2c4-ffff-7def-8123-456789abcdef");
  const auto second = *Uuid::parse("0193f2c4-eeee-7def-8123-456789abcdef");
  for (const std::uint32_t more : {0, 20}) {  // with the map's head in one byte, and in three
    std::string envelope;
    PackWriter writer(envelope);
    writer.map(1 + more).uint(3).str("bob");
    for (std::uint32_t i = 0; i < more; ++i) writer.uint(100 + i).nil();
    const auto with = [&](const Uuid& id, std::int64_t timestamp) {
      return stamped(envelope, {.id = id, .timestamp = timestamp, .from = "ann", .reply_to = {}, .key = {}});
    };
    auto bytes = with(first, 1'795'255'200'000);
    ASSERT_TRUE(restamp(reinterpret_cast<std::uint8_t*>(bytes.data()), second, 1'795'255'200'001));
    EXPECT_EQ(hex(bytes), hex(with(second, 1'795'255'200'001)));
    // The time would take other room: before 1970-02-19, by a clock that is wrong.
    EXPECT_FALSE(restamp(reinterpret_cast<std::uint8_t*>(bytes.data()), first, 5));
    EXPECT_EQ(hex(bytes), hex(with(second, 1'795'255'200'001)));
    auto early = with(first, 5);
    EXPECT_FALSE(restamp(reinterpret_cast<std::uint8_t*>(early.data()), second, 1'795'255'200'000));
    EXPECT_EQ(hex(early), hex(with(first, 5)));
  }
}

// -- merging

std::string envelope_of(Message message) {
  message.content.clear();
  return packed(message);
}

std::string merged(std::string_view envelope, std::string_view changes) {
  std::string out = "before";
  const auto done = merge_envelopes(as_bytes(envelope), as_bytes(changes), out);
  EXPECT_TRUE(done) << done.error().describe();
  EXPECT_TRUE(out.starts_with("before"));
  return out.substr(6);
}

TEST(Merge, X18_ChangesTakeTheirFieldsPlaceAndTheRestStays) {
  auto message = full_message();
  message.content.clear();
  const auto envelope = envelope_of(message);
  EXPECT_EQ(*decode_message(as_bytes(merged(envelope, "\x80"))), message) << "nothing changes nothing";
  std::string changes;
  const auto id = *Uuid::parse("0193f2c4-ffff-7def-8123-456789abcdef");
  PackWriter(changes).map(3).uint(6).uint(1).uint(3).str("carol").uint(0).bin(as_text(bytes_of(id)));
  message.priority = 1, message.to = "carol", message.id = id;
  EXPECT_EQ(*decode_message(as_bytes(merged(envelope, changes))), message);
}

TEST(Merge, X18_AnotherRecipientTakesThePlaceOfATopicAndATopicThatOfARecipient) {
  auto message = full_message();
  message.content.clear();
  auto event = message;
  event.to.clear(), event.topic = "news";
  std::string to, topic;
  PackWriter(to).map(1).uint(3).str("analyst");
  PackWriter(topic).map(1).uint(4).str("news");
  EXPECT_EQ(*decode_message(as_bytes(merged(envelope_of(event), to))), message);
  EXPECT_EQ(*decode_message(as_bytes(merged(envelope_of(message), topic))), event);
}

TEST(Merge, X18_FieldsOfALaterVersionStayAndWhatBreaksOffIsRefused) {
  std::string envelope, changes;
  PackWriter(envelope).map(2).uint(3).str("bob").uint(200).str("later");
  PackWriter(changes).map(2).uint(6).uint(2).uint(201).str("latest");
  const auto both = merged(envelope, changes);
  EXPECT_EQ(route(both)->fields, 4u);
  EXPECT_EQ(route(both)->bytes, both.size());
  EXPECT_TRUE(both.contains("later") && both.contains("latest"));
  std::string out;
  EXPECT_FALSE(merge_envelopes(as_bytes(envelope), as_bytes(changes).first(changes.size() - 1), out));
  EXPECT_FALSE(merge_envelopes(as_bytes(envelope).first(envelope.size() - 1), as_bytes(changes), out));
}

TEST(TypeWords, M8_GoBothWays) {
  for (std::uint8_t number = 1; number <= 10; ++number) EXPECT_EQ(type_number(type_word(number)), number);
  EXPECT_EQ(type_number("custom"), 0);
  EXPECT_EQ(type_number(""), 0);
  EXPECT_EQ(type_word(11), "");
  EXPECT_EQ(type_word(UINT64_MAX), "");
}

}  // namespace
}  // namespace folkmoot
