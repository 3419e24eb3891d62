// folkmoot watch: wakes agents that sleep. It waits at the server, at no cost, for agents that are to be woken, and
// runs a command for each: a hook, which tells somebody, or the agent itself, a process that works until its mailbox is
// empty and ends. The server gives each wake to one watcher, under a lease that lives with this program's connection;
// so an agent is started once, however many watchers there are, and again by another one if this one dies.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/duration.hpp"
#include "cli/child.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

constexpr Milliseconds kOneWatch = std::chrono::minutes(1), kBetweenTries = std::chrono::seconds(1);

struct WatchOptions {
  std::vector<std::string> agents;
  std::string exec, start;
  std::uint32_t parallel = 4;
  Milliseconds grace = std::chrono::seconds(10), timeout{0};
  bool json = false;

  bool is_hook() const { return start.empty(); }
  const std::string& command() const { return is_hook() ? exec : start; }
  WakeKind kind() const { return is_hook() ? WakeKind::hook : WakeKind::process; }
};

std::string summary_of(const TakenWake& wake) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("agent", wake.agent)
      .field("id", wake.id.text())
      .field("attempt", wake.attempt)
      .field("unread", wake.unread)
      .field("ready", wake.ready)
      .field("first_priority", wake.first_priority)
      .end_object();
  return out.append("\n");
}

class Watcher {
 public:
  explicit Watcher(const WatchOptions& options) : options_(options), session_(client_options()) {
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    name_ = fmt::format("{}:{}", host, ::getpid());
  }

  void run() {
    for (const auto& agent : options_.agents) {
      if (!agent.contains('*')) make_sure(agent);
    }
    log("watching", fmt::format("watching {} agent(s) as {}; stop with Ctrl-C", options_.agents.size(), name_), {});
    while (!is_over()) {
      if (wait_for_room()) take();
    }
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return running_.empty(); });
    guard.unlock();
    forget_ended();
    if (failed_) throw Failure(*failed_);
  }

 private:
  // A wake that is done by nobody else: one that is set for no agent is set as it is by default.
  void make_sure(const std::string& agent) {
    const auto found = session_->call(ShowWake{agent});
    if (!found && found.error().code != ErrorCode::not_found) throw Failure(found.error());
    if (!found) {
      value(session_->call(SetWake{.agent = agent, .how = options_.kind()}));
      return log("set", fmt::format("{} is woken by a {} from now on", agent, word()), agent);
    }
    if (found->how == options_.kind()) return;
    throw Failure(
        {ErrorCode::already_exists,
         fmt::format("{} is woken by a {}, which {} does not run", agent,
                     kWakeKindWords[static_cast<std::size_t>(found->how)], options_.is_hook() ? "--exec" : "--start"),
         fmt::format("`folkmoot wake set {} --how {}` says otherwise", agent, word())});
  }
  std::string_view word() const { return kWakeKindWords[static_cast<std::size_t>(options_.kind())]; }

  // Told to stop, or refused by the server: what runs is stopped too.
  bool is_over() const { return session_.interrupted() || stops_; }

  // False if it is over meanwhile.
  bool wait_for_room() {
    forget_ended();
    std::unique_lock guard(lock_);
    while (running_.size() >= options_.parallel && !is_over()) changed_.wait_for(guard, kAsk);
    return !is_over();
  }

  void take() {
    const auto taken = session_->call(
        TakeWakes{.agents = options_.agents, .how = {std::string(word())}, .wait = kOneWatch, .watcher = name_});
    if (!taken) {
      const auto code = taken.error().code;
      const bool is_passing = code == ErrorCode::connection_lost || code == ErrorCode::shutting_down ||
                              code == ErrorCode::timed_out || code == ErrorCode::busy;
      if (session_.interrupted()) return;
      if (!is_passing) {
        failed_ = taken.error();
        stops_ = true;
        return;
      }
      tell("folkmoot: {}; trying again", taken.error().text);
      std::this_thread::sleep_for(kBetweenTries);
      return;
    }
    for (const auto& wake : taken->wakes) begin(wake);
  }

  void begin(const TakenWake& wake) {
    const std::lock_guard guard(lock_);
    if (const auto known = running_.find(wake.agent); known != running_.end()) {
      // The connection broke, and with it the lease: what it was for still runs here, and is not started twice.
      known->second = wake.wake;
      return;
    }
    running_[wake.agent] = wake.wake;
    threads_.emplace_back([this, wake] { work(wake); });
  }

  void work(const TakenWake& wake) {
    session_.undisturbed([&] { run_one(wake); });
    const std::lock_guard guard(lock_);
    running_.erase(wake.agent);
    ended_.push_back(std::this_thread::get_id());
    changed_.notify_all();
  }

  void run_one(const TakenWake& wake) {
    log("woken",
        fmt::format("waking {}: {} unread{}", wake.agent, wake.unread,
                    wake.attempt > 1 ? fmt::format(", attempt {}", wake.attempt) : ""),
        wake.agent);
    const auto ends = std::chrono::steady_clock::now() + options_.timeout;
    const auto is_late = [&] { return options_.timeout.count() > 0 && std::chrono::steady_clock::now() >= ends; };
    std::vector<std::pair<std::string, std::string>> environment = {
        {"FOLKMOOT_AGENT", wake.agent},
        {"FOLKMOOT_WAKE", wake.id.text()},
        {"FOLKMOOT_ATTEMPT", std::to_string(wake.attempt)},
        {"FOLKMOOT_UNREAD", std::to_string(wake.unread)},
        {"FOLKMOOT_READY", std::to_string(wake.ready)},
        {"FOLKMOOT_PRIORITY", std::to_string(wake.first_priority)},
        {"FOLKMOOT_ADDRESS", session_->address()}};
    if (!globals().token.empty()) environment.emplace_back("FOLKMOOT_TOKEN", globals().token);
    const auto ran = run_child(options_.command(), summary_of(wake), environment, options_.grace,
                               [&] { return is_over() || is_late(); });
    EndWake end{.agent = wake.agent};
    {
      const std::lock_guard guard(lock_);
      end.wake = running_.at(wake.agent);
    }
    if (!ran) {
      end.reason = ran.error().describe();
    } else if (ran->was_stopped) {
      end.reason = is_over() ? "its watcher was stopped" : "it took too long, and was stopped";
    } else if (ran->status != 0) {
      end.reason = fmt::format("the command ended with status {}", ran->status);
    }
    end.outcome = end.reason.empty() ? WakeOutcome::done : WakeOutcome::failed;
    log(end.reason.empty() ? "done" : "failed",
        fmt::format("{} {}", wake.agent, end.reason.empty() ? "is done" : "failed: " + end.reason), wake.agent);
    if (const auto told = session_->call(end); !told) tell("folkmoot: {}: {}", wake.agent, told.error().describe());
  }

  void forget_ended() {
    std::vector<std::thread> gone;
    {
      const std::lock_guard guard(lock_);
      for (const auto id : ended_) {
        const auto thread = std::ranges::find(threads_, id, [](const auto& each) { return each.get_id(); });
        if (thread == threads_.end()) continue;
        gone.push_back(std::move(*thread));
        threads_.erase(thread);
      }
      ended_.clear();
    }
    for (auto& thread : gone) thread.join();
  }

  void log(std::string_view what, const std::string& words, std::string_view agent) {
    if (!options_.json) return tell("folkmoot: {}", words);
    const std::lock_guard guard(print_lock_);
    print_done(true, {}, {{"event", what}, {"agent", agent}, {"text", words}});
  }

  static constexpr Milliseconds kAsk{200};

  const WatchOptions& options_;
  std::string name_;
  Session session_;
  std::optional<Error> failed_;      // of run()'s thread
  std::atomic<bool> stops_ = false;  // it has failed
  std::mutex lock_, print_lock_;
  std::condition_variable changed_;
  std::map<std::string, std::uint64_t> running_;  // agents whose command runs, with their leases; guarded by lock_
  std::list<std::thread> threads_;                // guarded by lock_
  std::vector<std::thread::id> ended_;            // guarded by lock_
};

}  // namespace

