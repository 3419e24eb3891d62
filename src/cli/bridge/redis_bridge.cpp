#include "cli/bridge/redis_bridge.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/terminal.hpp"
#include "folkmoot/operation/registry.hpp"
#include "message/json_mapping.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kBridgeCredit = 64;       // messages of an agent on their way
constexpr std::size_t kAgentsMax = 512;           // each has a thread
constexpr std::size_t kPushMost = 256;            // messages in one exchange with Redis
constexpr std::size_t kPushBytesMost = 8u << 20;  // of them
constexpr std::size_t kItemBytesMax = 64u << 20;  // of what comes off a list
constexpr Milliseconds kAgentsEvery = 5s, kHeldEvery = 500ms, kRetryMax = 5s, kTellEvery = 60s;
constexpr std::string_view kTakenSuffix = ":taken", kRefusedSuffix = ":refused";

// It may go when it is tried again.
bool is_passing(ErrorCode code) {
  return code == ErrorCode::connection_lost || code == ErrorCode::shutting_down || code == ErrorCode::timed_out ||
         code == ErrorCode::busy || code == ErrorCode::disk_full || code == ErrorCode::mailbox_full ||
         code == ErrorCode::limit_reached || code == ErrorCode::circuit_open;
}

}  // namespace

std::string redis_json(const Delivery& delivery, bool may_be_there, std::uint64_t lease) {
  const auto& message = delivery.message;
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("id", message.id.text());
  json.field("from_agent_id", message.from).field("to_agent_id", message.to);
  if (!message.conversation.empty()) json.field("conversation_id", message.conversation);
  json.field("message_type", message.type.empty() ? "task" : std::string_view(message.type));
  json.field("priority", std::uint64_t{message.priority});
  json.key("content").raw(content_as_json(message));
  json.key("metadata").raw(json_text(message.metadata).text);
  if (message.content_ref) {
    json.field("content_hash", message.content_ref->hash.text());
    json.field("content_bytes", message.content_ref->size);
  }
  json.field("status", "pending").field("retry_count", std::uint64_t{std::max(delivery.delivery, 1u) - 1});
  auto expires_at = message.expires_at;
  if (message.ttl_ms.value_or(0) != 0) expires_at = std::max(message.timestamp, message.deliver_at) + *message.ttl_ms;
  if (expires_at != 0) json.field("expires_at", format_time_ms(expires_at));
  json.field("created_at", format_time_ms(message.timestamp));
  if (!message.correlation.empty()) json.field("correlation_id", message.correlation);
  if (!message.reply_to.empty()) json.field("reply_to", message.reply_to);
  json.field("redelivered", may_be_there || delivery.redelivered);
  if (lease != 0) json.field("lease", std::to_string(lease));
  json.end_object();
  return out;
}

RedisBridge::RedisBridge(const RedisBridgeOptions& options) : options_(options), session_(client_options()) {}

void RedisBridge::run() {
  // A wrong address or password is told at once; a server that is not there yet is waited for.
  if (const auto tried = RedisLink::open(options_.redis); !tried && tried.error().code != ErrorCode::connection_lost)
    throw Failure(tried.error());
  log("started", fmt::format("carrying mail to {}; stop with Ctrl-C", options_.redis.called()), {});
  std::thread pusher([this] { push(); });
  std::vector<std::thread> ingesters;
  for (const auto& list : options_.ingest) ingesters.emplace_back([this, &list] { ingest(list); });
  do {
    look_for_agents();
  } while (rest(kAgentsEvery));
  changed_.notify_all();
  pusher.join();
  for (auto& thread : ingesters) thread.join();
  for (auto& [name, agent] : agents_) {
    if (agent.taker.joinable()) agent.taker.join();
  }
  if (failed_) throw Failure(*failed_);
}

bool RedisBridge::rest(Milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  std::unique_lock guard(lock_);
  while (!is_over() && std::chrono::steady_clock::now() < end)
    changed_.wait_for(guard, std::min<Milliseconds>(time, 200ms));
  return !is_over();
}

void RedisBridge::fail(const Error& error) {
  const std::lock_guard guard(lock_);
  if (!failed_) failed_ = error;
  stops_ = true;
  changed_.notify_all();
}

// -- from the server

void RedisBridge::look_for_agents() {
  for (const auto& name : options_.agents) {
    if (agents_.contains(name)) continue;
    const auto found = session_->call(ShowAgent{name});
    if (!found && is_passing(found.error().code)) return;
    if (!found && found.error().code != ErrorCode::not_found) return fail(found.error());
    const bool is_registered = found && !found->id.is_nil();
    add(name, is_registered ? found->id.text() : name);
  }
  if (!options_.agents.empty()) return;
  DiscoverAgents wanted{.type = "redis", .health = AgentsWanted::any};
  do {
    const auto found = session_->call(wanted);
    if (!found) return is_passing(found.error().code) || session_.interrupted() ? void() : fail(found.error());
    for (const auto& agent : found->agents) add(agent.record.agent, agent.id.text());
    wanted.after = found->next;
  } while (!wanted.after.empty());
}

