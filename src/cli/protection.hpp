// What the shell signs and seals of what it sends, and checks and opens of what it takes (docs/sealed.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/cli.hpp"
#include "cli/session.hpp"
#include "folkmoot/known_keys.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot::cli {

class Protection {
 public:
  void add_to(App& app, bool topic);
  bool is_wanted() const { return !sign_.empty() || encrypt_ || !recipients_.empty(); }
  /// Seals, then signs what it has become. Throws Failure.
  void apply(Session& session, Message& message) const;
  /// The same of one that is kept on disk in a mailbox. What is signed gets a key there: so one that is sent again is a
  /// duplicate whether or not the server has been started anew meanwhile.
  void apply_to_mail(Session& session, Message& message) const;

 private:
  std::string sign_, passphrase_file_;
  std::vector<std::string> recipients_;  // files
  bool encrypt_ = false;
};

class Examination {
 public:
  void add_to(App& app);
  /// Opens what is sealed, after the sender was looked at. Nothing for what is not of whom it says: it tells why, and
  /// refusal() has it. Throws Failure for what nobody here can judge or open.
  std::optional<Message> pass(Session& session, const Message& message);
  const std::string& refusal() const { return refusal_; }

 private:
  std::vector<std::string> files_;
  std::string passphrase_file_, refusal_;
  bool verify_ = false;
  std::optional<KnownKeys> known_{};
  MetSignatures met_{};
  std::vector<PrivateKey> keys_{};
};

}  // namespace folkmoot::cli
