#include "engine/prepared.hpp"

namespace folkmoot {

void doom(Prepared& prepared, DeadReason reason, std::string verdict) {
  prepared.doom = reason;
  prepared.verdict = std::make_unique<std::string>(std::move(verdict));
}

Result<void> rewrite(Prepared& prepared, Bytes changes) {
  auto rewritten = std::make_unique<RewrittenMessage>();
  if (auto merged = merge_envelopes(prepared.message->envelope, changes, rewritten->envelope, Recipient::optional);
      !merged)
    return merged;
  rewritten->message = {.routing = {}, .envelope = as_bytes(rewritten->envelope), .content = prepared.message->content};
  if (auto read = read_routing(rewritten->message.envelope, rewritten->message.routing, Recipient::optional); !read)
    return read;
  rewritten->message.has_causes = prepared.message->has_causes;
  rewritten->message.forwarded = prepared.message->forwarded;
  rewritten->message.provenance = prepared.message->provenance;
  rewritten->message.answerer = prepared.message->answerer;
  prepared.message = &rewritten->message;
  prepared.rewritten = std::move(rewritten);
  return {};
}

}  // namespace folkmoot
