// request_all(): many requests, and the answers of those that come in time.
#include <mutex>
#include <utility>

#include "client/operation.hpp"
#include "folkmoot/client.hpp"
#include "message/gather.hpp"

namespace folkmoot {

struct Client::Gathering {
  Gathering(Shared of, std::size_t asked, std::size_t need) : connection(std::move(of)), gather(asked, need) {}

  const Shared connection;
  std::mutex lock{};
  // Guarded by lock:
  std::vector<std::string> recipients{};
  std::vector<std::shared_ptr<detail::Ticket>> open{};  // empty where there is an answer or an error
  Gather gather;
  Gathered result{};
  Completion<Gathered> done{};

  void take(std::size_t index, Result<Message> answer) {
    std::unique_lock guard(lock);
    if (!done) return;  // there were enough before
    open[index] = nullptr;
    if (answer) {
      gather.answered(*answer);
      result.answers.push_back({index, std::move(*answer)});
    } else {
      gather.failed();
      result.missing.push_back({index, recipients[index], std::move(answer.error())});
    }
    result.enough = gather.has_enough();
    if (!gather.is_over()) return;
    finish(std::move(guard));
  }

 private:
  void finish(std::unique_lock<std::mutex> guard) {
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (!open[i]) continue;
      result.missing.push_back({i, recipients[i], {ErrorCode::cancelled, "there were enough answers without it"}});
      connection->cancel(open[i]);
    }
    auto told = std::exchange(done, {});
    auto gathered = std::move(result);
    guard.unlock();
    told(std::move(gathered));
  }
};

void Client::start_request_all(const Shared& c, std::vector<Message> messages, const GatherOptions& options,
                               Completion<Gathered> done) {
  if (auto good = check_gather(messages.size(), options.need.count); !good)
    return done(std::unexpected(std::move(good.error())));
  const auto gathering = std::make_shared<Gathering>(c, messages.size(), options.need.count);
  gathering->done = std::move(done);
  for (const auto& message : messages) {
    gathering->recipients.push_back(message.to);
    gathering->open.push_back(std::make_shared<detail::Ticket>());
  }
  const auto tickets = gathering->open;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    detail::submit_request(c, std::move(messages[i]), options.timeout, {}, tickets[i],
                           [gathering, i](Result<Message> answer) { gathering->take(i, std::move(answer)); });
  }
}

}  // namespace folkmoot
