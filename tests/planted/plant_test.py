"""What plant.py does with a fault that fits, and says of one that does not."""

import unittest

import plant

SOURCE = {"a.cpp": "void f() {\n  note(1,\n       2);\n  end();\n}\n", "b.cpp": "void g() { end(); }\n"}


class PlantTest(unittest.TestCase):
    def planted(self, **faults):
        self.addCleanup(setattr, plant, "FAULTS", plant.FAULTS)
        plant.FAULTS = faults
        return {path: plant.changed(path, SOURCE[path], changes) for path, changes in plant.plan(SOURCE).items()}

    def refused(self, **faults):
        with self.assertRaises(SystemExit) as refusal:
            self.planted(**faults)
        return str(refusal.exception)

    def test_text_is_found_however_it_is_broken_into_lines_and_gets_a_switch(self):
        files = self.planted(silent=("note(1, 2);", "if (!PLANTED) note(1, 2);"))
        self.assertIn(f"if (!(::folkmoot::planted == {plant.number('silent')})) note(1, 2);\n  end();", files["a.cpp"])
        self.assertEqual(files["b.cpp"], SOURCE["b.cpp"])

    def test_text_that_is_gone_is_refused(self):
        self.assertIn("fault silent no longer fits", self.refused(silent=("note(3);", "if (!PLANTED) note(3);")))

    def test_text_that_is_in_two_files_is_refused_with_their_names(self):
        said = self.refused(endless=("end();", "if (!PLANTED) end();"))
        self.assertIn("2 times, not once (src/a.cpp, src/b.cpp)", said)

    def test_a_fault_without_a_switch_is_refused(self):
        self.assertIn("fault always has no PLANTED", self.refused(always=("note(1, 2);", "")))

    def test_two_faults_in_the_same_text_are_refused(self):
        said = self.refused(one=("note(1, 2);", "PLANTED;"), two=("2); end();", "PLANTED; end();"))
        self.assertIn("change the same text of src/a.cpp", said)


if __name__ == "__main__":
    unittest.main()
