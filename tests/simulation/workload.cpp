#include "simulation/workload.hpp"

#include <algorithm>

namespace folkmoot::simulation {
namespace {

constexpr std::size_t kSessionsMax = 6;

struct Chooser {
  Random& random;
  const RunOptions& options;
  Agents& agents;
  Model& model;
  Engine& engine;
  AgentSession* session = nullptr;

  std::size_t mailbox() { return random.below(options.mailboxes); }

  Published message() {
    Published asked;
    asked.mailbox = mailbox();
    asked.sender = random.below(options.senders);
    asked.priority = static_cast<Priority>(random.one_in(3) ? random.between(1, 10) : normal);
    asked.once = random.one_in(6);
    if (random.one_in(6)) asked.ttl_ms = random.one_in(4) ? 0 : random.between(1, 5'000);
    if (random.one_in(10)) {
      asked.deliver_at = engine.now().ms + random.between(-50, 3'000);
    } else if (random.one_in(10)) {
      asked.delay_ms = random.between(1, 3'000);
    }
    const auto due = std::max(engine.now().ms + asked.delay_ms, asked.deliver_at);
    if (!asked.ttl_ms && random.one_in(12)) asked.expires_at = due + random.between(1, 5'000);
    asked.group = random.one_in(4) ? static_cast<std::uint32_t>(random.between(1, 2)) : 0;
    if (random.one_in(5)) asked.retry = policy();
    if (random.one_in(6)) asked.content = agents.contents().any(random);
    asked.bounce = random.one_in(5);
    if (random.one_in(12)) asked.reply_to = mailbox();
    asked.silent = random.one_in(10);
    asked.conversation = random.one_in(3) ? static_cast<std::uint32_t>(random.between(1, 3)) : 0;
    asked.tokens =
        asked.conversation != 0 && random.one_in(2) ? static_cast<std::uint32_t>(random.between(1, 1'000)) : 0;
    return asked;
  }

  // One that another has caused, as its sender says.
  Published caused() {
    auto asked = message();
    const auto cause = agents.any_cause(!random.one_in(4));  // chains grow longer than what is kept of them
    if (!cause.is_nil()) asked.caused = model.caused_by(cause, static_cast<std::uint32_t>(random.below(4)));
    return asked;
  }

  // A request that somebody else is to answer. (A bounce of it would be an answer of the server's.)
  Published handed_on() {
    auto asked = message();
    if (agents.addresses().empty()) return asked;
    asked.handed_on = agents.addresses().back().text;
    asked.reply_to.reset();
    asked.bounce = false;
    return asked;
  }

  void rule() {
    if (random.one_in(3)) return wake();
    if (random.one_in(4)) return keep_access();
    random.one_in(3) ? route() : schedule();
  }

  std::string name(std::string_view of) { return fmt::format("{}-{}", of, random.below(3)); }

  void schedule() {
    if (random.one_in(4)) return agents.remove_schedule(*session, name("schedule"));
    ScheduleSpec spec{.name = name("schedule")};
    const auto now = engine.now().ms;
    random.one_in(4) ? spec.minutes = random.between(1, 2) : spec.every_ms = random.between(100, 3'000);
    if (random.one_in(3)) spec.first_at = now + random.between(-100, 3'000);
    if (random.one_in(4)) spec.until = now + random.between(-100, 20'000);
    if (random.one_in(2)) spec.times = static_cast<std::uint64_t>(random.between(1, 5));
    // Without room in memory one is not sent; who does not listen to `bus.schedule` cannot tell.
    if (random.one_in(3) && !model.memory_limited) spec.topic = topic(false);
    auto asked = message();
    asked.caused.reset();
    asked.content = 0;                        // only messages are counted here
    asked.deliver_at = asked.expires_at = 0;  // times, of messages that go out at many
    agents.set_schedule(*session, spec, asked);
  }

  template <class Ask>
  void keep_webhook(const std::string& agent, const std::optional<WebhookRule>& wanted, Ask ask) {
    auto& checker = model.checkers.webhooks;
    const bool is_new = wanted && wanted->revision == 0;
    checker.asking = agent;
    checker.wanted = wanted;
    agents.keep(*session, is_new || checker.rule_of(agent),
                [&](Engine& asked, Asker asker) { ask(asked.webhooks(), asker); });
    checker.asking.clear();
  }

  void webhook() {
    const auto agent = name("account");
    const auto known = model.checkers.webhooks.rule_of(agent);
    const auto now = engine.now();
    const std::string secrets[] = {"whsec_" + std::string(32, 'A'), "whsec_" + std::string(32, 'B')};
    const auto& secret = secrets[random.below(2)];
    auto next = known.value_or(WebhookRule{.agent = agent});
    switch (known ? random.below(5) : 0) {
      case 0: {
        next.url = random.one_in(2) ? "http://a.example/" : "https://b.example/x";
        next.secrets = {{.secret = secret}};
        next.rate = static_cast<std::uint32_t>(random.below(3));
        next.disabled_at = 0;
        next.disabled_reason.clear();
        return keep_webhook(agent, next, [&](auto& table, Asker asker) { table.set(asker, next); });
      }
      case 1: {
        std::erase_if(next.secrets, [&](const WebhookKey& key) {
          return key.secret == secret || (key.until != 0 && key.until <= now);
        });
        for (auto& key : next.secrets)
          key.until = key.until == 0 ? now + Duration{1'000} : std::min(key.until, now + Duration{1'000});
        next.secrets.insert(next.secrets.begin(), {.secret = secret});
        return keep_webhook(agent, next, [&](auto& table, Asker asker) { table.rotate(asker, agent, secret, 1'000); });
      }
      case 2: {
        const bool is_late = random.one_in(3);
        const auto revision = is_late ? known->revision + 1 : random.one_in(2) ? known->revision : 0;
        next.disabled_at = now;
        next.disabled_reason = "why";
        return keep_webhook(agent, next,
                            [&](auto& table, Asker asker) { table.disable(asker, agent, revision, "why"); });
      }
      case 3:
        next.disabled_at = 0;
        next.disabled_reason.clear();
        return keep_webhook(agent, next, [&](auto& table, Asker asker) { table.enable(asker, agent); });
      default:
        return keep_webhook(agent, std::nullopt, [&](auto& table, Asker asker) { table.remove(asker, agent); });
    }
  }

  // Few names and forms, so that they are changed, withdrawn and given again.
  void keep_access() {
    if (random.one_in(3)) return webhook();
    const auto who = name("account");
    const bool withdraws = random.one_in(3);
    const auto keep = [&](const std::string& key, std::string form, const auto& ask) {
      auto& checker = model.checkers.access;
      checker.asking = key;
      checker.wanted = withdraws ? std::nullopt : AccessChecker::Form(std::move(form));
      agents.keep(*session, !withdraws || checker.has(key),
                  [&](Engine& asked, Asker asker) { ask(asked.accounts(), asker); });
      checker.asking.clear();
    };
    if (random.one_in(2)) {
      const access::Account account{
          .name = who, .role = random.one_in(2) ? "agent" : "operator", .names = {who}, .disabled = random.one_in(3)};
      return keep(AccessChecker::of_account(who), access::pack(account), [&](Accounts& accounts, Asker asker) {
        withdraws ? accounts.remove(asker, who) : accounts.set(asker, account);
      });
    }
    const auto rule = *access::make_rule(random.one_in(2), who, AccessAction::send, name("to"), "");
    keep(AccessChecker::of_rule(rule.key()), access::pack(rule), [&](Accounts& accounts, Asker asker) {
      withdraws ? accounts.remove_rule(asker, rule.key()) : accounts.set(asker, rule);
    });
  }

  void route() {
    if (random.one_in(4)) return agents.remove_route(*session, name("route"));
    RouteSpec spec{.order = static_cast<std::uint32_t>(random.below(3)),
                   .priority_max = 0,
                   .targets = {},
                   .strategy = static_cast<Strategy>(random.below(5)),
                   .consumers_only = false};
    if (random.one_in(2)) spec.priority_max = static_cast<Priority>(random.between(2, 8));
    spec.consumers_only = random.one_in(3);
    for (std::size_t i = 0; i < options.mailboxes; ++i) {
      if (random.one_in(2) || i + 1 == options.mailboxes)
        spec.targets.emplace_back(i, static_cast<std::uint32_t>(random.between(1, 4)));
    }
    agents.set_route(*session, name("route"), spec);
  }

  void redrive() {
    const auto from = random.one_in(6) ? model.unrouted() : mailbox();
    // Whom the routes would choose when each one's turn comes is not foreseen here.
    const auto to = from == model.unrouted() || random.one_in(3) ? std::optional(mailbox()) : std::nullopt;
    agents.redrive(*session, from, to, static_cast<std::uint32_t>(random.below(6)),
                   random.one_in(2) ? 0 : static_cast<std::uint32_t>(random.between(1, 200)));
  }

  // Times of the day near now, so that they come.
  std::int32_t minute_near(std::int64_t local_ms) {
    const auto minute = local_ms / 60'000 + random.between(-2, 3);
    return static_cast<std::int32_t>((minute % kMinutesADay + kMinutesADay) % kMinutesADay);
  }

  void wake() {
    if (random.one_in(8)) return agents.remove_wake(*session, mailbox());
    WakeRule rule{.agent = model.names()[mailbox()], .how = static_cast<WakeHow>(random.below(2))};
    if (random.one_in(3)) rule.priority = static_cast<Priority>(random.between(2, 9));
    if (random.one_in(3)) {
      rule.batch = static_cast<std::uint32_t>(random.between(2, 5));
      rule.batch_wait = Duration{random.between(1, 3'000)};
    }
    const auto now = engine.now().ms;
    std::int64_t offset = 0;  // s
    if (random.one_in(2)) {   // where midnight is near
      offset = 86'400 - (now / 1'000) % 86'400 - random.between(0, 40);
      offset = std::clamp<std::int64_t>(offset, 0, 86'399);
      rule.tz = fmt::format("ABC-{}:{:02}:{:02}", offset / 3'600, offset / 60 % 60, offset % 60);
    }
    if (random.one_in(3)) {
      rule.quiet_from = minute_near(now + offset * 1'000);
      rule.quiet_to = minute_near(now + offset * 1'000);
    }
    if (random.one_in(2)) rule.budget = static_cast<std::uint32_t>(random.between(1, 3));
    rule.retry_ms = Duration{random.between(100, 500)};
    rule.retry_max_ms = Duration{random.between(500, 1'000)};
    agents.set_wake(*session, rule);
  }

  void wakes() {
    const auto& held = model.checkers.wakes.held();
    if (!held.empty() && random.one_in(2)) {
      auto at = held.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(random.below(held.size())));
      const auto [agent, holds] = *at;
      return agents.end_wake(*session, agent, random.one_in(8) ? MessageKey{7} : holds.token,
                             random.one_in(3) ? WakeEnd::failed : WakeEnd::done);
    }
    agents.take_wakes(*session, random.one_in(2) ? std::optional(mailbox()) : std::nullopt,
                      static_cast<std::uint32_t>(random.between(1, 3)), random.one_in(2) ? 0 : random.between(1, 5'000),
                      random.one_in(3) ? random.between(1, 4'000) : 0);
  }

  Published keyed() {
    auto asked = message();
    asked.key = random.next() | 1;
    asked.content = 0;     // when it is sent again its content may have gone,
    asked.expires_at = 0;  // and its time may be over
    return asked;
  }

  RetryPolicy policy() {
    return {.attempts = static_cast<std::uint16_t>(random.below(5)),
            .backoff = static_cast<Backoff>(random.below(4)),
            .initial_ms = random.one_in(3) ? 0 : random.between(1, 1'000),
            .max_ms = random.one_in(2) ? 0 : random.between(100, 5'000),
            .multiplier_permille = static_cast<std::uint32_t>(random.between(1'000, 4'000))};
  }

  std::size_t bytes() { return random.one_in(3) ? random.below(options.content_bytes_max + 1) : random.below(64); }

  // Some leases: mostly this connection's, now and then another's or one long gone.
  std::vector<LeaseToken> tokens() {
    std::vector<LeaseToken> tokens;
    const auto count = static_cast<std::size_t>(random.between(1, 5));
    for (const auto& [token, lease] : agents.leases().held()) {
      if (tokens.size() < count && random.one_in(2)) tokens.push_back(token);
    }
    if (random.one_in(5) && !agents.leases().ended().empty()) tokens.push_back(random.pick(agents.leases().ended()));
    if (random.one_in(30) && !tokens.empty()) tokens.push_back(tokens.front());
    if (tokens.empty()) tokens.emplace_back(random.one_in(2) ? 0 : random.next());
    return tokens;
  }

  std::string topic(bool pattern) {
    static const std::vector<std::string> kTopics = {"a", "a.b", "a.b.c", "x.b", "x.y.c"};
    static const std::vector<std::string> kPatterns = {"a", "a.*", "*.b", "a.>", ">", "*.*.c", "x.y.c"};
    return random.pick(pattern ? kPatterns : kTopics);
  }

  template <class Map>
  RequestNumber any_of(const Map& map) {
    if (map.empty()) return RequestNumber{static_cast<std::uint32_t>(random.below(20))};
    auto at = map.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random.below(map.size())));
    return at->first;
  }

  RequestNumber target() {
    switch (random.below(3)) {
      case 0:
        return any_of(session->consumers);
      case 1:
        return any_of(session->subscriptions);
      default: {
        std::map<RequestNumber, int> waiting;
        for (const auto& [request, ask] : session->asks) {
          if (ask.kind == Ask::Kind::redrive || ask.kind == Ask::Kind::receive || ask.kind == Ask::Kind::wait ||
              ask.kind == Ask::Kind::request || ask.kind == Ask::Kind::wakes)
            waiting[request] = 0;
        }
        return any_of(waiting);
      }
    }
  }

  MailboxLimits limits() {
    auto limits = options.engine.mailbox;
    limits.max_messages = static_cast<std::uint64_t>(random.between(3, 40));
    limits.overflow = random.one_in(2) ? Overflow::drop_oldest : Overflow::reject;
    if (random.one_in(2)) limits.retry = policy();
    limits.retry.attempts = static_cast<std::uint16_t>(random.between(1, 6));
    return limits;
  }

  std::vector<Published> several(std::int64_t least, std::int64_t most) {
    std::vector<Published> asked;
    for (auto count = random.between(least, most); count > 0; --count) {
      if (!asked.empty() && asked.front().key != 0 && random.one_in(3)) {
        asked.push_back(asked.front());
        continue;
      }
      asked.push_back(random.one_in(6) ? keyed() : random.one_in(4) ? caused() : message());
    }
    return asked;
  }

  void batch() {
    const auto asked = several(1, 6);
    if (random.one_in(3)) return agents.publish_atomic(*session, asked, random.one_in(6));
    agents.publish_batch(*session, asked, random.one_in(6));
  }

  void listen() {
    const auto priority = random.one_in(3) ? static_cast<Priority>(random.between(2, 8)) : Priority{0};
    if (random.one_in(4)) return agents.set_filter(*session, any_of(session->subscriptions), priority);
    agents.subscribe(*session, topic(true), static_cast<std::uint32_t>(random.below(3)), random.one_in(3), priority);
  }

  void request() {
    auto asked = random.one_in(3) ? caused() : message();
    asked.transient = random.percent(70);
    asked.content = 0;
    const auto timeout_ms = random.one_in(4) && asked.transient ? 0 : random.between(1, 3'000);
    agents.request(*session, asked, timeout_ms, random.one_in(2));
  }

  // Now and then nearly as many as a number holds.
  void credit() {
    const auto amount =
        random.one_in(20) ? 0xffff'ffff - random.below(3) : static_cast<std::uint64_t>(random.between(1, 4));
    agents.credit(*session, target(), static_cast<std::uint32_t>(amount));
  }

  void complete() {
    std::optional<EventOutput> event;
    if (random.one_in(3)) {
      event = {.topic = topic(false), .conversation = static_cast<std::uint32_t>(random.below(4)), .tokens = 0};
      if (random.one_in(2)) event->tokens = static_cast<std::uint32_t>(random.between(1, 1'000));
    }
    agents.complete(*session, tokens().front(), several(0, 3), event);
  }

  void run(std::uint64_t what) {
    if (what < 16)
      return agents.publish(*session, random.one_in(4) ? handed_on() : message(), bytes(), random.one_in(8));
    if (what < 19) return agents.publish(*session, caused(), bytes(), random.one_in(8));
    if (what < 21)
      return agents.publish_routed(*session, random.one_in(3) ? caused() : random.one_in(2) ? keyed() : message());
    if (what < 22) return rule();
    if (what < 23) return redrive();
    if (what < 26) return agents.publish(*session, keyed(), bytes(), random.one_in(4));
    if (what < 28) return agents.publish_again(*session);
    if (what < 29) return agents.cancel_message(*session, session->next_request.value % 2 == 0);
    if (what < 30)
      return random.one_in(3) ? agents.purge(*session, mailbox(), random.below(4)) : agents.resubmit(*session);
    if (what < 33) return batch();
    if (what < 38) return agents.publish_event(*session, topic(false), static_cast<Priority>(random.between(1, 10)));
    if (what < 41) return request();
    if (what < 44) {
      if (agents.addresses().empty()) return;
      const auto& address = agents.addresses()[random.below(agents.addresses().size())];
      const auto [able, cause] = random.one_in(4) ? std::pair<AgentSession*, Uuid>{} : agents.answerer(address);
      // Whoever has heard of a message that hands a request on may name it as its cause.
      const auto handed_on = agents.handed_on();
      if (able == nullptr && !handed_on.empty()) {
        const auto& [its_address, its_cause] = random.pick(handed_on);
        return agents.respond(*session, its_address, random.one_in(3), its_cause);
      }
      return agents.respond(able != nullptr ? *able : *session, address, random.one_in(3), cause);
    }
    if (what < 47) return listen();
    if (what < 53) return agents.consume(*session, mailbox(), static_cast<std::uint32_t>(random.below(6)));
    if (what < 58) return credit();
    if (what < 60) return agents.cancel(*session, target());
    if (what < 66) {
      return agents.receive(*session, mailbox(), static_cast<std::uint32_t>(random.between(1, 6)),
                            random.one_in(2) ? 0 : random.between(0, 2'000),
                            random.one_in(2) ? 0 : random.between(1, 3'000));
    }
    if (what < 69) return agents.wait(*session, mailbox(), random.between(0, 1'500));
    if (what < 79) return agents.ack(*session, tokens(), random.one_in(6));
    if (what < 82) return complete();
    if (what < 84) return agents.reject(*session, tokens(), random.one_in(6));
    if (what < 87) return agents.nack(*session, tokens(), -1, random.one_in(6));
    if (what < 90)
      return agents.nack(*session, tokens(), random.one_in(2) ? 0 : random.between(1, 2'000), random.one_in(6));
    if (what < 93) return agents.extend(*session, tokens(), random.one_in(2) ? 0 : random.between(1, 2'000));
    if (what < 94) {
      if (random.one_in(6)) return agents.delete_mailbox(*session, mailbox());
      const auto own = random.one_in(2) ? int{kOwnAll} : static_cast<int>(random.below(kOwnAll + 1));
      return agents.configure(*session, mailbox(), limits(), static_cast<std::uint8_t>(own), random.one_in(4));
    }
    if (what < 96) return agents.writable(*session);
    if (what < 97) {
      return agents.contents().store(engine, static_cast<std::uint32_t>(random.between(1, ContentChecker::kContents)));
    }
    if (what < 98) return wakes();
    agents.close(*session);
  }
};

}  // namespace

void one_command(Random& random, const RunOptions& options, Agents& agents, Model& model, Engine& engine) {
  Chooser chooser{random, options, agents, model, engine};
  auto& sessions = agents.sessions();
  if (sessions.empty() || (sessions.size() < kSessionsMax && random.one_in(12))) {
    agents.open(random.below(model.bus()));
    return;
  }
  auto at = sessions.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random.below(sessions.size())));
  chooser.session = &at->second;
  chooser.run(random.below(100));
}

}  // namespace folkmoot::simulation
