// The options by which send, publish, request and schedule say a message.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/cli.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot::cli {

/// A retry policy as it is written on the command line:
/// `attempts=5,backoff=exponential,initial=1s,max=5m,multiplier=2`; what is left out is the mailbox's. Throws Failure.
RetryPolicy parse_retry(std::string_view text);

/// KEY=VALUE pairs. A value that is JSON is taken as such; anything else is a text. Throws Failure.
Metadata parse_pairs(const std::vector<std::string>& pairs);

class MessageOptions {
 public:
  /// Adds the positionals (TO or TOPIC, and CONTENT) and the options to `app`.
  /// Returns the first of the positionals.
  Option* add_to(App& app, bool topic, bool content_required = true);
  /// Adds --topic to those of a mailbox: TO is a topic then.
  void add_topic_to(App& app);
  /// Adds --file.
  void add_file_to(App& app);
  /// The file whose content it is; empty: none.
  const std::string& file() const { return file_; }
  /// Reads stdin if the content is `-`. Throws Failure.
  Message build() const;
  /// The same with this content, or one that will be referred to.
  Message build_with(std::string content, bool is_here = true) const;
  bool has_content() const { return has_content_; }
  bool has_key() const { return !key_.empty(); }
  /// client_options(), with compression if it was asked for.
  ClientOptions with_client_options() const;

 private:
  void set_times(Message& message) const;

  bool topic_ = false, has_content_ = false, bounce_ = false, no_reply_ = false;
  std::string to_, content_, type_, priority_, key_, conversation_, correlation_, reply_to_, mode_, content_type_,
      retry_, group_, cause_;
  std::string file_, compress_;
  std::vector<std::string> meta_;
  Milliseconds ttl_{-1}, delay_{0};  // ttl_: -1: as the mailbox says
  std::int64_t expires_at_ = 0, deliver_at_ = 0;
};

}  // namespace folkmoot::cli
