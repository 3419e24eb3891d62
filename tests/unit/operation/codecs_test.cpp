// Described structs as JSON, as MessagePack, and as people write them.
#include <gtest/gtest.h>

#include "operation/answers.hpp"
#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "operation/json_codec.hpp"
#include "operation/json_reading.hpp"
#include "operation/operations.hpp"
#include "operation/pack_codec.hpp"

namespace folkmoot {
namespace {

using namespace std::string_view_literals;

template <class T>
Result<T> read(std::string_view json) {
  T out{};
  if (auto done = read_json(describe<T>(), &out, json); !done) return std::unexpected(done.error());
  return out;
}

template <class T>
std::string error_of(std::string_view json) {
  const auto out = read<T>(json);
  return out ? "no error" : out.error().text;
}

TEST(JsonCodec, reads_every_kind_of_field) {
  const auto rule = read<SetRoute>(R"({"name":"r","order":7,"strategy":"weighted","filter":"priority <= 3",
    "consumers_only":true,"targets":["a",{"name":"b","weight":3}]})");
  ASSERT_TRUE(rule) << rule.error().text;
  EXPECT_EQ(*rule, (SetRoute{.name = "r",
                             .targets = {{"a"}, {"b", 3}},
                             .order = 7,
                             .filter = "priority <= 3",
                             .strategy = RouteStrategy::weighted,
                             .consumers_only = true}));
  const auto box =
      read<ConfigureMailbox>(R"({"name":"b","default_ttl_ms":"5m","overflow":"drop_oldest","max_messages":9})");
  ASSERT_TRUE(box) << box.error().text;
  EXPECT_EQ(box->default_ttl, std::chrono::minutes(5));
  EXPECT_EQ(box->overflow, OverflowPolicy::drop_oldest);
  EXPECT_EQ(box->max_messages, 9u);
  EXPECT_FALSE(box->max_deliveries);
  const auto list = read<ListDead>(R"({"before":"2030-01-01T00:00:00Z","id":"0193f2c4-0000-7000-8000-000000000001"})");
  ASSERT_TRUE(list) << list.error().text;
  EXPECT_EQ(list->which.before_ms, 1893456000000);
  EXPECT_FALSE(list->which.id.is_nil());
}

TEST(JsonCodec, an_older_spelling_is_read_and_null_is_the_same_as_leaving_out) {
  EXPECT_EQ(read<SetSchedule>(R"({"name":"s","every":"30s","message":{"to":"b"}})")->every, std::chrono::seconds(30));
  EXPECT_EQ(read<ListDead>(R"({"limit":null})")->limit, 100u);
}

TEST(JsonCodec, refuses_with_the_name_of_the_field_and_what_it_may_be) {
  EXPECT_EQ(error_of<ListDead>(R"({"limt":3})"),
            "`limt` is none of: mailbox id reason before filter limit after content; did you mean `limit`?");
  EXPECT_EQ(error_of<ListRoutes>(R"({"name":"x"})"), "`name` is given; nothing is asked for");
  EXPECT_EQ(error_of<ListDead>(R"({"limit":0})"), "`limit` is 0; it may be 1 to 1000");
  EXPECT_EQ(error_of<ListDead>(R"({"limit":-1})"), "`limit` is -1; it may be 1 to 1000");
  EXPECT_EQ(error_of<ListDead>(R"({"limit":"ten"})"), "`limit` is \"ten\"; it may be a whole number, not negative");
  EXPECT_EQ(error_of<ListDead>(R"({"limit":1,"limit":2})"), "`limit` is given twice");
  EXPECT_EQ(error_of<ListDead>(R"({"reason":"bored"})"),
            "`reason` is \"bored\"; it may be expired, overflow, max_deliveries, rejected, guard, no_route");
  EXPECT_EQ(error_of<ShowDead>("{}"), "`id` is missing");
  EXPECT_EQ(error_of<ShowDead>(R"({"id":"7"})"), "`id` is \"7\"; it may be a UUID");
  EXPECT_EQ(error_of<SetRoute>(R"({"name":"r","targets":[{"name":"a","weight":0}]})"),
            "`targets`, entry 0: `weight` is 0; it may be 1 to 1000");
  EXPECT_EQ(error_of<SetRoute>(R"({"name":"r","targets":[]})"), "`targets` is []; it may be a list of 1 to 256");
  EXPECT_EQ(error_of<RemoveRoute>(R"({"name":""})"), "`name` is missing");
  EXPECT_EQ(error_of<RemoveRoute>("[]"), "the arguments are not a JSON object, but []");
}

TEST(JsonCodec, B2_says_where_arguments_are_wrong_to_who_asks) {
  const auto pointer = [](std::string_view operation, std::string_view text) -> std::string {
    const auto& info = *find_operation(operation)->arguments;
    JsonDocument document;
    const auto value = document.parse(text);
    JsonFault fault;
    const auto made = info.make();
    if (read_json(info, made.get(), *value, fault)) return "none";
    return fault.pointer;
  };
  const auto* const set = "schedule.set";
  EXPECT_EQ(pointer(set, R"({"name":"x","every_ms":1000,"message":{"to":"a"}})"), "none");
  EXPECT_EQ(pointer(set, R"({"every_ms":1000,"message":{"to":"a"}})"), "/name");
  EXPECT_EQ(pointer(set, R"({"name":"every_ms","every_ms":-1,"message":{"to":"a"}})"), "/every_ms");
  EXPECT_EQ(pointer(set, R"({"name":"x","message":{"to":"a","retry":{"max":"?"}}})"), "/message/retry/max");
  EXPECT_EQ(pointer(set, R"({"name":"x","nam":"y","message":{}})"), "/nam");
  EXPECT_EQ(pointer(set, "[]"), "");
  const auto* const reg = "agent.register";
  EXPECT_EQ(pointer(reg, R"({"agent":"a","capabilities":["x",""]})"), "/capabilities/1");
  EXPECT_EQ(pointer(reg, R"({"agent":"a","capabilities":["x",{"name":""}]})"), "/capabilities/1/name");
  EXPECT_EQ(pointer(reg, R"({"agent":"a","capabilities":[{"name":"x"},5]})"), "/capabilities/1");
  EXPECT_EQ(pointer(reg, R"({"agent":"a","capabilities":"x"})"), "/capabilities");
}

TEST(JsonCodec, answers_are_written_as_described_and_read_again) {
  RouteStatus status{.rule = {.name = "r", .targets = {{"a"}}}, .routed = 4};
  const auto json = to_json_text(RoutePage{{status}}, Sparse::as_described);
  EXPECT_EQ(json, R"({"routes":[{"name":"r","order":100,"strategy":"round_robin","targets":[{"name":"a","weight":1}],)"
                  R"("routed":4}]})");
  const auto again = read<RoutePage>(json);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->routes.at(0).rule, status.rule);
  EXPECT_EQ(to_json_text(DeadPage{}, Sparse::as_described), R"({"dead":[],"next":null})");
}

