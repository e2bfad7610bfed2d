"""Every command of README.md runs: the ```sh blocks, in order, in one empty folder, as a newcomer would paste them. Blocks marked
`sh notest` (the two commands that install things) are left to CI and tests/deploy/bare. The script in the README is the one that
the tests run, letter by letter."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HYPERNET = Path(os.environ.get("HYPERNET", ROOT / "build/release/hypernet")).resolve()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = (ROOT / "README.md").read_text()

    def test_every_command_runs(self):
        blocks = re.findall(r"^```sh\n(.*?)^```$", self.text, re.M | re.S)
        self.assertGreaterEqual(len(blocks), 5)
        # the port of the README may be taken here; everything else is as written
        script = "set -eu\n" + "\n".join(blocks).replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}") + "\nkill %1\nwait %1\n"
        with tempfile.TemporaryDirectory() as folder:
            tools = Path(folder) / "bin"
            tools.mkdir()
            (tools / "hypernet").symlink_to(HYPERNET)
            environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}")
            process = subprocess.Popen(["bash", "-c", "set -m\n" + script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True)
            try:
                output, _ = process.communicate(timeout=600)
            finally:
                for line in subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True, text=True).stdout.split():
                    os.kill(int(line), signal.SIGKILL)
        self.assertEqual(process.returncode, 0, output[-3000:])
        for expected in ('"result":"registered"', '"accepted":1', '"cold":true', "listening on", "iALS fold-in", '"predictions":['):
            self.assertIn(expected, output)
        self.assertEqual(output.count('"type":"urn:hypernet:problem'), 0, output[-3000:])
        self.check_figures(output)

    def check_figures(self, output):
        """A newcomer sees a model that is ahead, of users who are known and of users who come new, and no table of zeros."""
        tables = re.findall(r"^(?:.*known|the profile alone| ) +hr@10.*\n((?:.*\n)+?)\n", output, re.M)
        self.assertGreaterEqual(len(tables), 3, output[-5000:])
        for table in tables:
            rows = re.findall(r"^(\S.*?)  +(\d\.\d{4})", table, re.M)
            figures = {name: float(value) for name, value in rows}
            model = next(value for name, value in figures.items() if name.startswith("movies "))
            self.assertGreater(model, figures["popularity"], table)
            self.assertGreater(min(figures.values()), 0, table)
        of_known = dict(re.findall(r"^(\S.*?)  +(\d\.\d{4})", tables[0], re.M))
        self.assertEqual(max(of_known, key=lambda name: float(of_known[name])).split()[0], "movies", tables[0])

    def test_the_script_is_the_tested_one(self):
        script = re.search(r"^```python\n(.*?)^```$", self.text, re.M | re.S).group(1)
        self.assertEqual(script, (ROOT / "tests/golden/export_model.py").read_text())

    def test_files_it_links_to_are_there(self):
        for target in re.findall(r"\]\(([^)#:]+)\)", self.text):
            self.assertTrue((ROOT / target).exists(), target)

    def test_make_targets_it_names_are_there(self):
        if not shutil.which("make"):
            self.fail("make is missing")
        makefile = (ROOT / "Makefile").read_text()
        for target in set(re.findall(r"`?make ([a-z-]+)", self.text)):
            self.assertRegex(makefile, rf"(?m)^{target}:", target)


if __name__ == "__main__":
    unittest.main(verbosity=2)
