#include "access/account.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "access/patterns.hpp"
#include "base/utf8.hpp"
#include "message/pack.hpp"
#include "message/topic.hpp"

namespace folkmoot::access {
namespace {

constexpr std::string_view kPeople = "human:";
constexpr std::string_view kRolePrefix = "role:";
constexpr std::size_t kKeyIdBytes = 16, kKeyHashBytes = 32;

// A name that stands in rules and lists: no pattern, and not the server's own.
Result<void> check_own_name(std::string_view name, std::string_view what) {
  if (is_name(name) && name.front() != '@' && name.front() != '$' && !name.contains('*') &&
      !name.starts_with(kRolePrefix))
    return {};
  return failure(ErrorCode::invalid_name, fmt::format("`{}` cannot be the name of {}", is_name(name) ? name : "", what),
                 "names are 1 to 255 bytes of UTF-8 without `*`, and do not begin with @, $ or `role:`");
}

bool is_name_pattern(std::string_view text) { return is_name(text) && text.front() != '@' && text.front() != '$'; }

}  // namespace

const Key* Account::find_key(std::string_view id) const {
  const auto found = std::ranges::find(keys, id, &Key::id);
  return found == keys.end() ? nullptr : &*found;
}

bool owns(const std::vector<std::string>& names, std::string_view agent) {
  const bool is_person = agent.starts_with(kPeople);
  return std::ranges::any_of(names, [&](std::string_view pattern) {
    return (!is_person || pattern.starts_with(kPeople)) && name_fits(pattern, agent);
  });
}

std::string Rule::key(std::string_view subject, AccessAction action, std::string_view resource) {
  return fmt::format("{} {} {}", kAccessActionWords[static_cast<std::size_t>(action)], subject, resource);
}

bool Rule::concerns(std::string_view account, std::string_view role) const {
  if (subject.starts_with(kRolePrefix)) return std::string_view(subject).substr(kRolePrefix.size()) == role;
  return name_fits(subject, account);
}

bool Rule::fits(std::string_view what) const {
  if (!is_about_topics(action)) return name_fits(resource, what);
  return is_pattern(what) && topics_cover(resource, what);
}

bool Rule::meets(std::string_view what) const {
  if (!is_about_topics(action)) return name_fits(resource, what);
  return is_pattern(what) && topics_meet(resource, what);
}

const BuiltInRole* find_built_in_role(std::string_view name) {
  const auto found = std::ranges::find(kBuiltInRoles, name, &BuiltInRole::name);
  return found == kBuiltInRoles.end() ? nullptr : &*found;
}

// -- what they must be

Result<void> check(const Account& account) {
  if (auto good = check_own_name(account.name, "an account"); !good) return good;
  if (!is_name(account.role)) return failure(ErrorCode::invalid_name, "the account's role is no name");
  if (account.names.empty() || account.names.size() > kAccountNamesMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("{} names are given; an account has 1 to {}", account.names.size(), kAccountNamesMax));
  }
  for (const auto& pattern : account.names) {
    if (is_name_pattern(pattern)) continue;
    return failure(ErrorCode::invalid_name, "one of the account's names is none",
                   "names are 1 to 255 bytes of UTF-8, may have `*` for anything, and do not begin with @ or $");
  }
  if (account.keys.size() > kAccountKeysMax) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} has {} keys already", account.name, account.keys.size() - 1),
                   "rotate with a shorter grace, so that older ones end");
  }
  if (has_c1(account.name) || has_c1(account.note) || account.note.size() > kAccountNoteMax)
    return failure(ErrorCode::invalid_field, "the note is too long, or holds a control character");
  return {};
}

Result<void> check(const OwnRole& role) {
  if (find_built_in_role(role.name) != nullptr)
    return failure(ErrorCode::already_exists, fmt::format("{} is a role of the server's own", role.name),
                   "give yours another name");
  return check_own_name(role.name, "a role");
}

Result<Rule> make_rule(bool deny, std::string_view subject, AccessAction action, std::string_view resource,
                       std::string_view filter) {
  const auto named = subject.starts_with(kRolePrefix) ? subject.substr(kRolePrefix.size()) : subject;
  if (!is_name(named)) {
    return failure(ErrorCode::invalid_name, "a rule speaks of accounts (a name, with `*` for anything) or `role:NAME`");
  }
  if (is_about_topics(action) ? !is_pattern(resource) : !is_name(resource)) {
    return failure(is_about_topics(action) ? ErrorCode::invalid_topic : ErrorCode::invalid_name,
                   fmt::format("`{}` is nothing that {} could be of", is_name(resource) ? resource : "",
                               kAccessActionWords[static_cast<std::size_t>(action)]),
                   "publish and subscribe take a topic or pattern, the others a name with `*` for anything");
  }
  Rule rule{.deny = deny, .subject = std::string(subject), .action = action, .resource = std::string(resource)};
  if (filter.empty()) return rule;
  if (action != AccessAction::send && action != AccessAction::publish && action != AccessAction::conversation) {
    return failure(ErrorCode::invalid_field, "only rules about messages (send, publish, conversation) have a filter");
  }
  auto compiled = Filter::compile(filter);
  if (!compiled) return std::unexpected(std::move(compiled.error()));
  rule.filter = std::move(*compiled);
  return rule;
}

