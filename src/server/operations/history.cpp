// Questions to the history are answered by its own thread, and written down in a later turn.
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

using Reader = Result<HistoryReader*>;

// `question`: asks a HistoryReader, if one is to be had, and has a Result of the answer.
template <class Question>
Result<void> ask_history(const Call& call, Question question) {
  auto* const archive = call.reactor.history().archive();
  if (archive == nullptr) {
    return failure(ErrorCode::not_found, "this server keeps no history",
                   "set `history.store = \"sqlite\"` (or \"postgres\") in its configuration file and start it again");
  }
  const bool is_taken = archive->ask([&reactor = call.reactor, to = call.later(), question](const Reader& reader) {
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
  const auto* const archive = call.reactor.history().archive();
  return ask_history(call, [arguments, archive](const Reader& reader) -> Result<HistoryPage> {
    if (!reader) return std::unexpected(reader.error());
    const auto lag = archive->lag();  // as it was before: what comes meanwhile may be found
    auto page = (*reader)->find(arguments);
    if (!page) return page;
    page->lag_bytes = lag;
    page->problem = archive->problem();
    return page;
  });
}

Result<void> carry_out(const Call& call, const ShowHistory& arguments) {
  return ask_history(call, [arguments](const Reader& reader) -> Result<HistoryRecord> {
    if (!reader) return std::unexpected(reader.error());
    return (*reader)->show(arguments.id);
  });
}

// How far it is, is told without its database, too.
Result<void> carry_out(const Call& call, const ShowHistoryStatus&) {
  return ask_history(call, [archive = call.reactor.history().archive()](const Reader& reader) -> Result<HistoryStatus> {
    HistoryStatus status;
    if (reader) {
      auto known = (*reader)->status();
      // Its tables may not be there yet: then the archive says why.
      if (!known && archive->problem().empty() && known.error().code != ErrorCode::connection_lost) return known;
      if (known) status = std::move(*known);
    } else if (reader.error().code != ErrorCode::connection_lost) {
      return std::unexpected(reader.error());
    }
    status.lag_bytes = archive->lag();
    status.problem = archive->problem();
    return status;
  });
}

}  // namespace folkmoot
