// The engine driven through what goes beyond one delivery.
#pragma once

#include "engine_fixture.hpp"

namespace folkmoot::test {

class DeliveryTest : public EngineTest {
 protected:
  std::vector<Result<IncomingMessage>> incoming(const std::vector<Message>& messages) {
    std::vector<Result<IncomingMessage>> all;
    for (const auto& message : messages) {
      auto& kept = envelopes.emplace_back();
      EXPECT_TRUE(encode_envelope(message, kept.first));
      kept.second = message.content;
      const auto routing = read_routing(as_bytes(kept.first));
      EXPECT_TRUE(routing);
      all.push_back(IncomingMessage{*routing, as_bytes(kept.first), as_bytes(kept.second)});
    }
    return all;
  }
  void complete(LeaseToken lease, const std::vector<Message>& outputs) {
    engine->complete(kBob, ++request, lease, incoming(outputs));
    sync();
  }
  void schedule(const ScheduleCommand& command, const Message& message) {
    engine->set_schedule(kAlice, ++request, command, *incoming({message})[0]);
    sync();
  }
  static Message keyed(std::string content, std::string key) {
    auto message = mail(std::move(content));
    message.key = std::move(key);
    message.mode = DeliveryMode::exactly_once;
    return message;
  }
  static Message grouped(std::string content, std::string group = "g") {
    auto message = mail(std::move(content));
    message.group = std::move(group);
    return message;
  }
  void say(const Message& message) {
    send(message);
    sync();
  }
  LeaseToken take() {
    receive(kBob, 1);
    sync();
    return delivered.empty() ? 0 : delivered.back().lease;
  }
  std::vector<DeadView> dead(DeadQuery query = {}) {
    std::vector<DeadView> all;
    texts.clear();
    engine->dead().each(query, {}, [&](const DeadView& view) {
      texts.emplace_back(view.text);
      all.push_back(view);
      return true;
    });
    return all;
  }
  std::vector<std::string> attempts(const Uuid& id) {
    std::vector<std::string> all;
    engine->dead().each_attempt(id, [&](const AttemptView& view) {
      all.push_back(std::string(view.holder) + " " + std::string(name(view.end)) + " " + std::string(view.reason));
    });
    return all;
  }
  Message last_delivered() const { return delivered.back().message; }

  std::deque<std::pair<std::string, std::string>> envelopes;
  std::vector<std::string> texts;
};

}  // namespace folkmoot::test
