// A server for the gateway's tests: real links, a thread that reads frames off them and answers by simple rules, and a
// record of what came. It knows some mailboxes by name: "one" has a message with lease 7, "none" waits until it is
// cancelled (and a message with lease 9 comes just before), everything else is empty.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "message/envelope.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"
#include "message/pack.hpp"
#include "server/link.hpp"

namespace folkmoot::testing {

/// Calls that it answers with not_found.
constexpr std::string_view kNotThere = "no.call history.show";

/// The name of the operation that a CALL is for.
inline std::string_view called(Bytes body) {
  PackReader reader(body);
  reader.map();
  reader.uint();
  return reader.str();
}

class FakeHub : public Hub {
 public:
  FakeHub() : thread_([this] { run(); }) {}
  ~FakeHub() override {
    {
      const std::lock_guard guard(lock_);
      stopping_ = true;
    }
    woken_.notify_all();
    thread_.join();
  }

  std::shared_ptr<Link> connect(DoorKind kind, std::size_t inbox_bytes_max, std::function<void()> on_ready) override {
    const std::lock_guard guard(lock_);
    if (refuses) return nullptr;
    auto link =
        std::make_shared<Link>(kind, inbox_bytes_max, std::move(on_ready), [this](Link& woken) { wake(woken); });
    links_[link.get()] = link;
    return link;
  }

  bool is_ready() const override { return ready; }

  std::size_t seen(Opcode opcode) {
    const std::lock_guard guard(lock_);
    return seen_[opcode].size();
  }
  /// The body of the latest frame with this opcode, once there are `count` of them.
  std::string wait_for(Opcode opcode, std::size_t count = 1) {
    std::unique_lock guard(lock_);
    woken_.wait_for(guard, std::chrono::seconds(5), [&] { return seen_[opcode].size() >= count; });
    return seen_[opcode].size() >= count ? seen_[opcode].back() : std::string("(never came)");
  }

  bool refuses = false;
  std::atomic<bool> ready = true;
  std::string stats = R"({"server":"fake","version":"9","uptime_ms":5,"accepts_durable":true,"mailboxes":[]})";

 private:
  void wake(Link& link) {
    const std::lock_guard guard(lock_);
    const auto found = links_.find(&link);
    if (found != links_.end()) queue_.push_back(found->second);
    woken_.notify_all();
  }

  void run() {
    for (;;) {
      std::shared_ptr<Link> link;
      {
        std::unique_lock guard(lock_);
        woken_.wait(guard, [this] { return stopping_ || !queue_.empty(); });
        if (stopping_) return;
        link = queue_.front();
        queue_.pop_front();
      }
      bool door_closed = false;
      const auto frames = link->take_inbox(door_closed);
      auto rest = as_bytes(frames);
      while (auto frame = cut_frame(rest, std::size_t{1} << 30)) {
        if (!*frame) break;
        std::string out;
        const bool go_on = answer(**frame, out);
        link->put_outbox(std::move(out));
        const std::lock_guard guard(lock_);
        seen_[(*frame)->header.opcode].push_back(std::string(as_text((*frame)->body)));
        woken_.notify_all();
        if (!go_on) {
          link->end_by_reactor();
          break;
        }
      }
      if (door_closed) {
        const std::lock_guard guard(lock_);
        links_.erase(link.get());
      }
    }
  }

  static void deliver(std::string& out, std::uint32_t request, std::uint64_t lease) {
    Message message;
    message.id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef");
    message.from = "planner";
    message.to = "one";
    message.content = "hello";
    message.content_type = "text/plain";
    std::string body;
    const std::uint32_t delivery = 1;
    if (lease) body.append(as_text(bytes_of(lease))).append(as_text(bytes_of(delivery)));
    (void)encode_envelope(message, body).has_value();
    body.append(message.content);
    append_frame(out, Opcode::deliver, lease ? kFlagLeased : 0, request, body);
  }

  static std::string u32(std::uint32_t value) { return std::string(as_text(bytes_of(value))); }

  /// The body of a settlement, behind the id of its message.
  static Bytes settlement(const Frame& frame) {
    return frame.body.subspan(names_its_message(frame) ? sizeof(Uuid) : 0);
  }

