#include <algorithm>

#include "library.hpp"

namespace folkmoot::bench {

Window::Window(std::size_t messages) : messages_(messages), batch_(std::clamp<std::uint64_t>(messages / 4, 1, 1'024)) {}

std::uint64_t Window::take() {
  for (;;) {
    const auto bell = bell_.load();
    if (closed_) return 0;
    if (const auto count = try_take()) return count;
    bell_.wait(bell);
  }
}

std::uint64_t Window::try_take() {
  if (sent_ + batch_ > received_ + messages_) return 0;
  sent_ += batch_;
  return batch_;
}

void Window::count_received() {
  const auto count = received_.load(std::memory_order_relaxed) + 1;  // no other thread writes it
  received_.store(count, std::memory_order_relaxed);
  if (count % batch_ == 0) ring();
}

void Window::close() {
  closed_ = true;
  ring();
}

void Window::ring() {
  bell_.fetch_add(1);
  bell_.notify_all();
}

}  // namespace folkmoot::bench