void RedisBridge::add(const std::string& name, const std::string& id) {
  if (agents_.contains(name)) return;
  if (agents_.size() >= kAgentsMax) {
    return fail({ErrorCode::limit_reached, fmt::format("one bridge carries the mail of {} agents at most", kAgentsMax),
                 "run several, and name to each the agents that it is for"});
  }
  const std::lock_guard guard(lock_);
  auto& agent = agents_[name];
  agent.name = name;
  agent.queue = options_.prefix + id;
  agent.taker = std::thread([this, &agent] { take(agent); });
  log("agent", fmt::format("{} has its mail on {}", name, agent.queue), name);
}

void RedisBridge::take(Agent& agent) {
  auto mail = session_->consume(agent.name, {.credit = kBridgeCredit});
  while (!mail && is_passing(mail.error().code) && rest(1s))
    mail = session_->consume(agent.name, {.credit = kBridgeCredit});
  if (!mail) return session_.interrupted() ? void() : fail(mail.error());
  while (!is_over()) {
    auto delivery = mail->next(500ms);
    if (!delivery && delivery.error().code == ErrorCode::timed_out) continue;
    if (!delivery) return is_over() ? void() : fail(delivery.error());
    const std::lock_guard guard(lock_);
    agent.waiting.push_back({std::move(*delivery)});
    changed_.notify_all();
  }
}

// -- onto the lists

void RedisBridge::push() {
  std::optional<RedisLink> redis;
  Milliseconds retry{0};
  bool was_lost = false;
  auto looked_at = std::chrono::steady_clock::now();
  while (!is_over()) {
    if (!redis) {
      auto opened = RedisLink::open(options_.redis);
      if (!opened) {
        if (!was_lost) log("lost", fmt::format("{}; trying again", opened.error().text), {});
        was_lost = true;
        retry = std::clamp<Milliseconds>(retry * 2, 100ms, kRetryMax);
        rest(retry);
        continue;
      }
      if (was_lost) log("back", fmt::format("{} is there again", options_.redis.called()), {});
      was_lost = false;
      retry = {};
      redis.emplace(std::move(*opened));
    }
    if (std::chrono::steady_clock::now() - looked_at > kHeldEvery) {
      look_at_held(*redis);
      looked_at = std::chrono::steady_clock::now();
    }
    bool is_good = true;
    session_.undisturbed([&] { is_good = push_some(*redis); });
    if (!is_good) redis.reset();
  }
}

// What waits, up to a bound, in one exchange. False: the connection is lost.
bool RedisBridge::push_some(RedisLink& redis) {
  struct Pushed {
    Agent* agent;
    Waiting message;
    std::string json;
  };
  std::vector<Pushed> pushed;
  {
    std::unique_lock guard(lock_);
    std::size_t bytes = 0;
    for (auto& [name, agent] : agents_) {
      while (agent.held_for.empty() && !agent.waiting.empty() && pushed.size() < kPushMost && bytes < kPushBytesMost) {
        auto& next = agent.waiting.front();
        auto json = redis_json(next.delivery, next.may_be_there, options_.lease.count() > 0 ? next.delivery.lease : 0);
        bytes += json.size();
        pushed.push_back({&agent, std::move(next), std::move(json)});
        agent.waiting.pop_front();
      }
    }
    if (pushed.empty()) {
      changed_.wait_for(guard, 200ms);
      return true;
    }
  }
  bool is_lost = false;
  for (const auto& each : pushed) is_lost = is_lost || !redis.send({"LPUSH", each.agent->queue, each.json});
  std::vector<Delivery> taken;
  std::vector<Pushed*> back;
  for (auto& each : pushed) {
    std::optional<RedisReply> answer;
    if (auto next = is_lost ? Result<RedisReply>(failure(ErrorCode::connection_lost, "")) : redis.next())
      answer = std::move(*next);
    if (!answer) {
      is_lost = each.message.may_be_there = true;
      back.push_back(&each);
    } else if (answer->is_number()) {
      if (each.message.delivery.leased()) taken.push_back(std::move(each.message.delivery));
      if (static_cast<std::uint64_t>(answer->number()) >= options_.queue_max)
        hold(*each.agent, fmt::format("{} messages are on {}", answer->number(), each.agent->queue));
    } else {
      back.push_back(&each);
      hold(*each.agent, answer->refusal().value_or("it is no list"));
    }
  }
  {
    const std::lock_guard guard(lock_);
    for (auto each = back.rbegin(); each != back.rend(); ++each)
      (*each)->agent->waiting.push_front(std::move((*each)->message));
  }
  settle(std::move(taken));
  return !is_lost;
}

