"""`train --rows` on several threads; what else tables become is in test_cli_tasks.py, on one."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_cli_tasks as tasks
from command import done


class Threads(unittest.TestCase):
    def test_the_same_table_and_seed_give_the_same_file(self):
        with tempfile.TemporaryDirectory() as folder:
            table = os.path.join(folder, "known.csv")
            with open(table, "w", encoding="utf-8") as f:
                f.write(tasks.csv(tasks.sales()))
            content = []
            for seed, threads in ((1, 1), (1, 2), (2, 1)):
                out = os.path.join(folder, "%d-%d.hn" % (seed, threads))
                done("train", "--rows", table, "--task", "shop", "--target", "units", "--out", out, "--model-version", 1, "--epochs", 1,
                     "--seed", seed, "--threads", threads)
                with open(out, "rb") as f:
                    content.append(f.read())
        self.assertEqual(content[0], content[1])
        self.assertNotEqual(content[0], content[2])


if __name__ == "__main__":
    unittest.main()
