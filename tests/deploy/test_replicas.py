"""Replicas as plain processes behind the shipped HAProxy configuration."""
import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import replicas  # noqa: E402


class Replicas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("haproxy"):
            raise AssertionError("haproxy is missing; `make deps` installs it")
        cls.cluster = replicas.Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def test_a_write_through_one_replica_is_seen_by_all(self):
        replicas.check_write_is_seen_everywhere(self, self.cluster)

    def test_a_user_keeps_to_one_replica_and_users_are_spread(self):
        replicas.check_user_keeps_replica(self, self.cluster)

    def test_calls_that_name_no_user_are_spread(self):
        replicas.check_calls_without_user_are_spread(self, self.cluster)

    def test_badly_framed_requests_end(self):
        replicas.check_badly_framed_requests_end(self, self.cluster)

    def test_a_replica_stopped_under_load_loses_no_request(self):
        replicas.check_stop_loses_nothing(self, self.cluster)

    def test_a_replica_killed_under_load_loses_at_most_what_it_held(self):
        replicas.check_kill_loses_what_it_held(self, self.cluster)

    def test_what_was_acknowledged_survives_a_killed_replica(self):
        replicas.check_acknowledged_survives_kill(self, self.cluster)


if __name__ == "__main__":
    unittest.main(verbosity=2)