// -- as facts have them

std::string pack(const Account& account) {
  std::string out;
  PackWriter writer(out);
  writer.array(8).str(account.name).str(account.role).str(account.note).boolean(account.disabled);
  writer.uint(static_cast<std::uint64_t>(account.created_at.ms))
      .uint(static_cast<std::uint64_t>(account.expires_at.ms));
  writer.array(static_cast<std::uint32_t>(account.names.size()));
  for (const auto& name : account.names) writer.str(name);
  writer.array(static_cast<std::uint32_t>(account.keys.size()));
  for (const auto& key : account.keys) {
    writer.array(5).str(key.id).bin(key.salt).bin(key.hash);
    writer.uint(static_cast<std::uint64_t>(key.created_at.ms)).uint(static_cast<std::uint64_t>(key.expires_at.ms));
  }
  return out;
}

Result<Account> unpack_account(Bytes body) {
  PackReader reader(body);
  Account account;
  if (reader.array() < 8) reader.fail();
  account.name = reader.str();
  account.role = reader.str();
  account.note = reader.str();
  account.disabled = reader.boolean();
  account.created_at = Instant{static_cast<std::int64_t>(reader.uint())};
  account.expires_at = Instant{static_cast<std::int64_t>(reader.uint())};
  for (auto count = reader.array(); count-- && reader.ok();) account.names.emplace_back(reader.str());
  for (auto count = reader.array(); count-- && reader.ok();) {
    if (reader.array() < 5) reader.fail();
    auto& key = account.keys.emplace_back();
    key.id = reader.str();
    key.salt = reader.bin();
    key.hash = reader.bin();
    key.created_at = Instant{static_cast<std::int64_t>(reader.uint())};
    key.expires_at = Instant{static_cast<std::int64_t>(reader.uint())};
    if (key.id.size() != kKeyIdBytes || key.hash.size() != kKeyHashBytes) reader.fail();
  }
  if (!reader.ok() || !check(account)) return failure(ErrorCode::damaged, "an account_set fact does not parse");
  return account;
}

std::string pack(const OwnRole& role) {
  std::string out;
  PackWriter writer(out);
  std::uint32_t count = 0;
  for (std::size_t right = 0; right < std::size(kRightWords); ++right) count += role.rights.has(Right(right));
  writer.array(2).str(role.name).array(count);
  for (std::size_t right = 0; right < std::size(kRightWords); ++right) {
    if (role.rights.has(Right(right))) writer.uint(right);
  }
  return out;
}

Result<OwnRole> unpack_role(Bytes body) {
  PackReader reader(body);
  OwnRole role;
  if (reader.array() < 2) reader.fail();
  role.name = reader.str();
  for (auto count = reader.array(); count-- && reader.ok();) {
    const auto right = reader.uint();
    if (right >= std::size(kRightWords)) reader.fail();
    if (reader.ok()) role.rights.add(Right(right));
  }
  if (!reader.ok() || !check(role)) return failure(ErrorCode::damaged, "a role_set fact does not parse");
  return role;
}

std::string pack(const Rule& rule) {
  std::string out;
  PackWriter(out)
      .array(5)
      .boolean(rule.deny)
      .str(rule.subject)
      .uint(static_cast<std::uint64_t>(rule.action))
      .str(rule.resource)
      .str(rule.filter ? std::string_view(rule.filter->text()) : "");
  return out;
}

Result<Rule> unpack_rule(Bytes body) {
  PackReader reader(body);
  if (reader.array() < 5) reader.fail();
  const bool deny = reader.boolean();
  const auto subject = reader.str();
  const auto action = reader.uint();
  const auto resource = reader.str();
  const auto filter = reader.str();
  if (reader.ok() && action < std::size(kAccessActionWords)) {
    auto rule = make_rule(deny, subject, AccessAction(action), resource, filter);
    if (rule) return rule;
  }
  return failure(ErrorCode::damaged, "a rule_set fact does not parse");
}

}  // namespace folkmoot::access
