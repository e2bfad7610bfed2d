"""The systemd unit: systemd's own checks of it, where they are installed, and the commands of deploy/README that bring store and model to
where it serves them, run as an ordinary user in other folders."""
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HYPERNET = os.environ.get("HYPERNET", str(ROOT / "build/release/hypernet"))
UNIT = (ROOT / "deploy/hypernet.service").read_text()
MOST_EXPOSURE = 2.0  # of 10; systemd calls up to 2 "ok"


class Checks(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.unit = Path(holder.name) / "hypernet.service"
        self.unit.write_text(UNIT.replace("/usr/local/bin/hypernet", HYPERNET))

    def analyze(self, *words):
        if not shutil.which("systemd-analyze"):
            self.skipTest("SKIPPED: systemd is not installed")
        done = subprocess.run(["systemd-analyze", *words, str(self.unit)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def test_systemd_finds_nothing_to_complain_of(self):
        self.assertEqual(self.analyze("verify", "--man=no"), "")

    def test_the_service_is_exposed_to_little(self):
        exposure = re.search(r"exposure level for hypernet\.service: ([0-9.]+)", self.analyze("security", "--offline=true")).group(1)
        self.assertLessEqual(float(exposure), MOST_EXPOSURE)

    def test_the_user_of_the_unit_is_the_one_that_is_made(self):
        user = re.search(r"^User=(\w+)$", UNIT, re.M).group(1)
        self.assertRegex((ROOT / "deploy/hypernet.sysusers").read_text(), r"(?m)^u %s - " % user)
        self.assertNotIn("DynamicUser", UNIT)  # nobody could make files for a user who is not there
        if shutil.which("systemd-sysusers"):
            done = subprocess.run(["systemd-sysusers", "--dry-run", str(ROOT / "deploy/hypernet.sysusers")], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)


class SetUp(unittest.TestCase):
    """As root the user is nobody; who is not root is the user."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.dir = Path(holder.name)
        self.dir.chmod(0o755)
        (self.dir / "bin").mkdir()
        shutil.copy(HYPERNET, self.dir / "bin/hypernet")  # the tree may be where only root looks
        self.as_root = os.geteuid() == 0
        self.user = "nobody" if self.as_root else pwd.getpwuid(os.geteuid()).pw_name
        self.state, self.etc = self.dir / "lib", self.dir / "etc"

    def here(self, text):
        """The same with the folders and the user of this test."""
        text = text.replace("/var/lib/hypernet", str(self.state)).replace("/etc/hypernet", str(self.etc))
        if self.as_root:
            group = pwd.getpwnam(self.user).pw_gid
            return text.replace("-o hypernet -g hypernet", f"-o {self.user} -g {group}").replace("-o hypernet", f"-o {self.user}").replace(
                "runuser -u hypernet", f"runuser -u {self.user}")
        return text.replace("-o hypernet -g hypernet ", "").replace("-o hypernet ", "").replace("runuser -u hypernet -- ", "")

    def tables(self):
        data = self.dir / "tables"
        subprocess.run([HYPERNET, "simulate", "--out", str(data), "--users", "60", "--items", "150", "--interactions", "1500"], check=True,
                       capture_output=True)
        for name in ("interactions", "users", "items"):
            rows = (data / (name + ".tsv")).read_text().replace(",", " ").replace("\t", ",")
            (data / (name + ".csv")).write_text(rows)
        return data

    def run_the_documented(self):
        section = re.search(r"^## systemd\n(.*?)^## ", (ROOT / "deploy/README.md").read_text(), re.M | re.S).group(1)
        commands = [line.strip() for line in section.splitlines() if line.startswith("    ")]
        self.assertIn("systemctl enable --now hypernet", commands)
        script = "\n".join(line for line in commands if "systemctl" not in line)
        self.assertRegex(script, r"hypernet import.*\n.*hypernet train ")
        script = self.here(script).replace("hypernet train ", "hypernet train --epochs 1 --dim 8 ")
        done = subprocess.run(["bash", "-euc", script], cwd=self.tables(), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, PATH=f"{self.dir}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_documented_commands_end_in_a_service_that_answers(self):
        self.run_the_documented()
        owner = pwd.getpwnam(self.user).pw_uid
        for name in ("store.db", "model.safetensors"):
            self.assertEqual((self.state / name).stat().st_uid, owner, name)
        self.assertFalse((self.state / "in").exists())
        variables = dict(re.findall(r"^Environment=(HYPERNET_\w+)=(.*)$", self.here(UNIT), re.M))
        credential = self.dir / "credential"  # as LoadCredential makes it
        shutil.copy(self.etc / "admin.token", credential)
        shutil.chown(credential, owner)
        credential.chmod(0o400)
        variables.update(HYPERNET_LISTEN="127.0.0.1:0", HYPERNET_DRAIN_SECONDS="0", HYPERNET_ADMIN_TOKEN_FILE=str(credential))
        command = ["runuser", "-u", self.user, "--"] if self.as_root else []
        server = subprocess.Popen([*command, str(self.dir / "bin/hypernet"), "serve"], cwd=self.state, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.PIPE, env=dict(os.environ, **variables))
        try:
            line = server.stdout.readline()
            self.assertTrue(line.startswith("listening on "), line or server.stderr.read())
            with urllib.request.urlopen(line.split()[2] + "/v1/users/u1/recommendations?limit=3") as answer:
                self.assertEqual(len(json.load(answer)["items"]), 3)
        finally:
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    unittest.main(verbosity=2)
