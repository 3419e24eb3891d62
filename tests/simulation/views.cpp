#include <algorithm>
#include <tuple>
#include <utility>

#include "simulation/views.hpp"

namespace folkmoot::simulation {

void ViewChecker::compare(Engine& engine) {
  for (std::size_t i = 0; i < model_.names().size(); ++i) {
    compare_peeked(engine, i);
    compare_dead(engine, i);
    compare_takers(engine, i);
  }
  for (const auto& [id, session] : agents_.sessions()) {
    const auto view = engine.session(id);
    const auto consumers =
        std::ranges::count_if(session.consumers, [](const auto& each) { return !each.second.ended; });
    const auto held =
        std::ranges::count_if(agents_.leases().held(), [&](const auto& each) { return each.second.session == id; });
    expect(view.agent == model_.names()[session.agent] && std::cmp_equal(view.consumers, consumers) &&
               std::cmp_equal(view.held, held) && view.subscriptions == session.subscriptions.size(),
           "a session of {} is shown with {} consumers, {} subscriptions and {} leases; it has {}, {} and {}",
           view.agent, view.consumers, view.subscriptions, view.held, consumers, session.subscriptions.size(), held);
  }
}

void ViewChecker::compare_peeked(Engine& engine, std::size_t mailbox) {
  const auto state_of = [](Stand stand) {
    return stand == Stand::ready       ? PeekState::waiting
           : stand == Stand::blocked   ? PeekState::blocked
           : stand == Stand::scheduled ? PeekState::scheduled
                                       : PeekState::leased;
  };
  std::size_t seen = 0;
  engine.peeking().each(model_.names()[mailbox], 0, 1 + random_.below(7), [&](const PeekView& view) {
    const auto* const message = model_.find_key(message_address(view.id)->key);
    expect(message != nullptr && message->asked.mailbox == mailbox, "a message is shown in {} that is not there",
           model_.names()[mailbox]);
    const auto& number = message->number;
    expect(view.state == state_of(message->stand), "{} is shown as {}, and is {}", number, static_cast<int>(view.state),
           name(message->stand));
    const auto routing = read_routing(view.message);
    expect(routing && number_of(*routing, view.message.subspan(routing->bytes)) == message->content,
           "{} is shown with another content", number);
    const bool leased = message->stand == Stand::leased;
    expect(view.deliveries == message->deliveries + leased, "{} is shown with {} deliveries", number, view.deliveries);
    expect(view.expires_at.ms == message->expires_at, "{} is shown to expire at {}, not {}", number, view.expires_at,
           message->expires_at);
    const auto due = message->stand == Stand::scheduled ? message->due : 0;
    expect(view.due.ms == due || message->due_unknown, "{} is shown as due at {}, not {}", number, view.due, due);
    const auto* const lease = leased ? agents_.leases().find(message->lease) : nullptr;
    expect(lease == nullptr || (view.holder == model_.names()[lease->agent] && view.until.ms == lease->deadline),
           "{} is shown in the hands of {} until {}", number, view.holder, view.until);
    ++seen;
    return true;
  });
  const auto there = std::ranges::count_if(model_.messages(), [&](const auto& each) {
    return each.second.asked.mailbox == mailbox && (each.second.waits() || each.second.stand == Stand::leased);
  });
  expect(seen == static_cast<std::size_t>(there), "{} of the {} messages of {} are shown", seen, there,
         model_.names()[mailbox]);
  if (seen > 0) rules_.saw(Rule::peeked);
}

void ViewChecker::compare_dead(Engine& engine, std::size_t mailbox) {
  engine.dead().each({.mailbox = model_.names()[mailbox]}, {}, [&](const DeadView& view) {
    const auto* const message = model_.find_key(message_address(view.id)->key);
    expect(message != nullptr && message->stand == Stand::dead, "a dead letter is shown that there is not");
    const auto routing = read_routing(view.message);
    expect(routing && number_of(*routing, view.message.subspan(routing->bytes)) == message->content,
           "dead letter {} is shown with another content", message->number);
    expect(view.at.ms == message->dead_at && view.deliveries == message->deliveries,
           "dead letter {} is shown as of {} after {} deliveries; it is of {} after {}", message->number, view.at,
           view.deliveries, message->dead_at, message->deliveries);
    if (message->death_unsaid) return true;
    expect(view.reason == message->died_of, "{} is shown as dead for {}, and died for {}", message->number,
           folkmoot::name(view.reason), folkmoot::name(message->died_of));
    expect(view.reason != DeadReason::rejected || view.text == "not mine", "{} was rejected as `{}`", message->number,
           view.text);
    return true;
  });
}

void ViewChecker::compare_takers(Engine& engine, std::size_t mailbox) {
  if (model_.mailbox(mailbox).in_flight != 0) return;  // what is on its way has taken credit, and its answer waits
  using Taker = std::tuple<SessionId, std::int64_t, std::uint32_t, bool>;  // credit, held, waits
  std::vector<Taker> shown, are;
  engine.mailboxes().each_consumer(model_.names()[mailbox], 1'000, [&](const ConsumerView& view) {
    shown.emplace_back(view.session, view.credit, view.held, view.waits);
  });
  for (const auto& [id, session] : agents_.sessions()) {
    for (const auto& [request, consumer] : session.consumers) {
      if (consumer.ended || consumer.mailbox != mailbox) continue;
      const auto held = std::ranges::count_if(agents_.leases().held(), [&](const auto& each) {
        return each.second.consumer_session == id && each.second.consumer == request;
      });
      are.emplace_back(id, consumer.credit, static_cast<std::uint32_t>(held), false);
    }
    for (const auto& [request, mine] : session.asks) {
      if (mine.kind == Ask::Kind::receive && mine.mailbox == mailbox && mine.delivered == 0)
        are.emplace_back(id, 0, 0, true);
    }
  }
  std::ranges::sort(shown);
  std::ranges::sort(are);
  for (std::size_t i = 0; i < std::min(shown.size(), are.size()); ++i) {
    const auto [session, credit, held, waits] = shown[i];
    const auto [its_session, its_credit, its_held, its_waits] = are[i];
    expect(shown[i] == are[i], "a taker is shown as {:x} with credit {}, {} held, waiting {}; it is {:x}, {}, {}, {}",
           session, credit, held, waits, its_session, its_credit, its_held, its_waits);
  }
  expect(shown == are, "{} is shown with {} that take from it, and has {}, or with other credit",
         model_.names()[mailbox], shown.size(), are.size());
}

}  // namespace folkmoot::simulation
