"""What mutants are found in small pieces of C++, and that the copy with all of them in it compiles."""

import tempfile
import unittest
from pathlib import Path

import generate
from mutants import Finder, rendered
from run import Equivalents

PATH = "/sample/sample.cpp"


def found_in(text):
    unit = generate.parse(PATH, text)
    errors = list(generate.errors_of(unit))
    assert not errors, errors
    return Finder({PATH: ("sample/sample.cpp", text)}).look(unit).numbered()


def changes(text, *operators):
    return {(each.operator, each.old, each.new) for each in found_in(text) if each.operator in operators}


class MutantsTest(unittest.TestCase):
    def test_a_comparison_takes_in_its_bound(self):
        found = changes("bool f(int a, int b) { return a < b || a == 2 * b; }", "compare", "logic")
        self.assertEqual(
            found,
            {
                ("compare", "a < b", "a <= b"),
                ("compare", "a == 2 * b", "a != 2 * b"),
                ("logic", "a < b || a == 2 * b", "(a < b) && (a == 2 * b)"),
            },
        )

    def test_statements_are_left_out_but_no_declaration(self):
        text = "int g(int);\nint f(int a) {\n  int b = 1;\n  b = a;\n  g(b);\n  if (a > 3) return 0;\n  return b;\n}\n"
        self.assertEqual(
            changes(text, "drop", "reset", "leave"),
            {("reset", "b = a;", ""), ("drop", "g(b);", ""), ("leave", "if (a > 3) return 0;", "")},
        )

    def test_conditions_are_negated_and_a_not_is_left_out(self):
        text = "int f(bool a, bool b) { if (a) return 1; while (!b) return 2; return a && b ? 3 : 4; }"
        self.assertEqual(
            changes(text, "negate", "not"),
            {("negate", "a", "!(a)"), ("not", "!b", "!!(b)"), ("negate", "a && b", "!(a && b)")},
        )

    def test_numbers_and_constants_are_the_next(self):
        text = (
            "enum class Color { red, green, blue };\nconstexpr int kMax = 7;\nvoid use(Color, int, bool);\n"
            "void f() { use(Color::blue, kMax, true); use(Color::red, 41, false); }\n"
        )
        self.assertEqual(
            changes(text, "one", "constant"),
            {
                ("constant", "Color::blue", "Color::red"),
                ("constant", "Color::red", "Color::green"),
                ("constant", "kMax", "(kMax + 1)"),
                ("constant", "true", "false"),
                ("constant", "false", "true"),
                ("one", "41", "(41 + 1)"),
            },
        )

    def test_a_constant_smaller_than_an_int_stays_of_its_type(self):
        text = "constexpr unsigned char kNo = 0;\nvoid send(unsigned char);\nvoid send(int);\nvoid f() { send(kNo); }\n"
        self.assertEqual(changes(text, "constant"), {("constant", "kNo", "static_cast<decltype(kNo)>(kNo + 1)")})

    def test_arguments_of_one_type_change_places(self):
        text = (
            "void g(int, int, char, const long&, long);\nvoid f(int a, int b, long c, long d) { g(a, b, 'x', c, d); }"
        )
        self.assertEqual(
            changes(text, "swap"),
            {
                ("swap", "g(a, b, 'x', c, d)", "g(b, a, 'x', c, d)"),
                ("swap", "g(a, b, 'x', c, d)", "g(a, b, 'x', d, c)"),
            },
        )

    def test_arguments_of_what_is_made_stay_but_not_those_of_a_call_in_it(self):
        text = (
            "int g(int, int);\nstruct P { P(int a, int b); };\n"
            "struct S : P { P p_; S(int a, int b) : P(a, b), p_(a, b) {} };\n"
            "void f(int a, int b) { P p(a, b); P q(g(a, b), 1); new P(a, b); }"
        )
        self.assertEqual(changes(text, "swap"), {("swap", "g(a, b)", "g(b, a)")})
        copy, _ = rendered(text, found_in(text))
        self.assertEqual(list(generate.errors_of(generate.parse(PATH, copy))), [])

    def test_sums_and_steps_are_turned(self):
        text = "#include <algorithm>\nint f(int a, int b) { a += b; ++a; return std::min(a, b) - a; }"
        self.assertEqual(
            changes(text, "arithmetic"),
            {
                ("arithmetic", "a += b", "a -= b"),
                ("arithmetic", "++a", "--a"),
                ("arithmetic", "std::min(a, b)", "std::max(a, b)"),
                ("arithmetic", "std::min(a, b) - a", "std::min(a, b) + a"),
            },
        )

    def test_what_is_constant_or_comes_from_a_macro_stays(self):
        text = (
            "#define CHECK(x) if (!(x)) throw 1\nextern int n;\nconstexpr int kTwo = 1 + 1;\n"
            "template <int N> int g();\n"
            "int f(int a) {\n  static_assert(kTwo < 3);\n  constexpr bool b = 1 < 2;\n  CHECK(a < 5);\n  g<3>();\n"
            "  switch (a) {\n    case 4:\n      return n;\n  }\n  return sizeof(int[5]) + b;\n}\n"
        )
        self.assertEqual({each.old for each in found_in(text)}, {"g<3>();", "sizeof(int[5]) + b"})

    def test_a_number_lasts_when_lines_move_and_tells_equal_statements_apart(self):
        text = "void g(int);\nvoid f() { g(1); }\nvoid h() { g(1); g(1); }\n"
        before = {(each.function, each.begin - text.index(each.function + "()")): each.id for each in found_in(text)}
        moved = "// Another line.\n\n" + text
        after = {(each.function, each.begin - moved.index(each.function + "()")): each.id for each in found_in(moved)}
        self.assertEqual(before, after)
        self.assertEqual(len(set(before.values())), len(found_in(text)))

    def test_the_copy_compiles_with_every_mutant_and_has_the_lines_of_the_original(self):
        text = (
            "int g(int, int);\nstruct S {\n  int size_ = 0;\n"
            "  bool full(int max) const { return !(size_ < max); }\n};\n"
            "int f(S& s, int a) {\n  if (s.full(3))\n    return g(a, 2);\n  else\n    s.size_ = a + 1;\n"
            "  for (int i = 0; i < a; ++i) {\n    if (i == 3 && a > 4) continue;\n    --s.size_;\n  }\n"
            "  return a ? 1 : 2;\n}\n"
        )
        mutants = found_in(text)
        copy, spans = rendered(text, mutants)
        self.assertEqual({mutant.id for _, _, mutant in spans}, {mutant.id for mutant in mutants})
        self.assertEqual(copy.split("#line 1\n")[1].count("\n"), text.count("\n"))
        self.assertEqual(list(generate.errors_of(generate.parse(PATH, copy))), [])

    def test_what_does_not_compile_is_left_out(self):
        text = '#include <string>\nstd::string f(std::string a) { if (a.empty()) a += "x"; return a + "b"; }\n'
        with tempfile.TemporaryDirectory() as folder:
            source = generate.ROOT / "src" / "sample.cpp"
            mutants = Finder({PATH: ("sample.cpp", text)}).look(generate.parse(PATH, text)).numbered()

            class Sample(generate.Copy):
                def text_of(self, path):
                    return text

            copy = Sample([source], mutants, Path(folder))
            generate.compiling(copy, ['#include "sample.cpp"\n'])
        left = {(each.operator, each.old) for each in copy.mutants}
        self.assertEqual(left, {("negate", "a.empty()"), ("drop", 'a += "x";')})


class EquivalentsTest(unittest.TestCase):
    def test_an_entry_and_a_rule_each_need_a_reason(self):
        named = Equivalents(
            "# Said first.\n0123abcd a/b.cpp drop `x();`\n    It is called again.\nany drop a/* /log/\n    No.\n"
        )
        mutant = {"id": "0123abcd", "operator": "drop", "file": "a/b.cpp", "statement": "x()"}
        self.assertEqual(named.reason(mutant), "It is called again.")
        self.assertEqual(named.reason(mutant | {"id": "00000001", "statement": "log(x)"}), "No.")
        self.assertIsNone(named.reason(mutant | {"id": "00000001"}))
        self.assertEqual(named.stale([mutant | {"id": "00000001"}], {"a/b.cpp"}), ["0123abcd"])
        with self.assertRaises(SystemExit):
            Equivalents("0123abcd a/b.cpp drop `x();`\n")


if __name__ == "__main__":
    unittest.main()
