"""Requests whose framing a proxy in front may read another way: each is refused with 400 or its like, the connection ends, and what
stood behind it is never taken for a request. However the bytes are cut into packets."""
import gzip
import json
import os
import socket
import sys
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import hn  # noqa: E402

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'{"events": []}'
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"  # what an attacker would smuggle in

FAULTY = {
    "two lengths": POST + b"Content-Length: 14\r\nContent-Length: 14\r\n\r\n" + BODY,
    "two different lengths": POST + b"Content-Length: 0\r\nContent-Length: 14\r\n\r\n" + BODY,
    "a list of lengths": POST + b"Content-Length: 14, 14\r\n\r\n" + BODY,
    "a length with a sign": POST + b"Content-Length: +14\r\n\r\n" + BODY,
    "a length in hexadecimal": POST + b"Content-Length: 0xe\r\n\r\n" + BODY,
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551630\r\n\r\n" + BODY,
    "a length with a space behind it": POST + b"Content-Length: 14 \r\n\r\n" + BODY,
    "a coding with a space behind it": POST + b"Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
    "an empty length": POST + b"Content-Length: \r\n\r\n" + BODY,
    "a space before the colon": POST + b"Content-Length : 14\r\n\r\n" + BODY,
    "a tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "length beside chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks beside length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked spelt otherwise": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks of HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: y\r\n\r\n",
    "a folded field": GET + b"X: a\r\n b\r\n\r\n",
    "a fold before any field": b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
    "a field without a name": GET + b": x\r\n\r\n",
    "a field without a colon": GET + b"X\r\n\r\n",
    "lines without CR": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "a field's line without CR": b"GET /healthz HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "CR within a field": GET + b"X: a\rb\r\n\r\n",
    "NUL within a field": GET + b"X: a\0b\r\n\r\n",
    "NUL within a name": GET + b"X\0Y: a\r\n\r\n",
    "NUL within a target": b"GET /healthz\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces": b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space within the target": b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /healthz\r\nHost: x\r\n\r\n",
    "a version in small letters": b"GET /healthz http/1.1\r\nHost: x\r\n\r\n",
    "no method": b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "a chunk's size with 0x": CHUNKED + b"0xe\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk's size with a sign": CHUNKED + b"-1\r\n",
    "a chunk's size with a space": CHUNKED + b"e \r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": CHUNKED + b"1000000000000000e\r\n" + BODY + b"\r\n0\r\n\r\n",
    "an empty size": CHUNKED + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk's line without CR": CHUNKED + b"e\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"d\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a folded trailer": CHUNKED + b"e\r\n" + BODY + b"\r\n0\r\nX: a\r\n b\r\n\r\n",
    "a trailer with a space before its colon": CHUNKED + b"e\r\n" + BODY + b"\r\n0\r\nX : a\r\n\r\n",
}
OTHERS = {
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
    "HTTP/0.9": (b"GET /healthz HTTP/0.9\r\n\r\n", b"505"),
    "a long target": (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
    "200 parameters on a long path": (b"GET /" + b"a" * 12000 + b"?" + b"&".join([b"a=b"] * 200) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                                      b"414"),
    "500 parameters": (b"GET /healthz?" + b"&".join([b"a=b"] * 500) + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
    "5000 empty parameters": (b"GET /healthz?" + b"&" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
    "3000 fields": (GET + b"A:b\r\n" * 3000 + b"\r\n", b"431"),
    "a long field": (GET + b"X: " + b"a" * 30000 + b"\r\n\r\n", b"431"),
    "a long trailer": (CHUNKED + b"e\r\n" + BODY + b"\r\n0\r\nX: " + b"a" * 30000 + b"\r\n\r\n", b"431"),
}
SOUND = {
    "empty lines before": b"\r\n\r\n" + GET + b"\r\n",
    "HTTP/1.0 without Host": b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "a list in Cookie as long as the head may be": GET + b"Cookie: " + b"a=b;" * 6000 + b"\r\n\r\n",
    "an extension and a trailer": CHUNKED + b"E;a=\"b c\"\r\n" + BODY + b"\r\n0\r\nX: y\r\n\r\n",
    "many chunks": CHUNKED + b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n",
    "spaces around values": POST + b"Content-Length: \t 14\r\nX: y \t\r\n\r\n" + BODY,
    "Chunked in other letters": POST + b"TRANSFER-encoding:ChunkED\r\n\r\n0e\r\n" + BODY + b"\r\n000\r\n\r\n",
    "32 parameters": b"GET /healthz?" + b"&".join([b"a=b"] * 32) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a name of any token": GET + b"!#$%&'*+-.^_`|~09aZ: x\r\n\r\n",
}


def read_to_end(s):
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


class Framing(hn.Case):
    def ask(self, data, piece=None):
        """All that comes back until the server closes."""
        with self.server.socket() as s:
            try:
                for i in range(0, len(data), piece or len(data)):
                    s.sendall(data[i:i + (piece or len(data))])
            except (BrokenPipeError, ConnectionResetError):
                pass  # it was refused before all of it was sent
            return read_to_end(s)

    def test_faults_end_the_connection_with_400(self):
        for name, data in FAULTY.items():
            with self.subTest(name):
                answers = self.ask(data + NEXT)
                self.assertEqual(answers.split(b" ", 2)[:2], [b"HTTP/1.1", b"400"], answers)
                self.assertEqual(answers.count(b"HTTP/1.1 "), 1, answers)

    def test_faults_are_found_byte_by_byte(self):
        for name, data in FAULTY.items():
            with self.subTest(name):
                answers = self.ask(data + NEXT, piece=1)
                if answers:  # a reset may take the answer back while more is sent
                    self.assertEqual(answers.split(b" ", 2)[1], b"400", answers)
                self.assertLessEqual(answers.count(b"HTTP/1.1 "), 1, answers)

    def test_a_fault_behind_a_sound_request_is_refused_after_its_answer(self):
        """The first is answered, the second refused."""
        for name, data in FAULTY.items():
            with self.subTest(name):
                answers = self.ask(GET + b"\r\n" + data + NEXT)
                self.assertEqual(answers.count(b"HTTP/1.1 200"), 1, answers)
                self.assertEqual(answers.count(b"HTTP/1.1 400"), 1, answers)

    def test_heads_beyond_the_limits_are_refused(self):
        for name, (data, status) in OTHERS.items():
            with self.subTest(name):
                answers = self.ask(data)
                self.assertIn(answers.split(b" ", 2)[1:2], ([status], []), answers[:200])
                self.assertEqual(self.server.request("GET", "/healthz").status, 200)

    def test_no_head_is_forgotten(self):
        """Targets and heads of every size, also where the library's memory of a connection ends: each is answered and none leaves
        anything behind."""
        for n in list(range(1, 420, 7)) + [500, 1000, 3000]:
            for query in (b"&".join([b"a=b"] * n), b"&".join([b"a" * 50] * n)):
                answers = self.ask(b"GET /healthz?" + query + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                self.assertIn(answers.split(b" ", 2)[1:2], ([b"200"], [b"414"], [b"431"], []), (n, answers[:100]))
            for field in (b"A:b\r\n", b"Field-%d: " % n + b"v" * 60 + b"\r\n", b"Cookie: a=b; c=d\r\n"):
                answers = self.ask(GET + b"Connection: close\r\n" + field * n + b"\r\n")
                self.assertIn(answers.split(b" ", 2)[1:2], ([b"200"], [b"431"], []), (n, answers[:100]))
        hn.eventually(lambda: self.server.metric("requests_in_flight") == 1, "all requests to have ended")
        hn.eventually(lambda: self.server.metric("connections") == 1, "all connections to have ended")

    def test_sound_requests_are_answered_in_any_pieces(self):
        for name, data in SOUND.items():
            for piece in (None, 1, 3):
                with self.subTest(name, piece=piece), self.server.socket() as s:
                    for i in range(0, len(data), piece or len(data)):
                        s.sendall(data[i:i + (piece or len(data))])
                    s.sendall(NEXT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                    answers = read_to_end(s)
                    self.assertEqual(answers.count(b"HTTP/1.1 200"), 2, answers[:300])

    def test_a_refusal_is_a_problem(self):
        answers = self.ask(FAULTY["two lengths"])
        head, body = answers.split(b"\r\n\r\n", 1)
        self.assertIn(b"application/problem+json", head)
        self.assertIn(b"Connection: close", head)
        self.assertEqual(json.loads(body)["detail"], "Content-Length is given twice")
        self.assertGreater(self.server.metric("rejected_malformed_total"), 0)


class Answers(hn.Case):
    def test_answers_end_with_a_newline(self):
        for method, path, body in (("GET", "/healthz", None), ("GET", "/metrics", None), ("GET", "/", None), ("GET", "/openapi.json", None),
                                   ("GET", "/v1/users/u1", None), ("GET", "/v1/users/u1/recommendations", None), ("GET", "/no", None),
                                   ("GET", "/v1/items/i1", None), ("POST", "/v1/users/u1/predictions", {"items": ["i1"]}),
                                   ("POST", "/v1/events", {"events": []}), ("POST", "/v1/events", {"event": []})):
            answer = self.server.request(method, path, body)
            self.assertTrue(answer.body.endswith(b"\n") and not answer.body.endswith(b"\n\n"), (path, answer))

    def test_what_is_personal_is_not_stored_by_others(self):
        for method, path in (("GET", "/v1/users/u1"), ("GET", "/v1/users/u1/recommendations"), ("GET", "/v1/users/nobody"),
                             ("PUT", "/v1/admin/users/x")):
            self.assertEqual(self.server.request(method, path).headers["Cache-Control"], "no-store")
        self.assertNotIn("Cache-Control", self.server.request("GET", "/openapi.json").headers)


class Encodings(hn.Case):
    options = ("--max-body-bytes", 65536)

    def send(self, body, coding, path="/v1/events"):
        return self.server.admin("POST", path, body, headers={"Content-Encoding": coding} if coding else {})

    def test_compressed_bodies_are_read(self):
        plain = json.dumps({"events": [{"user": "u1", "item": "i1"}]}).encode()
        bare = zlib.compressobj(wbits=-15)
        raw = bare.compress(plain) + bare.flush()
        for coding, body in (("gzip", gzip.compress(plain)), ("x-gzip", gzip.compress(plain)), ("GZIP", gzip.compress(plain)),
                             ("gzip", gzip.compress(plain[:9]) + gzip.compress(plain[9:])), ("deflate", zlib.compress(plain)),
                             ("deflate", raw), ("identity", plain), ("", plain)):
            answer = self.send(body, coding)
            self.assertEqual((answer.status, answer.json.get("accepted")), (200, 1), (coding, answer))
        items = gzip.compress(json.dumps({"items": ["i1", "i2"]}).encode())
        answer = self.send(items, "gzip", "/v1/users/u1/predictions")
        self.assertEqual(len(answer.json["predictions"]), 2)

    def test_a_body_that_is_not_of_its_coding_is_refused(self):
        plain = json.dumps({"events": []}).encode()
        whole = gzip.compress(plain)
        for coding, body in (("gzip", plain), ("gzip", whole[:-1]), ("gzip", whole[:5]), ("gzip", b""), ("gzip", whole + b"x"),
                             ("gzip", whole[:-8] + b"\0" * 8), ("deflate", b"\x78\x9c\xff\xff"), ("deflate", whole)):
            answer = self.send(body, coding)
            self.assertEqual((answer.status, answer.problem), (400, "bad-request"), (coding, body, answer))

    def test_other_codings_are_refused_with_those_that_are_read(self):
        for coding in ("br", "zstd", "compress", "gzip, gzip", "gzip, br", "x"):
            answer = self.send(b"{}", coding)
            self.assertEqual((answer.status, answer.problem), (415, "unsupported-media-type"), coding)
            self.assertEqual(answer.headers["Accept-Encoding"], "gzip, deflate")

    def test_the_limit_counts_what_comes_out(self):
        body = b'{"events": []}'
        self.assertEqual(self.send(gzip.compress(body.ljust(65536)), "gzip").status, 200)
        for n in (65537, 1 << 20, 30 << 20):
            answer = self.send(gzip.compress(body.ljust(n)), "gzip")
            self.assertEqual((answer.status, answer.problem), (413, "too-large"), n)


if __name__ == "__main__":
    unittest.main()
