#include "message/cloud_event.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "message/cloud_event_text.hpp"
#include "message/envelope.hpp"
#include "vectors.hpp"

namespace folkmoot {
namespace {

using testing::text_of;

Result<Message> parse(std::string_view text) {
  JsonDocument document;
  const auto value = document.parse(text, Vocabulary::cloud_events);
  if (!value) return std::unexpected(value.error());
  return message_from_event(*value);
}

Message read(std::string_view text) {
  auto message = parse(text);
  EXPECT_TRUE(message) << text << ": " << message.error().describe();
  return message ? *message : Message{};
}

std::string written(const Message& message, const DeliveryHead& held = {}) {
  std::string out;
  JsonWriter json(out);
  append_event(json, message, held);
  return out;
}

// An event with this in it besides what is required.
std::string with(std::string_view more) {
  return std::string(R"({"specversion":"1.0","id":"1","source":"/s","type":"t")").append(more).append("}");
}

// As a message goes to another door and comes back.
Message through_the_envelope(Message message) {
  message.topic = "t";
  std::string envelope;
  EXPECT_TRUE(encode_envelope(message, envelope));
  auto back = decode_message(as_bytes(envelope.append(message.content)));
  EXPECT_TRUE(back) << back.error().describe();
  return back ? *back : Message{};
}

std::vector<HeaderField> fields_of(const boost::json::value& row) {
  std::vector<HeaderField> fields;
  for (const auto& [name, value] : row.at("fields").as_object())
    fields.emplace_back(name, std::string(value.as_string()));
  return fields;
}

std::string body_of(const boost::json::object& row) {
  if (row.contains("body")) return std::string(row.at("body").as_string());
  return *decode_base64(row.at("body_base64").as_string());
}

TEST(CloudEvents, X7_TheSpecificationsExamplesInJsonComeOutAsTheyCame) {
  const auto vectors = testing::read_vectors("cloudevents.json");
  for (const auto& row : vectors.at("events").as_array()) {
    const auto& event = row.as_object();
    const auto& again = event.contains("again") ? event.at("again") : event.at("structured");
    const auto message = through_the_envelope(read(boost::json::serialize(event.at("structured"))));
    EXPECT_EQ(boost::json::parse(written(message)), again) << text_of(row, "name");
  }
}

TEST(CloudEvents, X7_TheSpecificationsExamplesInHeadersComeOutAsTheyCame) {
  const auto vectors = testing::read_vectors("cloudevents.json");
  for (const auto& row : vectors.at("events").as_array()) {
    const auto body = body_of(row.as_object());
    const auto message = message_from_event_fields(fields_of(row), body);
    ASSERT_TRUE(message) << text_of(row, "name") << message.error().describe();
    const auto back = through_the_envelope(*message);
    boost::json::object told;
    for (const auto& [name, value] : event_fields(back)) told[name] = value;
    if (const auto type = event_content_type(back); !type.empty()) told["content-type"] = type;
    EXPECT_EQ(boost::json::value(told), row.at("fields")) << text_of(row, "name");
    EXPECT_EQ(back.content, body);
  }
}

TEST(CloudEvents, X7_TheSpecificationsExamplesAreTheSameInBothForms) {
  const auto vectors = testing::read_vectors("cloudevents.json");
  for (const auto& row : vectors.at("events").as_array()) {
    const auto message = read(boost::json::serialize(row.at("structured")));
    boost::json::object told;
    for (const auto& [name, value] : event_fields(message)) told[name] = value;
    if (const auto type = event_content_type(message); !type.empty()) told["content-type"] = type;
    EXPECT_EQ(boost::json::value(told), row.at("fields")) << text_of(row, "name");
    const auto body = body_of(row.as_object());
    if (body.starts_with('{')) {
      EXPECT_EQ(boost::json::parse(message.content), boost::json::parse(body)) << text_of(row, "name");
    } else {
      EXPECT_EQ(message.content, body) << text_of(row, "name");
    }
  }
}

TEST(CloudEvents, X7_HeaderValuesAreEncodedAndDecodedAsTheBindingSays) {
  const auto vectors = testing::read_vectors("cloudevents.json");
  for (const auto& row : vectors.at("headers").as_array()) {
    const auto& object = row.as_object();
    const bool is_ours = object.contains("value");
    const auto value = text_of(row, is_ours ? "value" : "also");
    const auto text = text_of_header(value);
    ASSERT_TRUE(text) << value;
    EXPECT_EQ(*text, text_of(row, "text"));
    EXPECT_TRUE(!is_ours || header_value(*text) == value) << value;
  }
  for (const auto& value : vectors.at("broken_headers").as_array())
    EXPECT_FALSE(text_of_header(value.as_string())) << value;
}

TEST(CloudEvents, X7_AttributesStandInTheMetadataAndTheTraceIsTheMessages) {
  const auto message = read(with(R"(,"subject":"a b","n":-5,"yes":true,"traceparent":"00-1-2-03","tracestate":"a=1")"));
  const auto& event = message.metadata.at("ce").as_object();
  EXPECT_EQ(event.at("subject").as_string(), "a b");
  EXPECT_EQ(event.at("n").as_int64(), -5);
  EXPECT_TRUE(event.at("yes").as_bool());
  EXPECT_EQ(message.metadata.at("traceparent").as_string(), "00-1-2-03");
  EXPECT_EQ(message.metadata.at("tracestate").as_string(), "a=1");
  EXPECT_EQ(message.content, "");
  EXPECT_EQ(boost::json::parse(written(through_the_envelope(message))),
            boost::json::parse(with(R"(,"subject":"a b","n":-5,"yes":true,"traceparent":"00-1-2-03",)"
                                    R"("tracestate":"a=1")")));
}

TEST(CloudEvents, X7_DataIsKeptByteForByteAndComesOutAsItCameIn) {
  for (const std::string data : {
           R"("data":{"wei":123456789012345678901234567890, "deep":{"data":[1]}, "half":"\ud83d"})",
           R"("data":["x"])",
           R"("data":[["x"]])",
           R"("data":null)",
           R"("data":"a \" b")",
           R"("data":17e400)",
       }) {
    const auto type = R"("datacontenttype":"application/json")";
    EXPECT_EQ(written(read(with("," + data))), with(std::string(",").append(type).append(",").append(data))) << data;
  }
  for (const std::string rest : {
           R"("datacontenttype":"text/plain; charset=utf-8","data":"a \" b")",
           R"("datacontenttype":"application/yaml","data":"a: b")",
           R"("datacontenttype":"application/octet-stream","data_base64":"YTog")",
           R"("datacontenttype":"text/plain","data_base64":"YTog")",
           R"("datacontenttype":"application/json","data_base64":"eyJhIjoxfQ==")",
           R"("datacontenttype":"application/problem+json","data":{"a":1})",
           R"("data_base64":"AAE=")",
           R"("datacontenttype":"image/png")",
       }) {
    EXPECT_EQ(written(through_the_envelope(read(with("," + rest)))), with("," + rest)) << rest;
  }
  EXPECT_EQ(written(read(with(R"(,"datacontenttype":"text/plain","data":null)"))),
            with(R"(,"datacontenttype":"text/plain")"));
  EXPECT_EQ(read(with(R"(,"data":null,"data_base64":"AAE=")")).content, std::string("\0\1", 2));
}

