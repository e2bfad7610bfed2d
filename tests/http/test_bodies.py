"""What bodies may take: of one, by what it would become; of all together, by --max-body-memory."""
import json
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import hn  # noqa: E402

MOST_BODY = 8 << 20
POST = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def peak_mb(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) / 1024


class Elements(hn.Case):
    def filled(self, head, element, tail):
        n = (MOST_BODY - len(head) - len(tail)) // len(element)
        return head + element * (n - 1) + element.rstrip(b",") + tail

    def test_many_small_values_are_refused_before_they_are_made(self):
        """Bodies as large as they may be, of the smallest values: each is refused, and none takes more than several times its bytes."""
        bodies = [self.filled(b"[", b"{},", b"]"), self.filled(b"[", b"[],", b"]"), self.filled(b'{"events":[', b"{},", b"]}"),
                  self.filled(b'{"users":[', b"{},", b"]}"), self.filled(b'{"items":[', b"{},", b"]}"),
                  self.filled(b'{"events":[[', b"0,", b"]]}"), self.filled(b'{"events":[{"a":', b"[", b""),
                  self.filled(b'{"x":{"y":[', b"{},", b"]}}"), self.filled(b'{"inputs":[', b"[],", b"]}")]
        before = peak_mb(self.server)
        for path in ("/v1/events", "/v1/admin/users", "/v1/admin/items", "/v1/users/u1/predictions"):
            for body in bodies:
                answer = self.server.admin("POST", path, body)
                self.assertIn(answer.status, (400, 413, 422), (path, body[:20], answer))
                if path == "/v1/events" and body.startswith(b'{"events":[{}'):
                    self.assertEqual((answer.status, answer.json["pointer"]), (422, "/events"))
                    self.assertIn("at most 10000", answer.json["detail"])
        for body in bodies:
            answer = self.server.admin("PUT", "/v1/admin/users/u1", body)
            self.assertIn(answer.status, (400, 413, 422))
        if os.environ.get("MODE", "release") == "release":  # a sanitizer keeps what is given back for a while
            self.assertLess(peak_mb(self.server) - before, 160)  # 620 before they were counted
        self.assertEqual(self.server.metric("rejected_body_memory_total"), 0)

    def test_the_limit_is_named(self):
        answer = self.server.request("POST", "/v1/events", self.filled(b"[", b"{},", b"]"))
        self.assertProblem(answer, 413, "too-large")
        self.assertIn("a body may have 262144 and", answer.json["detail"])

    def test_what_calls_have_use_for_passes(self):
        events = [{"user": "u1", "item": "i1", "weight": 1, "timestamp": 1} for _ in range(10000)]
        self.assertEqual(self.server.request("POST", "/v1/events", {"events": events}).status, 200)
        width = self.world.description["d_item"] if "d_item" in self.world.description else None
        if width:
            rows = {"inputs": [[0.5] * width] * 10000}
            self.assertEqual(self.server.request("POST", "/v1/users/u1/predictions", rows).status, 200)
        users = [{"id": f"n{i}", "interactions": [{"item": "i1"}] * 10} for i in range(1000)]
        self.assertEqual(self.server.admin("POST", "/v1/admin/users", {"users": users}).status, 200)


class Budget(unittest.TestCase):
    def test_bodies_of_all_connections_have_a_budget(self):
        """Bodies that never end fill it: a further large one is refused with 503, a small one is not, and when they go all is well."""
        with hn.Server("--max-body-bytes", 1 << 20, "--max-body-memory", 4 << 20) as server:
            large = b'{"events": []}'.ljust(1 << 20)
            slow = [server.socket() for _ in range(6)]
            for s in slow:
                s.sendall(POST % (b"/v1/events", 1 << 20) + large[:-1])
            def refused():
                answer = server.request("POST", "/v1/events", large)
                if answer.status == 503:
                    return answer
                slow.append(server.socket())  # ours was there before one of them, which was refused in its place
                slow[-1].sendall(POST % (b"/v1/events", 1 << 20) + large[:-1])
                return None
            answer = hn.eventually(refused, "the budget to be taken")
            self.assertEqual((answer.problem, answer.headers["Retry-After"]), ("overloaded", "1"))
            self.assertEqual(server.request("POST", "/v1/events", {"events": []}).status, 200)
            self.assertEqual(server.request("GET", "/readyz").status, 200)
            self.assertGreater(server.metric("rejected_body_memory_total"), 0)
            for s in slow:
                s.close()
            hn.eventually(lambda: server.request("POST", "/v1/events", large).status == 200, "the budget to be given back")

    def test_what_is_made_of_a_body_counts(self):
        with hn.Server("--max-body-bytes", 1 << 20, "--max-body-memory", 2 << 20) as server:
            body = json.dumps({"events": [{"user": "u1", "item": "i1", "weight": 1, "timestamp": 1}] * 9000}).encode()
            answer = server.request("POST", "/v1/events", body)
            self.assertEqual((answer.status, answer.problem), (503, "overloaded"))
            self.assertEqual(server.event("u1", "i1").status, 200)


if __name__ == "__main__":
    unittest.main()
