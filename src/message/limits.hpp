// Every bound of a message in one place (docs/protocol.md, section 4).
#pragma once

#include <cstddef>
#include <cstdint>

namespace folkmoot {

constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kMetadataBytesMax = 64 * 1024;
constexpr std::size_t kEnvelopeBytesMax = 128 * 1024;
constexpr std::size_t kContentBytesDefault = 1024 * 1024;
constexpr std::size_t kFrameBytesDefault = 8 * 1024 * 1024;
constexpr std::size_t kHelloBytesMax = 4 * 1024;
constexpr std::size_t kTokenBytesMax = 2 * 1024;
constexpr std::size_t kBatchMessagesMax = 10'000;
constexpr std::size_t kReceiveMax = 1'000;
constexpr std::uint16_t kAttemptsMax = 10'000;
constexpr std::size_t kOutputsMax = 1'000;  // of one COMPLETE
constexpr std::size_t kChainMax = 16;       // causes kept in an envelope
constexpr std::uint32_t kHopsMax = 1'000'000;
constexpr std::size_t kReasonBytesMax = 1'024;  // of a nack or a rejection
constexpr std::size_t kReceiptIdsMax = 1'000;
constexpr std::size_t kSettleLeasesMax = 65'536;
constexpr std::uint32_t kCreditMax = 65'535;
constexpr int kMetadataDepthMax = 16;
constexpr std::uint64_t kStoredBytesMax = std::uint64_t{1} << 40;  // of one content by reference
constexpr std::size_t kContentPartBytesMax = 1024 * 1024;          // of one CONTENT_WRITE or CONTENT_READ
constexpr std::size_t kContentWindowBytes = 2 * 1024 * 1024;       // of one upload, not yet answered
constexpr std::int64_t kDurationMsMax = 10LL * 366 * 86'400'000;

static_assert(kTokenBytesMax + 2 * kNameBytesMax < kHelloBytesMax);
static_assert(kMetadataBytesMax < kEnvelopeBytesMax);
static_assert(kContentBytesDefault + kEnvelopeBytesMax < kFrameBytesDefault);

}  // namespace folkmoot