TEST(CloudEvents, X7_WhatIsWrongIsNamed) {
  for (const auto& [text, code, said] : std::initializer_list<std::tuple<std::string, ErrorCode, std::string_view>>{
           {"[]", ErrorCode::malformed, "a CloudEvent is a JSON object, not []"},
           {R"({"id":"1","source":"/s","type":"t"})", ErrorCode::invalid_field, "`specversion` is missing"},
           {R"({"specversion":"1.0","source":"/s","type":"t"})", ErrorCode::invalid_field, "`id` is missing"},
           {R"({"specversion":"1.0","id":"1","type":"t"})", ErrorCode::invalid_field, "`source` is missing"},
           {R"({"specversion":"1.0","id":"1","source":"/s"})", ErrorCode::invalid_field, "`type` is missing"},
           {R"({"specversion":"1.0","id":null,"source":"/s","type":"t"})", ErrorCode::invalid_field, "`id` is missing"},
           {R"({"specversion":"0.3","id":"1","source":"/s","type":"t"})", ErrorCode::invalid_field,
            "`specversion` is `0.3`; it may be `1.0`"},
           {R"({"specversion":1.0,"id":"1","source":"/s","type":"t"})", ErrorCode::invalid_field, "`specversion` is"},
           {R"({"specversion":"1.0","id":5,"source":"/s","type":"t"})", ErrorCode::invalid_field, "`id` is `5`"},
           {R"({"specversion":"1.0","id":"","source":"/s","type":"t"})", ErrorCode::invalid_field, "`id` is ``"},
           {R"({"specversion":"1.0","id":"1","source":"a b","type":"t"})", ErrorCode::invalid_field, "`source` is"},
           {R"({"specversion":"1.0","id":"1","source":"/%zz","type":"t"})", ErrorCode::invalid_field, "`source` is"},
           {with(R"(,"id":"2")"), ErrorCode::invalid_field, "`id` is there twice"},
           {with(R"(,"Subject":"x")"), ErrorCode::invalid_field, "`Subject` is no name of an attribute"},
           {with(R"(,"my_own":"x")"), ErrorCode::invalid_field, "`my_own` is no name of an attribute"},
           {with(R"(,"":"x")"), ErrorCode::invalid_field, "no name of an attribute"},
           {with(R"(,"subject":"")"), ErrorCode::invalid_field, "`subject` is ``"},
           {with(R"(,"subject":true)"), ErrorCode::invalid_field, "`subject` is `true`"},
           {with(R"(,"subject":"a\u0007")"), ErrorCode::invalid_field, "control characters"},
           {with(R"(,"x":"a\u009b")"), ErrorCode::invalid_field, "`x` is `a\\u009b`"},
           {with(R"(,"x":"\ufffe")"), ErrorCode::invalid_field, "noncharacters"},
           {with(R"(,"x":"\ud83f\udfff")"), ErrorCode::invalid_field, "noncharacters"},
           {with(R"(,"x":{"a":1})"), ErrorCode::invalid_field,
            "`x` is `{\"a\":1}`; it may be a string, a whole number"},
           {with(R"(,"x":["a"])"), ErrorCode::invalid_field, "`x`"},
           {with(R"(,"x":1.5)"), ErrorCode::invalid_field, "`x`"},
           {with(R"(,"x":2147483648)"), ErrorCode::invalid_field, "`x`"},
           {with(R"(,"x":-2147483649)"), ErrorCode::invalid_field, "`x`"},
           {with(R"(,"time":"yesterday")"), ErrorCode::invalid_field, "`time` is `yesterday`"},
           {with(R"(,"time":"2026-02-30T00:00:00Z")"), ErrorCode::invalid_field, "`time`"},
           {with(R"(,"dataschema":"relative/one")"), ErrorCode::invalid_field, "`dataschema`"},
           {with(R"(,"datacontenttype":"json")"), ErrorCode::invalid_field, "`datacontenttype`"},
           {with(R"(,"data":1,"data_base64":"AAE=")"), ErrorCode::invalid_field, "both `data` and `data_base64`"},
           {with(R"(,"data":1,"data":2)"), ErrorCode::invalid_field, "`data` is there twice"},
           {with(R"(,"data_base64":"???")"), ErrorCode::invalid_field, "`data_base64` is `\"???\"`"},
           {with(R"(,"data_base64":7)"), ErrorCode::invalid_field, "`data_base64`"},
           {with(R"(,"datacontenttype":"text/plain","data":{"a":1})"), ErrorCode::invalid_field,
            "`data` is `{\"a\":1}`; it may be a string, as datacontenttype is `text/plain`"},
           {with(R"(,"datacontenttype":"text/plain","data":"\ud83d")"), ErrorCode::invalid_field, "surrogate"},
       }) {
    const auto message = parse(text);
    ASSERT_FALSE(message) << text;
    EXPECT_EQ(message.error().code, code) << text;
    EXPECT_NE(message.error().text.find(said), std::string::npos) << text << ": " << message.error().text;
  }
}

