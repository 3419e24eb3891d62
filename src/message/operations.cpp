#include "message/operations.hpp"

#include <fmt/format.h>

#include "message/envelope.hpp"
#include "message/limits.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

template <class T>
void append_fixed(std::string& out, const T& value) {
  out.append(as_text(bytes_of(value)));
}

// A frame that grows in `out`; its length is filled in when it is whole.
class OpenFrame {
 public:
  OpenFrame(std::string& out, Opcode opcode, std::uint32_t request, std::uint8_t flags = 0)
      : out_(out), at_(out.size()) {
    append_header(out, opcode, flags, request, 0);
  }
  char* body() { return out_.data() + at_ + kFrameHeaderBytes; }
  void close() { store(out_.data() + at_, static_cast<std::uint32_t>(out_.size() - at_ - 4)); }
  void drop() { out_.resize(at_); }

 private:
  std::string& out_;
  std::size_t at_;
};

// A frame whose body is a map with pairs only for what says something (15 at most, so that one byte counts them).
class MapFrame {
 public:
  MapFrame(std::string& out, Opcode opcode, std::uint32_t request, bool quiet = false)
      : frame_(out, opcode, request, quiet ? kFlagQuiet : 0), writer_(out) {
    writer_.map(0);
  }
  MapFrame(const MapFrame&) = delete;
  ~MapFrame() { frame_.close(); }

  MapFrame& uint(std::uint64_t key, std::uint64_t value) { return pair(key).uint(value), *this; }
  MapFrame& text(std::uint64_t key, std::string_view value) {
    if (!value.empty()) pair(key).str(value);
    return *this;
  }
  MapFrame& bytes(std::uint64_t key, std::string_view value) { return pair(key).bin(value), *this; }
  MapFrame& flag(std::uint64_t key, bool value) { return pair(key).boolean(value), *this; }
  MapFrame& retry(std::uint64_t key, const RetryPolicy& policy) {
    pair(key).array(5).uint(policy.attempts).uint(static_cast<std::uint64_t>(policy.backoff));
    writer_.uint(static_cast<std::uint64_t>(policy.initial_ms)).uint(static_cast<std::uint64_t>(policy.max_ms));
    writer_.uint(policy.multiplier_permille);
    return *this;
  }
  MapFrame& leases(std::uint64_t key, std::span<const std::uint64_t> values) {
    pair(key).array(static_cast<std::uint32_t>(values.size()));
    for (const auto value : values) writer_.uint(value);
    return *this;
  }

 private:
  PackWriter& pair(std::uint64_t key) {
    ++*frame_.body();
    return writer_.uint(key);
  }
  OpenFrame frame_;
  PackWriter writer_;
};

// Envelope and content, at the end of what `frame` has. On error the frame is taken back.
Result<void> end_with_message(OpenFrame& frame, std::string& out, const Message& message) {
  if (auto done = encode_envelope(message, out); !done) return frame.drop(), done;
  out.append(message.content);
  frame.close();
  return {};
}

// One of several: its length, envelope and content. On error `out` is as it was.
Result<void> append_one_of_many(std::string& out, const Message& message) {
  const auto at = out.size();
  append_fixed(out, std::uint32_t{0});
  if (auto done = encode_envelope(message, out); !done) return out.resize(at), done;
  out.append(message.content);
  store(out.data() + at, static_cast<std::uint32_t>(out.size() - at - 4));
  return {};
}

// Their count, then each with its length. On error the frame is taken back; `where` has room for a message's place and
// what is wrong.
Result<void> end_with_messages(OpenFrame& frame, std::string& out, std::span<const Message> messages,
                               fmt::format_string<std::size_t&, const std::string&> where) {
  append_fixed(out, static_cast<std::uint32_t>(messages.size()));
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (auto done = append_one_of_many(out, messages[i]); !done) {
      frame.drop();
      return failure(done.error().code, fmt::format(where, i, std::as_const(done.error().text)));
    }
  }
  frame.close();
  return {};
}

Result<void> check_batch(std::size_t messages) {
  if (messages > 0 && messages <= kBatchMessagesMax) return {};
  return failure(ErrorCode::out_of_range,
                 fmt::format("a batch of {} messages; 1 to {} may be in one", messages, kBatchMessagesMax));
}

Error broken(std::string_view what) { return {ErrorCode::malformed, fmt::format("the body of {} breaks off", what)}; }

}  // namespace

void append_hello(std::string& out, std::uint32_t request, const HelloRequest& hello) {
  MapFrame map(out, Opcode::hello, request);
  map.uint(0, hello.version).text(1, hello.agent).text(2, hello.token).text(3, hello.software);
}

