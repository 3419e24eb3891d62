// The envelope: a MessagePack map with small integer keys (docs/protocol.md, section 4).
//
// Three ways to look at it, by cost:
//   read_routing   one pass without allocation: what the engine decides by, checked against every limit
//   stamp          the same bytes with the server's fields (id, timestamp, from) put in front
//   decode/encode  to and from a Message value, for clients and text doors
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/uuid.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

enum class Field : std::uint8_t {
  id = 0,
  timestamp = 1,
  from = 2,
  to = 3,
  topic = 4,
  type = 5,
  priority = 6,
  content_type = 7,
  conversation = 8,
  correlation = 9,
  reply_to = 10,
  key = 11,
  ttl = 12,
  deliver_at = 13,
  mode = 14,
  metadata = 15,
  retry = 16,
  group = 17,
  bounce = 18,
  expects_reply = 19,
  encoding = 20,
  cause = 21,
  hops = 22,
  chain = 23,
  content_ref = 24,
  delay = 25,
  expires_at = 26,
  event_topic = 27,
  provenance = 28,
};
constexpr std::size_t kFields = 29;

/// A part of the envelope, by offset from its first byte.
struct EnvelopePart {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool empty() const { return begin == end; }
};

/// What routing needs; the views point into the bytes that were read.
struct Routing {
  std::string_view from, to, topic, key, reply_to, correlation, conversation, group, event_topic;
  Uuid id{}, cause{};
  std::int64_t timestamp = 0;          // as the sender says
  std::optional<std::int64_t> ttl_ms;  // 0: for ever; none: as the mailbox says
  std::int64_t deliver_at = 0;
  std::int64_t delay_ms = 0;
  std::int64_t expires_at = 0;
  Priority priority = normal;
  std::optional<DeliveryMode> mode;
  std::uint8_t type = 0;  // number of a standard type; 0: none, or a custom word
  bool bounce = false;
  bool expects_reply = true;
  bool has_c1 = false;  // some name has a control character that was no reason to refuse it once (base/utf8.hpp)
  std::uint32_t hops = 0;
  Bytes chain;                                            // ids, 16 bytes each
  std::uint32_t fields = 0;                               // pairs in the map
  std::uint32_t pairs_begin = 0;                          // where the first pair starts
  std::uint32_t bytes = 0;                                // the envelope's size: content begins here
  EnvelopePart metadata, retry, content_ref, provenance;  // values; empty if absent
  EnvelopePart id_pair, timestamp_pair, from_pair, reply_to_pair, hops_pair, chain_pair, cause_pair,
      provenance_pair;  // key and value
};

/// Reads the envelope at the start of `bytes`. Errors: malformed, invalid_name, invalid_topic, invalid_field,
/// out_of_range, no_recipient. Unknown integer keys are passed over.
Result<Routing> read_routing(Bytes bytes);
/// Whether a message may leave it to the server's routes who gets it.
enum class Recipient { required, optional };
/// The same into `routing`, which must be as made; on error its content is of no use. Saves copies where each one
/// counts.
Result<void> read_routing(Bytes bytes, Routing& routing, Recipient recipient = Recipient::required);

/// A field that says what only a message on disk can keep; `key` if there is no other; empty: there is none.
std::string_view promise_of_the_log(const Routing& routing);

/// What the server puts in front of the sender's fields.
struct Stamp {
  Uuid id;
  std::int64_t timestamp = 0;
  std::string_view from;      // never empty
  std::string_view reply_to;  // empty: leave the sender's
  std::string_view key;       // empty: leave the sender's
  Uuid cause{};               // nil: leave the sender's
  std::uint32_t hops = 0;     // 0: none
  Bytes chain{};
  std::string_view provenance{};  // pack(Provenance); empty: as the envelope has it
};

/// The value of the envelope's field. Requires: an account's name, and words of this program.
std::string pack(const Provenance& provenance);
constexpr std::size_t kProvenanceBytesMax = 1 + 2 + 255 + 64;  // and the field's key
/// The envelope with that value, in the place of the one it has. Requires: `routing` is read_routing() of it.
std::string with_provenance(Bytes envelope, const Routing& routing, std::string_view packed);

/// The most bytes that stamping adds, but for those of from, reply_to, key, chain and provenance.
constexpr std::size_t kStampFixedBytes = 3 + 19 + 10 + 3 * 3 + 19 + 6 + 4;
/// The most bytes that stamping adds.
constexpr std::size_t kStampBytesMax = kStampFixedBytes + 3 * 255 + 16 * 16 + kProvenanceBytesMax;

/// Appends the stamped envelope (without content) to `out`; it must have room for envelope + kStampBytesMax bytes.
/// The sender's own id, timestamp, from, hops and chain (and reply_to and cause, if the stamp has one) are left out.
/// Returns the bytes written.
std::size_t stamp(Bytes envelope, const Routing& routing, const Stamp& stamp, std::uint8_t* out);
/// Gives what stamp() wrote another id and timestamp. False, and nothing changed, if the timestamp would take other
/// room.
bool restamp(std::uint8_t* stamped, const Uuid& id, std::int64_t timestamp);

/// Appends the envelope with the pairs of `changes`, an envelope that has only what is to be different, in place of its
/// own. Requires: both were read by read_routing() (`changes` may lack a recipient). Errors: those of the merged
/// envelope.
Result<void> merge_envelopes(Bytes envelope, Bytes changes, std::string& out,
                             Recipient recipient = Recipient::required);

/// Appends the envelope of an event as a message to that mailbox: its topic becomes `event_topic`, its id the `key`
/// unless it has one, and its mode is left out. Requires: it was read by read_routing() into `routing`.
void address_event(Bytes envelope, const Routing& routing, std::string_view mailbox, std::string& out);

/// Errors: out_of_range.
Result<void> check_retry(const RetryPolicy& policy);
/// The policy at `routing.retry`. Requires: it is there.
RetryPolicy read_retry(Bytes envelope, const Routing& routing);
/// The reference at `routing.content_ref`. Requires: it is there.
ContentRef read_content_ref(Bytes envelope, const Routing& routing);

/// Appends the envelope of `message`. Fields at their default are left out, and the provenance, which nobody but the
/// server says. Errors: as read_routing, but for
/// no_recipient (a response may be encoded before its address is known).
Result<void> encode_envelope(const Message& message, std::string& out);

/// The same with the provenance, if the message has one: for what the server itself passes on.
Result<void> encode_with_provenance(const Message& message, std::string& out);

/// Reads envelope and content. Errors: as read_routing.
Result<Message> decode_message(Bytes envelope_and_content);
/// The same into a message that is fresh.
Result<void> decode_message(Bytes envelope_and_content, Message& message);

/// The number of a standard type, 0 if it is a custom word; and back ("" outside the list).
std::uint8_t type_number(std::string_view word);
constexpr std::uint8_t kTypeStatus = 6;
std::string_view type_word(std::uint64_t number);

}  // namespace folkmoot