TEST(CloudEvents, X7_WhatIsLongIsShownCutBetweenTwoLetters) {
  const auto shown = [](const std::string& time) {
    const auto message = parse(with(R"(,"time":")" + time + "\""));
    EXPECT_FALSE(message);
    return message ? "" : message.error().text;
  };
  const std::string most(60, 'x'), less(59, 'x');
  EXPECT_TRUE(shown(most).starts_with("`time` is `" + most + "`;")) << shown(most);
  EXPECT_TRUE(shown(most + "y").starts_with("`time` is `" + most + "...`;")) << shown(most + "y");
  EXPECT_TRUE(shown(less + "\xc3\xa4").starts_with("`time` is `" + less + "...`;")) << shown(less + "\xc3\xa4");
}

TEST(CloudEvents, X7_HeadersThatAreNoEventAreRefusedByName) {
  const std::vector<HeaderField> good = {
      {"ce-specversion", "1.0"}, {"ce-id", "1"}, {"ce-source", "/s"}, {"ce-type", "t"}};
  EXPECT_TRUE(message_from_event_fields(good, ""));
  for (const auto& [field, said] : std::initializer_list<std::pair<HeaderField, std::string_view>>{
           {{"ce-datacontenttype", "text/plain"}, "Content-Type says it"},
           {{"ce-id", "2"}, "`id` is there twice"},
           {{"ce-data", "x"}, "no attribute may be called `data`"},
           {{"ce-my-own", "x"}, "`my-own` is no name of an attribute"},
           {{"ce-", "x"}, "no name of an attribute"},
           {{"ce-x", "%C0%A0"}, "`ce-x`: it is not UTF-8"},
           {{"ce-x", "%07"}, "`x` is"},
           {{"content-type", "nonsense"}, "`datacontenttype` is `nonsense`"},
       }) {
    auto fields = good;
    fields.push_back(field);
    const auto message = message_from_event_fields(fields, "");
    ASSERT_FALSE(message) << field.first;
    EXPECT_NE(message.error().text.find(said), std::string::npos) << message.error().text;
  }
}

