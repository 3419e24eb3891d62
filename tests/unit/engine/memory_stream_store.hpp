// Files of streams in memory. What is handed over is stored, and what is asked for answered, when step() says so.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/stream_store.hpp"

namespace folkmoot::test {

class MemoryStreamStore final : public StreamStore {
 public:
  struct Event {
    Instant at = 0;
    std::string message;
  };
  struct Files {
    std::map<Sequence, Event> stored, handed;
    Sequence first = 1, end = 1;
    mutable std::vector<StreamFile> files;
  };

  void each(const std::function<void(StreamNumber, const StreamExtent&)>& each) const override {
    for (const auto& [number, files] : streams) each(number, extent(number));
  }
  StreamExtent extent(StreamNumber stream) const override {
    const auto found = streams.find(stream);
    if (found == streams.end()) return {};
    std::uint64_t bytes = 0;
    for (const auto& [sequence, event] : found->second.stored) bytes += event.message.size();
    return {found->second.first, found->second.end, bytes};
  }
  std::span<const StreamFile> files(StreamNumber stream) const override {
    const auto found = streams.find(stream);
    if (found == streams.end()) return {};
    auto& list = found->second.files;
    list.clear();
    for (const auto& [sequence, event] : found->second.stored) {
      if (list.empty() || list.back().end - list.back().first >= file_events)
        list.push_back({.first = sequence, .end = sequence, .bytes = 0, .oldest = event.at, .newest = event.at});
      list.back().end = sequence + 1;
      list.back().bytes += event.message.size();
      list.back().newest = event.at;
    }
    return list;
  }
  void set_file_bytes(StreamNumber, std::uint64_t) override {}
  bool append(StreamNumber stream, Sequence sequence, Instant at, MessageParts message) override {
    if (handed_events >= handed_max) return false;
    auto& files = streams[stream];
    const auto expected = files.handed.empty() ? files.end : files.handed.rbegin()->first + 1;
    FOLKMOOT_ASSERT(sequence == expected || (sequence > expected && files.first >= sequence));
    files.handed[sequence] = {at, std::string(as_text(message.head)).append(as_text(message.rest))};
    ++handed_events;
    return true;
  }
  void trim(StreamNumber stream, Sequence first) override {
    auto& files = streams[stream];
    files.first = std::max(files.first, first);
    // As files go: as a whole.
    for (const auto& file : std::vector<StreamFile>(this->files(stream).begin(), this->files(stream).end())) {
      if (file.end <= first)
        files.stored.erase(files.stored.lower_bound(file.first), files.stored.lower_bound(file.end));
    }
  }
  void remove(StreamNumber stream) override { streams.erase(stream); }
  void read(const StreamRead& what, ReadTicket ticket) override { asked.emplace_back(what, ticket); }
  std::optional<std::string> refusal() const override { return std::nullopt; }

  /// What was handed over is stored, and what was asked for answered.
  void step(Engine& engine) {
    std::vector<std::pair<StreamNumber, Sequence>> reports;
    for (auto& [number, files] : streams) {
      if (files.handed.empty()) continue;
      handed_events -= files.handed.size();
      files.end = files.handed.rbegin()->first + 1;
      files.stored.merge(files.handed);
      files.handed.clear();
      reports.emplace_back(number, files.end);
    }
    for (const auto& [number, end] : reports) engine.on_stored(number, end);
    for (const auto& [what, ticket] : std::exchange(asked, {})) engine.on_read(ticket, answer(what));
  }
  /// The server is gone: what was handed over and not stored is, too.
  void crash() {
    for (auto& [number, files] : streams) files.handed.clear();
    asked.clear();
    handed_events = 0;
  }

  std::map<StreamNumber, Files> streams;
  std::vector<std::pair<StreamRead, ReadTicket>> asked;
  std::size_t handed_events = 0, handed_max = 1'000'000;
  std::uint64_t file_events = 4;
  std::size_t chunk_events = 3;

 private:
  StreamChunk answer(const StreamRead& what) {
    StreamChunk chunk{
        .stream = what.stream, .events = {}, .next = what.from, .at_end = true, .error = {}, .memory = {}};
    const auto found = streams.find(what.stream);
    if (found == streams.end()) return chunk;
    const auto& files = found->second;
    const auto most = std::min(what.events_max, chunk_events);
    const auto put = [&](const auto& each) {
      chunk.events.push_back({each.first, each.second.at, as_bytes(each.second.message)});
    };
    if (what.backwards) {
      auto at = files.stored.upper_bound(what.from);
      while (at != files.stored.begin() && chunk.events.size() < most && std::prev(at)->first >= files.first)
        put(*--at);
      chunk.at_end = at == files.stored.begin() || std::prev(at)->first < files.first;
      chunk.next = chunk.at_end ? Sequence{} : std::prev(at)->first;
      return chunk;
    }
    auto at = files.stored.lower_bound(std::max(what.from, files.first));
    while (what.since && at != files.stored.end() && at->second.at < *what.since) ++at;
    for (; at != files.stored.end() && chunk.events.size() < most; ++at) put(*at);
    chunk.at_end = at == files.stored.end();
    chunk.next = chunk.at_end ? files.end : at->first;
    return chunk;
  }
};

}  // namespace folkmoot::test
