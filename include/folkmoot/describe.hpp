// How an operation is described: once, in its struct, by its fields and a row about the whole. Every door, the client
// library, the command line and the documents read these descriptions and know nothing of an operation beside them.
//
//   struct RemoveRoute {
//     std::string name{};
//
//     using Answer = Nothing;
//     static constexpr OperationRow kOperation{.name = "subject.verb", .what = "In one sentence", .right =
//     Right::administer,
//                                           .where = Where::all, .http = "DELETE /api/routes/{name}"};
//     static constexpr auto fields() {
//       return std::array{field<&RemoveRoute::name>(0, "name", "By which it was set", {.required = true})};
//     }
//   };
//
// A described struct can be made without arguments; what a field is then is its default. Descriptions are constants, so
// that nothing is registered and nothing has an order.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "folkmoot/content.hpp"
#include "folkmoot/message.hpp"
#include "folkmoot/uuid.hpp"

namespace folkmoot {

/// What a field holds. In JSON: text, id, hash, word and lease (a decimal number) are strings, a duration is
/// milliseconds or text such as "30s", a time is Unix milliseconds or RFC 3339 text.
enum class Kind : std::uint8_t {
  text,      // std::string
  boolean,   // bool
  natural,   // std::uint8_t to std::uint64_t
  real,      // double
  id,        // Uuid; nil is none
  hash,      // ContentHash
  duration,  // std::chrono::milliseconds
  time,      // std::int64_t, Unix milliseconds; 0 is none
  word,      // an enumeration, whose words are kWords<E>, by value
  lease,     // std::uint64_t
  json,      // JsonText
  message,   // Message
  retry,     // RetryPolicy; in MessagePack the five numbers of the envelope
  object,    // a described struct
  list,      // std::vector
};

/// JSON that is carried along as text.
struct JsonText {
  std::string text{};  // one JSON value; empty: none

  bool operator==(const JsonText&) const = default;
};

JsonText json_text(const Metadata& object);

/// The words of an enumeration, at the places of its values.
template <class E>
inline constexpr std::span<const std::string_view> kWords{};

struct StructInfo;

/// A type as its reader and writer see it. The functions go over values that are not known here by their types.
struct TypeInfo {
  Kind kind{};
  std::uint8_t bytes = 0;                      // of a natural
  std::span<const std::string_view> words{};   // of a word
  const StructInfo* object = nullptr;          // of an object
  const TypeInfo* element = nullptr;           // of a list
  std::size_t (*size)(const void*) = nullptr;  // of a list
  const void* (*at)(const void*, std::size_t) = nullptr;
  void* (*append)(void*) = nullptr;            // of a list: one more, as it is made
  void (*move)(void*, void*) = nullptr;        // of a list: an element (the second) to where another is
  void (*cut)(void*, std::size_t) = nullptr;   // of a list: keeps the first so many, which must be there
  const void* (*held)(const void*) = nullptr;  // of an optional: what is in it; nullptr: nothing
  void* (*hold)(void*) = nullptr;              // of an optional: puts something in
  bool is_optional() const { return held != nullptr; }
};

/// How the answers of several shards become one, field by field.
enum class Merge : std::uint8_t {
  same,     // every shard says the same: the first one's
  sum,      // of numbers
  largest,  // of numbers and durations
  least,    // of durations, times and texts that may be left out: the least of those that are said
  fields,   // of objects: field by field
  all,      // of booleans: true if each is
  any,      // of booleans: true if one is
  append,   // of lists, shard by shard
  by_name,  // of lists of objects: elements whose first fields are equal are one, and merged
};

/// What a field is for, where others than its handler have to know.
enum class Role : std::uint8_t {
  none,
  shard_by_name,  // the mailbox, or whatever has a name, that the operation concerns: in the shard the name hashes to
  shard_by_id,    // the message it concerns: in the shard that gave the id
  caller,         // an agent: left out, it is the one who asks
  limit,          // how many it may be at most, over all shards; Where::in_turns
  after,          // where a listing goes on; Where::in_turns
  next,           // of an answer: where the next page goes on; nil at the end
  follow,         // a list of ids. Of an answer: what the operation is asked for next; of arguments: where they go
  count,          // of an answer: how many they are, as `limit` counts; of a list: its length
  shorthand,      // text in the place of the object stands for this field
};

/// What holds for a field beside its type. Bounds: of numbers and durations (ms) the value, of text and lists the
/// length; `max` 0: as large as its type (text: 255 bytes).
struct FieldRules {
  bool required = false;
  std::uint64_t min = 0, max = 0;
  std::string_view unit{};                    // of a number: what it counts
  std::string_view also{};                    // an older spelling that is read too
  std::span<const std::string_view> words{};  // of text: the only ones
  std::string_view shape{};                   // of json: what stands there, for documents
  Merge merge = Merge::same;
  Role role = Role::none;
  bool sparse = false;       // of an answer: left out while it is as it was made
  bool nullable = false;     // of an answer: null while it is as it was made
  bool binary_only = false;  // of a frame: its word in JSON does not have it
};

struct FieldInfo {
  std::uint8_t key = 0;     // in MessagePack maps
  std::string_view name{};  // empty: the fields of this object stand among those around it
  std::string_view what{};
  FieldRules rules{};
  const TypeInfo* type = nullptr;
  void* (*at)(void*) = nullptr;  // the field in its object

