"""No function of more lines, or of more ways through it, than can be kept in mind. Counted by lizard; what is within a
lambda belongs to the function that it is written in.

An exception stands in the table below with the size that it has and why; it may shrink, and must go when it fits.
"""

import sys
from pathlib import Path

import lizard

import tree

LINES_MAX = 70
COMPLEXITY_MAX = 25

CASES = "a switch with one case for each kind, all of one shape"
TABLE = "a table, a row for each"
HOT = "the hot path: one pass over the bytes, a case for each key"
JUDGE = "a checker: each condition is a rule of the page it names, told apart by what it says"

# (file, function): (lines, complexity, why)
EXCEPTIONS = {
    ("src/cli/settings_table.cpp", "folkmoot::settings_table"): (154, 1, TABLE),
    ("src/filter/evaluation.cpp", "folkmoot::Evaluation::step"): (82, 33, CASES),
    ("src/gateway/json_frames.cpp", "folkmoot::TextSession::tell"): (109, 39, CASES),
    ("src/gateway/json_frames.cpp", "folkmoot::TextSession::translate"): (129, 56, CASES),
    ("src/message/envelope.cpp", "folkmoot::encode_envelope"): (105, 21, HOT),
    ("src/message/envelope.cpp", "folkmoot::read_routing"): (170, 71, HOT),
    ("src/operation/json_codec.cpp", "folkmoot::JsonReader::read_value"): (73, 34, CASES),
    ("src/operation/pack_codec.cpp", "folkmoot::PackFields::read_value"): (55, 26, CASES),
    ("src/operation/schema.cpp", "folkmoot::write_type"): (68, 32, CASES),
    ("src/server/shard_router.cpp", "folkmoot::ShardRouter::route"): (57, 30, CASES),
    ("bench/load/agents.cpp", "folkmoot::bench::run_agents"): (85, 23, "a load from its beginning to its figures"),
    ("bench/load/load.cpp", "folkmoot::bench::parse_options"): (49, 31, TABLE),
    ("tests/integration/test_kill9.py", "test_A7_killed_fifty_times_under_load_nothing_confirmed_is_lost"):
        (60, 28, JUDGE),
    ("tests/simulation/agents_effects.cpp", "folkmoot::simulation::Agents::on_mail"): (95, 37, JUDGE),
    ("tests/simulation/agents_effects.cpp", "folkmoot::simulation::Agents::refuse"): (61, 42, JUDGE),
    ("tests/simulation/model.cpp", "folkmoot::simulation::Model::on_accepted"): (74, 22, JUDGE),
    ("tests/simulation/model_crash.cpp", "folkmoot::simulation::Model::recovered"): (67, 30, JUDGE),
    ("tests/simulation/model_crash.cpp", "folkmoot::simulation::Model::resync"): (62, 42, JUDGE),
    ("tests/simulation/promises.cpp", "folkmoot::simulation::Promises::delivered"): (75, 36, JUDGE),
    ("tests/simulation/workload.cpp", "folkmoot::simulation::Chooser::run"): (51, 48, CASES),
    ("tests/unit/client/fake_server.hpp", "folkmoot::FakeServer::on_frame"): (142, 38, CASES),
    ("tests/unit/engine/content_random_test.cpp", "folkmoot::test::ContentRandomTest::step"): (84, 30, CASES),
    ("tests/unit/gateway/fake_hub.hpp", "folkmoot::testing::FakeHub::answer"): (127, 39, CASES),
}


def sizes_of(path):
    """(function's name, first line, lines, complexity) of each function of a file."""
    for function in lizard.analyze_file(str(path)).function_list:
        lines = function.end_line - function.start_line + 1
        yield function.name, function.start_line, lines, function.cyclomatic_complexity


def findings_of(path, exceptions, used):
    for function, at, lines, complexity in sizes_of(path):
        if lines <= LINES_MAX and complexity <= COMPLEXITY_MAX:
            continue
        key = (tree.name(path), function)
        lines_may, complexity_may, _ = exceptions.get(key, (LINES_MAX, COMPLEXITY_MAX, ""))
        used.add(key)
        what = []
        if lines > max(lines_may, LINES_MAX):
            what.append(f"{lines} lines, at most {max(lines_may, LINES_MAX)}")
        if complexity > max(complexity_may, COMPLEXITY_MAX):
            what.append(f"a complexity of {complexity}, at most {max(complexity_may, COMPLEXITY_MAX)}")
        if what:
            yield f"{tree.name(path)}:{at}: {function} has {' and '.join(what)}; make two of it"


def findings_in(paths, exceptions):
    used = set()
    findings = [finding for path in paths for finding in findings_of(path, exceptions, used)]
    findings += (f"{file}: {function} needs no exception any more: take it out of {Path(__file__).name}"
                 for file, function in sorted(exceptions.keys() - used))
    return findings


def main():
    paths = tree.files(".hpp", ".cpp", ".py", under=tree.FOLDERS)
    tree.report("function size", len(paths), findings_in(paths, EXCEPTIONS))


if __name__ == "__main__":
    sys.exit(main())
