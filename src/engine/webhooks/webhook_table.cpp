#include "engine/webhooks/webhook_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/webhooks/webhook_rule.hpp"

namespace folkmoot {
namespace {

Error no_webhook(std::string_view agent) {
  return {ErrorCode::not_found, fmt::format("no webhook is set for {}", printable(agent)),
          "`folkmoot webhook list` names those that are"};
}

}  // namespace

// -- set and removed

void WebhookTable::set(Asker caller, WebhookRule rule) {
  const auto* const known = find(rule.agent);
  if (rule.secrets.empty() && known != nullptr) rule.secrets = known->secrets;
  if (rule.secrets.empty()) {
    return replies_.refuse(
        caller, {ErrorCode::invalid_field, "`secret` is missing: a webhook has one from the first time that it is set",
                 "`folkmoot webhook set` makes one: whsec_ and 24 to 64 random bytes in base64"});
  }
  if (auto good = check_webhook(rule); !good) return replies_.refuse(caller, good.error());
  if (known == nullptr && rows_.size() >= options_.webhooks_max) {
    return replies_.refuse(caller,
                           {ErrorCode::limit_reached, fmt::format("there are {} webhooks already", rows_.size())});
  }
  write(caller, std::move(rule));
}

void WebhookTable::rotate(Asker caller, std::string_view agent, std::string_view secret, Duration keep) {
  const auto* const known = find(agent);
  if (known == nullptr) return replies_.refuse(caller, no_webhook(agent));
  if (auto good = check_endpoint_secret(secret); !good) return replies_.refuse(caller, good.error());
  auto rule = *known;
  const auto now = run_.now(), last = now + keep;
  std::erase_if(rule.secrets, [&](const WebhookKey& key) {
    return key.secret == secret || keep == 0 || (key.until != 0 && key.until <= now);
  });
  for (auto& key : rule.secrets) {
    if (key.until == 0 || key.until > last) key.until = last;
  }
  rule.secrets.insert(rule.secrets.begin(), WebhookKey{.secret = std::string(secret)});
  if (rule.secrets.size() > kWebhookKeysMax) rule.secrets.resize(kWebhookKeysMax);
  write(caller, std::move(rule));
}

void WebhookTable::enable(Asker caller, std::string_view agent) {
  const auto* const known = find(agent);
  if (known == nullptr) return replies_.refuse(caller, no_webhook(agent));
  auto rule = *known;
  rule.disabled_at = 0;
  rule.disabled_reason.clear();
  write(caller, std::move(rule));
}

void WebhookTable::disable(Asker caller, std::string_view agent, std::uint64_t revision, std::string_view reason) {
  const auto* const known = find(agent);
  if (known == nullptr) return replies_.refuse(caller, no_webhook(agent));
  if ((revision != 0 && revision != known->revision) || known->disabled_at != 0) return replies_.answer(caller);
  auto rule = *known;
  rule.disabled_at = run_.now();
  rule.disabled_reason = reason.substr(0, utf8_prefix(reason.substr(0, kWebhookReasonMax)));
  write(caller, std::move(rule));
}

void WebhookTable::remove(Asker caller, std::string_view agent) {
  if (find(agent) == nullptr) return replies_.refuse(caller, no_webhook(agent));
  if (!ledger_.has_room(Urgency::settling, agent.size()))
    return replies_.refuse(caller, {ErrorCode::disk_full, "no room to note that the webhook is gone"});
  const auto place = ledger_.note(FactKind::webhook_removed, {as_bytes(agent)});
  forget(agent);
  ledger_.when_or_now(Durable(place), waiting::WebhooksChanged{.to = caller});
}

void WebhookTable::write(Asker caller, WebhookRule rule) {
  rule.revision = last_revision_ + 1;
  const auto body = pack_webhook(rule);
  if (!ledger_.has_room(Urgency::durable, body.size())) {
    return replies_.refuse(caller,
                           {ErrorCode::disk_full, fmt::format("no room to keep the webhook of {}", rule.agent)});
  }
  const auto place = ledger_.note(FactKind::webhook_set, {as_bytes(body)}, Life::live);
  put(std::move(rule), place);
  ledger_.when_or_now(Durable(place), waiting::WebhooksChanged{.to = caller});
}

void WebhookTable::put(WebhookRule rule, FactPlace place) {
  forget(rule.agent);
  last_revision_ = std::max(last_revision_, rule.revision);
  auto agent = rule.agent;
  rows_.emplace(std::move(agent), Row{std::make_shared<const WebhookRule>(std::move(rule)), place});
}

bool WebhookTable::forget(std::string_view agent) {
  const auto known = rows_.find(agent);
  if (known == rows_.end()) return false;
  ledger_.release(known->second.place);
  rows_.erase(known);
  return true;
}

void WebhookTable::on_durable(const waiting::WebhooksChanged& item) {
  ++version_;
  replies_.answer(item.to);
}

// -- asked about

void WebhookTable::each(const std::function<void(const SharedWebhookRule&)>& each) const {
  for (const auto& [agent, row] : rows_) each(row.rule);
}

const WebhookRule* WebhookTable::find(std::string_view agent) const {
  const auto known = rows_.find(agent);
  return known == rows_.end() ? nullptr : known->second.rule.get();
}

// -- recovery and compaction

Result<void> WebhookTable::enter(const Fact& fact) {
  if (fact.kind == FactKind::webhook_removed) {
    forget(as_text(fact.body));
    return {};
  }
  WebhookRule rule;
  if (auto read = unpack_webhook(fact.body, rule); !read) return read;
  ledger_.retain(fact.place);
  put(std::move(rule), fact.place);
  return {};
}

bool WebhookTable::keep(const Fact& fact) {
  WebhookRule rule;
  if (fact.kind != FactKind::webhook_set || !unpack_webhook(fact.body, rule)) return true;
  const auto known = rows_.find(rule.agent);
  if (known != rows_.end() && known->second.place == fact.place)
    ledger_.copy(fact.kind, known->second.place, {fact.body});
  return true;
}

}  // namespace folkmoot