TEST(CloudEvents, X7_AttributesAreBoundedInNumberAndBytes) {
  std::string many, large = R"(,"x":")" + std::string(kEventAttributesBytesMax, 'a') + "\"";
  for (std::size_t i = 4; i < kEventAttributesMax; ++i) many += fmt::format(R"(,"x{}":"")", i);
  EXPECT_TRUE(parse(with(many)));
  EXPECT_EQ(parse(with(many + R"(,"y":"")")).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(parse(with(large)).error().code, ErrorCode::out_of_range);
  const auto most = parse(with(R"(,"x":")" + std::string(kEventAttributesBytesMax - 100, 'a') + "\""));
  ASSERT_TRUE(most);
  EXPECT_EQ(through_the_envelope(*most).metadata, most->metadata);
  EXPECT_FALSE(parse(with(fmt::format(R"(,"{}":"")", std::string(kAttributeNameBytesMax + 1, 'a')))));
}

TEST(CloudEvents, X7_GoToTheTopicOfTheirTypeOrWhereTheirSenderSays) {
  auto event = read(with(R"(,"partitionkey":"p")"));
  ASSERT_TRUE(address_event(event, {}));
  EXPECT_EQ(event.topic, "t");
  EXPECT_EQ(event.group, "");
  event = read(with(R"(,"partitionkey":"p")"));
  ASSERT_TRUE(address_event(event, {.topic = "a.b"}));
  EXPECT_EQ(event.topic, "a.b");
  event = read(with(R"(,"partitionkey":"p")"));
  ASSERT_TRUE(address_event(event, {.to = "bob", .mode = DeliveryMode::exactly_once}));
  EXPECT_EQ(event.to, "bob");
  EXPECT_EQ(event.type, "event");
  EXPECT_EQ(event.group, "p");
  EXPECT_EQ(event.key, "/s 1");
  auto long_id =
      read(fmt::format(R"({{"specversion":"1.0","id":"{}","source":"/s","type":"t"}})", std::string(300, 'i')));
  ASSERT_TRUE(address_event(long_id, {.to = "bob", .mode = DeliveryMode::exactly_once}));
  EXPECT_EQ(long_id.key.size(), 64u);
  auto no_topic = read(R"({"specversion":"1.0","id":"1","source":"/s","type":"two words"})");
  EXPECT_EQ(address_event(no_topic, {}).error().code, ErrorCode::invalid_topic);
  EXPECT_EQ(address_event(no_topic, {.topic = "a.*"}).error().code, ErrorCode::invalid_topic);
  EXPECT_EQ(address_event(no_topic, {.topic = "a", .to = "b"}).error().code, ErrorCode::invalid_field);
  EXPECT_EQ(address_event(no_topic, {.to = "a\nb"}).error().code, ErrorCode::invalid_name);
}

