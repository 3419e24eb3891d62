// The bounds of HTTP and WebSocket that nobody sets (those that are set: gateway.hpp). What a client can notice of them
// is in docs/protocol.md, sections 11 and 13, whose tables tests/unit/gateway/page_test.cpp compares with these.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace folkmoot {

// -- a request
constexpr std::size_t kHeaderFieldsMax = 128;
constexpr std::size_t kEmptyLinesMax = 8;           // before it
constexpr std::size_t kChunkExtrasMax = 16 * 1024;  // bytes of chunk extensions and trailers in all

constexpr std::size_t kFreeUnfinishedBytes = 64 * 1024;  // of requests and messages: what every connection may hold

// -- its answer
constexpr std::chrono::seconds kAnswerTimeout{30};         // for the server's, beyond what a request itself waits
constexpr std::size_t kAnswerBytesMax = 64 * 1024 * 1024;  // what one answer collects
constexpr std::size_t kPackedAnswerBytesMin = 1'024;       // shorter ones go as they are, whatever the client takes
constexpr std::chrono::seconds kTakenTimeout{5};           // for a client that has closed its side to take it
constexpr std::chrono::seconds kStillThere{15};            // a silent stream has a comment then
constexpr std::uint32_t kWaitMsMax = 300'000;
constexpr std::uint32_t kLeaseMsDefault = 30'000;
constexpr std::uint32_t kReceiveDefault = 10;

// -- WebSocket
constexpr std::uint32_t kTextRequestMin = 0x8000'0000u;  // request numbers of binary messages are below
constexpr std::size_t kTextInFlightMax = 65'536;         // operations in JSON of one connection
constexpr std::chrono::seconds kAnswersTimeout{5};       // that the answers before a mistake have
constexpr std::chrono::seconds kCloseTimeout{2};         // for a client to take the close, and to answer it
// permessage-deflate (RFC 7692): with windows of 4 KiB and 24 KiB for compressing, where zlib's own are ten times that.
// A client that does not offer to limit its own window is not compressed for. Short messages go as they are.
constexpr int kWindowBits = 12;
constexpr int kCompressionMemory = 4;
constexpr int kCompressionLevel = 3;
constexpr std::size_t kCompressedBytesMin = 1'024;

// -- asking several agents
constexpr std::size_t kAskedBytesMax = 16 * 1024 * 1024;  // of all that is asked at once
constexpr std::uint32_t kAskTimeoutMsMax = 3'600'000;

// -- contents that are decompressed for clients in JSON
constexpr std::size_t kUnpackedBytesMax = 8 * 1024 * 1024;
constexpr std::size_t kUnpackedInAllMax = 64 * 1024 * 1024;  // of one answer

}  // namespace folkmoot