Result<void> append_publish(std::string& out, std::uint32_t request, const Message& message, bool quiet) {
  OpenFrame frame(out, Opcode::publish, request, quiet ? kFlagQuiet : 0);
  return end_with_message(frame, out, message);
}

Result<void> append_publish_batch(std::string& out, std::uint32_t request, std::span<const Message> messages,
                                  std::uint8_t flags) {
  if (auto good = check_batch(messages.size()); !good) return good;
  OpenFrame frame(out, Opcode::publish_batch, request, flags);
  return end_with_messages(frame, out, messages, "message {} of the batch: {}");
}

Result<void> append_publish_each(std::string& out, std::uint32_t request, std::span<Result<Message>> messages) {
  if (auto good = check_batch(messages.size()); !good) return good;
  OpenFrame frame(out, Opcode::publish_batch, request);
  std::uint32_t count = 0;
  append_fixed(out, count);
  for (auto& message : messages) {
    if (!message) continue;
    if (auto done = append_one_of_many(out, *message); !done) {
      message = std::unexpected(std::move(done.error()));
    } else {
      ++count;
    }
  }
  if (count == 0) return frame.drop(), Result<void>{};
  store(frame.body(), count);
  frame.close();
  return {};
}

Result<void> append_request(std::string& out, std::uint32_t request, const Message& message, std::uint32_t timeout_ms,
                            std::uint8_t flags) {
  OpenFrame frame(out, Opcode::request, request, flags);
  append_fixed(out, timeout_ms);
  return end_with_message(frame, out, message);
}

Result<void> append_complete(std::string& out, std::uint32_t request, std::uint64_t lease,
                             std::span<const Message> outputs) {
  if (outputs.size() > kOutputsMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("{} outputs; {} may be in one completion", outputs.size(), kOutputsMax));
  }
  OpenFrame frame(out, Opcode::complete, request);
  append_fixed(out, lease);
  return end_with_messages(frame, out, outputs, "output {}: {}");
}

void append_subscribe(std::string& out, std::uint32_t request, const SubscribeRequest& subscribe) {
  MapFrame map(out, Opcode::subscribe, request);
  map.text(0, subscribe.pattern);
  if (subscribe.credit) map.uint(1, subscribe.credit);
  if (subscribe.echo) map.flag(2, true);
  map.text(3, subscribe.filter);
}

void append_consume(std::string& out, std::uint32_t request, std::string_view mailbox, std::uint32_t credit) {
  MapFrame(out, Opcode::consume, request).text(0, mailbox).uint(1, credit);
}

void append_filter(std::string& out, std::uint32_t request, std::uint32_t target, std::string_view filter) {
  append_header(out, Opcode::filter, 0, request, sizeof target + filter.size());
  append_fixed(out, target);
  out.append(filter);
}

void append_credit(std::string& out, std::uint32_t request, std::uint32_t target, std::uint32_t amount) {
  append_header(out, Opcode::credit, 0, request, 8);
  append_fixed(out, target);
  append_fixed(out, amount);
}

void append_cancel(std::string& out, std::uint32_t request, std::uint32_t target) {
  append_header(out, Opcode::cancel, 0, request, 4);
  append_fixed(out, target);
}

void append_receive(std::string& out, std::uint32_t request, const ReceiveRequest& receive) {
  MapFrame map(out, Opcode::receive, request);
  map.text(0, receive.mailbox).uint(1, receive.max);
  if (receive.wait_ms) map.uint(2, receive.wait_ms);
  if (receive.lease_ms) map.uint(3, receive.lease_ms);
}

void append_ack(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases, bool quiet) {
  append_header(out, Opcode::ack, quiet ? kFlagQuiet : 0, request, leases.size_bytes());
  out.append(reinterpret_cast<const char*>(leases.data()), leases.size_bytes());
}

void append_nack(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases,
                 std::optional<std::uint64_t> delay_ms, std::string_view reason, bool quiet) {
  MapFrame map(out, Opcode::nack, request, quiet);
  map.leases(0, leases);
  if (delay_ms) map.uint(1, *delay_ms);
  map.text(2, reason);
}

void append_reject(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases,
                   std::string_view reason, bool quiet) {
  MapFrame(out, Opcode::reject, request, quiet).leases(0, leases).text(2, reason);
}

void append_extend(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases,
                   std::uint64_t lease_ms, bool quiet) {
  MapFrame(out, Opcode::extend, request, quiet).leases(0, leases).uint(1, lease_ms);
}

