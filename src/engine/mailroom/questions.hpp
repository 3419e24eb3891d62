// What can be asked of mailboxes and messages. Nothing here changes what happens.
#pragma once

#include <functional>
#include <vector>

#include "engine/mailroom/peeking.hpp"

namespace folkmoot {

class Questions {
 public:
  Questions(const MailroomPorts& ports, Shelves& shelves, Dispatch& dispatch, const Peeking& peeking)
      : to_(ports), shelves_(shelves), dispatch_(dispatch), peeking_(peeking) {}

  ReceiptView receipt(const Uuid& id);
  /// False if there is no such mailbox.
  bool stats(std::string_view name, MailboxStats& out) const;
  /// The same with the age of its oldest message, which is looked for.
  bool stats_with_oldest(std::string_view name, MailboxStats& out) const;
  /// Nothing if there is no such mailbox.
  std::optional<MailboxSettings> settings(std::string_view name) const;
  /// Calls `each` for those who take from a mailbox, up to `limit`, and who wait there.
  void each_consumer(std::string_view name, std::size_t limit,
                     const std::function<void(const ConsumerView&)>& each) const;
  /// Calls `each` for up to `limit` mailboxes in the order of their numbers.
  void each_mailbox(std::size_t limit, const std::function<void(const MailboxStats&)>& each) const;
  /// The same for up to `limit` of those with the most messages, as far as they were looked at: twenty thousand a call,
  /// each going on where the last one ended and looking again at those it found.
  void each_fullest(std::size_t limit, const std::function<void(const MailboxStats&)>& each);
  /// The name of each that was made since the last call, in the order they were made.
  void each_new_mailbox(const std::function<void(std::string_view name)>& each);

 private:
  static constexpr std::size_t kMovesFollowed = 16;
  static constexpr std::uint32_t kLookedAtOnce = 20'000;

  ReceiptView receipt_of(const Uuid& id) const;
  MailboxStats stats_of(const Mailbox& mailbox) const;

  const MailroomPorts& to_;
  Shelves& shelves_;
  Dispatch& dispatch_;
  const Peeking& peeking_;
  std::vector<NameId> fullest_;  // as each_fullest() found them
  NameId look_from_{1};          // where it goes on
};

}  // namespace folkmoot