TEST(CloudEvents, X7_AMessageThatWasNoneBecomesOne) {
  Message message{.id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef"),
                  .from = "ann & co",
                  .topic = "build.done",
                  .content = R"({"change":12})",
                  .content_type = "application/json"};
  message.timestamp = 1'700'000'000'000;
  message.metadata["traceparent"] = "00-1-2-03";
  EXPECT_EQ(written(message),
            R"({"specversion":"1.0","id":"0193f2c4-a1b2-7def-8123-456789abcdef","source":"/agents/ann%20%26%20co",)"
            R"("type":"folkmoot.event","subject":"build.done","time":"2023-11-14T22:13:20.000Z",)"
            R"("traceparent":"00-1-2-03","datacontenttype":"application/json","data":{"change":12}})");
  message.type = "com.example.done";
  message.content_type.clear();
  message.content = "\xff";
  const auto event = boost::json::parse(written(message));
  EXPECT_EQ(event.at("type").as_string(), "com.example.done");
  EXPECT_EQ(event.at("datacontenttype").as_string(), "application/octet-stream");
  EXPECT_EQ(event.at("data_base64").as_string(), "/w==");
  EXPECT_TRUE(parse(written(message)));
}

TEST(CloudEvents, X7_WhatSomebodyPutIntoTheMetadataHimselfIsStillAValidEvent) {
  Message message{.from = "ann", .topic = "t"};
  message.metadata["ce"] =
      boost::json::parse(R"({"id":7,"source":"not a uri","type":"","time":"now","Bad":"x","ok":"y","n":1e300,"o":{},)"
                         R"("data":"x","datacontenttype":"x","i":5,"data_base64":"x","c":"\u0001"})");
  const auto event = boost::json::parse(written(message)).as_object();
  EXPECT_EQ(event.at("source").as_string(), "/agents/ann");
  EXPECT_EQ(event.at("type").as_string(), "folkmoot.event");
  EXPECT_EQ(event.at("ok").as_string(), "y");
  EXPECT_EQ(event.at("i").as_int64(), 5);
  for (const auto* name : {"time", "Bad", "n", "o", "data", "datacontenttype", "data_base64", "c"})
    EXPECT_FALSE(event.contains(name)) << name;
  EXPECT_TRUE(parse(written(message)));
  message.metadata["ce"] = "mine";
  EXPECT_TRUE(parse(written(message)));
}

// Only what came as an event, with all that one must have, has said itself what it is about and when it was.
TEST(CloudEvents, X7_WhatLacksAnAttributeThatAnEventMustHaveIsDescribedAsAMessage) {
  const auto whole = boost::json::parse(R"({"id":"1","source":"/s","type":"t"})").as_object();
  Message message{.from = "ann", .topic = "news"};
  message.timestamp = 1'700'000'000'000;
  message.metadata["ce"] = whole;
  EXPECT_FALSE(boost::json::parse(written(message)).as_object().contains("subject"));
  for (const auto* const lacks : {"id", "source", "type"}) {
    auto part = whole;
    part.erase(lacks);
    message.metadata["ce"] = part;
    const auto event = boost::json::parse(written(message)).as_object();
    ASSERT_TRUE(event.contains("subject") && event.contains("time")) << lacks;
    EXPECT_EQ(event.at("subject").as_string(), "news") << lacks;
    EXPECT_EQ(event.at("time").as_string(), "2023-11-14T22:13:20.000Z") << lacks;
  }
}

TEST(CloudEvents, X7_WhatIsHeldSaysHowItIsSettledAndThatIsNoPartOfTheEvent) {
  auto message = read(with(""));
  message.id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef");
  const auto text = written(message, {.lease = 12, .delivery = 2});
  EXPECT_EQ(text, with(R"(,"folkmootid":"0193f2c4-a1b2-7def-8123-456789abcdef","folkmootlease":"12",)"
                       R"("folkmootdelivery":2)"));
  EXPECT_EQ(written(read(text)), with(""));
}

TEST(CloudEvents, X7_ReferencesAndCompressedContentsAreSaid) {
  Message message{.from = "ann", .topic = "t"};
  message.content_ref = ContentRef{*ContentHash::parse(std::string(64, 'a')), 5};
  EXPECT_EQ(boost::json::parse(written(message)).at("dataref").as_string(), "/api/content/" + std::string(64, 'a'));
  message.content_ref.reset();
  message.content = "abc";
  message.content_type = "text/plain";
  message.encoding = "zstd";
  const auto event = boost::json::parse(written(message)).as_object();
  EXPECT_EQ(event.at("contentencoding").as_string(), "zstd");
  EXPECT_TRUE(event.contains("data_base64"));
}