  const void* in(const void* object) const { return at(const_cast<void*>(object)); }  // at() alone changes nothing
};

struct StructInfo {
  std::span<const FieldInfo> fields{};
  const void* (*blank)() = nullptr;  // one as it is made, for comparing
  std::shared_ptr<void> (*make)() = nullptr;
};

namespace detail {

template <class T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, std::string>) {
    return Kind::text;
  } else if constexpr (std::is_same_v<T, bool>) {
    return Kind::boolean;
  } else if constexpr (std::is_unsigned_v<T>) {
    return Kind::natural;
  } else if constexpr (std::is_same_v<T, double>) {
    return Kind::real;
  } else if constexpr (std::is_same_v<T, Uuid>) {
    return Kind::id;
  } else if constexpr (std::is_same_v<T, ContentHash>) {
    return Kind::hash;
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    return Kind::duration;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return Kind::time;
  } else if constexpr (std::is_same_v<T, JsonText>) {
    return Kind::json;
  } else if constexpr (std::is_same_v<T, Message>) {
    return Kind::message;
  } else if constexpr (std::is_same_v<T, RetryPolicy>) {
    return Kind::retry;
  } else if constexpr (std::is_enum_v<T>) {
    return Kind::word;
  } else {
    return Kind::object;
  }
}

template <class T>
const void* blank_of() {
  static const T blank{};
  return &blank;
}

/// Of a struct that is described elsewhere than in itself: specialised there.
template <class T>
inline constexpr auto kFields = T::fields();
template <class T>
inline constexpr StructInfo kStruct{.fields = kFields<T>, .blank = blank_of<T>, .make = [] {
                                      return std::static_pointer_cast<void>(std::make_shared<T>());
                                    }};

template <class T>
struct Described {
  static constexpr TypeInfo make() {
    TypeInfo type{.kind = kind_of<T>(), .bytes = std::uint8_t{sizeof(T) <= 8 ? sizeof(T) : 0}};
    if constexpr (std::is_enum_v<T>) {
      static_assert(!kWords<T>.empty(), "an enumeration that is described has kWords");
      type.words = kWords<T>;
    }
    if constexpr (kind_of<T>() == Kind::object) type.object = &kStruct<T>;
    return type;
  }
};
template <class T>
inline constexpr TypeInfo kType = Described<T>::make();

template <class T>
struct Described<std::vector<T>> {
  static constexpr TypeInfo make() {
    return {.kind = Kind::list,
            .element = &kType<T>,
            .size = [](const void* list) { return static_cast<const std::vector<T>*>(list)->size(); },
            .at = [](const void* list, std::size_t i) -> const void* {
              return static_cast<const std::vector<T>*>(list)->data() + i;
            },
            .append = [](void* list) -> void* { return &static_cast<std::vector<T>*>(list)->emplace_back(); },
            .move = [](void* to, void* from) { *static_cast<T*>(to) = std::move(*static_cast<T*>(from)); },
            .cut = [](void* list, std::size_t size) { static_cast<std::vector<T>*>(list)->resize(size); }};
  }
};
template <class T>
struct Described<std::optional<T>> {
  static constexpr TypeInfo make() {
    auto type = Described<T>::make();
    type.held = [](const void* optional) -> const void* {
      const auto& in = *static_cast<const std::optional<T>*>(optional);
      return in ? &*in : nullptr;
    };
    type.hold = [](void* optional) -> void* { return &static_cast<std::optional<T>*>(optional)->emplace(); };
    return type;
  }
};

/// Leases are numbers too large for JSON's; their fields say so: lease_field().
inline constexpr TypeInfo kLeaseType{.kind = Kind::lease, .bytes = 8};
inline constexpr TypeInfo kLeasesType = [] {
  auto type = Described<std::vector<std::uint64_t>>::make();
  type.element = &kLeaseType;
  return type;
}();

