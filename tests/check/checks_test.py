"""Each check says so when its rule is broken: small trees of wrong files, and of right ones."""

import shutil
import tempfile
import unittest
from pathlib import Path

import class_size
import engine_parts
import formatted
import function_size
import include_direction
import tidy
import tidy_text
import tree

RIGHT = "int twice(int n) { return n + n; }\n"


class ChecksTest(unittest.TestCase):

    def setUp(self):
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.addCleanup(setattr, tree, "ROOT", tree.ROOT)
        for name in (".clang-format", ".clang-tidy"):
            shutil.copy(tree.ROOT / name, folder)
        tree.ROOT = folder

    def file(self, name, text):
        path = tree.ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def test_code_as_the_formatter_writes_it_passes_and_other_code_is_named(self):
        right, wrong = self.file("src/right.cpp", RIGHT), self.file("src/wrong.cpp", "int  f( ) {return 1;}\n")
        self.assertEqual(formatted.findings_of([right]), [])
        self.assertRegex(formatted.findings_of([right, wrong])[0], r"wrong\.cpp:1: not as clang-format-19 writes it")

    def test_a_line_of_more_columns_than_a_screen_has_is_found(self):
        long = "// " + "x" * 118
        self.assertEqual(list(tidy_text.findings_of(self.file("src/right.cpp", RIGHT + long[:-1] + "\n"))), [])
        said = list(tidy_text.findings_of(self.file("src/wrong.cpp", RIGHT + long + "\n")))
        self.assertEqual(said, ["src/wrong.cpp:2: 121 columns, at most 120"])

    def test_columns_are_counted_in_letters_not_in_bytes(self):
        self.assertEqual(list(tidy_text.findings_of(self.file("src/a.py", "# " + "ü" * 118 + "\n"))), [])

    def test_a_long_function_is_found(self):
        body = "".join(f"  g({i});\n" for i in range(function_size.LINES_MAX - 2))
        right = self.file("src/right.cpp", "void f() {\n" + body + "}\n")
        wrong = self.file("src/wrong.cpp", "void f() {\n  g(0);\n" + body + "}\n")
        self.assertEqual(function_size.findings_in([right], {}), [])
        self.assertEqual(
            function_size.findings_in([wrong], {}), ["src/wrong.cpp:1: f has 71 lines, at most 70; make two of it"]
        )

    def test_a_function_of_too_many_ways_is_found_lambdas_included(self):
        ways = "".join(f"if (n == {i} || n == -{i}) g();" for i in range(12))
        wrong = self.file("src/wrong.cpp", "void f(int n) { [&] { " + ways + " }(); if (n) g(); if (!n) g(); }\n")
        self.assertRegex(function_size.findings_in([wrong], {})[0], r"f has a complexity of 2[67], at most 25")

    def test_an_exception_counts_to_its_size_and_must_go_when_it_fits(self):
        body = "".join(f"  g({i});\n" for i in range(80))
        wrong = self.file("src/wrong.cpp", "void f() {\n" + body + "}\n")
        self.assertEqual(function_size.findings_in([wrong], {("src/wrong.cpp", "f"): (82, 1, "")}), [])
        self.assertIn(
            "82 lines, at most 81", function_size.findings_in([wrong], {("src/wrong.cpp", "f"): (81, 1, "")})[0]
        )
        right = self.file("src/right.cpp", RIGHT)
        self.assertIn(
            "needs no exception any more",
            function_size.findings_in([right], {("src/right.cpp", "twice"): (90, 1, "")})[0],
        )

    def engine_findings(self, **changed):
        """Of an engine of two parts with a port, as it should be but for what is changed: text by file."""
        texts = {
            "engine.hpp": '#include "engine/mailroom/mailroom.hpp"\n#include "engine/topics/topics.hpp"\n',
            "run.hpp": "class Run {};\n",
            "mailroom/mailroom.hpp": "class Mailroom {};\n",
            "topics/topics.hpp": '#include "engine/run.hpp"\nclass Topics { Run& run_; };\n',
        } | changed
        return engine_parts.findings_of([self.file(f"src/engine/{name}", text) for name, text in texts.items()])

    def test_an_engine_of_parts_passes(self):
        self.assertEqual(self.engine_findings(), [])

    def test_a_part_that_includes_another_is_found(self):
        said = self.engine_findings(**{"mailroom/mailroom.hpp": '#include "engine/topics/topics.hpp"\n'})
        self.assertRegex(said[0], r"mailroom\.hpp:1: part mailroom includes topics/topics\.hpp of another part")

    def test_a_port_that_knows_a_part_is_found(self):
        said = self.engine_findings(**{"run.hpp": '#include "engine/topics/topics.hpp"\n'})
        self.assertRegex(said[0], r"run\.hpp:1: .* only the engine knows parts")

    def test_a_port_that_is_not_given_is_found(self):
        said = self.engine_findings(**{"topics/topics.hpp": '#include "engine/run.hpp"\n'})
        self.assertRegex(said[0], r"topics includes run\.hpp and is not given it")

    def test_a_class_of_too_many_functions_is_found(self):
        functions = "".join(f"  void f{i}();\n" for i in range(class_size.FUNCTIONS_MAX + 1))
        wrong = self.file("bench/run.hpp", "class Run {\n" + functions + "};\n")
        said = class_size.findings_in([wrong], {})
        self.assertEqual(said, ["bench/run.hpp:1: Run has 81 functions; 80 are the most"])
        key = ("bench/run.hpp", "Run")
        self.assertEqual(class_size.findings_in([wrong], {key: (81, "")}), [])
        self.assertIn("needs no exception any more", class_size.findings_in([], {key: (81, "")})[0])

    def test_an_engine_that_is_no_page_is_found(self):
        said = self.engine_findings(**{"engine.hpp": "\n" * engine_parts.OWNER_LINES_MAX})
        self.assertRegex(said[0], r"engine\.hpp: 200 lines")

    def tidy_findings(self):
        tidy.hash_of.cache_clear()
        return tidy.findings_of_all(tree.ROOT / "made", tidy.Memory(tree.ROOT / "remembered"))

    def test_code_that_clang_tidy_has_nothing_against_passes_and_is_remembered(self):
        self.file("src/base/a.hpp", "#pragma once\n" + RIGHT.replace("int twice", "inline int twice"))
        self.file("src/base/a.cpp", '#include "base/a.hpp"\n')
        self.assertEqual(self.tidy_findings(), [])
        self.addCleanup(setattr, tidy, "run", tidy.run)
        tidy.run = None  # not called again
        self.assertEqual(self.tidy_findings(), [])

    def test_what_clang_tidy_finds_is_found_in_a_header_that_changed_too(self):
        wrong = (
            "#include <utility>\n#include <string>\n"
            "std::string f(std::string a) { auto b = std::move(a); return a + b; }\n"
        )
        self.file("src/base/a.cpp", wrong)
        self.assertRegex(self.tidy_findings()[0], r"src/base/a\.cpp:3:.*'a' used after it was moved")
        self.file("src/base/b.hpp", "#pragma once\n")
        self.file("src/base/a.cpp", '#include "base/b.hpp"\n')
        self.assertEqual(self.tidy_findings(), [])
        self.file("src/base/b.hpp", "#pragma once\n" + wrong.replace("std::string f", "inline std::string f"))
        self.assertRegex(self.tidy_findings()[0], r"src/base/b\.hpp:4:.*'a' used after it was moved")

    def test_files_of_one_module_may_hide_the_same_names_from_each_other(self):
        hidden = (
            "namespace {\n\nstruct Kept {\n  int %s = 0;\n};\n\nint of(const Kept& it) { return it.%s; }\n\n"
            "}  // namespace\n\nint %s_of() { return of(Kept{}); }\n"
        )
        self.file("src/base/a.cpp", hidden % ("a", "a", "a"))
        self.file("src/base/b.cpp", hidden % ("b", "b", "b"))
        self.assertEqual(self.tidy_findings(), [])
        self.file("src/base/b.cpp", hidden % ("b", "a", "b"))
        self.assertRegex(self.tidy_findings()[0], r"src/base/b\.cpp:7:.*no member named 'a'")

    def test_an_include_against_the_order_of_rooms_is_found(self):
        right = self.file("src/server/a.hpp", '#include "engine/b.hpp"\n')
        wrong = self.file("src/engine/b.hpp", '#include "server/a.hpp"\n')
        self.assertEqual(list(include_direction.findings_of(right)), [])
        self.assertEqual(
            list(include_direction.findings_of(wrong)),
            ["src/engine/b.hpp:1: module engine includes server/a.hpp; server comes after it"],
        )


if __name__ == "__main__":
    unittest.main()
