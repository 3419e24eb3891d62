// What was said to the server and what came of it, over all connections and all lives of the process: judged by frames
// alone, and by what docs/delivery.md and docs/protocol.md promise.
//
//   1. What came was sent, to there, and byte by byte so. What was refused never comes.
//   2. What was confirmed is not lost. One settlement of a message succeeds at most, and after it nothing of it comes.
//   3. At most once is at most one delivery; with a key it is there once, however often it is sent.
//   4. What comes again says so.
//   5. Mail of one connection to one mailbox with one priority comes in order, the first time.
//   6. Of an event that was confirmed each subscription hears that was there before and still is, and has its credit.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "folkmoot/message.hpp"
#include "message/frame.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

/// Its number in the judge's book: the first 8 bytes of its content.
using Tag = std::uint64_t;

struct Sent {
  enum class Kind : std::uint8_t { mail, event, request, answer };
  enum class Fate : std::uint8_t { open, confirmed, refused, unknown };

  Kind kind = Kind::mail;
  std::string to;           // mailbox, topic or reply address
  std::string from;         // as it must come
  std::uint64_t line = 0;   // the connection that sends it
  std::uint64_t place = 0;  // in that line
  int priority = normal;
  std::size_t bytes = 8;   // of the content
  bool once = false;       // at most
  bool keyed = false;      // may be sent again
  bool in_order = true;    // nothing lets it be overtaken
  bool has_own_id = true;  // comes under the id that it was confirmed with
  bool may_die = false;    // carried to a mailbox that may be full for too long
  std::int64_t due = 0;    // not before
  Tag answers = 0;         // of an answer: which request
  bool is_status = false;  // ... and it is not the last

  Fate fate = Fate::open;
  Uuid id{};  // confirmed as
  Uuid came_as{};
  std::uint32_t deliveries = 0;  // that clients have seen
  std::uint64_t seen_at = 0;     // lines there were when it was first seen
  std::uint32_t settling = 0;    // settlements that were asked for and not answered, or never will be
  bool settled = false;
  std::uint32_t settled_number = 0;  // of the delivery that was settled
};

/// A delivery as it stands in a frame.
struct Came {
  Tag tag = 0;
  Message message;
  std::uint64_t lease = 0;
  std::uint32_t number = 1;
  bool redelivered = false;
};

class Judge {
 public:
  Tag add(Sent sent) {
    sent_.push_back(std::move(sent));
    return sent_.size();
  }
  Sent& at(Tag tag) { return sent_[tag - 1]; }
  std::size_t size() const { return sent_.size(); }
  std::string content(Tag tag) const;

  /// Rules 1 to 4, of anything that comes. `line`: the connection that it comes by.
  Came read(const Frame& frame, std::uint64_t line, std::int64_t now);
  /// Rule 2.
  void on_settled(Tag tag, std::uint32_t number);
  /// What must still come: rule 2, of one that nobody has.
  bool is_owed(Tag tag) const;

  std::uint64_t next_line() { return ++lines_; }
  std::uint64_t lines() const { return lines_; }

 private:
  std::vector<Sent> sent_;
  std::uint64_t lines_ = 0;
};

/// Rule 5, of one connection.
class MailOrder {
 public:
  void on_mail(const Sent& sent, const Came& came);

 private:
  std::map<std::tuple<std::uint64_t, std::string, int>, std::uint64_t> last_;
};

/// `*` is a word, a last `>` one or more.
bool fits(std::string_view pattern, std::string_view topic);

}  // namespace folkmoot::simulation