void RedisBridge::hold(Agent& agent, const std::string& why) {
  const std::lock_guard guard(lock_);
  agent.held_for = why;
  const auto now = std::chrono::steady_clock::now();
  if (agent.told_at.time_since_epoch().count() != 0 && now - agent.told_at < kTellEvery) return;
  agent.told_at = now;
  log("held", fmt::format("the mail of {} waits: {}", agent.name, why), agent.name);
}

// A list that had no room, or was none: whether it is better now.
void RedisBridge::look_at_held(RedisLink& redis) {
  std::vector<Agent*> held;
  {
    const std::lock_guard guard(lock_);
    for (auto& [name, agent] : agents_) {
      if (!agent.held_for.empty()) held.push_back(&agent);
    }
  }
  for (auto* const agent : held) {
    const auto length = redis.ask({"LLEN", agent->queue});
    if (!length) return;
    if (!length->is_number() || static_cast<std::uint64_t>(length->number()) > options_.queue_max / 2) continue;
    const std::lock_guard guard(lock_);
    agent->held_for.clear();
  }
}

// A lease that is lost meanwhile is no harm: the message comes again, and says so.
void RedisBridge::settle(std::vector<Delivery> taken) {
  if (options_.lease.count() > 0) {
    for (const auto& delivery : taken) (void)session_->extend(delivery, options_.lease);
    return;
  }
  std::vector<std::uint64_t> leases;
  for (const auto& delivery : taken) leases.push_back(delivery.lease);
  if (!leases.empty()) (void)session_->ack(std::move(leases));
}

// -- off the lists

void RedisBridge::ingest(const std::string& list) {
  const auto taken = list + std::string(kTakenSuffix);
  while (!is_over()) {
    auto redis = RedisLink::open(options_.redis);
    if (redis) {
      const auto done = ingest_from(*redis, list, taken);
      if (!done && done.error().code != ErrorCode::connection_lost && !is_over())
        log("held", fmt::format("{} is not read: {}", list, done.error().text), list);
    }
    rest(1s);
  }
}

// What is taken off the list stands on another one until the server has it: a crash loses nothing.
Result<void> RedisBridge::ingest_from(RedisLink& redis, const std::string& list, const std::string& taken) {
  for (bool is_left = true; is_left && !is_over();) {
    const auto left = redis.ask({"LRANGE", taken, "-1", "-1"});
    if (!left) return std::unexpected(left.error());
    if (const auto refusal = left->refusal()) return failure(ErrorCode::invalid_field, *refusal);
    is_left = left->size() > 0;
    if (!is_left) break;
    const auto done = ingest_one(redis, list, taken, std::string(left->text_at(0)), true);
    if (!done) return std::unexpected(done.error());
    if (!*done && !rest(1s)) return {};
  }
  while (!is_over()) {
    const auto item = redis.ask({"BRPOPLPUSH", list, taken, "1"});
    if (!item) return std::unexpected(item.error());
    if (const auto refusal = item->refusal()) return failure(ErrorCode::invalid_field, *refusal);
    if (!item->is_text()) continue;
    for (bool is_done = false; !is_done;) {
      const auto done = ingest_one(redis, list, taken, std::string(item->text()), false);
      if (!done) return std::unexpected(done.error());
      is_done = *done;
      if (!is_done && !rest(1s)) return {};  // it stands on the other list, for the next start
    }
  }
  return {};
}

Result<bool> RedisBridge::ingest_one(RedisLink& redis, const std::string& list, const std::string& taken,
                                     const std::string& item, bool may_be_there) {
  std::string refused;
  auto message = item.size() > kItemBytesMax ? Result<Message>(failure(ErrorCode::content_too_large, "it is too long"))
                                             : message_from_json(item);
  if (message) {
    if (may_be_there) message->metadata["redelivered"] = true;
    const auto published = session_->publish(std::move(*message));
    if (!published && (is_passing(published.error().code) || published.error().code == ErrorCode::cancelled))
      return false;
    if (!published) refused = published.error().describe();
  } else {
    refused = message.error().describe();
  }
  if (!refused.empty()) {
    const auto aside = list + std::string(kRefusedSuffix);
    const auto put = redis.ask({"LPUSH", aside, item});
    if (!put) return std::unexpected(put.error());
    log("refused",
        fmt::format("something on {} is no message for the server, and is on {} now: {}", list, aside, refused), list);
  }
  const auto removed = redis.ask({"LREM", taken, "-1", item});
  if (!removed) return std::unexpected(removed.error());
  return true;
}

void RedisBridge::log(std::string_view what, const std::string& words, std::string_view about) {
  if (!options_.json) return tell("folkmoot: {}", words);
  const std::lock_guard guard(print_lock_);
  print_done(true, {}, {{"event", what}, {"about", about}, {"text", words}});
}

}  // namespace folkmoot::cli