TEST(JsonCodec, arguments_are_written_without_what_is_as_it_was_made) {
  EXPECT_EQ(to_json_text(ListDead{.which = {.mailbox = "b"}, .limit = 3}, Sparse::everything),
            R"({"mailbox":"b","limit":3})");
}

Result<void> written(const OperationInfo& operation, std::string_view name, std::string_view text, void* arguments) {
  const auto place = find_place(*operation.arguments, arguments, name);
  return read_written(*place.field, place.at, text);
}

TEST(Written, a_duration_without_a_unit_is_refused_where_a_person_writes_it) {
  SetSchedule schedule;
  const auto& operation = *find_operation("schedule.set");
  EXPECT_EQ(written(operation, "every_ms", "5", &schedule).error().text,
            "`every_ms` is 5, without a unit; it may be a duration such as 5ms, 5s or 5m");
  ASSERT_TRUE(written(operation, "every_ms", "5s", &schedule));
  EXPECT_EQ(schedule.every, std::chrono::seconds(5));
}

TEST(Written, a_list_that_need_not_be_given_takes_all_that_is) {
  UpdateAgent update;
  const auto& operation = *find_operation("agent.update");
  ASSERT_TRUE(written(operation, "capabilities", R"({"name":"read"})", &update));
  ASSERT_TRUE(written(operation, "capabilities", R"({"name":"write"})", &update));
  ASSERT_TRUE(update.capabilities.has_value());
  ASSERT_EQ(update.capabilities->size(), 2u);
  EXPECT_EQ(update.capabilities->front().name, "read");
  EXPECT_EQ(update.capabilities->back().name, "write");
}

