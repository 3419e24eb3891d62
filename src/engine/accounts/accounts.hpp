// Accounts, roles and rules (A18): who may speak to the server, and who may do what. Facts like the rest. The engine
// keeps them and decides nothing by them: who comes in is judged where frames come in (server/credentials.hpp), by the
// policy that is made of what stands here and is durable.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "access/policy.hpp"
#include "engine/ledger.hpp"
#include "engine/options.hpp"
#include "engine/part.hpp"
#include "engine/replies.hpp"
#include "engine/sessions.hpp"
#include "engine/slab.hpp"

namespace folkmoot {

class Accounts final : public PlainPart {
 public:
  Accounts(const EngineOptions& options, Ledger& ledger, Sessions& sessions, Replies& replies, Effects& effects)
      : options_(options), ledger_(ledger), sessions_(sessions), replies_(replies), effects_(effects) {}

  // Each in the place of one of the same name (of rules: subject, action and resource), and answered when it is on
  // disk. Errors: limit_reached, disk_full, those of access::check().
  // `shown`: the key that the answer shows; null: it is answered as done.
  void set(Asker caller, access::Account account, const NewAccountKey* shown = nullptr);
  void set(Asker caller, const access::OwnRole& role);
  void set(Asker caller, access::Rule rule);
  // Errors: not_found, disk_full.
  void remove(Asker caller, std::string_view account);
  void remove_role(Asker caller, std::string_view role);
  void remove_rule(Asker caller, std::string_view key);

  /// The session acts for its own agent alone from now on: settles what that one holds, takes back what that one sent.
  void bind(SessionId id) {
    if (auto* const session = sessions_.find(id)) sessions_.bind(*session);
  }

  /// All that stands here, by name. Its version is version().
  access::Policy policy() const;
  /// Grows when something that was changed is durable; 0: nothing ever was.
  std::uint64_t version() const { return version_; }
  void on_durable(const waiting::AccessChanged& item);
  /// Recovery is over: what it brought is durable.
  void start() { version_ = is_empty() ? 0 : 1; }
  bool is_empty() const { return accounts_.empty() && roles_.empty() && rules_.empty(); }

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;

 private:
  template <class T>
  struct Row {
    std::shared_ptr<const T> what;
    FactPlace place;
  };
  template <class T>
  using Table = std::map<std::string, Row<T>, std::less<>>;

  template <class T>
  void write(Asker caller, Table<T>& table, std::string key, T what, FactKind kind,
             const NewAccountKey* shown = nullptr);
  template <class T>
  void put(Table<T>& table, std::string key, T what, FactPlace place);
  template <class T>
  bool forget(Table<T>& table, std::string_view key);
  template <class T>
  void erase(Asker caller, Table<T>& table, std::string_view key, FactKind kind, std::string_view what);
  template <class T>
  void copy(Table<T>& table, const Fact& fact);

  const EngineOptions& options_;
  Ledger& ledger_;
  Sessions& sessions_;
  Replies& replies_;
  Effects& effects_;
  Table<access::Account> accounts_;
  Table<access::OwnRole> roles_;
  Table<access::Rule> rules_;
  Slab<NewAccountKey> shown_;  // keys whose accounts wait for the disk
  std::uint64_t version_ = 0;
};

}  // namespace folkmoot
