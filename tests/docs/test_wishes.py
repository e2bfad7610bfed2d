"""docs/wishes.md: each row names a test that is there, in the file that it says."""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)` `(test_\w+)`")


class Wishes(unittest.TestCase):
    def rows(self):
        lines = (ROOT / "docs/wishes.md").read_text().splitlines()
        return [line for line in lines if line.startswith("| ")][1:]

    def test_there_are_twenty(self):
        self.assertEqual(len(self.rows()), 20)

    def test_each_is_held_by_a_test_that_is_there(self):
        for row in self.rows():
            named = NAMED.findall(row.split("|")[3])
            self.assertTrue(named, row)
            for file, test in named:
                self.assertRegex((ROOT / file).read_text(), rf"def {test}\(", row)


if __name__ == "__main__":
    unittest.main()