void limit_to_message(std::string& frame, const Uuid& id) {
  auto header = load<FrameHeader>(as_bytes(frame).data());
  header.length += sizeof id;
  header.flags |= kFlagOfMessage;
  store(frame.data(), header);
  frame.insert(sizeof header, as_text(bytes_of(id)));
}

void append_receipt(std::string& out, std::uint32_t request, std::span<const Uuid> ids) {
  append_header(out, Opcode::receipt, 0, request, ids.size_bytes());
  for (const auto& id : ids) append_fixed(out, id);
}

void append_wait(std::string& out, std::uint32_t request, std::string_view mailbox, std::uint64_t timeout_ms) {
  MapFrame(out, Opcode::wait, request).text(0, mailbox).uint(1, timeout_ms);
}

void append_stats(std::string& out, std::uint32_t request, std::string_view mailbox) {
  MapFrame(out, Opcode::stats, request).text(0, mailbox);
}

void append_ping(std::string& out, std::uint32_t request) { append_header(out, Opcode::ping, 0, request, 0); }

void append_mailbox(std::string& out, std::uint32_t request, const MailboxRequest& mailbox) {
  MapFrame map(out, Opcode::mailbox, request);
  map.text(0, mailbox.name);
  if (mailbox.max_messages) map.uint(1, *mailbox.max_messages);
  if (mailbox.drop_oldest) map.uint(2, *mailbox.drop_oldest ? 1 : 0);
  if (mailbox.default_ttl_ms) map.uint(3, *mailbox.default_ttl_ms);
  if (mailbox.max_deliveries) map.uint(4, *mailbox.max_deliveries);
  if (mailbox.retry) map.retry(5, *mailbox.retry);
}

void append_call(std::string& out, std::uint32_t request, std::string_view name, std::string_view arguments,
                 bool packed) {
  MapFrame frame(out, Opcode::call, request);
  frame.text(0, name).text(1, arguments);
  if (packed) frame.flag(2, true);
}

void append_content_open(std::string& out, std::uint32_t request, std::uint64_t size,
                         const std::optional<ContentHash>& hash) {
  MapFrame map(out, Opcode::content_open, request);
  map.uint(0, size);
  if (hash) map.bytes(1, as_text(bytes_of(*hash)));
}

void append_content_write(std::string& out, std::uint32_t request, std::uint32_t upload, std::uint64_t offset,
                          std::string_view bytes) {
  append_header(out, Opcode::content_write, 0, request, sizeof upload + sizeof offset + bytes.size());
  append_fixed(out, upload);
  append_fixed(out, offset);
  out.append(bytes);
}

void append_content_finish(std::string& out, std::uint32_t request, std::uint32_t upload, const ContentHash& hash) {
  append_header(out, Opcode::content_finish, 0, request, sizeof upload + sizeof hash);
  append_fixed(out, upload);
  append_fixed(out, hash);
}

void append_content_stat(std::string& out, std::uint32_t request, const ContentHash& hash) {
  append_header(out, Opcode::content_stat, 0, request, sizeof hash);
  append_fixed(out, hash);
}

void append_content_read(std::string& out, std::uint32_t request, const ContentHash& hash, std::uint64_t offset,
                         std::uint32_t bytes) {
  append_header(out, Opcode::content_read, 0, request, sizeof hash + sizeof offset + sizeof bytes);
  append_fixed(out, hash);
  append_fixed(out, offset);
  append_fixed(out, bytes);
}

