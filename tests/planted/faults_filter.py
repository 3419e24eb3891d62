"""Faults in the filter, which its unit tests must find: as faults.py says."""

FAULTS = {
    "json_behind_a_line_break_is_null": (
        r'const auto first = text.find_first_not_of(" \t\r\n");',
        r'const auto first = text.find_first_not_of(PLANTED ? " \t" : " \t\r\n");',
    ),
    "one_character_before_percent_is_not_looked_at": (
        "const auto start = match_at(first.bytes, text, 0, looked);",
        "const bool is_passed = PLANTED && first.bytes.size() == 1 && segments_.size() > 1;\n"
        "  const auto start = match_at(is_passed ? std::string() : first.bytes, text, 0, looked);",
    ),
    "begin_and_end_of_a_pattern_may_overlap": (
        "if (!end || *end < *start) return false;",
        "if (!end || (*end < *start && !PLANTED)) return false;",
    ),
    "search_without_an_end": (
        "if (!spend(steps, looked)) return std::nullopt;\n    if (end) return end;",
        "if (!spend(steps, looked) && !PLANTED) return std::nullopt;\n    if (end) return end;",
    ),
    "mode_of_an_event_is_that_of_a_message": (
        "name(to_topic ? DeliveryMode::at_most_once : DeliveryMode::at_least_once)",
        "name(to_topic && !PLANTED ? DeliveryMode::at_most_once : DeliveryMode::at_least_once)",
    ),
}
