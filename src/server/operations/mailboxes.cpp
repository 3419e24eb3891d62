#include <fmt/format.h>

#include <map>

#include "base/utf8.hpp"
#include "filter/filter.hpp"
#include "message/retry.hpp"
#include "operation/json_codec.hpp"
#include "operation/merge.hpp"
#include "server/operations/call.hpp"
#include "server/operations/name_pattern.hpp"

namespace folkmoot {
namespace {

static_assert(kDeliveriesMost == kAttemptsMax);
constexpr std::size_t kPeekScanMax = 20'000;  // messages one page looks at; the next one goes on from there
constexpr std::size_t kPeekAtOnce = 1'000;

std::optional<std::chrono::milliseconds> age(Instant at, Instant now) {
  return std::chrono::milliseconds(std::max(Duration{}, now - at).ms);
}

MailboxInfo info_of(const MailboxStats& mailbox, Instant now) {
  MailboxInfo out{.name = std::string(mailbox.name),
                  .ready = mailbox.ready,
                  .scheduled = mailbox.scheduled,
                  .leased = mailbox.leased,
                  .dead = mailbox.dead,
                  .consumers = mailbox.consumers};
  if (mailbox.oldest > 0) out.oldest_age = age(mailbox.oldest, now);
  if (mailbox.last_read >= 0) out.last_read_age = age(mailbox.last_read, now);
  return out;
}

Error no_mailbox(std::string_view name) {
  return {ErrorCode::not_found,
          fmt::format("there is no mailbox {}; `folkmoot mailbox list` names those that are there", printable(name))};
}

PeekedMessage shown(const PeekView& view, bool with_content) {
  PeekedMessage out{.id = view.id,
                    .state = std::string(kPeekStateWords[static_cast<std::size_t>(view.state)]),
                    .deliveries = view.deliveries,
                    .due_ms = view.due.ms,
                    .expires_at_ms = view.expires_at.ms,
                    .holder = std::string(view.holder),
                    .held_since_ms = view.since.ms,
                    .held_until_ms = view.until.ms};
  if (auto message = decode_message(view.message)) {
    if (!with_content) message->content.clear();
    out.message = std::move(*message);
  }
  return out;
}

}  // namespace

Result<void> carry_out(const Call& call, const ConfigureMailbox& arguments) {
  MailboxCommand command{.name = arguments.name, .limits = {}, .own = 0, .reset = arguments.reset};
  auto& limits = command.limits;
  const auto own = [&](MailboxSetting setting) { command.own = static_cast<std::uint8_t>(command.own | setting); };
  if (arguments.max_messages) limits.max_messages = *arguments.max_messages, own(kOwnMaxMessages);
  if (arguments.default_ttl) limits.default_ttl_ms = Duration{arguments.default_ttl->count()}, own(kOwnDefaultTtl);
  if (arguments.overflow) limits.overflow = static_cast<Overflow>(*arguments.overflow), own(kOwnOverflow);
  if (arguments.retry) {
    limits.retry = *arguments.retry, own(kOwnRetry);
    if (limits.retry.attempts != 0) own(kOwnAttempts);
  }
  if (arguments.max_deliveries) limits.retry.attempts = *arguments.max_deliveries, own(kOwnAttempts);
  call.engine.configure_mailbox(call.session, call.request, command);
  return {};
}

Result<void> carry_out(const Call& call, const ListMailboxes& arguments) {
  const auto match = NamePattern::make(arguments.match);
  if (!match) return std::unexpected(match.error());
  std::map<std::string_view, MailboxStats> first;
  call.engine.mailboxes().each_mailbox(SIZE_MAX, [&](const MailboxStats& mailbox) {
    const bool is_full = first.size() > arguments.limit;
    if (mailbox.name <= arguments.after || (is_full && mailbox.name > first.rbegin()->first)) return;
    // What another shard has is its to tell, but for what stands here on its way there.
    const bool is_empty = mailbox.ready + mailbox.scheduled + mailbox.leased + mailbox.dead == 0;
    if (mailbox.is_misplaced && is_empty) return;
    if (!match->fits(mailbox.name)) return;
    first.emplace(mailbox.name, mailbox);
    if (is_full) first.erase(std::prev(first.end()));
  });
  MailboxPage page;
  for (auto& [name, mailbox] : first) {
    call.engine.mailboxes().stats_with_oldest(name, mailbox);
    page.mailboxes.push_back(info_of(mailbox, call.engine.now()));
  }
  end_page(describe<MailboxPage>(), &page, arguments.limit);
  return call.answer(page);
}

Result<void> carry_out(const Call& call, const ShowMailbox& arguments) {
  const auto& mailboxes = call.engine.mailboxes();
  MailboxStats stats;
  if (!mailboxes.stats_with_oldest(arguments.name, stats)) return std::unexpected(no_mailbox(arguments.name));
  const auto [limits, own] = *mailboxes.settings(arguments.name);
  ShownMailbox out{.info = info_of(stats, call.engine.now()),
                   .max_messages = limits.max_messages,
                   .default_ttl = std::chrono::milliseconds(limits.default_ttl_ms.ms),
                   .overflow = static_cast<OverflowPolicy>(limits.overflow),
                   .max_deliveries = limits.retry.attempts,
                   .retry = limits.retry};
  constexpr MailboxSetting kSettings[] = {kOwnMaxMessages, kOwnDefaultTtl, kOwnOverflow, kOwnAttempts, kOwnRetry};
  for (std::size_t i = 0; i < std::size(kSettings); ++i) {
    if (own & kSettings[i]) out.own.emplace_back(kMailboxSettingWords[i]);
  }
  mailboxes.each_consumer(arguments.name, kConsumersShownMax, [&](const ConsumerView& consumer) {
    const auto* const connection = call.reactor.find(consumer.session);
    if (connection == nullptr) return;
    out.consumers_list.push_back({.agent = std::string(call.engine.agent_of(consumer.session)),
                                  .door = std::string(name(Reactor::door_of(*connection))),
                                  .connection = call.reactor.connection_name(*connection),
                                  .credit = consumer.credit,
                                  .held = consumer.held,
                                  .waits = consumer.waits});
  });
  return call.answer(out);
}

Result<void> carry_out(const Call& call, const PeekMailbox& arguments) {
  std::optional<Filter> filter;
  if (!arguments.filter.empty()) {
    auto compiled = Filter::compile(arguments.filter);
    if (!compiled) return failure(compiled.error().code, fmt::format("`filter`: {}", compiled.error().text));
    filter.emplace(std::move(*compiled));
  }
  const auto after = message_address(arguments.after);
  FilterInput input;
  PeekPage page;
  std::size_t seen = 0, bytes = 0;
  Uuid last;
  const auto look = [&](const PeekView& view) {
    if (page.messages.size() >= arguments.limit || seen >= kPeekScanMax || bytes >= kListBytesMax) {
      page.next = last;
      return false;
    }
    last = view.id;
    ++seen;
    if (!arguments.state.empty() && kPeekStateWords[static_cast<std::size_t>(view.state)] != arguments.state)
      return true;
    if (filter) {
      input.reset(view.message);
      if (!filter->matches(input)) return true;
    }
    bytes += to_json_text(page.messages.emplace_back(shown(view, arguments.content)), Sparse::as_described).size();
    return true;
  };
  const auto at_once = filter || !arguments.state.empty() ? kPeekAtOnce : arguments.limit + 1;
  if (!call.engine.peeking().each(arguments.name, after ? after->key : 0, at_once, look))
    return std::unexpected(no_mailbox(arguments.name));
  return call.answer(page);
}

Result<void> carry_out(const Call& call, const ShowMessage& arguments) {
  const auto view = call.engine.peeking().one(arguments.id);
  if (!view) {
    return failure(ErrorCode::not_found, fmt::format("message {} stands in no mailbox", arguments.id.text()),
                   "its receipt says what became of it, and history.show has what is settled");
  }
  return call.answer(shown(*view, true));
}

Result<void> carry_out(const Call& call, const DeleteMailbox& arguments) {
  call.engine.delete_mailbox(call.session, call.request,
                             {.name = arguments.name, .with_messages = arguments.messages, .limit = arguments.limit});
  return {};
}

}  // namespace folkmoot
