// request_all(): many requests, and the answers of those that come in time.
#include <fmt/format.h>

#include <mutex>
#include <utility>

#include "client/operation.hpp"
#include "folkmoot/client.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kGatherMax = 1'000;

}  // namespace

struct Client::Gathering {
  Shared connection;
  std::mutex lock{};
  // Guarded by lock:
  std::vector<std::string> recipients{};
  std::vector<std::shared_ptr<detail::Ticket>> open{};  // empty where there is an answer or an error
  std::size_t need = 0, good = 0, left = 0;
  Gathered result{};
  Completion<Gathered> done{};

  void take(std::size_t index, Result<Message> answer) {
    std::unique_lock guard(lock);
    if (!done) return;  // there were enough before
    open[index] = nullptr;
    --left;
    if (answer) {
      good += answer->type != "error";
      result.answers.push_back({index, std::move(*answer)});
    } else {
      result.missing.push_back({index, recipients[index], std::move(answer.error())});
    }
    result.enough = good >= need;
    if (left > 0 && !result.enough) return;
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

void Client::start_request_all(const Shared& c, std::vector<Message> messages, const GatherOptions& options, Completion<Gathered> done) {
  if (messages.empty() || messages.size() > kGatherMax) {
    return done(failure(ErrorCode::out_of_range, fmt::format("{} requests at once; 1 to {} may be", messages.size(), kGatherMax)));
  }
  if (options.need.count > messages.size()) {
    return done(failure(ErrorCode::out_of_range, fmt::format("{} answers are needed of {} requests", options.need.count, messages.size())));
  }
  const auto gathering = std::make_shared<Gathering>(c);
  gathering->left = messages.size();
  gathering->need = options.need.count == 0 ? messages.size() : options.need.count;
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
