#include "operation/frames.hpp"

#include <algorithm>
#include <array>

namespace folkmoot {
namespace {

template <class F>
constexpr FrameInfo info_of() {
  return {F::kFrame, &describe<F>()};
}

constexpr std::array kRows = {
    info_of<SayHello>(),
    info_of<Publish>(),
    info_of<PublishBatch>(),
    info_of<Subscribe>(),
    info_of<Consume>(),
    info_of<AddCredit>(),
    info_of<Cancel>(),
    info_of<Receive>(),
    info_of<Acknowledge>(),
    info_of<GiveBack>(),
    info_of<Extend>(),
    info_of<Request>(),
    info_of<AskReceipts>(),
    info_of<Wait>(),
    info_of<AskStats>(),
    info_of<Ping>(),
    info_of<ConfigureMailboxFrame>(),
    info_of<Complete>(),
    info_of<Reject>(),
    info_of<CallByName>(),
    info_of<SetFilter>(),
    info_of<OpenContent>(),
    info_of<WriteContent>(),
    info_of<FinishContent>(),
    info_of<StatContent>(),
    info_of<ReadContent>(),
};
static_assert(kRows.size() == kFrameCount);
static_assert(std::ranges::is_sorted(kRows, std::ranges::less{}, &FrameInfo::opcode));

// Where the row of each opcode is: it is asked for of every frame of a connection with an account.
constexpr std::uint8_t kNoRow = 0xff;
constexpr auto kRowOf = [] {
  std::array<std::uint8_t, 256> rows;
  rows.fill(kNoRow);
  for (std::size_t row = 0; row < kRows.size(); ++row) rows[static_cast<std::uint8_t>(kRows[row].opcode)] = row;
  return rows;
}();

}  // namespace

std::span<const FrameInfo> frames() { return kRows; }

const FrameInfo* find_frame(Opcode opcode) {
  const auto row = kRowOf[static_cast<std::uint8_t>(opcode)];
  return row == kNoRow ? nullptr : &kRows[row];
}

const FrameInfo* find_frame(std::string_view word) {
  const auto row = std::ranges::find(kRows, word, &FrameInfo::word);
  return row == kRows.end() ? nullptr : &*row;
}

}  // namespace folkmoot
