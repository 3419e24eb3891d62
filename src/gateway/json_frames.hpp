// The JSON side of a WebSocket (docs/protocol.md, section 11), without any socket: a text message becomes native
// frames, and the frames that answer it become text.
//
// Every text operation gets a request number of this session's own, from 2^31 upwards, and a row that remembers what
// the client called it and which operation it was: so several operations may share a number (or have none), and the
// answers to binary messages, whose numbers are below 2^31, are told apart. A row goes with its last answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "gateway/asking.hpp"
#include "gateway/json_answers.hpp"
#include "gateway/limits.hpp"
#include "gateway/text_side.hpp"
#include "message/frame.hpp"
#include "message/json_document.hpp"

namespace folkmoot {

struct FrameInfo;

/// Fields that any frame's word may have.
inline constexpr std::string_view kCommonTextFields[] = {"op", "request", "quiet"};

/// Whether an operation's one answer comes as soon as it is carried out: not those that wait for others, or go on, and
/// none that is `quiet`.
bool is_answered_soon(Opcode opcode, bool is_quiet);

class TextSession : public TextSide {
 public:
  /// What the upgrade request said; fills in what a `hello` leaves out.
  TextSession(std::string agent, std::string token) : agent_(std::move(agent)), token_(std::move(token)) {}

  Asked ask(std::string_view text) override;
  /// WITHDRAWN has no number: it is the text side's once that took messages.
  Told tell(const Frame& frame) override;
  std::string goodbye(const Frame& frame) const override;

  std::size_t in_flight() const { return rows_.size(); }
  bool owes_answers() const override;

 private:
  /// A request to many. It has a row of its own, under which it is cancelled, and one for each that is asked.
  struct Many {
    explicit Many(const Asking& asking) : asked(asking) {}
    Responses asked;
    std::vector<std::uint32_t> requests;  // own numbers, by index
    std::uint32_t row = 0;                // own number of the whole
  };
  struct Row {
    Opcode op{};
    bool quiet = false;
    std::uint32_t number = 0;             // the client's
    std::uint32_t target = 0;             // CANCEL, CONTENT_FINISH: the row that ends with it
    bool stream = false;                  // REQUEST: status messages may come before the response
    const OperationInfo* call = nullptr;  // CALL: which; nullptr: the server does not know it
    RefusedHere refused{};                // PUBLISH_BATCH
    std::shared_ptr<Many> many{};         // REQUEST to many
    std::size_t index = 0;                // of whom
  };

  Result<void> translate(const JsonElement& object, Row& row, std::string& frames);
  Result<void> translate_filter(JsonFields& fields, std::string& frames) const;
  Result<void> translate_hello(const JsonElement& object, std::string& frames) const;
  Result<void> translate_map(const FrameInfo& frame, const JsonElement& object, std::string& frames) const;
  Result<void> translate_batch(JsonFields& fields, Row& row, std::string& frames);
  Result<void> translate_asking(const Asking& asking, Row& row, std::string& frames);
  Told tell_of_many(const Row& row, const Frame& frame);
  void end_many(Many& many, std::uint32_t number, Told& told);
  void cancel_many(const Many& many, std::string& frames) const;
  std::uint32_t own_number(std::uint32_t client_number) const;
  std::uint32_t take_number();
  void forget(std::uint32_t request);

  const std::string agent_;
  const std::string token_;
  JsonDocument document_;
  bool took_messages_ = false;                            // out of a mailbox
  std::uint32_t next_ = kTextRequestMin + 1;              // kTextRequestMin itself is for what has no answer
  std::unordered_map<std::uint32_t, Row> rows_;           // by own number
  std::unordered_map<std::uint32_t, std::uint32_t> own_;  // client's number -> own number of the latest
};

}  // namespace folkmoot
