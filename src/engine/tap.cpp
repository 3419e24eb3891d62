#include "engine/tap.hpp"

namespace folkmoot {

void Tap::note(TapRecord record) {
  bytes_ += record.message.size();
  records_.push_back(std::move(record));
  ++last_;
  while (records_.size() > kRecordsMax || bytes_ > kBytesMax) {
    bytes_ -= records_.front().message.size();
    records_.pop_front();
  }
}

std::uint64_t Tap::listen() {
  tidy();
  until_ = run_.now() + kListenMs;
  return last_;
}

std::uint64_t Tap::each_after(std::uint64_t after,
                              const std::function<bool(std::uint64_t number, const TapRecord& record)>& each) const {
  const auto first = last_ - records_.size() + 1;
  const auto from = std::max(after + 1, first);
  for (auto number = from; number <= last_; ++number) {
    if (!each(number, records_[number - first])) break;
  }
  return from - std::min(from, after + 1);
}

void Tap::forget() {
  records_ = {};
  bytes_ = 0;
}

}  // namespace folkmoot
