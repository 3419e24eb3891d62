#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <utility>

#include "filter/filter.hpp"
#include "message/json_fields.hpp"
#include "message/json_mapping.hpp"
#include "message/json_splice.hpp"
#include "message/pack.hpp"
#include "operation/json_codec.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kListScanMax = 20'000;  // dead letters one listing looks at; the next one goes on from there
constexpr std::size_t kDryRunIds = 100;
static_assert(kRedriveMost == kRedriveMax);

DeadReason reason_named(std::string_view word) {
  for (std::size_t i = 1; i < kDeadReasons; ++i) {
    if (name(static_cast<DeadReason>(i)) == word) return static_cast<DeadReason>(i);
  }
  return DeadReason::none;
}

// What the filter of a query needs lives as long as the query. Errors: invalid_filter.
Result<DeadQuery> query_of(const DeadFilter& which) {
  DeadQuery query{.mailbox = which.mailbox,
                  .id = which.id,
                  .reason = reason_named(which.reason),
                  .before = Instant{which.before_ms}};
  if (which.filter.empty()) return query;
  auto compiled = Filter::compile(which.filter);
  if (!compiled) return failure(compiled.error().code, fmt::format("`filter`: {}", compiled.error().text));
  query.fits = [filter = std::move(*compiled), input = std::make_shared<FilterInput>()](Bytes message) {
    input->reset(message);
    return filter.matches(*input);
  };
  return query;
}

DeadMessage shown(const DeadView& dead, bool with_content) {
  DeadMessage out{.id = dead.id,
                  .mailbox = std::string(dead.mailbox),
                  .reason = std::string(name(dead.reason)),
                  .text = std::string(dead.text),
                  .at_ms = dead.at.ms,
                  .deliveries = dead.deliveries};
  if (auto message = decode_message(dead.message)) {
    if (!with_content) message->content.clear();
    out.message = std::move(*message);
  }
  return out;
}

// The fields of `changes` as an envelope. What is set to its default is written too, as it is to replace what stands
// there.
struct Changes {
  std::string envelope;
  std::optional<std::string> content;
  std::vector<std::pair<std::string, std::string>> edits;  // `content.a.b` or `metadata.a`, and the value as JSON

  Resubmission view() const {
    Resubmission how{.changes = as_bytes(envelope),
                     .content = content ? std::optional(as_bytes(*content)) : std::nullopt};
    if (!edits.empty())
      how.edit = [edits = edits](Message& message, std::string& text) { return edit(edits, message, text); };
    return how;
  }

 private:
  static Result<void> edit(const std::vector<std::pair<std::string, std::string>>& edits, Message& message,
                           std::string& content) {
    for (const auto& [path, value] : edits) {
      const auto dot = path.find('.');
      if (path.starts_with("metadata.")) {
        boost::system::error_code not_json;
        auto parsed = boost::json::parse(value, not_json);
        if (not_json) return failure(ErrorCode::invalid_field, fmt::format("`{}` has no value that is JSON", path));
        message.metadata[path.substr(dot + 1)] = std::move(parsed);
        continue;
      }
      if (message.content_ref || !message.encoding.empty()) {
        return failure(ErrorCode::invalid_field,
                       fmt::format("`{}` cannot be set: the content is {}", path,
                                   message.content_ref ? "stored by reference" : "compressed"));
      }
      auto changed = set_json_field(content, std::string_view(path).substr(dot + 1), value);
      if (!changed) return std::unexpected(changed.error());
      content = std::move(*changed);
    }
    return {};
  }
};

// Takes the changes that concern a part of a field out of the object; what is left, as JSON.
std::string take_edits(std::string_view object, Changes& changes) {
  std::string rest = "{";
  each_json_member(object, [&](std::string_view key, std::string_view value) {
    const auto dot = key.find('.');
    const auto of = key.substr(0, dot);
    if (dot != std::string_view::npos && (of == "content" || of == "payload" || of == "metadata")) {
      changes.edits.emplace_back(std::string(of == "payload" ? "content" : of).append(key.substr(dot)), value);
      return;
    }
    rest.append(rest.size() > 1 ? ",\"" : "\"").append(key).append("\":").append(value);
  });
  return rest.append("}");
}

// Appends to the pairs in `envelope` those that say a default.
void add_defaults(const JsonFields& fields, const Message& message, std::string& envelope) {
  PackReader reader(as_bytes(envelope));
  auto count = reader.map();
  std::string pairs = envelope.substr(reader.offset());
  PackWriter writer(pairs);
  const auto number = [&](std::string_view name, bool is_default, Field field, std::uint64_t otherwise) {
    if (!fields.find(name) || !is_default) return;
    ++count;
    writer.uint(static_cast<std::uint64_t>(field)).uint(otherwise);
  };
  const auto flag = [&](std::string_view name, bool is_default, Field field, bool otherwise) {
    if (!fields.find(name) || !is_default) return;
    ++count;
    writer.uint(static_cast<std::uint64_t>(field)).boolean(otherwise);
  };
  number("priority", message.priority == normal, Field::priority, normal);
  flag("bounce", !message.bounce, Field::bounce, false);
  flag("expects_reply", message.expects_reply, Field::expects_reply, true);
  envelope.clear();
  if (count == 0) return;
  PackWriter(envelope).map(count);
  envelope += pairs;
}

