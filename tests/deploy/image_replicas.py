"""The checks of replicas.py for containers of the shipped image, run by buildah (tests/deploy/run builds it)."""
import json
import os
import signal
import subprocess
import sys
import unittest

import replicas

IMAGE = os.environ["HYPERNET_IMAGE"]
BUILDAH = ["buildah", *os.environ["HYPERNET_STORAGE"].split()]  # with where its images are


def buildah(*arguments, **options):
    return subprocess.run([*BUILDAH, *arguments], check=True, capture_output=True, text=True, **options).stdout.strip()


CONFIG = json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]


def descendants(pid):
    """The processes under pid, deepest last."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [int(p) for p in found] + [q for p in found for q in descendants(int(p))]


class Container(replicas.ProcessReplica):
    """One container: the image's entry point and command, its user, the shared volume at /data."""

    def __init__(self, cluster, number):
        super().__init__(cluster, number)
        self.name = buildah("from", "--pull-never", IMAGE)
        # buildah mounts the volume that the image declares over one that is given for the same path: declare none here
        buildah("config", "--volume", "/data-", self.name)
        for path in [cluster.dir, *cluster.dir.iterdir()]:
            os.chown(path, 10001, 10001)

    def command(self, *words):
        return [*BUILDAH, "run", "--isolation", "chroot", "--volume", f"{self.cluster.dir}:/data", "--env", f"HYPERNET_LISTEN=127.0.0.1:{self.port}",
                "--env", "HYPERNET_ADMIN_TOKEN_FILE=/data/token", "--user", CONFIG["User"], self.name, "--", *words]

    def popen(self, log):
        return subprocess.Popen(self.command(*CONFIG["Entrypoint"], *CONFIG["Cmd"]), stdout=subprocess.DEVNULL, stderr=log,
                                stdin=subprocess.DEVNULL)

    def server_pid(self):
        for pid in reversed(descendants(self.process.pid)):
            try:
                if os.readlink(f"/proc/{pid}/exe").endswith("/hypernet"):
                    return pid
            except OSError:
                pass
        raise ProcessLookupError("no hypernet in the container")

    def terminate(self):
        os.kill(self.server_pid(), getattr(signal, CONFIG["StopSignal"]))

    def kill(self):
        os.kill(self.server_pid(), signal.SIGKILL)

    def healthy(self):
        """What the image's health check says, run in the container."""
        test = CONFIG["Healthcheck"]["Test"]
        assert test[0] == "CMD", test
        return subprocess.run(self.command(*test[1:]), capture_output=True).returncode == 0


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = replicas.Cluster(Container)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def test_runs_as_an_ordinary_user_from_its_entry_point(self):
        self.assertEqual(CONFIG["User"], "10001:10001")
        self.assertEqual(list(CONFIG["Volumes"]), ["/data"])
        self.assertEqual(CONFIG["StopSignal"], "SIGTERM")
        self.assertEqual([*CONFIG["Entrypoint"], *CONFIG["Cmd"]], ["/usr/bin/hypernet", "serve"])
        with open(f"/proc/{self.cluster.replicas[0].server_pid()}/status") as status:
            self.assertIn("Uid:\t10001\t10001", status.read())

    def test_health_check_tells_a_running_container_from_a_stopped_one(self):
        replica = self.cluster.replicas[0]
        self.assertTrue(replica.healthy())
        replica.kill()
        replica.wait()
        self.assertFalse(replica.healthy())
        replica.start()
        self.cluster.wait_ready(replica)
        replicas.wait_for("the proxy uses it again", lambda: self.cluster.up_servers() == 3)

    def test_a_write_through_one_replica_is_seen_by_all(self):
        replicas.check_write_is_seen_everywhere(self, self.cluster)

    def test_a_user_keeps_to_one_replica_and_users_are_spread(self):
        replicas.check_user_keeps_replica(self, self.cluster)

    def test_calls_that_name_no_user_are_spread(self):
        replicas.check_calls_without_user_are_spread(self, self.cluster)

    def test_a_replica_stopped_under_load_loses_no_request(self):
        replicas.check_stop_loses_nothing(self, self.cluster)

    def test_a_replica_killed_under_load_loses_at_most_what_it_held(self):
        replicas.check_kill_loses_what_it_held(self, self.cluster)

    def test_what_was_acknowledged_survives_a_killed_replica(self):
        replicas.check_acknowledged_survives_kill(self, self.cluster)


if __name__ == "__main__":
    result = unittest.main(verbosity=2, exit=False).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