Result<Welcome> read_welcome(Bytes body) {
  PackReader reader(body);
  Welcome welcome;
  for (auto pairs = reader.map(); pairs-- && reader.ok();) {
    switch (reader.uint()) {
      case 0:
        welcome.version = reader.uint();
        break;
      case 1:
        welcome.software = reader.str();
        break;
      case 2:
        welcome.session = reader.uint();
        break;
      case 3:
        welcome.max_frame_bytes = reader.uint();
        break;
      case 4:
        welcome.max_content_bytes = reader.uint();
        break;
      case 5:
        welcome.node = reader.uint();
        break;
      case 6:
        welcome.max_stored_bytes = reader.uint();
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return std::unexpected(broken("WELCOME"));
  return welcome;
}

Result<std::pair<DeliveryHead, Bytes>> read_delivery_head(const Frame& frame) {
  DeliveryHead head;
  Bytes rest = frame.body;
  head.redelivered = frame.header.flags & kFlagRedelivered;
  if (frame.header.flags & kFlagLeased) {
    if (rest.size() < kLeaseBlockBytes) return std::unexpected(broken("DELIVER"));
    head.lease = load<std::uint64_t>(rest.data());
    head.delivery = load<std::uint32_t>(rest.data() + 8);
    rest = rest.subspan(kLeaseBlockBytes);
  }
  return std::pair{head, rest};
}

Result<Delivered> read_delivery(const Frame& frame) {
  const auto head = read_delivery_head(frame);
  if (!head) return std::unexpected(head.error());
  Delivered delivered{head->first, {}};
  if (auto done = decode_message(head->second, delivered.message); !done)
    return std::unexpected(std::move(done.error()));
  return delivered;
}

Result<Confirm> read_confirm(Bytes body) {
  if (body.size() < sizeof(Confirm)) return std::unexpected(broken("CONFIRM"));
  return load<Confirm>(body.data());
}

Result<Settled> read_settled(Bytes body) {
  if (body.size() < 8) return std::unexpected(broken("SETTLED"));
  Settled settled{.settled = load<std::uint32_t>(body.data()), .refused = {}};
  const std::size_t refused = load<std::uint32_t>(body.data() + 4);
  if (body.size() - 8 < refused * 8) return std::unexpected(broken("SETTLED"));
  for (std::size_t i = 0; i < refused; ++i) settled.refused.push_back(load<std::uint64_t>(body.data() + 8 + i * 8));
  return settled;
}

Result<std::vector<Result<Confirm>>> read_batch_results(Bytes body) {
  std::vector<Result<Confirm>> results;
  while (!body.empty()) {
    if (body.size() < 4) return std::unexpected(broken("a batch's answer"));
    const auto code = load<std::uint16_t>(body.data());
    if (code == 0) {
      auto confirm = read_confirm(body.subspan(2));
      if (!confirm) return std::unexpected(confirm.error());
      results.push_back(*confirm);
      body = body.subspan(2 + sizeof(Confirm));
      continue;
    }
    const std::size_t size = load<std::uint16_t>(body.data() + 2);
    if (body.size() - 4 < size) return std::unexpected(broken("a batch's answer"));
    results.push_back(std::unexpected(split_text(static_cast<ErrorCode>(code), as_text(body.subspan(4, size)))));
    body = body.subspan(4 + size);
  }
  return results;
}

Result<std::vector<CopyReceipt>> read_receipts(Bytes body) {
  PackReader reader(body);
  std::vector<CopyReceipt> receipts;
  for (auto count = reader.array(); count-- && reader.ok();) {
    CopyReceipt receipt;
    for (auto pairs = reader.map(); pairs-- && reader.ok();) {
      switch (reader.uint()) {
        case 0: {
          const auto id = reader.bin();
          if (id.size() != 16) return std::unexpected(broken("a receipt"));
          receipt.id = load<Uuid>(id.data());
          break;
        }
        case 1:
          receipt.recipient = reader.str();
          break;
        case 2:
          receipt.state = static_cast<ReceiptState>(reader.uint());
          break;
        case 3:
          receipt.deliveries = reader.uint();
          break;
        case 4:
          receipt.at = static_cast<std::int64_t>(reader.uint());
          break;
        case 5:
          receipt.reason = reader.str();
          break;
        case 6:
          receipt.holder = reader.str();
          break;
        case 7:
          receipt.held_since = static_cast<std::int64_t>(reader.uint());
          break;
        default:
          reader.skip();
      }
    }
    receipts.push_back(std::move(receipt));
  }
  if (!reader.ok()) return std::unexpected(broken("a receipt"));
  return receipts;
}

Result<bool> read_content_opened(Bytes body) {
  if (body.size() != 1 || body[0] > 1) return std::unexpected(broken("the answer to CONTENT_OPEN"));
  return body[0] == 1;
}

Result<ContentFinished> read_content_finished(Bytes body) {
  if (body.size() != 9) return std::unexpected(broken("the answer to CONTENT_FINISH"));
  return ContentFinished{.size = load<std::uint64_t>(body.data()), .was_known = body[8] != 0};
}

Result<std::uint64_t> read_content_size(Bytes body) {
  if (body.size() != 8) return std::unexpected(broken("the answer to CONTENT_STAT"));
  return load<std::uint64_t>(body.data());
}

Result<Withdrawn> read_withdrawn(Bytes body) {
  if (body.size() != sizeof(std::uint64_t) + sizeof(Uuid)) return std::unexpected(broken("WITHDRAWN"));
  return Withdrawn{load<std::uint64_t>(body.data()), load<Uuid>(body.data() + sizeof(std::uint64_t))};
}

Result<std::uint32_t> read_u32(Bytes body, std::size_t at) {
  if (body.size() < at + 4) return std::unexpected(broken("an answer"));
  return load<std::uint32_t>(body.data() + at);
}

}  // namespace folkmoot
