"""Every command of README.md and of the guides in docs/ runs: their ```sh blocks, in order, in one folder that is empty at first, as a newcomer
would paste them, the server of the README's first session running. Blocks marked `sh notest` (the two commands that install things) are
left to CI and tests/deploy/bare."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The order in which they are read; the last may serve by themselves.
PAGES = ["README.md", "docs/evaluation.md", "docs/serving.md", "docs/recommendations.md", "docs/events.md", "docs/import.md", "docs/training.md", "docs/pytorch.md", "docs/tasks.md"]
HYPERNET = Path(os.environ.get("HYPERNET", ROOT / "build/release/hypernet")).resolve()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def blocks_of(page):
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


class Commands(unittest.TestCase):
    def test_every_page_with_commands_is_run(self):
        with_blocks = [str(p.relative_to(ROOT)) for p in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if blocks_of(p)]
        self.assertEqual(sorted(with_blocks), sorted(PAGES))

    def test_no_command_hides_in_another_kind_of_block(self):
        for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
            fences = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", page.read_text(), re.M)
            for kind, text in fences:
                self.assertIn(kind, ("sh", "sh notest", "console", ""), page)
                if kind != "sh":
                    self.assertNotRegex(text, r"(?m)^(hypernet|curl|\./|python3) ", page)
            untested = [kind for kind, _ in fences if kind == "sh notest"]
            self.assertEqual(len(untested), 1 if page.name == "README.md" else 0, page)
            self.assertNotRegex(page.read_text(), r"(?m)^    (hypernet|make|curl|python3|docker) ", page)

    def test_every_command_runs(self):
        script = "set -eu\n" + "\n".join("\n".join(blocks_of(page)) for page in PAGES) + "\nkill %1\nwait %1\n"
        for address in sorted(set(re.findall(r"127\.0\.0\.1:\d+", script))):  # may be taken here; all else is as written
            script = script.replace(address, f"127.0.0.1:{free_port()}")
        with tempfile.TemporaryDirectory() as folder:
            tools = Path(folder) / "bin"
            tools.mkdir()
            (tools / "hypernet").symlink_to(HYPERNET)
            (tools / "python3").symlink_to(sys.executable)
            shutil.copy(ROOT / "tests/golden/export_model.py", folder)  # as docs/pytorch.md says
            shutil.copy(ROOT / "deploy/clients/python/hypernet.py", folder)  # as docs/serving.md says
            environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}")
            process = subprocess.Popen(["bash", "-c", "set -m\n" + script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True)
            try:
                output, _ = process.communicate(timeout=1200)
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
