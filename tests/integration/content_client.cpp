// What a user of the library does with contents that are too large for a message (X19), against a server at
// $FOLKMOOT_ADDRESS. Prints what is not as it should be; exit status 1 then. Its argument is a folder it may write
// into.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "folkmoot/folkmoot.hpp"

namespace {

using folkmoot::Client;
using folkmoot::value;

int wrong = 0;

void expect(bool good, const char* what) {
  if (good) return;
  ++wrong;
  std::printf("not so: %s\n", what);
}

// Nothing that could be compressed.
std::string text_of(std::size_t size) {
  std::string text(size, '\0');
  std::minstd_rand random;
  for (auto& c : text) c = static_cast<char>(random() >> 8);
  return text;
}

folkmoot::asio::awaitable<void> tell(Client& bus, std::string folder) {
  value(co_await bus.connect());
  const std::string large = text_of(3'000'001);
  auto message = folkmoot::make_message("analyst", large);
  message.key = "once";
  value(co_await bus.publish(message));
  const auto again = value(co_await bus.publish(message));
  expect(again.outcome == folkmoot::Outcome::duplicate,
         "the same message again is a duplicate, its content stored before");

  auto got = value(co_await bus.receive("analyst"));
  expect(got.size() == 1 && got[0].message.content.empty() && got[0].message.content_ref,
         "a large content came by reference");
  const auto ref = *got[0].message.content_ref;
  expect(ref.size == large.size(), "the reference tells the size");
  expect(value(co_await bus.fetch_bytes(ref, 4'000'000)) == large, "it is what was sent");
  const auto bounded = co_await bus.fetch_bytes(ref, 1'000'000);
  expect(!bounded && bounded.error().code == folkmoot::ErrorCode::content_too_large,
         "no more is fetched than is wanted");
  std::size_t parts = 0, bytes = 0;
  const folkmoot::ContentSink sink = [&](std::string_view part) -> folkmoot::Result<void> {
    ++parts;
    bytes += part.size();
    return {};
  };
  value(co_await bus.fetch(ref, sink));
  expect(parts > 1 && bytes == large.size(), "it comes in parts");
  const folkmoot::ContentSink full = [](std::string_view) -> folkmoot::Result<void> {
    return folkmoot::failure(folkmoot::ErrorCode::disk_full, "no room");
  };
  const auto stopped = co_await bus.fetch(ref, full);
  expect(!stopped && stopped.error().code == folkmoot::ErrorCode::disk_full, "a sink may refuse");
  value(co_await bus.fetch_file(ref, folder + "/saved"));
  expect(std::filesystem::file_size(folder + "/saved") == large.size(), "it can be saved");
  value(co_await bus.ack(got[0]));

  // A whole file; then a message about it.
  std::ofstream(folder + "/file") << std::string(2'500'000, 'f');
  const auto stored = value(co_await bus.upload_file(folder + "/file"));
  expect(value(co_await bus.find_content(stored.hash)) == stored.size, "it can be found");
  auto about = folkmoot::make_message("elsewhere", {});
  about.content_ref = stored;
  value(co_await bus.publish(about));
  const folkmoot::ContentHash nobody{};
  expect(!value(co_await bus.find_content(nobody)), "what is not stored is not found");
  const auto missing = co_await bus.fetch_bytes({nobody, 5}, 10);
  expect(!missing && missing.error().code == folkmoot::ErrorCode::not_found, "and cannot be fetched");
  const folkmoot::ContentSource brief = [](std::uint64_t, std::size_t) -> folkmoot::Result<std::string> {
    return "abc";
  };
  const auto cut = co_await bus.upload(brief, 5'000);
  expect(!cut && cut.error().code == folkmoot::ErrorCode::invalid_field, "a source that ends early is an error");

  // Batches, requests, replies and outputs too; and what compression makes small enough stays in the message.
  std::vector<folkmoot::Message> batch{folkmoot::make_message("batch", large),
                                       folkmoot::make_message("batch", "small")};
  for (const auto& receipt : value(co_await bus.publish_batch(batch)))
    expect(receipt.has_value(), "all of the batch is accepted");
  got = value(co_await bus.receive("batch", {.max = 2}));
  expect(got.size() == 2 && got[0].message.content_ref == ref && got[1].message.content == "small",
         "in a batch as well, in order");
  const std::vector<folkmoot::Message> outputs{folkmoot::make_message("next", large)};
  value(co_await bus.complete(got[0], outputs));
  got = value(co_await bus.receive("next", {.wait = folkmoot::Milliseconds(5'000)}));
  expect(got.size() == 1 && got[0].message.content_ref == ref, "an output as well");
  const auto forward = folkmoot::make_forward(got[0], "further");
  expect(forward.content_ref == ref, "a forward refers to the same");
  bus.close();
}

folkmoot::asio::awaitable<void> tell_thresholds(Client& bus) {
  value(co_await bus.connect());
  value(co_await bus.publish(folkmoot::make_message("low", std::string(50'000, 'z'))));
  value(co_await bus.publish(folkmoot::make_message("low", text_of(50'000))));
  value(co_await bus.publish(folkmoot::make_message("low", "tiny")));
  const auto got = value(co_await bus.receive("low", {.max = 3}));
  expect(got.size() == 3 && got[0].message.content.size() == 50'000 && !got[0].message.content_ref,
         "compressed, it was small enough");
  expect(got[1].message.content_ref.has_value() && got[1].message.encoding.empty(), "the threshold can be lowered");
  expect(got[2].message.content == "tiny", "a small one goes as it is");
  bus.close();
}

void run(folkmoot::ClientOptions options, auto steps) {
  folkmoot::asio::io_context context;
  Client bus(context.get_executor(), std::move(options));
  folkmoot::asio::co_spawn(context, steps(bus), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  context.run();
}

void run_blocking(const std::string& folder) {
  folkmoot::SyncClient bus;
  value(bus.connect());
  value(bus.publish(folkmoot::make_message("sync", text_of(2'000'000))));
  const auto got = value(bus.receive("sync"));
  expect(got.size() == 1 && got[0].message.content_ref, "the blocking client refers as well");
  expect(value(bus.fetch_bytes(*got[0].message.content_ref, 3'000'000)) == text_of(2'000'000), "and fetches");
  value(bus.fetch_file(*got[0].message.content_ref, folder + "/sync"));
  expect(value(bus.upload_file(folder + "/sync")) == *got[0].message.content_ref, "the same bytes have the same name");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : ".";
  try {
    run({.agent = "tester"}, [&](Client& bus) { return tell(bus, folder); });
    run({.agent = "tester", .reference_above = 10'000, .compress_above = 1'000},
        [](Client& bus) { return tell_thresholds(bus); });
    run_blocking(folder);
  } catch (const std::exception& error) {
    std::printf("failed: %s\n", error.what());
    return 1;
  }
  return wrong == 0 ? 0 : 1;
}