template <class>
struct MemberOf;
template <class T, class Object>
struct MemberOf<T Object::*> {
  using Type = T;
  using Owner = Object;
};

template <auto Member, class Object>
void* member(void* object) {
  return &(static_cast<Object*>(object)->*Member);
}

}  // namespace detail

/// Describes a member: its key in MessagePack maps, its name in JSON, and what it is in one sentence. `Object`: the
/// struct that is described, where the member is that of a struct it derives from.
template <auto Member, class Object = typename detail::MemberOf<decltype(Member)>::Owner>
constexpr FieldInfo field(std::uint8_t key, std::string_view name, std::string_view what, FieldRules rules = {}) {
  using Type = typename detail::MemberOf<decltype(Member)>::Type;
  return {.key = key,
          .name = name,
          .what = what,
          .rules = rules,
          .type = &detail::kType<Type>,
          .at = &detail::member<Member, Object>};
}
/// The same of a lease, or a list of them.
template <auto Member>
constexpr FieldInfo lease_field(std::uint8_t key, std::string_view name, std::string_view what, FieldRules rules = {}) {
  using Type = typename detail::MemberOf<decltype(Member)>::Type;
  return {.key = key,
          .name = name,
          .what = what,
          .rules = rules,
          .type = std::is_same_v<Type, std::uint64_t> ? &detail::kLeaseType : &detail::kLeasesType,
          .at = &detail::member<Member, typename detail::MemberOf<decltype(Member)>::Owner>};
}
/// A member whose fields stand among those of the struct it is in. Its keys must differ from theirs.
template <auto Member>
constexpr FieldInfo fields_of() {
  return field<Member>(0, {}, {});
}

template <class T>
constexpr const StructInfo& describe() {
  return detail::kStruct<T>;
}

/// Who may do it: whose role has that right (docs/security.md). On a server without accounts everybody may do
/// everything.
enum class Right : std::uint8_t {
  publish,     // send messages, and take back one's own
  consume,     // take messages out of mailboxes, and settle them
  observe,     // look at what is there, contents of messages included
  administer,  // change what others depend on
  discover,    // see which agents there are and what they can do
  secure,      // say who may do what: accounts, roles, rules
};
inline constexpr std::string_view kRightWords[] = {"publish", "consume", "observe", "administer", "discover", "secure"};
template <>
inline constexpr std::span<const std::string_view> kWords<Right> = kRightWords;

/// Which shard of a server carries an operation out.
enum class Where : std::uint8_t {
  here,      // the one that the connection is at
  first,     // the first
  by_field,  // the one that a field with a role shard_by_... names
  all,       // each of them; their answers are merged
  in_turns,  // one after the other, until there are as many as `limit` says
  any,       // each of them; as soon as one has something to say the others are asked no more
  chained,   // one after the other, each for all ids (Role::follow) that another has met, until there are no more
};

/// How an answer is written on the native protocol.
enum class Layout : std::uint8_t {
  json,     // a JSON object; of an operation whose answer has no fields: nothing
  numbers,  // its naturals one after the other in their sizes; as JSON if anything else is said
  confirm,  // a CONFIRM frame
};

/// An operation's row.
struct OperationRow {
  std::string_view name{};  // as CALL, doors and the command line know it: subject.verb
  std::string_view what{};  // in one sentence
  Right right = Right::administer;
  Where where = Where::here;
  std::string_view http{};  // method and path, with {field} for what the path names
  bool again = false;       // may be sent again when it is not known whether it was carried out
  Layout layout = Layout::json;
  std::chrono::milliseconds patience{30'000};  // until a door gives up waiting for the answer
  std::string_view packed{};  // how its answer is laid out if that is asked for as bytes; empty: it cannot be
};

/// An answer that says no more than that it was done.
struct Nothing {
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

/// A row with what it speaks of, for those who know no types.
struct OperationInfo : OperationRow {
  const StructInfo* arguments = nullptr;
  const StructInfo* answer = nullptr;
};

/// A struct that is the arguments of an operation.
template <class Op>
concept DescribedOperation = requires {
  { Op::kOperation } -> std::convertible_to<OperationRow>;
  typename Op::Answer;
};

/// What an operation is answered with; void if that says no more than that it was done.
template <DescribedOperation Op>
using AnswerOf = std::conditional_t<std::is_same_v<typename Op::Answer, Nothing>, void, typename Op::Answer>;

template <DescribedOperation Op>
constexpr OperationInfo operation_info() {
  return {Op::kOperation, &describe<Op>(), &describe<typename Op::Answer>()};
}

}  // namespace folkmoot
