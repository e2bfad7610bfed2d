"""base/fold_table.h is what its script prints, and the script folds as it says."""
import os
import sys
import unicodedata
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import fold_table


class FoldTable(unittest.TestCase):
    @unittest.skipUnless(unicodedata.unidata_version == fold_table.UNICODE, "this Python has another version of Unicode")
    def test_the_table_is_what_the_script_prints(self):
        with open(os.path.join(HERE, "..", "..", "base", "fold_table.h"), encoding="utf-8") as f:
            self.assertEqual(f.read(), fold_table.text())

    def test_runs_say_each_letter_once(self):
        folds, said = fold_table.table(), {}
        for first, to, n, step, rise in fold_table.runs(folds):
            for k in range(n):
                self.assertNotIn(first + k * step, said)
                said[first + k * step] = to + k * rise
        self.assertEqual(said, folds)

    def test_case_and_accents_go_and_other_letters_stay(self):
        for letter, folded in (("É", "e"), ("ø", "ø"), ("Ø", "ø"), ("ß", "ß"), ("Σ", "σ"), ("ς", "σ"), ("Ж", "ж"), ("Ё", "е"), ("й", "й"), ("が", "が"), ("Ⱥ", "ⱥ")):
            self.assertEqual(chr(fold_table.fold(ord(letter))), folded, letter)


if __name__ == "__main__":
    unittest.main()