TEST(Written, numbers_texts_and_what_is_given_again) {
  SetRoute route;
  const auto& operation = *find_operation("route.set");
  ASSERT_TRUE(written(operation, "order", "12", &route));
  ASSERT_TRUE(written(operation, "name", "12", &route));
  ASSERT_TRUE(written(operation, "targets", "alice", &route));
  ASSERT_TRUE(written(operation, "targets", R"({"name":"bob","weight":2})", &route));
  ASSERT_TRUE(written(operation, "consumers_only", "true", &route));
  EXPECT_EQ(route, (SetRoute{.name = "12", .targets = {{"alice"}, {"bob", 2}}, .order = 12, .consumers_only = true}));
  EXPECT_EQ(written(operation, "order", "many", &route).error().text, "`order` is many; it may be 0 to 1000000");
  EXPECT_EQ(written(operation, "consumers_only", "", &route).error().text,
            "`consumers_only` is empty; it may be true or false");
}

TEST(PackCodec, what_is_written_is_read) {
  GiveBack nack{.leases = {7, ~std::uint64_t{0}}, .delay = std::chrono::milliseconds(250), .reason = "tired"};
  std::string body;
  ASSERT_TRUE(write_pack(body, describe<GiveBack>(), &nack));
  GiveBack again;
  const auto done = read_pack(describe<GiveBack>(), &again, as_bytes(body), "NACK");
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(again.leases, nack.leases);
  EXPECT_EQ(again.delay, nack.delay);
  EXPECT_EQ(again.reason, "tired");
}

TEST(PackCodec, refuses_what_is_no_such_map) {
  const auto error = [](std::string_view body) {
    Receive receive;
    const auto done = read_pack(describe<Receive>(), &receive, as_bytes(body), "RECEIVE");
    return done ? "no error" : done.error().text;
  };
  EXPECT_EQ(error("\x81\x09\x01"sv), "RECEIVE has no field with the key 9");
  EXPECT_EQ(error("\x82\x00\xa1x\x00\xa1y"sv), "`mailbox` is given twice");
  EXPECT_EQ(error("\x81\x00\xa1x\x01"sv), "the body of RECEIVE goes on behind its map");
  EXPECT_EQ(error("\x81\x01\x05"sv), "`mailbox` is missing");
  EXPECT_EQ(error(""), "`mailbox` is missing");
  EXPECT_EQ(error("\x82\x00\xa1x\x01\xcd\x03\xe9"sv), "`max` is 1001; it may be 1 to 1000");
  EXPECT_EQ(error("\x81\x00\x05"sv), "the body of RECEIVE is not a map as docs/protocol.md has it");
  EXPECT_EQ(error("\x81\x00\xa2\xff\xfe"sv), "`mailbox` is not UTF-8");
}

TEST(Answers, numbers_stand_one_after_the_other_unless_more_is_said) {
  const auto& redrive = *find_operation("dead.redrive");
  Redriven done{.sent = 3, .refused = 1};
  const auto numbers = write_numbers(*redrive.answer, &done);
  ASSERT_TRUE(numbers);
  EXPECT_EQ(*numbers, std::string("\x03\0\0\0\x01\0\0\0", 8));
  EXPECT_EQ(answer_as_json(redrive, as_bytes(*numbers)).value(), R"({"sent":3,"refused":1})");
  done.count = 9;
  EXPECT_FALSE(write_numbers(*redrive.answer, &done));
  EXPECT_EQ(answer_as_json(redrive, as_bytes(R"({"sent":0,"refused":0,"count":9})")).value(),
            R"({"sent":0,"refused":0,"count":9})");
  EXPECT_EQ(answer_as_json(redrive, as_bytes("abc")).error().code, ErrorCode::malformed);
}

TEST(Operations, are_found_by_name_and_the_nearest_is_named) {
  EXPECT_EQ(find_operation("route.list")->http, "GET /api/routes");
  EXPECT_EQ(find_operation("route.lst"), nullptr);
  EXPECT_EQ(no_such_operation("route.lst"), "there is no operation route.lst; did you mean `route.list`?");
  EXPECT_EQ(no_such_operation("zzzzzzzz"), "there is no operation zzzzzzzz");
}

}  // namespace
}  // namespace folkmoot
