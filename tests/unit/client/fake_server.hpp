// A small server that speaks frames on a real loopback socket: mailboxes and topics in memory, no durability. Tests can
// make it misbehave: keep confirms back, stay silent, refuse, cut every connection.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "message/envelope.hpp"
#include "message/frame.hpp"
#include "message/pack.hpp"
#include "message/topic.hpp"

namespace folkmoot {

class FakeServer {
 public:
  explicit FakeServer(std::uint16_t port = 0) : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), port}) {
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~FakeServer() {
    context_.stop();
    thread_.join();
  }

  std::uint16_t port() { return acceptor_.local_endpoint().port(); }
  std::string address() { return "127.0.0.1:" + std::to_string(port()); }

  std::atomic<bool> hold_confirms = false, silent = false;
  std::atomic<int> connections = 0, publishes = 0, pings = 0, most_in_flight = 0, cancels = 0, streams = 0;

  void cut_all() {
    run([this] {
      for (const auto& session : std::set(sessions_)) {
        session->socket.close();
        leave(session);
      }
    });
  }
  std::size_t waiting(const std::string& mailbox) {
    return run([&] { return mailboxes_[mailbox].size(); });
  }
  void put(const std::string& mailbox, Message message) {
    run([&] {
      message.to = mailbox;
      enqueue(message);
    });
  }
  void lag(std::uint32_t count) {
    run([&] {
      for (auto& flow : flows_) send(*flow.session, Opcode::lagged, 0, flow.request, as_text(bytes_of(count)));
    });
  }
  /// Tells the holders of all leases that their work is not wanted any more.
  void withdraw_all() {
    run([this] {
      for (auto& [token, lease] : leases_) {
        const auto id = lease.message.id;
        send(*lease.session, Opcode::withdrawn, 0, 0,
             std::string(as_text(bytes_of(token))).append(as_text(bytes_of(id))));
      }
    });
  }
  /// What the call `name` answers from now on.
  void answer_call(std::string name, std::string body) {
    run([&] { answers_[name] = body; });
  }
  /// The arguments of the last call.
  std::string called() {
    return run([&] { return called_; });
  }
  /// A message as it lies in a mailbox.
  Message peek(const std::string& mailbox) {
    return run([&] { return mailboxes_[mailbox].empty() ? Message{} : mailboxes_[mailbox].front(); });
  }
  std::uint32_t granted() {
    return run([&] { return granted_; });
  }

 private:
  struct Session : std::enable_shared_from_this<Session> {
    explicit Session(boost::asio::ip::tcp::socket s) : socket(std::move(s)) {}
    boost::asio::ip::tcp::socket socket;
    std::vector<std::uint8_t> in = std::vector<std::uint8_t>(1 << 20);
    std::size_t held = 0;
    std::string out, writing;
    int held_back = 0;
  };
  struct Flow {
    std::shared_ptr<Session> session;
    std::uint32_t request, credit;
    std::string mailbox, pattern;
  };
  struct Lease {
    std::shared_ptr<Session> session;
    std::string mailbox;
    Message message;
    std::uint32_t flow;
  };

  template <class Call>
  std::invoke_result_t<Call> run(Call call) {
    std::packaged_task<std::invoke_result_t<Call>()> task(std::move(call));
    auto done = task.get_future();
    boost::asio::post(context_, [&task] { task(); });
    return done.get();
  }

  void accept() {
    acceptor_.async_accept([this](auto error, boost::asio::ip::tcp::socket socket) {
      if (error) return;
      ++connections;
      socket.set_option(boost::asio::ip::tcp::no_delay(true));
      read(*sessions_.insert(std::make_shared<Session>(std::move(socket))).first);
      accept();
    });
  }

  void read(const std::shared_ptr<Session>& s) {
    s->socket.async_read_some(boost::asio::buffer(s->in.data() + s->held, s->in.size() - s->held),
                              [this, s](auto error, auto got) {
                                if (error) return leave(s);
                                s->held += got;
                                Bytes left(s->in.data(), s->held);
                                for (;;) {
                                  auto frame = cut_frame(left, 8u << 20);
                                  if (!frame) return leave(s);
                                  if (!*frame) break;
                                  if (!silent) on_frame(s, **frame);
                                }
                                const auto rest = left.size() >= 4 ? 4ull + load<std::uint32_t>(left.data()) : 0;
                                if (!left.empty()) std::memmove(s->in.data(), left.data(), left.size());
                                s->held = left.size();
                                if (rest > s->in.size()) s->in.resize(rest);
                                flush(s);
                                read(s);
                              });
  }

  void leave(const std::shared_ptr<Session>& s) {
    sessions_.erase(s);
    std::erase_if(flows_, [&](const Flow& flow) { return flow.session == s; });
    for (auto lease = leases_.begin(); lease != leases_.end();) {
      if (lease->second.session != s) {
        ++lease;
        continue;
      }
      mailboxes_[lease->second.mailbox].push_front(lease->second.message);
      lease = leases_.erase(lease);
    }
  }
  void flush(const std::shared_ptr<Session>& s) {
    if (!s->writing.empty() || s->out.empty()) return;
    std::swap(s->out, s->writing);
    boost::asio::async_write(s->socket, boost::asio::buffer(s->writing), [this, s](auto error, auto) {
      s->writing.clear();
      if (!error) flush(s);
    });
  }

  void send(Session& s, Opcode opcode, std::uint8_t flags, std::uint32_t request, std::string_view body) {
    append_frame(s.out, opcode, flags, request, body);
    flush(s.shared_from_this());
  }

  void deliver(Session& s, std::uint32_t request, const Message& message, std::uint64_t lease) {
    std::string body;
    if (lease) body.append(as_text(bytes_of(lease))).append(as_text(bytes_of(std::uint32_t{1})));
    static_cast<void>(encode_envelope(message, body));
    body += message.content;
    send(s, Opcode::deliver, lease ? kFlagLeased : 0, request, body);
  }

  void enqueue(const Message& message) {
    mailboxes_[message.to].push_back(message);
    push();
  }

  void push() {
    for (auto& flow : flows_) {
      auto& mailbox = mailboxes_[flow.mailbox];
      while (!flow.mailbox.empty() && flow.credit > 0 && !mailbox.empty()) {
        --flow.credit;
        const auto lease = ++last_lease_;
        leases_[lease] = {flow.session, flow.mailbox, mailbox.front(), flow.request};
        deliver(*flow.session, flow.request, mailbox.front(), lease);
        mailbox.pop_front();
      }
    }
  }

  std::string confirm_body(std::uint32_t count, PublishOutcome outcome) {
    Confirm confirm;
    confirm.id = make_id();
    confirm.count = count;
    confirm.outcome = outcome;
    if (outcome == PublishOutcome::duplicate) confirm.state = ReceiptState::acknowledged;
    confirm.age_ms = outcome == PublishOutcome::sent ? 0 : kNeverRead;
    return std::string(as_text(bytes_of(confirm)));
  }
  Uuid make_id() {
    Uuid id;
    id.bytes[6] = 0x70;
    store(id.bytes.data() + 8, ++last_id_);
    return id;
  }

  // The CONFIRM body, or the error.
  Result<std::string> accept_message(Bytes bytes, std::uint32_t request = 0) {
    auto message = decode_message(bytes);
    if (!message) return std::unexpected(message.error());
    ++publishes;
    if (message->to == "full") return failure(ErrorCode::mailbox_full, "mailbox full is full (1 of 1 waiting)");
    if (!message->key.empty() && !keys_.insert(message->key).second) return confirm_body(0, PublishOutcome::duplicate);
    message->id = make_id();
    if (message->from.empty()) message->from = "fake";
    if (request) message->reply_to = "@" + std::to_string(request);
    if (message->to.starts_with("@")) {
      for (auto& session : sessions_)
        deliver(*session, static_cast<std::uint32_t>(std::stoul(message->to.substr(1))), *message, 0);
      return confirm_body(0, PublishOutcome::sent);
    }
    if (!message->topic.empty()) {
      std::uint32_t count = 0;
      for (auto& flow : flows_) {
        if (flow.pattern.empty() || !topic_matches(flow.pattern, message->topic)) continue;
        deliver(*flow.session, flow.request, *message, 0);
        ++count;
      }
      return confirm_body(count, PublishOutcome::sent);
    }
    enqueue(*message);
    return confirm_body(static_cast<std::uint32_t>(mailboxes_[message->to].size()), PublishOutcome::queued);
  }

  // The answer to several messages; an atomic refusal names no place here.
  void answer_all(Session& s, std::uint32_t request, Bytes rest, bool atomic) {
    std::string body;
    std::optional<Error> refused;
    while (!rest.empty()) {
      const auto size = load<std::uint32_t>(rest.data());
      auto confirm = accept_message(rest.subspan(4, size));
      const auto code = static_cast<std::uint16_t>(confirm ? ErrorCode{} : confirm.error().code);
      body += as_text(bytes_of(code));
      if (!confirm) body += as_text(bytes_of(static_cast<std::uint16_t>(confirm.error().text.size())));
      body += confirm ? *confirm : confirm.error().text;
      if (!confirm) refused = confirm.error();
      rest = rest.subspan(4 + size);
    }
    if (atomic && refused) return append_error(s.out, Opcode::error, request, *refused);
    send(s, Opcode::ok, 0, request, body);
  }

  void settle(const std::shared_ptr<Session>& s, const Frame& frame, const std::vector<std::uint64_t>& leases,
              bool back) {
    std::string refused;
    std::uint32_t counts[2] = {0, 0};
    for (const auto lease : leases) {
      const auto found = leases_.find(lease);
      ++counts[found == leases_.end()];
      if (found == leases_.end()) {
        refused += as_text(bytes_of(lease));
        continue;
      }
      for (auto& flow : flows_) flow.credit += flow.session == s && flow.request == found->second.flow;
      if (back) mailboxes_[found->second.mailbox].push_front(found->second.message);
      leases_.erase(found);
    }
    if (!(frame.header.flags & kFlagQuiet) || !refused.empty()) {
      send(*s, Opcode::settled, 0, frame.header.request, std::string(as_text(bytes_of(counts))) + refused);
    }
    push();
  }

  void on_frame(const std::shared_ptr<Session>& s, const Frame& frame) {
    const auto request = frame.header.request;
    const bool quiet = frame.header.flags & kFlagQuiet;
    PackReader reader(frame.body);
    std::map<std::uint64_t, std::string> text;
    std::map<std::uint64_t, std::uint64_t> number;
    std::vector<std::uint64_t> leases;
    const auto read_map = [&] {
      for (auto pairs = reader.map(); pairs-- && reader.ok();) {
        const auto key = reader.uint();
        switch (reader.peek()) {
          case MP_STR:
            text[key] = reader.str();
            break;
          case MP_UINT:
            number[key] = reader.uint();
            break;
          case MP_ARRAY:
            for (auto count = reader.array(); count--;) leases.push_back(reader.uint());
            break;
          default:
            reader.skip();
        }
      }
    };
    const auto fail = [&](const Error& error) { append_error(s->out, Opcode::error, request, error); };
    switch (frame.header.opcode) {
      case Opcode::hello: {
        read_map();
        if (text[2] == "wrong") {
          append_error(s->out, Opcode::goodbye, 0, {ErrorCode::unauthorized, "wrong token"});
          return;
        }
        std::string body;
        PackWriter(body).map(3).uint(0).uint(1).uint(1).str("fake").uint(3).uint(4u << 20);
        return send(*s, Opcode::welcome, 0, request, body);
      }
      case Opcode::publish: {
        if (hold_confirms) {
          ++publishes;
          most_in_flight = std::max(most_in_flight.load(), ++s->held_back);
          return;
        }
        auto confirm = accept_message(frame.body);
        if (!confirm) return fail(confirm.error());
        if (!quiet) send(*s, Opcode::confirm, 0, request, *confirm);
        return;
      }
      case Opcode::publish_batch:
        return answer_all(*s, request, frame.body.subspan(4), frame.header.flags & kFlagAtomic);
      case Opcode::complete: {
        const auto lease = load<std::uint64_t>(frame.body.data());
        if (!leases_.contains(lease)) return fail({ErrorCode::lease_lost, "the lease is not current"});
        leases_.erase(lease);
        return answer_all(*s, request, frame.body.subspan(12), true);
      }
      case Opcode::call: {
        read_map();
        called_ = text[1];
        const auto found = answers_.find(text[0]);
        if (found == answers_.end()) return fail({ErrorCode::not_found, "there is no call " + text[0]});
        return send(*s, Opcode::ok, 0, request, found->second);
      }
      case Opcode::request: {
        streams += (frame.header.flags & kFlagStream) != 0;
        auto confirm = accept_message(frame.body.subspan(4), request);
        if (!confirm) fail(confirm.error());
        return;
      }
      case Opcode::subscribe:
        read_map();
        if (!is_pattern(text[0])) return fail({ErrorCode::invalid_topic, "not a pattern"});
        flows_.push_back({s, request, static_cast<std::uint32_t>(number[1]), {}, text[0]});
        return send(*s, Opcode::ok, 0, request, {});
      case Opcode::consume:
        read_map();
        send(*s, Opcode::ok, 0, request, as_text(bytes_of(static_cast<std::uint32_t>(mailboxes_[text[0]].size()))));
        flows_.push_back({s, request, static_cast<std::uint32_t>(number[1]), text[0], {}});
        return push();
      case Opcode::receive: {
        read_map();
        std::uint32_t count = 0;
        auto& mailbox = mailboxes_[text[0]];
        for (; count < number[1] && !mailbox.empty(); ++count) {
          leases_[++last_lease_] = {s, text[0], mailbox.front(), 0};
          deliver(*s, request, mailbox.front(), last_lease_);
          mailbox.pop_front();
        }
        return send(*s, Opcode::ok, 0, request, as_text(bytes_of(count)));
      }
      case Opcode::ack:
        for (auto rest = frame.body; rest.size() >= 8; rest = rest.subspan(8))
          leases.push_back(load<std::uint64_t>(rest.data()));
        return settle(s, frame, leases, false);
      case Opcode::reject:
        read_map();
        return settle(s, frame, leases, false);
      case Opcode::nack:
        read_map();
        return settle(s, frame, leases, true);
      case Opcode::extend: {
        read_map();
        const std::uint32_t counts[2] = {static_cast<std::uint32_t>(leases.size()), 0};
        return send(*s, Opcode::settled, 0, request, as_text(bytes_of(counts)));
      }
      case Opcode::receipt: {
        std::string body;
        PackWriter writer(body);
        writer.array(1)
            .map(4)
            .uint(0)
            .bin(as_text(frame.body.first(16)))
            .uint(1)
            .str("analyst")
            .uint(2)
            .uint(3)
            .uint(4)
            .uint(17);
        return send(*s, Opcode::ok, 0, request, body);
      }
      case Opcode::wait: {
        const std::uint32_t ready[2] = {2, 3};
        return send(*s, Opcode::ok, 0, request, as_text(bytes_of(ready)));
      }
      case Opcode::stats:
        return send(*s, Opcode::ok, 0, request, R"({"server":"fake"})");
      case Opcode::ping:
        ++pings;
        return send(*s, Opcode::ok, 0, request, as_text(frame.body));
      case Opcode::credit:
        granted_ += load<std::uint32_t>(frame.body.data() + 4);
        return;
      case Opcode::cancel:
        ++cancels;
        std::erase_if(flows_, [&](const Flow& flow) {
          return flow.session == s && flow.request == load<std::uint32_t>(frame.body.data());
        });
        [[fallthrough]];
      default:
        return send(*s, Opcode::ok, 0, request, {});
    }
  }

  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::acceptor acceptor_;
  std::set<std::shared_ptr<Session>> sessions_;
  std::map<std::string, std::deque<Message>> mailboxes_;
  std::vector<Flow> flows_;
  std::map<std::uint64_t, Lease> leases_;
  std::uint64_t last_lease_ = 0, last_id_ = 0;
  std::uint32_t granted_ = 0;
  std::set<std::string> keys_;
  std::map<std::string, std::string> answers_;
  std::string called_;
  std::thread thread_;
};

}  // namespace folkmoot