void add_watch(App& app) {
  auto* command =
      app.add_subcommand("watch", "Wake agents that sleep: run a command when they have mail, until stopped");
  const auto options = std::make_shared<WatchOptions>();
  command->add_option("AGENT", options->agents, "Whose mailboxes; `*` in a name stands for anything")->required();
  auto* exec = command->add_option(
      "--exec", options->exec,
      "A hook, run by /bin/sh for each wake: it tells somebody. A summary as JSON on stdin; FOLKMOOT_AGENT, _UNREAD, "
      "_READY, _PRIORITY, _ATTEMPT and _WAKE are set. A status other than 0 is a wake that failed: it comes again");
  auto* start = command->add_option(
      "--start", options->start,
      "The agent, started likewise: it works until its mailbox is empty, and ends. Never twice at a time; killed or "
      "failed, it is started again as long as there is mail");
  exec->excludes(start);
  command->add_option("--parallel", options->parallel, "So many commands at a time (default 4)")
      ->check(in_range(1, 256));
  add_duration(*command, "--timeout", options->timeout, "Stop a command that runs longer (default: never)");
  add_duration(*command, "--grace", options->grace,
               "When it is stopped: from SIGTERM to SIGKILL, for each command (default 10s)");
  command->add_flag("--json", options->json, "What happens, one a line, as JSON");
  set_example(*command,
              "  $ folkmoot watch reviewer --start 'folkmoot reply reviewer --exec ./review.sh --until-empty'\n"
              "  folkmoot: reviewer is woken by a process from now on\n"
              "  folkmoot: waking reviewer: 3 unread\n"
              "  folkmoot: reviewer is done\n"
              "  $ folkmoot watch 'team-*' --exec 'notify-send \"mail for $FOLKMOOT_AGENT\"'");
  command->callback([options] {
    if (options->exec.empty() && options->start.empty()) throw_missing("--exec or --start");
    Watcher(*options).run();
  });
}

}  // namespace folkmoot::cli
