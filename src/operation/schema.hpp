// JSON Schema (2020-12, as OpenAPI 3.1 and AsyncAPI 3 take it) of described structs.
#pragma once

#include "folkmoot/describe.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {

enum class Side : std::uint8_t {
  question,  // what is taken: with bounds, older spellings left out, nothing unknown
  answer,    // what is given: what may be left out is not required, and there may be more one day
};

/// An error as JSON.
struct ProblemAnswer {
  std::string code{}, error{}, advice{};

  static constexpr auto fields() {
    return std::array{field<&ProblemAnswer::code>(0, "code", "docs/protocol.md, section 10"),
                      field<&ProblemAnswer::error>(1, "error", "What happened, to what"),
                      field<&ProblemAnswer::advice>(2, "advice", "What to do", {.sparse = true})};
  }
};

/// What stands beside the fields of a message that was taken out of a mailbox over HTTP.
inline constexpr std::string_view kHeldStatuses[] = {"delivered", "processed"};
struct HeldMessage {
  std::uint64_t lease = 0;
  std::uint32_t delivery = 0;
  bool redelivered = false;
  std::string status{};

  static constexpr auto fields() {
    return std::array{
        lease_field<&HeldMessage::lease>(0, "lease", "By which it is settled", {.sparse = true}),
        field<&HeldMessage::delivery>(1, "delivery", "The how manieth delivery of it this is", {.sparse = true}),
        field<&HeldMessage::redelivered>(2, "redelivered", "Somebody may have had it before"),
        field<&HeldMessage::status>(3, "status", "processed: it is settled already", {.words = kHeldStatuses}),
    };
  }
};

/// The schema of one field's value.
void write_schema(JsonWriter& out, const FieldInfo& field, Side side);
/// Of one that a person writes, in a path or a query: a duration has its unit.
void write_written_schema(JsonWriter& out, const FieldInfo& field);
/// The schema of an object with these fields; `without` is left out, as it stands elsewhere (in a path).
void write_schema(JsonWriter& out, const StructInfo& info, Side side, std::string_view without = {});
/// What such a schema says of them one by one: the fields of `properties`, and the elements of `required`.
void write_properties(JsonWriter& out, const StructInfo& info, Side side, std::string_view without = {});
void write_required(JsonWriter& out, const StructInfo& info, Side side, std::string_view without = {});
/// The fields of `components.schemas` that others refer to: Message, MessageInput, RetryPolicy, Changes, Problem.
void write_shared_schemas(JsonWriter& out);

}  // namespace folkmoot