Result<Changes> read_changes(const Call& call, const JsonText& changes) {
  Changes out;
  if (changes.text.empty()) return out;
  JsonDocument document;
  auto value = document.parse(changes.text);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object())
    return failure(ErrorCode::invalid_field, "`changes` is not an object with fields of a message");
  const auto rest = take_edits(changes.text, out);
  if (!out.edits.empty()) value = document.parse(rest);
  if (!value) return std::unexpected(value.error());
  const auto good = check_changes(*value);
  auto message = good ? message_from_json(*value) : std::unexpected(good.error());
  if (!message) return failure(message.error().code, fmt::format("`changes`: {}", message.error().text));
  const JsonFields fields(*value);
  if (fields.find("content") || fields.find("payload")) {
    out.content = std::move(message->content);
    const auto most = call.reactor.options().content_bytes_max;
    if (out.content->size() > most) {
      return failure(ErrorCode::content_too_large,
                     fmt::format("the content has {} bytes; {} are the most", out.content->size(), most),
                     "store it first and refer to it (docs/content.md), or raise max_content_bytes");
    }
  }
  if (auto done = encode_envelope(*message, out.envelope); !done) return std::unexpected(done.error());
  add_defaults(fields, *message, out.envelope);
  return out;
}

Result<void> count_dead(const Call& call, const DeadQuery& query, std::uint64_t limit) {
  Redriven out;
  std::uint64_t count = 0;
  call.engine.dead().each(query, {}, [&](const DeadView& dead) {
    if (count++ < kDryRunIds) out.ids.push_back(dead.id);
    return limit == 0 || count < limit;
  });
  out.count = count;
  return call.answer(out);
}

}  // namespace

Result<void> carry_out(const Call& call, const ListDead& arguments) {
  auto query = query_of(arguments.which);
  if (!query) return std::unexpected(query.error());
  // What fits is looked for here, so that one listing ends however few there are.
  const auto fits = std::exchange(query->fits, {});
  DeadPage page;
  std::size_t seen = 0, bytes = 0;
  Uuid last;
  call.engine.dead().each(*query, arguments.after, [&](const DeadView& dead) {
    if (page.dead.size() >= arguments.limit || seen >= kListScanMax || bytes >= kListBytesMax) {
      page.next = last;
      return false;
    }
    last = dead.id;
    ++seen;
    if (fits && !fits(dead.message)) return true;
    const auto& row = page.dead.emplace_back(shown(dead, arguments.content));
    bytes += to_json_text(row, Sparse::as_described).size();
    return true;
  });
  return call.answer(page);
}

Result<void> carry_out(const Call& call, const ShowDead& arguments) {
  std::optional<ShownDead> out;
  // The mailbox by its receipt: without it, every dead letter would have to be looked at.
  const DeadQuery query{.mailbox = call.engine.mailboxes().receipt(arguments.id).recipient, .id = arguments.id};
  if (!query.mailbox.empty()) {
    call.engine.dead().each(query, {}, [&](const DeadView& dead) {
      out = ShownDead{shown(dead, true)};
      return false;
    });
  }
  if (!out)
    return failure(ErrorCode::not_found, fmt::format("no dead letter has the id {}", arguments.id.text()),
                   "`folkmoot dead list` lists them; one that was sent again has a new id");
  out->attempts = attempts_of(call.engine, arguments.id);
  return call.answer(*out);
}

Result<void> carry_out(const Call& call, const ResubmitDead& arguments) {
  const auto changes = read_changes(call, arguments.changes);
  if (!changes) return std::unexpected(changes.error());
  call.engine.resubmit(call.session, call.request, arguments.id, changes->view());
  return {};
}

Result<void> carry_out(const Call& call, const RedriveDead& arguments) {
  const auto query = query_of(arguments.which);
  if (!query) return std::unexpected(query.error());
  const auto changes = read_changes(call, arguments.changes);
  if (!changes) return std::unexpected(changes.error());
  if (arguments.dry_run) return count_dead(call, *query, arguments.limit);
  call.engine.redrive(
      call.session, call.request,
      {.query = *query, .how = changes->view(), .limit = arguments.limit, .per_second = arguments.per_second});
  return {};
}

Result<void> carry_out(const Call& call, const PurgeDead& arguments) {
  if (arguments.which == DeadFilter{} && !arguments.all) {
    return failure(ErrorCode::invalid_field,
                   "no condition is given: that would be every dead letter; say so by \"all\":true");
  }
  const auto query = query_of(arguments.which);
  if (!query) return std::unexpected(query.error());
  call.engine.dead().purge({call.session, call.request}, *query,
                           arguments.limit != 0 ? arguments.limit : std::size_t{1'000'000'000});
  return {};
}

}  // namespace folkmoot
