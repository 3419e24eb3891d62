// Webhooks: to which endpoints the mail of agents is posted. Facts like the rest. The engine keeps them and posts
// nothing: who does (src/webhook) is a consumer of the mailbox like any other, by the rules that stand here and are
// durable.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "engine/ledger.hpp"
#include "engine/options.hpp"
#include "engine/part.hpp"
#include "engine/replies.hpp"
#include "engine/run.hpp"
#include "engine/webhook.hpp"

namespace folkmoot {

class Census;

class WebhookTable final : public PlainPart {
 public:
  WebhookTable(const EngineOptions& options, Run& run, Ledger& ledger, Replies& replies)
      : options_(options), run_(run), ledger_(ledger), replies_(replies) {}

  // Each is answered when it is on disk. Errors: not_found, disk_full, and those that are named.

  /// In the place of that agent's, and enabled. Without secrets those that are known stay. Errors: limit_reached,
  /// invalid_field, invalid_name, out_of_range.
  void set(Asker caller, WebhookRule rule);
  /// From now on requests are signed with `secret` first; with those before for `keep` more. Errors: invalid_field.
  void rotate(Asker caller, std::string_view agent, std::string_view secret, Duration keep);
  void enable(Asker caller, std::string_view agent);
  /// `revision`: the one that this is about; 0: whichever it is. One that was changed meanwhile stays as it is.
  void disable(Asker caller, std::string_view agent, std::uint64_t revision, std::string_view reason);
  void remove(Asker caller, std::string_view agent);

  void each(const std::function<void(const SharedWebhookRule&)>& each) const;
  const WebhookRule* find(std::string_view agent) const;
  /// Grows when something that was changed is durable; 0: nothing ever was.
  std::uint64_t version() const { return version_; }
  void on_durable(const waiting::WebhooksChanged& item);
  /// Recovery is over: what it brought is durable.
  void start() { version_ = rows_.empty() ? 0 : 1; }

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  struct Row {
    SharedWebhookRule rule;
    FactPlace place;
  };

  void write(Asker caller, WebhookRule rule);
  void put(WebhookRule rule, FactPlace place);
  bool forget(std::string_view agent);

  const EngineOptions& options_;
  Run& run_;
  Ledger& ledger_;
  Replies& replies_;
  std::map<std::string, Row, std::less<>> rows_;
  std::uint64_t version_ = 0;
  std::uint64_t last_revision_ = 0;  // of all: one that is set anew is told from the one before
};

}  // namespace folkmoot
