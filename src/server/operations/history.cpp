// Questions to the history are answered by its own thread, and written down in a later turn.
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

// `question`: asks a HistoryReader, and has a Result of the answer.
template <class Question>
Result<void> ask_history(const Call& call, Question question) {
  auto* const archive = call.reactor.history().archive();
  if (archive == nullptr) {
    return failure(ErrorCode::not_found, "this server keeps no history",
                   "set `history.store = \"sqlite\"` in its configuration file and start it again");
  }
  const bool is_taken = archive->ask([&reactor = call.reactor, to = call.later(), question](HistoryReader& reader) {
    auto answer = question(reader);
    reactor.postbox().post_task([&reactor, to, answer = std::move(answer)] {
      Result<void> done;
      if (answer)
        done = Call::write(reactor, to, &*answer);
      else
        done = std::unexpected(answer.error());
      if (!done) reactor.effects().refuse(to.session, to.request, done.error());
    });
  });
  if (is_taken) return {};
  return failure(ErrorCode::busy, "too many questions wait for the history", "ask again in a moment");
}

}  // namespace

Result<void> carry_out(const Call& call, const FindHistory& arguments) {
  return ask_history(call, [arguments](HistoryReader& reader) { return reader.find(arguments); });
}

Result<void> carry_out(const Call& call, const ShowHistory& arguments) {
  return ask_history(call, [arguments](HistoryReader& reader) { return reader.show(arguments.id); });
}

Result<void> carry_out(const Call& call, const ShowHistoryStatus&) {
  return ask_history(call, [archive = call.reactor.history().archive()](HistoryReader& reader) {
    auto status = reader.status();
    if (status) {
      status->lag_bytes = archive->lag();
      status->problem = archive->problem();
    }
    return status;
  });
}

}  // namespace folkmoot
