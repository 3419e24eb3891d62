// What the texts of a WebSocket mean: operations in JSON (json_frames.hpp), or CloudEvents (event_session.hpp). No
// socket: text becomes native frames, and frames of the server become text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "message/frame.hpp"

namespace folkmoot {

class TextSide {
 public:
  /// What a text message asks for: frames for the server, or (if it is wrong) an answer for the client.
  struct Asked {
    std::string frames{};
    std::string answer{};
    bool is_hello = false;
  };

  /// What a frame of the server means to the text side.
  struct Told {
    bool is_mine = false;        // false: the frame answers a binary message
    std::string text{};          // empty: nothing to say (a quiet operation went well)
    std::string more{};          // another message behind it: a request to many is over
    std::string frames{};        // for the server: CANCEL of what is not needed any more
    std::optional<Error> end{};  // the connection has lost its purpose
  };

  virtual ~TextSide() = default;
  virtual Asked ask(std::string_view text) = 0;
  virtual Told tell(const Frame& frame) = 0;
  /// GOODBYE as text.
  virtual std::string goodbye(const Frame& frame) const = 0;
  /// Some of what was asked is answered soon.
  virtual bool owes_answers() const = 0;
};

}  // namespace folkmoot
