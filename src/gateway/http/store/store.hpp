// The older REST interface's requests about messages: a mailbox is looked at, a status is set, by id alone
// (docs/rest.md). Each is operations of the list.
#pragma once

#include "gateway/http/exchange.hpp"
#include "gateway/http/store/shapes.hpp"
#include "message/json_fields.hpp"

namespace folkmoot {

/// Whether a GET /api/messages is one of those: it says `to_agent_id`.
bool looks_at_store(const Target& target);
/// The messages of an agent that have a status, as an array; where the next page begins is said in the header X-Next.
asio::awaitable<Answer> list_stored(Exchange& exchange);

/// What is known of a message beside its receipt; nothing if that is nothing, or not the caller's to see.
asio::awaitable<Result<std::optional<StoredFields>>> find_stored(Exchange& exchange, Uuid id, ReceiptState state);
/// As which message a dead letter was sent again; nil if it was not, or it is too long ago, or not the caller's to see.
asio::awaitable<Result<Uuid>> sent_again_as(Exchange& exchange, Uuid id);
/// One that has no receipt any more, as the history has it.
asio::awaitable<Result<std::optional<StoredMessage>>> find_past(Exchange& exchange, Uuid id);

/// PUT /api/messages/{id}/status that says nothing of a lease, or of a result.
asio::awaitable<Answer> settle_stored(Exchange& exchange, Uuid id, JsonElement body);

/// The name of an agent that is addressed by the id it is registered under; else what was given.
asio::awaitable<Result<std::string>> agent_addressed(Exchange& exchange, std::string_view given);

}  // namespace folkmoot