TEST(CloudEventText, X7_NamesUrisTimesAndMediaTypesAreKnown) {
  for (const auto* good : {"/a", "https://github.com/cloudevents", "mailto:cncf-wg-serverless@lists.cncf.io",
                           "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "/sensors/tn-1234567/alerts",
                           "1-555-123-4567", "#x", "?a=b", "http://[::1]/%20", "AZaz09-._~"}) {
    EXPECT_TRUE(is_uri_reference(good)) << good;
  }
  for (const auto* bad : {"", "a b", "a\"", "<a>", "\xc3\xa4", "%", "%2", "%gg", "a#b#c", "a\\b", "{a}"})
    EXPECT_FALSE(is_uri_reference(bad)) << bad;
  for (const auto* good : {"https://example.com/schema#1", "A:b", "Z:b", "z+1-2.3:b"})
    EXPECT_TRUE(is_uri(good)) << good;
  for (const auto* bad : {"/a", "a", ":a", "1a:b", "a b:c"}) EXPECT_FALSE(is_uri(bad)) << bad;
  for (const auto* good : {"2018-04-05T17:31:00Z", "0001-01-01t00:00:00z", "2018-04-05T17:31:00.123456789+02:00",
                           "1969-12-31T23:59:60-23:59", "2024-02-29T00:00:00Z"}) {
    EXPECT_TRUE(is_rfc3339(good)) << good;
  }
  for (const auto* bad : {"",
                          "2018-04-05",
                          "2018-04-05T17:31:00",
                          "2018-04-05T17:31:00.Z",
                          "2023-02-29T00:00:00Z",
                          "2018-13-05T17:31:00Z",
                          "2018-04-05T24:00:00Z",
                          "2018-04-05T17:31:00+2:00",
                          "2018-04-05T17:31:00Zx",
                          "20180405T173100Z00000",
                          "2018/04-05T17:31:00Z",
                          "2018-04/05T17:31:00Z",
                          "2018-0x-05T17:31:00Z",
                          "2018-04-05T17:31:00 02:00",
                          "2018-04-05T17:31:00+02.00",
                          "2018-04-05T17:31:00+24:00",
                          "2018-04-05T17:31:00+02:60",
                          "2018-04-05T17:31:00+02:000",
                          "2018-04-05T17:31:00+xx:00",
                          "2018-04-05T17:31:00+02:x0"}) {
    EXPECT_FALSE(is_rfc3339(bad)) << bad;
  }
  for (const auto* good : {"a/b", "application/json; charset=utf-8", "multipart/mixed;boundary=\"a b\"",
                           "application/vnd.apache.thrift.binary", "text/plain;", "text/plain ; a=b ; c=d", "AZ/Z09"}) {
    EXPECT_TRUE(is_media_type(good)) << good;
  }
  for (const auto* bad : {"", "a", "/b", "a/", "a/b c", "a/b; c", "a/b; =c", "a/b; c=", "a/b; c=\"d", "a b/c"})
    EXPECT_FALSE(is_media_type(bad)) << bad;
}

TEST(CloudEventText, X7_NoncharactersAreToldFromTheirNeighbours) {
  // U+FDD0 and U+FDEF; U+FFFE and U+FFFF; the last two of plane 1 and of plane 16.
  for (const std::string_view none : {"\xef\xb7\x90", "\xef\xb7\xaf", "\xef\xbf\xbe", "\xef\xbf\xbf",
                                      "\xf0\x9f\xbf\xbe", "\xf0\x9f\xbf\xbf", "\xf4\x8f\xbf\xbe"}) {
    EXPECT_FALSE(is_attribute_text(none)) << none;
    EXPECT_FALSE(is_attribute_text(std::string("a").append(none).append("b"))) << none;
  }
  // U+FDCF, U+FDF0, U+FFFD, U+FF3E (its last byte as U+FFFE's), U+4FFE (its last two), U+1FFFD, U+1F63E, U+1FFBF,
  // U+1EFFE, U+20000.
  for (const std::string_view some :
       {"\xef\xb7\x8f", "\xef\xb7\xb0", "\xef\xbf\xbd", "\xef\xbc\xbe", "\xe4\xbf\xbe", "\xf0\x9f\xbf\xbd",
        "\xf0\x9f\x98\xbe", "\xf0\x9f\xbe\xbf", "\xf0\x9e\xbf\xbe", "\xf0\xa0\x80\x80"}) {
    EXPECT_TRUE(is_attribute_text(some)) << some;
  }
}

}  // namespace
}  // namespace folkmoot
