// The rule of a webhook: checked, and as its fact has it.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "engine/webhook.hpp"

namespace folkmoot {

/// Errors: invalid_name, invalid_field, out_of_range.
Result<void> check_webhook(const WebhookRule& rule);

/// The body of a webhook_set fact: a MessagePack list.
std::string pack_webhook(const WebhookRule& rule);
/// Errors: damaged.
Result<void> unpack_webhook(Bytes body, WebhookRule& rule);

}  // namespace folkmoot
