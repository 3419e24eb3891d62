// What waits until the facts behind it are on disk: confirmations, answers, messages and events that may then go out.
#pragma once

#include <type_traits>
#include <variant>

#include "engine/effects.hpp"
#include "engine/fact_log.hpp"
#include "engine/facts.hpp"
#include "engine/slab.hpp"
#include "engine/stream_store.hpp"

namespace folkmoot {

/// Who asked for something, and under which number of its own.
struct Asker {
  SessionId session = 0;
  RequestNumber request = 0;
};

/// How a message that is published is answered: by itself, or at its place in the answer to several.
struct ConfirmTo {
  Asker caller{};
  bool quiet = false;       // nobody wants to hear of it
  bool is_request = false;  // it is answered by its response; only a duplicate is told so
  Slot batch = kNoSlot;     // slot of the answer to several
  std::uint32_t place = 0;  // which of them it is
};

namespace waiting {

/// This run's number is in the log: lease numbers and reply addresses may be made of it.
struct RunNoted {};
/// A durable message: it enters its mailbox, and is confirmed.
struct Accepted {
  AcceptedFact fact{};
  FactPlace place{};
  FactPlace dead_place{};  // of the message_dead fact of one that is dead when it comes
  ConfirmTo to{};
};
/// A second message with a key that was used: answered by what became of the first.
struct Duplicate {
  MessageKey first = 0;
  NameId mailbox = 0;
  ConfirmTo to{};
};
/// An event or response that goes out when what it came of is on disk; its bytes are in TransientStore.
struct Output {
  Slot stored = 0;            // slot
  NameId sender = 0;          // name id
  ConnectionId answerer = 0;  // of an answer; 0: one who is known to hold what it answers
  ConfirmTo to{};
};
/// At most once: the log knows that it went out, now it may. Its bytes are in TransientStore.
struct HandedOut {
  AcceptedFact fact{};
  Slot stored = 0;
  Asker to{};
};
struct Settled {
  Asker to{};
  std::uint32_t settled = 0;
  Slot refused = kNoSlot;  // slot of the leases that were refused, if any
};
/// The answer to several messages, which has grown in a batch.
struct Batch {
  Asker to{};
  bool quiet = false;
  Slot batch = 0;  // slot
};
/// It was carried out.
struct Answer {
  Asker to{};
  Reply reply{};
};
/// All that was noted before the contents became idle: they may go.
struct ContentsIdle {};
/// What a redrive has sent so far: it goes on.
struct SentSome {
  Slot slot = 0;
  std::uint64_t number = 0;
};
/// An event that had to be kept: all that keep it have it, so it is confirmed, and who listens gets it.
struct Kept {
  Uuid id{};
  SessionId publisher = 0;
  Slot stored = kNoSlot;     // of its bytes in TransientStore; none if nobody listened
  std::uint32_t copies = 0;  // places that keep it
  ConfirmTo to{};
};

/// How far a stream is: what is older may go for good.
struct StreamNoted {
  StreamNumber stream = 0;
  Sequence first{1};
};
/// A stream is removed: its files may go.
struct StreamGone {
  StreamNumber stream = 0;
};
/// What a replay has published so far: it goes on.
struct PlayedSome {
  Slot slot = 0;
  std::uint64_t number = 0;
};

/// Wakes that somebody takes: the log has counted them, now they may be told.
struct WakesTaken {
  Asker to{};
  Slot given = 0;  // slot
};

/// Who may do what has changed: from now on it holds.
struct AccessChanged {
  Asker to{};
  Slot key = kNoSlot;  // slot of the new key that is the answer
};

/// Where the mail of an agent is posted has changed: from now on it holds.
struct WebhooksChanged {
  Asker to{};
};

/// Something of an agent has changed: those who listen hear of it.
struct AgentChanged {
  NameId agent = 0;
  Uuid id{};  // of one that is gone
  std::uint64_t revision = 0;
  std::uint8_t what = 0;  // a word of the registry's
};

}  // namespace waiting

using Waiting =
    std::variant<waiting::RunNoted, waiting::Accepted, waiting::Duplicate, waiting::Output, waiting::HandedOut,
                 waiting::Settled, waiting::Batch, waiting::Answer, waiting::ContentsIdle, waiting::SentSome,
                 waiting::Kept, waiting::StreamNoted, waiting::StreamGone, waiting::PlayedSome, waiting::WakesTaken,
                 waiting::AccessChanged, waiting::AgentChanged, waiting::WebhooksChanged>;
static_assert(std::is_trivially_copyable_v<Waiting>);  // each message comes by here

}  // namespace folkmoot
