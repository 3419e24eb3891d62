// Effects that nobody looks at.
#pragma once

#include <stdexcept>

#include "engine/effects.hpp"

namespace folkmoot::test {

class NoEffects final : public Effects {
 public:
  bool deliver(SessionId, const OutgoingDelivery&) override { return true; }
  void confirm(SessionId, RequestNumber, const Confirm&) override {}
  void answer(SessionId, RequestNumber, const Reply&) override {}
  void outcomes(SessionId, RequestNumber, std::span<const Result<Confirm>>) override {}
  void settled(SessionId, RequestNumber, std::uint32_t, std::span<const LeaseToken>) override {}
  void refuse(SessionId, RequestNumber, const Error&) override {}
  void lagged(SessionId, RequestNumber, std::uint32_t) override {}
  void withdrawn(SessionId, LeaseToken, const Uuid&) override {}
  bool remove_content(const ContentHash&) override { return true; }
  [[noreturn]] void unreadable(const Error& error) override { throw std::runtime_error(error.text); }
};

}  // namespace folkmoot::test
