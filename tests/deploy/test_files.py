"""The files of deploy/ agree with the program and with each other: names of variables, of replicas, order of the timeouts."""
import os
import re
import subprocess
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
HYPERNET = os.environ.get("HYPERNET", str(ROOT / "build/release/hypernet"))


def read(name):
    return (ROOT / name).read_text()


def first(pattern, text):
    found = re.search(pattern, text, re.M)
    if not found:
        raise AssertionError(f"nothing matches {pattern}")
    return found.group(1)


def seconds(text):
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m|)", text).groups()
    return float(number) * {"ms": 0.001, "s": 1, "m": 60, "": 1}[unit]


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.help = subprocess.run([HYPERNET, "serve", "--help"], check=True, capture_output=True, text=True).stdout
        cls.options = {"HYPERNET_" + name.upper().replace("-", "_") for name in re.findall(r"^  --([a-z-]+)", cls.help, re.M)}
        cls.haproxy = read("deploy/haproxy.cfg")
        cls.compose = yaml.safe_load(read("deploy/compose.yaml"))
        cls.replicas = {name: s for name, s in cls.compose["services"].items() if name.startswith("hypernet-")}

    def test_variables_are_options_of_serve(self):
        names = set(re.findall(r"^ENV (HYPERNET_\w+)=|^ +(HYPERNET_\w+)=/?", read("deploy/Dockerfile"), re.M))
        names = {a or b for a, b in names}
        names |= set(re.findall(r"^Environment=(HYPERNET_\w+)=", read("deploy/hypernet.service"), re.M))
        names |= {v for replica in self.replicas.values() for v in replica["environment"]}
        self.assertGreaterEqual(len(names), 5)
        self.assertEqual(names - self.options, set())

    def test_proxy_and_compose_name_the_same_replicas(self):
        servers = re.findall(r'server \w+ "\$\{HYPERNET_\d-([\w-]+):8080\}"', self.haproxy)
        self.assertEqual(sorted(servers), sorted(self.replicas))
        self.assertEqual(sorted(self.compose["services"]["haproxy"]["depends_on"]), sorted(self.replicas))

    def test_the_proxy_takes_its_configuration_without_a_warning(self):
        addresses = {f"HYPERNET_{n}": f"127.0.0.1:{n}" for n in (1, 2, 3)}
        done = subprocess.run(["haproxy", "-c", "-f", str(DEPLOY / "haproxy.cfg")], capture_output=True, text=True,
                              env=dict(os.environ, **addresses))
        self.assertEqual(done.returncode, 0, done.stderr)
        # a machine without name servers is warned about them, which addresses do not need
        warnings = [line for line in done.stderr.splitlines() if "[WARNING]" in line and "no nameservers" not in line]
        self.assertEqual(warnings, [])

    def test_containers_may_do_little(self):
        for name, service in self.compose["services"].items():
            self.assertEqual((service["read_only"], service["cap_drop"], service["security_opt"]),
                             (True, ["ALL"], ["no-new-privileges:true"]), name)
            self.assertIn("mem_limit", service, name)
        for replica in self.replicas.values():
            for kind in ("admin", "api"):
                self.assertEqual(replica["environment"][f"HYPERNET_{kind.upper()}_TOKEN_FILE"], f"/run/secrets/{kind}_token")
                self.assertIn(f"{kind}_token", replica["secrets"])
                self.assertEqual(self.compose["secrets"][f"{kind}_token"]["file"], f"./{kind}.token")
        warm = [replica["environment"]["HYPERNET_WARM_FILE"] for replica in self.replicas.values()]
        self.assertEqual(len(set(warm)), len(self.replicas))  # a user is asked of one replica only
        self.assertTrue(all(path.startswith("/data/") for path in warm))
        self.assertNotRegex(read("deploy/Dockerfile"), r"(?i)token")

    def test_what_the_image_does_by_itself_is_to_refuse_to_answer_everybody(self):
        """Its command without a token: the start ends with what to do."""
        env = dict(os.environ, **dict(re.findall(r"(HYPERNET_\w+)=(\S+)", read("deploy/Dockerfile"))))
        env["HYPERNET_LISTEN"] = "0.0.0.0:0"
        done = subprocess.run([HYPERNET, "serve"], env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--api-token-file", done.stderr)

    def test_the_unit_reloads(self):
        self.assertEqual(first(r"^ExecReload=(.*)$", read("deploy/hypernet.service")), "/bin/kill -HUP $MAINPID")

    def test_who_waits_outside_waits_longer(self):
        """What a request passes, and what a stop passes, from the outside in."""
        timeout = {name: seconds(value) for name, value in re.findall(r"^ +timeout ([\w-]+) (\w+)", self.haproxy, re.M)}
        request = float(first(r"--request-timeout .*\(default (\d+)\)", self.help))
        busy = int(first(r"SQLITE_BUSY_MS = (\d+)", read("store/sqlite/private.h"))) / 1000
        drain = float(first(r"HYPERNET_DRAIN_SECONDS=(\d+)", read("deploy/Dockerfile")))
        interval = seconds(first(r" inter (\w+)", self.haproxy)) * int(first(r" fall (\d+)", self.haproxy))
        chain = [timeout["client"], timeout["server"], request, busy, timeout["queue"], timeout["connect"]]
        self.assertEqual(chain, sorted(set(chain), reverse=True))
        grace = seconds(self.replicas["hypernet-1"]["stop_grace_period"])
        unit = seconds(first(r"^TimeoutStopSec=(\w+)", read("deploy/hypernet.service")))
        for most in (grace, unit):
            self.assertGreater(most, drain + request)
        self.assertGreater(drain, interval + timeout["check"])
        self.assertGreater(seconds(self.compose["services"]["haproxy"]["stop_grace_period"]),
                           seconds(first(r"hard-stop-after (\w+)", self.haproxy)))

    def test_the_table_of_timeouts_says_what_the_files_say(self):
        rows = re.findall(r"^\| .* \| ([0-9.]+) \| (.*) \|$", read("deploy/README.md"), re.M)
        values = [float(value) for value, _ in rows]
        self.assertEqual(values, sorted(set(values), reverse=True))
        stated = {name: float(value) for value, where in rows for name in re.findall(r"`([^`]+)`", where)}
        timeouts = re.findall(r"^ +timeout ([\w-]+) (\w+)", self.haproxy, re.M)
        for name, value in timeouts:
            if f"timeout {name}" in stated:
                self.assertEqual(stated[f"timeout {name}"], seconds(value), name)
        self.assertEqual(stated["hard-stop-after"], seconds(first(r"hard-stop-after (\w+)", self.haproxy)))
        self.assertEqual(stated["stop_grace_period"], seconds(self.replicas["hypernet-1"]["stop_grace_period"]))
        for option in ("--request-timeout", "--request-deadline", "--keep-alive-timeout"):
            self.assertEqual(stated[option], float(first(option + r" .*\(default (\d+)\)", self.help)))
        self.assertEqual(stated["SQLITE_BUSY_MS"], int(first(r"SQLITE_BUSY_MS = (\d+)", read("store/sqlite/private.h"))) / 1000)
        self.assertEqual(stated["CHANGE_FOLLOWER_PERIOD_MS"], int(first(r"CHANGE_FOLLOWER_PERIOD_MS = (\d+)", read("server/serving/change_follower.h"))) / 1000)
        self.assertEqual(stated["--drain-seconds"], float(first(r"HYPERNET_DRAIN_SECONDS=(\d+)", read("deploy/Dockerfile"))))


if __name__ == "__main__":
    unittest.main(verbosity=2)
