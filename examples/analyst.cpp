// Two agents in one program: an analyst that counts words, and somebody who asks it.
//
//   folkmoot serve &
//   ./analyst              # or: FOLKMOOT_ADDRESS=unix:/path ./analyst
#include <folkmoot/folkmoot.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <exception>
#include <sstream>

using namespace std::chrono_literals;
namespace asio = boost::asio;

static std::string count_words(const std::string& text) {
  std::istringstream words(text);
  std::size_t count = 0;
  for (std::string word; words >> word;) ++count;
  return std::to_string(count);
}

// Takes tasks as they come. A task that is not acknowledged, because this program died, goes to the next analyst.
static asio::awaitable<void> analyst(folkmoot::Client& bus) {
  auto inbox = folkmoot::value(co_await bus.consume("analyst", {.credit = 32}));
  for (;;) {
    const auto task = co_await inbox.next();
    if (!task) co_return;  // the client was closed
    folkmoot::Message answer{.content = count_words(task->content()), .content_type = "text/plain"};
    folkmoot::value(co_await bus.reply(*task, answer));
    folkmoot::value(co_await bus.ack(*task));
  }
}

static asio::awaitable<void> asker(folkmoot::Client& bus) {
  // Durable: confirmed when it is on the server's disk.
  folkmoot::Message note{
      .to = "archive", .type = "notification", .content = "asking the analyst", .priority = folkmoot::low};
  const auto receipt = folkmoot::value(co_await bus.publish(note));
  std::printf("noted as %s\n", receipt.id.text().c_str());

  folkmoot::Message question{.to = "analyst", .type = "query", .content = "how many words are these"};
  const auto answer = folkmoot::value(co_await bus.request(question, 10s));
  std::printf("the analyst says %s\n", answer.content.c_str());
}

int main() {
  asio::io_context context;
  folkmoot::Client bus(context.get_executor(), {.agent = "example"});
  int status = 1;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        folkmoot::value(co_await bus.connect());
        asio::co_spawn(context, analyst(bus), asio::detached);
        co_await asker(bus);
      },
      [&](std::exception_ptr thrown) {
        try {
          if (thrown) std::rethrow_exception(thrown);
          status = 0;
        } catch (const std::exception& error) {
          std::fprintf(stderr, "%s\n", error.what());
        }
        bus.close();
      });
  context.run();
  return status;
}
