// What facts of a journal mean to the history.
#pragma once

#include "archive/history_store.hpp"
#include "journal/format.hpp"

namespace folkmoot {

class FactReader {
 public:
  /// `store` outlives it.
  FactReader(HistoryStore& store, ShardNumber shard) : store_(store), shard_(shard) {}

  /// A fact of this shard's journal, in order; a copy of one that was read before changes nothing. One that does not
  /// say when it was: `now` if it `is_fresh`, else the youngest time that stood before it. Errors: damaged (it is too
  /// short), those of the store.
  Result<void> read(const RecordView& record, Instant now, bool is_fresh);

 private:
  Result<void> read_accepted(Bytes body);
  Result<void> read_settled(Bytes body, Instant now);
  Result<void> read_cancelled(Bytes body, Instant now);
  Result<void> read_returned(Bytes body);
  Result<void> read_result(Bytes body);
  Result<void> read_dead(Bytes body);
  Result<void> read_linked(Bytes body);
  Result<void> read_event(Bytes body);
  Result<void> read_agent_set(Bytes body, Instant now);
  void saw(Instant at) { youngest_ = std::max(youngest_, at); }

  HistoryStore& store_;
  const ShardNumber shard_;
  Instant youngest_ = 0;
};

}  // namespace folkmoot
