// What other threads have for a reactor: links that want attention, sockets that are at home here, and what other
// shards post. It wakes the reactor when that sleeps, and not otherwise.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "folkmoot/content.hpp"
#include "server/frame_pool.hpp"
#include "server/link.hpp"
#include "server/net.hpp"
#include "server/options.hpp"

namespace folkmoot {

class Postbox final : public Door, public RoomOwner {
 public:
  explicit Postbox(Net& net) : net_(net) {}

  struct Mail {
    std::vector<std::shared_ptr<Link>> links;  // that want attention
    std::vector<Arrival> arrivals;             // at home here, as their first frame says, HELLO
    std::vector<Arrival> secured;              // whose TLS handshake is done, and that have said nothing yet
    std::vector<std::pair<SessionId, ShardNumber>> remotes;  // a connection's link to that shard; 0: the shard link
    std::vector<ContentHash> contents;                       // that the first shard has stored
    std::vector<SessionId> rooms;                            // connections that there is room for a frame of
    std::vector<std::pair<std::string, bool>> presence;      // agents that have come to a shard, or gone from it
    std::vector<std::pair<std::string, double>> loads;       // how busy agents have said they are
    std::vector<std::function<void()>> tasks;                // to be done by the reactor
    std::shared_ptr<const ServerOptions> options;            // that hold from now on, if they have changed
    bool empty() const {
      return links.empty() && arrivals.empty() && secured.empty() && remotes.empty() && contents.empty() &&
             rooms.empty() && presence.empty() && loads.empty() && tasks.empty() && options == nullptr;
    }
  };

  // -- any thread
  /// Posts by `put(mail)`.
  template <class Put>
  void post(Put put) {
    bool wakes = false;
    {
      const std::lock_guard guard(lock_);
      put(mail_);
      wakes = std::exchange(sleeps_, false);
    }
    if (wakes) net_.wake();
  }
  void post(Link& link) {
    post([&](Mail& mail) {
      if (!std::exchange(link.is_listed, true)) mail.links.push_back(link.shared_from_this());
    });
  }
  /// A new link to the reactor. Null once the server is stopping.
  std::shared_ptr<Link> connect(DoorKind kind, std::size_t inbox_bytes_max, std::function<void()> on_ready) {
    if (refuses_links()) return nullptr;
    return std::make_shared<Link>(kind, inbox_bytes_max, std::move(on_ready), [this](Link& link) { post(link); });
  }
  /// Door: a socket whose first frame, HELLO, says that it is at home here.
  void take_over(Arrival arrival) override {
    post([&](Mail& mail) { mail.arrivals.push_back(std::move(arrival)); });
  }
  /// To the first shard, which finds out what is spoken there.
  void post_secured(Arrival arrival) {
    post([&](Mail& mail) { mail.secured.push_back(std::move(arrival)); });
  }
  /// A link of the connection to that shard has something; 0: the shard link.
  void post_remote(SessionId connection, ShardNumber shard) {
    post([&](Mail& mail) { mail.remotes.emplace_back(connection, shard); });
  }
  /// The first shard has stored a content.
  void post_content(const ContentHash& hash) {
    post([&](Mail& mail) { mail.contents.push_back(hash); });
  }
  /// To the first shard: somebody is there, or not any more.
  void post_presence(std::string_view agent, bool is_there) {
    post([&](Mail& mail) { mail.presence.emplace_back(agent, is_there); });
  }
  /// By the first shard.
  void post_load(std::string_view agent, double load) {
    post([&](Mail& mail) { mail.loads.emplace_back(agent, load); });
  }
  void post_options(std::shared_ptr<const ServerOptions> options) {
    post([&](Mail& mail) { mail.options = std::move(options); });
  }
  /// Done by the reactor in its next turn; not if it stops before.
  void post_task(std::function<void()> task) {
    post([&](Mail& mail) { mail.tasks.push_back(std::move(task)); });
  }
  /// It takes a turn.
  void wake() { net_.wake(); }
  // RoomOwner
  void on_room(SessionId id) override {
    post([&](Mail& mail) { mail.rooms.push_back(id); });
  }
  bool refuses_links() {
    const std::lock_guard guard(lock_);
    return refuses_links_;
  }

  // -- the reactor's
  /// True if there is nothing: from here on, whoever posts wakes this thread.
  bool falls_asleep() {
    const std::lock_guard guard(lock_);
    return sleeps_ = mail_.empty();
  }
  /// It is awake; what has come since the last call.
  Mail take() {
    const std::lock_guard guard(lock_);
    sleeps_ = false;
    if (mail_.empty()) return {};
    for (const auto& link : mail_.links) link->is_listed = false;
    return std::exchange(mail_, {});
  }
  /// No new links from here on.
  void refuse_links() {
    const std::lock_guard guard(lock_);
    refuses_links_ = true;
  }
  /// ... and none that waits is taken any more: they are the caller's to end.
  std::vector<std::shared_ptr<Link>> close() {
    const std::lock_guard guard(lock_);
    refuses_links_ = true;
    return std::exchange(mail_.links, {});
  }

 private:
  Net& net_;
  std::mutex lock_;
  Mail mail_;                   // guarded by lock_
  bool sleeps_ = false;         // guarded by lock_
  bool refuses_links_ = false;  // guarded by lock_
};

}  // namespace folkmoot
