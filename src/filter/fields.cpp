#include "filter/fields.hpp"

#include <algorithm>

namespace folkmoot {
namespace {

constexpr FilterField kFilterFields[] = {
    {"id", Field::id, FieldKind::id},
    {"timestamp", Field::timestamp, FieldKind::natural},
    {"from", Field::from, FieldKind::text},
    {"to", Field::to, FieldKind::text},
    {"topic", Field::topic, FieldKind::text},
    {"type", Field::type, FieldKind::type},
    {"priority", Field::priority, FieldKind::priority},
    {"content_type", Field::content_type, FieldKind::content_type},
    {"conversation", Field::conversation, FieldKind::text},
    {"correlation", Field::correlation, FieldKind::text},
    {"reply_to", Field::reply_to, FieldKind::text},
    {"key", Field::key, FieldKind::text},
    {"ttl", Field::ttl, FieldKind::natural},
    {"deliver_at", Field::deliver_at, FieldKind::natural},
    {"delay", Field::delay, FieldKind::natural},
    {"expires_at", Field::expires_at, FieldKind::natural},
    {"mode", Field::mode, FieldKind::mode},
    {"group", Field::group, FieldKind::text},
    {"bounce", Field::bounce, FieldKind::flag_off},
    {"expects_reply", Field::expects_reply, FieldKind::flag_on},
    {"encoding", Field::encoding, FieldKind::text},
    {"cause", Field::cause, FieldKind::id},
    {"hops", Field::hops, FieldKind::count},
    {"event_topic", Field::event_topic, FieldKind::text},
    {"content", Field::metadata, FieldKind::content},
    {"content_size", Field::content_ref, FieldKind::content_size},
    {"metadata", Field::metadata, FieldKind::metadata},
    {"provenance", Field::provenance, FieldKind::metadata},
};

struct Spelling {
  std::string_view other;
  std::string_view name;
};

// Those that the JSON doors take (message/json_mapping.cpp): a message can be filtered by the words it was sent with.
constexpr Spelling kSpellings[] = {
    {"message_id", "id"},
    {"sender_id", "from"},
    {"from_agent_id", "from"},
    {"source_id", "from"},
    {"source", "from"},
    {"recipient_id", "to"},
    {"to_agent_id", "to"},
    {"target_id", "to"},
    {"target", "to"},
    {"event_type", "topic"},
    {"channel", "topic"},
    {"subject", "topic"},
    {"message_type", "type"},
    {"conversation_id", "conversation"},
    {"correlation_id", "correlation"},
    {"idempotency_key", "key"},
    {"delivery_mode", "mode"},
    {"group_id", "group"},
    {"causation_id", "cause"},
    {"payload", "content"},
    {"headers", "metadata"},
};

}  // namespace

const FilterField* find_filter_field(std::string_view name) {
  const auto* spelling = std::ranges::find(kSpellings, name, &Spelling::other);
  if (spelling != std::end(kSpellings)) name = spelling->name;
  const auto* field = std::ranges::find(kFilterFields, name, &FilterField::name);
  return field == std::end(kFilterFields) ? nullptr : field;
}

const FilterField& metadata_field() { return *find_filter_field("metadata"); }

}  // namespace folkmoot
