"""Who reads the log may stall: nothing waits for him, what he misses is counted, and he is told when he goes on."""
import json
import os
import select
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import hn  # noqa: E402

LONG = "/v1/users/" + "x" * 250  # of a path some 300 bytes are logged


class Stalled(unittest.TestCase):
    def setUp(self):
        """A server whose standard error is a pipe that nobody reads, and that is full."""
        w = hn.world()
        self.read_end, write_end = os.pipe()
        self.process = subprocess.Popen([hn.BINARY, "serve", "--store", w.copy_store(), "--model", w.model, "--listen",
                                         "127.0.0.1:0", "--access-log", "--log-json"], stdout=subprocess.PIPE, stderr=write_end)
        os.close(write_end)
        self.addCleanup(self.end)
        line = self.process.stdout.readline().split()[2].decode()
        host, port = line.split("//", 1)[1].rsplit(":", 1)
        self.client = hn.Client(host, int(port))

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.read_end is not None:
            os.close(self.read_end)

    def dropped(self):
        for line in self.client.request("GET", "/metrics").body.decode().splitlines():
            if line.startswith("hypernet_log_lines_dropped_total "):
                return float(line.split()[1])
        return None

    def fill(self):
        def one_more():
            for _ in range(500):
                self.assertEqual(self.client.request("GET", LONG).status, 404)
            return self.dropped() > 0
        hn.eventually(one_more, "lines to be dropped", every=0)

    def read_all(self):
        data = b""
        while select.select([self.read_end], [], [], 0.5)[0]:
            piece = os.read(self.read_end, 1 << 16)
            if not piece:
                break
            data += piece
        return data.decode()

    def test_all_is_answered_and_the_stop_does_not_wait(self):
        self.fill()
        self.assertEqual(self.client.request("GET", "/readyz").status, 200)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=hn.PATIENCE), 0)

    def test_who_goes_on_is_told(self):
        self.fill()
        dropped, text = int(self.dropped()), ""

        def told():
            nonlocal text
            text += self.read_all()
            return "lines of the log were dropped" in text
        hn.eventually(told, "to be told")
        self.assertEqual(self.client.request("GET", "/v1/users/after").status, 404)

        def goes_on():
            nonlocal text
            text += self.read_all()
            return "/v1/users/after" in text and text.endswith("\n")
        hn.eventually(goes_on, "later lines")
        told_of = [json.loads(line)["message"] for line in text.splitlines() if "were dropped" in line]  # and each line is whole
        self.assertGreaterEqual(sum(int(message.split()[0]) for message in told_of), dropped)

    def test_what_was_logged_before_the_end_is_there(self):
        for i in range(50):
            self.client.request("GET", f"/v1/users/n{i}")
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=hn.PATIENCE), 0)
        text = self.read_all()
        self.assertEqual([f"/v1/users/n{i}" in text for i in range(50)], [True] * 50)
        for line in text.splitlines():
            json.loads(line)


if __name__ == "__main__":
    unittest.main()
