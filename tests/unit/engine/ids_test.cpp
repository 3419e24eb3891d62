// The numbers that the engine and those who speak to it deal in are not taken for each other (base/strong.hpp).
#include "engine/ids.hpp"

#include <gtest/gtest.h>

#include <concepts>

#include "engine/fact_log.hpp"

namespace folkmoot {
namespace {

template <class A, class B>
concept kTakenFor = std::same_as<A, B> || std::constructible_from<A, B> || std::constructible_from<B, A> ||
                    std::assignable_from<A&, B> || std::assignable_from<B&, A> || std::equality_comparable_with<A, B>;

template <class... All>
struct Apart;
template <class First, class... Others>
struct Apart<First, Others...> {
  static constexpr bool holds = !(kTakenFor<First, Others> || ...) && !std::convertible_to<std::uint64_t, First> &&
                                !std::convertible_to<First, std::uint64_t> && Apart<Others...>::holds;
};
template <>
struct Apart<> {
  static constexpr bool holds = true;
};

static_assert(Apart<Lsn, MessageKey, NameId, ShardNumber, Slot, RequestNumber, SessionId, ConnectionId, LeaseToken,
                    Instant, Duration>::holds);
static_assert(!Apart<Lsn, SessionId, Lsn>::holds, "it would be seen");
static_assert(!Apart<Lsn, std::uint64_t>::holds, "it would be seen");

TEST(Ids, a_session_is_a_serial_and_a_slot) {
  const auto id = session_id(7, Slot{9});
  EXPECT_EQ(session_slot(id), Slot{9});
  EXPECT_EQ(id, SessionId{7 * (std::uint64_t{1} << 32) + 9});
  EXPECT_EQ(connection_id(ShardNumber{3}, id).value >> kShardShift, 3u);
}

}  // namespace
}  // namespace folkmoot