  bool answer(const Frame& frame, std::string& out) {
    const auto request = frame.header.request;
    const auto fail = [&](Opcode opcode, ErrorCode code, std::string text) {
      append_error(out, opcode, request, {code, std::move(text)});
    };
    const Confirm confirm{.id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef"),
                          .count = 1,
                          .outcome = PublishOutcome::queued,
                          .age_ms = kNeverRead};
    switch (frame.header.opcode) {
      case Opcode::hello: {
        if (as_text(frame.body).find("wrong-token") != std::string_view::npos) {
          append_error(out, Opcode::goodbye, 0, {ErrorCode::unauthorized, "that is not the token"});
          return false;
        }
        std::string body;
        PackWriter(body).map(1).uint(0).uint(1);
        append_frame(out, Opcode::welcome, 0, request, body);
        return true;
      }
      case Opcode::publish: {
        const auto routing = read_routing(frame.body);
        if (!routing) return fail(Opcode::error, routing.error().code, routing.error().text), true;
        if (routing->to == "full") return fail(Opcode::error, ErrorCode::mailbox_full, "mailbox full is full"), true;
        append_frame(out, Opcode::confirm, 0, request, as_text(bytes_of(confirm)));
        return true;
      }
      case Opcode::publish_batch: {
        std::string body;
        for (auto count = load<std::uint32_t>(frame.body.data()); count--;)
          body.append(2, '\0').append(as_text(bytes_of(confirm)));
        append_frame(out, Opcode::ok, 0, request, body);
        return true;
      }
      case Opcode::receive: {
        PackReader reader(frame.body);
        reader.map();
        reader.uint();
        const auto mailbox = reader.str();
        if (mailbox == "none") return true;
        if (mailbox == "one") deliver(out, request, 7);
        append_frame(out, Opcode::ok, 0, request, u32(mailbox == "one"));
        return true;
      }
      case Opcode::cancel:
        deliver(out, load<std::uint32_t>(frame.body.data()), 9);
        append_frame(out, Opcode::ok, 0, request, {});
        return true;
      case Opcode::ack: {
        const auto lease = load<std::uint64_t>(settlement(frame).data());
        if (names_its_message(frame) && lease != 7)
          return fail(Opcode::error, ErrorCode::lease_lost, "the lease is not current"), true;
        append_frame(out, Opcode::settled, 0, request,
                     lease == 7 ? u32(1) + u32(0) : u32(0) + u32(1) + std::string(as_text(bytes_of(lease))));
        return true;
      }
      case Opcode::complete: {
        const auto completion = settlement(frame);
        if (load<std::uint64_t>(completion.data()) != 7)
          return fail(Opcode::error, ErrorCode::lease_lost, "the lease is not current"), true;
        std::string body;
        for (auto count = load<std::uint32_t>(completion.data() + 8); count--;)
          body.append(2, '\0').append(as_text(bytes_of(confirm)));
        append_frame(out, Opcode::ok, 0, request, body);
        return true;
      }
      case Opcode::call: {
        const auto name = called(frame.body);
        if (name == "dead.resubmit")
          return append_frame(out, Opcode::confirm, 0, request, as_text(bytes_of(confirm))), true;
        if (kNotThere.contains(name))
          return fail(Opcode::error, ErrorCode::not_found, "there is nothing of that"), true;
        const auto body = name == "message.attempts" ? R"({"id":"x","attempts":[{"at":5,"end":"nacked"}]})"
                          : name == "dead.purge"     ? u32(3)
                          : name == "dead.redrive"   ? u32(4) + u32(1)
                          : name == "dead.list"      ? R"({"dead":[],"next":null})"
                                                     : std::string{};
        append_frame(out, Opcode::ok, 0, request, body);
        return true;
      }
      case Opcode::nack:
      case Opcode::reject:
      case Opcode::extend:
        append_frame(out, Opcode::settled, 0, request, u32(1) + u32(0));
        return true;
      case Opcode::request: {
        const auto routing = read_routing(frame.body.subspan(4));
        if (routing && routing->to == "nobody")
          return fail(Opcode::error, ErrorCode::no_consumer, "nobody consumes nobody"), true;
        if (load<std::uint32_t>(frame.body.data()) == 0) {
          append_frame(out, Opcode::ok, 0, request, {});
        } else {
          deliver(out, request, 0);
        }
        return true;
      }
      case Opcode::receipt: {
        std::string body;
        PackWriter(body)
            .array(1)
            .map(3)
            .uint(0)
            .bin(as_text(frame.body))
            .uint(1)
            .str("analyst")
            .uint(2)
            .uint(frame.body[15] == 0xef ? 4 : 0);
        append_frame(out, Opcode::ok, 0, request, body);
        return true;
      }
      case Opcode::stats:
        append_frame(out, Opcode::ok, 0, request, stats);
        return true;
      case Opcode::subscribe:
        append_frame(out, Opcode::ok, 0, request, {});
        return true;
      case Opcode::ping:
        append_frame(out, Opcode::ok, 0, request, as_text(frame.body));
        return true;
      case Opcode::wait:
        return true;
      default:
        return fail(Opcode::error, ErrorCode::unknown_opcode, "the fake does not know it"), true;
    }
  }

  std::mutex lock_;
  std::condition_variable woken_;
  std::map<Link*, std::shared_ptr<Link>> links_;     // guarded by lock_
  std::deque<std::shared_ptr<Link>> queue_;          // guarded by lock_
  std::map<Opcode, std::vector<std::string>> seen_;  // guarded by lock_
  bool stopping_ = false;                            // guarded by lock_
  std::thread thread_;
};

}  // namespace folkmoot::testing
