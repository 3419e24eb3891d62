#include "server/content_reads.hpp"

namespace folkmoot {

bool ContentReads::add(ContentJob read) {
  const auto session = read.session;
  auto& reader = readers_[session];
  const auto most = waiting_ < kWaitingMax ? kWaitingOfSessionMax : 1;
  if (reader.waiting.size() >= most) return false;
  reader.waiting.push_back(std::move(read));
  ++waiting_;
  give_turn(session, reader);
  start();
  return true;
}

void ContentReads::done(SessionId session) {
  --running_;
  const auto reader = readers_.find(session);
  --reader->second.running;
  give_turn(session, reader->second);
  forget_idle(reader);
  start();
}

void ContentReads::drained(SessionId session) {
  const auto reader = readers_.find(session);
  if (reader == readers_.end()) return;
  give_turn(session, reader->second);
  start();
}

void ContentReads::close(SessionId session) {
  const auto reader = readers_.find(session);
  if (reader == readers_.end()) return;
  waiting_ -= reader->second.waiting.size();
  reader->second.waiting.clear();
  forget_idle(reader);
}

void ContentReads::give_turn(SessionId session, Reader& reader) {
  if (reader.has_turn || reader.waiting.empty()) return;
  reader.has_turn = true;
  turns_.push_back(session);
}

void ContentReads::forget_idle(Readers::iterator reader) {
  if (reader->second.waiting.empty() && reader->second.running == 0) readers_.erase(reader);
}

void ContentReads::start() {
  while (running_ < kRunningMax && !turns_.empty()) {
    const auto session = turns_.front();
    turns_.pop_front();
    const auto found = readers_.find(session);
    if (found == readers_.end()) continue;
    auto& reader = found->second;
    reader.has_turn = false;
    if (reader.waiting.empty() || reader.running >= kRunningOfSessionMax || !takes_(session)) continue;
    auto read = std::move(reader.waiting.front());
    reader.waiting.pop_front();
    --waiting_;
    ++reader.running;
    ++running_;
    give_turn(session, reader);
    start_(std::move(read));
  }
}

}  // namespace folkmoot
