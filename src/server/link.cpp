#include "server/link.hpp"

#include <utility>

namespace folkmoot {

Link::Link(DoorKind link_kind, std::size_t inbox_bytes_max, std::function<void()> on_ready,
           std::function<void(Link&)> wake)
    : kind(link_kind), inbox_bytes_max_(inbox_bytes_max), on_ready_(std::move(on_ready)), wake_(std::move(wake)) {}

bool Link::send(std::string_view bytes) {
  {
    const std::lock_guard guard(lock_);
    if (closed() || door_closed_ || inbox_.size() >= inbox_bytes_max_) return false;
    inbox_.append(bytes);
  }
  wake_(*this);
  return true;
}

std::string Link::take() {
  std::string frames;
  take_into(frames);
  return frames;
}

void Link::take_into(std::string& frames) {
  frames.clear();
  bool wake = false;
  {
    const std::lock_guard guard(lock_);
    frames.swap(outbox_);
    wake = std::exchange(want_drained_, false);
  }
  if (wake) wake_(*this);
}

void Link::close() {
  {
    const std::lock_guard guard(lock_);
    if (door_closed_ || closed()) return;
    door_closed_ = true;
  }
  wake_(*this);
}

std::string Link::take_inbox(bool& door_closed) {
  std::string frames;
  bool was_full = false;
  {
    const std::lock_guard guard(lock_);
    was_full = inbox_.size() >= inbox_bytes_max_;
    frames.swap(inbox_);
    door_closed = door_closed_;
  }
  if (was_full) on_ready_();
  return frames;
}

std::size_t Link::put_outbox(std::string_view frames) {
  std::size_t waiting = 0;
  bool was_empty = false;
  {
    const std::lock_guard guard(lock_);
    was_empty = outbox_.empty();
    outbox_.append(frames);
    waiting = outbox_.size();
    want_drained_ = true;
  }
  if (was_empty && !frames.empty()) on_ready_();
  return waiting;
}

std::size_t Link::outbox_bytes() const {
  const std::lock_guard guard(lock_);
  return outbox_.size();
}

void Link::end_by_reactor() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return;
  on_ready_();
}

}  // namespace folkmoot
