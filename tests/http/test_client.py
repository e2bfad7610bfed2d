"""The Python client against the real server, and against ones that break off, are busy or have gone."""
import json
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops

sys.path.insert(0, os.path.join(hn.ROOT, "deploy", "clients", "python"))
from hypernet import Hypernet, Problem, Unreachable  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
LATER = BUSY.replace(b"Retry-After: 0", b"Retry-After: 60")
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"  # and then the connection ends


class Scripted:
    """Answers one request after the other as told; b"" and CUT end the connection. Keeps the first line of each request."""

    def __init__(self, *answers):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.answers, self.asked, self.connections, self.clients = list(answers), [], 0, []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while self.answers:
            connection, _ = self.socket.accept()
            self.connections += 1
            with connection, connection.makefile("rb") as lines:
                while self.answers and self._read(lines):
                    answer = self.answers.pop(0)
                    connection.sendall(answer)
                    if answer in (b"", CUT):
                        break

    def _read(self, lines):
        first, length = lines.readline().decode().strip(), 0
        while (line := lines.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        lines.read(length)
        if first:
            self.asked.append(" ".join(first.split()[:2]))
        return first

    def client(self, path="", **options):
        self.clients.append(Hypernet("http://127.0.0.1:%d%s" % (self.socket.getsockname()[1], path), **options))
        return self.clients[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.clear()
        for client in self.clients:
            client.close()
        self.socket.close()


class Recommender(hn.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = Hypernet(cls.server.url, token=hn.ADMIN_TOKEN)
        cls.addClassCleanup(cls.client.close)

    def test_a_newcomer_is_registered_answered_moved_by_an_event_and_forgotten(self):
        known, other = self.world.items[:2]
        self.assertEqual(self.client.put_user("a/b c", interactions=[{"item": known}])["result"], "registered")
        first = self.client.recommend("a/b c", limit=3)
        self.assertEqual((first["user"], len(first["items"])), ("a/b c", 3))
        self.assertEqual(self.client.event("a/b c", other, weight=2)["accepted"], 1)
        self.assertGreater(self.client.user("a/b c")["revision"], first["context_revision"])
        self.assertNotIn(other, [i["id"] for i in self.client.recommend("a/b c", limit=200)["items"]])
        self.assertIsNone(self.client.forget_user("a/b c"))
        with self.assertRaises(Problem) as refused:
            self.client.user("a/b c")
        self.assertEqual((refused.exception.status, refused.exception.kind), (404, "unknown-user"))

    def test_parameters_are_those_of_the_call(self):
        user, comedy = self.world.users[0], self.world.categories[self.world.items[0]][0]
        items = self.client.recommend(user, limit=5, category=[comedy], exclude_seen=False, explain=1)["items"]
        self.assertTrue(all(comedy in i["categories"] for i in items))
        self.assertTrue(all("because" in i for i in items))
        mine = self.client.recommend(user, candidates=["never heard of", items[0]["id"]], exclude=[items[1]["id"]], exclude_seen=False, fields=["x"])["items"]
        self.assertEqual([(i["id"], "unknown" in i) for i in mine], [(items[0]["id"], False), ("never heard of", True)])
        several = self.client.recommend(users=[user, "never heard of"], limit=2)["results"]
        self.assertEqual(([i["id"] for i in several[0]["items"]], several[1]["status"]), ([i["id"] for i in self.client.recommend(user, limit=2)["items"]], 404))
        self.assertEqual(len(self.client.recommend(interactions=[{"item": self.world.items[0]}], limit=4)["items"]), 4)
        listed = self.client.recommend(user, limit=2, filter={"not": {"has_kind": {"kind": "shown"}}}, mark_shown={})
        self.assertEqual((len(listed["items"]), listed["marked"]["items"]), (2, 2))
        again = self.client.recommend(user, limit=2, filter={"not": {"has_kind": {"kind": "shown"}}})
        self.assertFalse({i["id"] for i in listed["items"]} & {i["id"] for i in again["items"]})
        first = self.client.recommend(user, diversity=0.5, limit=3)
        second = self.client.recommend(user, diversity=0.5, limit=3, page=first["page"])
        self.assertEqual(first["items"] + second["items"], self.client.recommend(user, diversity=0.5, limit=6)["items"])
        scores = self.client.score(user, [self.world.items[0], "never heard of"], unknown="null")
        self.assertEqual((scores["unknown"], scores["predictions"][1]["score"]), (1, None))

    def test_many_and_partial_updates(self):
        self.client.put_users([{"id": "m1", "profile": {"age": "25-34"}}, {"id": "m2"}])
        self.client.patch_user("m1", {"profile": {"city": "Gent"}})
        self.assertEqual(self.client.user("m1")["profile"], {"age": "25-34", "city": "Gent"})
        skipped = self.client.events([{"user": "m1", "item": self.world.items[0]}, {"user": "m1", "item": "no such"}], on_error="skip")
        self.assertEqual((skipped["accepted"], len(skipped["refused"])), (1, 1))

    def test_items_come_change_and_go(self):
        self.client.put_items([{"id": "n1", "title": "New"}])
        self.client.put_item("n1", title="Newer", categories=["Comedy"], metadata={"year": 2026})
        self.client.patch_item("n1", {"metadata": {"price": 2}})
        self.assertEqual(self.client.item("n1")["metadata"], {"year": 2026, "price": 2})
        self.assertEqual(len(self.client.similar(self.world.items[0], limit=2)["items"]), 2)
        self.assertEqual(len(self.client.item_users("n1", limit=2, exclude_seen=False)["users"]), 2)
        self.client.delete_item("n1")
        self.assertRaises(Problem, self.client.item, "n1")

    def test_lists_go_on_to_their_end(self):
        self.client.put_items([{"id": "p/%04d" % k, "title": "Paged %d" % k} for k in range(1001)])
        self.client.put_users([{"id": "p/a"}, {"id": "p/b", "profile": {"age": "25-34"}}])
        self.assertEqual([item["id"] for item in self.client.all_items(prefix="p/")], ["p/%04d" % k for k in range(1001)])
        self.assertEqual([item["id"] for item in self.client.all_items(q="PAGED 1000")], ["p/1000"])
        self.assertEqual([item["id"] for item in self.client.all_items(filter={"field": "id", "eq": "p/0007"})], ["p/0007"])
        self.assertEqual([(u["id"], u["profile"]) for u in self.client.all_users(prefix="p/")], [("p/a", None), ("p/b", {"age": "25-34"})])

    def test_a_refusal_says_where_and_lists_every_fault(self):
        with self.assertRaises(Problem) as refused:
            self.client.events([{"user": "nobody", "item": "a"}, {"user": "nor me", "item": "b"}], create=False)
        self.assertEqual(len(refused.exception.errors), 4)  # two users and two items
        self.assertTrue(refused.exception.pointer.startswith("/events/0"), refused.exception.pointer)
        self.assertIn(refused.exception.pointer, str(refused.exception))
        with self.assertRaises(Problem) as refused:
            with Hypernet(self.server.url, token="wrong") as client:
                client.put_user("x")
        self.assertEqual(refused.exception.status, 401)

    def test_threads_may_share_a_client(self):
        answers = []
        threads = [threading.Thread(target=lambda u=u: answers.append((u, self.client.recommend(u)["user"]))) for u in self.world.users[:8]]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(a for a, _ in answers), sorted(b for _, b in answers))

    def test_models_readiness_and_numbers_that_json_does_not_have(self):
        self.assertTrue(self.client.ready())
        self.client.wait_ready()
        self.assertTrue(self.client.models())
        with self.assertRaises(ValueError):
            self.client.event(self.world.users[0], self.world.items[0], weight=float("nan"))


class Tasks(shops.Case):
    options = []

    def test_a_task_is_registered_learns_and_predicts(self):
        client = Hypernet(self.server.url, token=hn.ADMIN_TOKEN, model="shops")
        self.addCleanup(client.close)
        shop = self.shops.new[0]
        client.put_task("mine", support={"rows": self.shops.known(shop, 8)})
        asked = self.shops.asked(shop)
        before = client.predict("mine", asked, interval=0.8)["predictions"]
        client.add_examples("mine", self.shops.known(shop)[8:])
        after = client.predict("mine", asked)["predictions"]
        self.assertEqual(len(before), len(asked))
        self.assertNotEqual(before, after)
        self.assertEqual(client.task("mine")["rows"], 16)
        self.assertEqual(client.predict_many([{"id": "mine", "rows": asked}])["tasks"][0]["predictions"], after)
        self.assertTrue(client.which_task(self.shops.known(shop), limit=1)["guess"])
        self.assertGreater(len(client.task_weights("mine")), 100)
        client.patch_task("mine", {"profile": {"city": "Gent"}})
        client.put_tasks([{"id": "other"}])
        client.forget_task("mine")
        self.assertRaises(Problem, client.task, "mine")


class Faults(unittest.TestCase):
    def test_what_changes_nothing_is_asked_again_where_the_connection_broke(self):
        with Scripted(b"", CUT, OK) as server:
            self.assertEqual(server.client().recommend("u"), {})
            self.assertEqual(len(server.asked), 3)
        with Scripted(b"", OK) as server:
            self.assertEqual(server.client().score("u", ["i"]), {})
            self.assertEqual(len(server.asked), 2)

    def test_events_are_not_sent_twice_where_they_may_have_arrived(self):
        with Scripted(b"", OK) as server:
            self.assertRaises(Unreachable, server.client().event, "u", "i")
            self.assertEqual(server.asked, ["POST /v1/events"])

    def test_events_are_sent_again_to_a_server_that_was_busy(self):
        with Scripted(BUSY, OK) as server:
            self.assertEqual(server.client().event("u", "i"), {})
            self.assertEqual((len(server.asked), server.connections), (2, 1))

    def test_a_wait_that_is_too_long_is_the_callers_to_decide(self):
        with Scripted(LATER, OK) as server:
            with self.assertRaises(Problem) as refused:
                server.client().recommend("u")
            self.assertEqual((refused.exception.status, refused.exception.retry_after_s), (503, 60))

    def test_it_gives_up_after_as_many_attempts_as_it_was_told(self):
        with Scripted(BUSY, BUSY, BUSY, OK) as server:
            self.assertRaises(Problem, server.client(retries=2).recommend, "u")
            self.assertEqual(len(server.asked), 3)

    def test_a_deletion_whose_answer_was_lost_is_done(self):
        with Scripted(b"", GONE) as server:
            self.assertIsNone(server.client().forget_user("u"))

    def test_a_connection_is_kept_and_one_that_was_idle_for_long_is_not_trusted(self):
        with Scripted(OK, OK) as server:
            client = server.client()
            client.recommend("u")
            client.recommend("u")
            self.assertEqual(server.connections, 1)
        with Scripted(OK, b"", OK) as server:  # the server would have closed it; an event must not be lost by that
            client = server.client(idle=0)
            client.recommend("u")
            server.answers.pop(0)
            self.assertEqual(client.event("u", "i"), {})
            self.assertEqual(server.connections, 2)

    def test_connections_that_a_restart_closed_are_not_used(self):
        with Scripted(OK) as server:
            client = server.client(retries=0)
            kept = [client._take() for _ in range(3)]  # pylint: disable=protected-access
            for connection in kept:
                client._give(connection)  # pylint: disable=protected-access
            for connection in kept:
                connection.sock.shutdown(socket.SHUT_RD)  # as the other side's end looks from here
            self.assertEqual(client.event("u", "i"), {})

    def test_nobody_there_is_unreachable_and_not_ready(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        client = Hypernet("http://127.0.0.1:%d" % port, retries=0)
        self.assertRaises(Unreachable, client.recommend, "u")
        self.assertFalse(client.ready())
        self.assertRaises(Unreachable, client.wait_ready, 0)

    def test_a_url_that_is_none_is_refused_before_a_call(self):
        for url in ("127.0.0.1:8080", "ftp://x", "http://", "http://x/?a=1"):
            self.assertRaises(ValueError, Hypernet, url)

    def test_an_answer_that_is_no_problem_document_is_still_told(self):
        with Scripted(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nhuh?") as server:
            with self.assertRaises(Problem) as refused:
                server.client().recommend("u")
            self.assertEqual((refused.exception.detail, refused.exception.errors), ("huh?", []))

    def test_a_path_of_the_proxy_comes_first(self):
        with Scripted(OK) as server:
            server.client("/rec/").recommend("u", exclude_seen=False)
            self.assertEqual(server.asked, ["GET /rec/v1/users/u/recommendations?exclude_seen=false"])


if __name__ == "__main__":
    unittest.main()
