"""Items that come after training: recommended before anybody took them, moved by events, deleted, durable, seen by others."""
import json
import os
import sys
import threading
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

ALL = {"limit": 1000}


def path_of(item, admin=True):
    return ("/v1/admin/items/" if admin else "/v1/items/") + item


def put(server, item, **body):
    return server.admin("PUT", path_of(item), body)


def delete(server, item):
    return server.admin("DELETE", path_of(item))


def get(server, item):
    return server.request("GET", path_of(item, False))


def score(server, user, item):
    answer = server.request("POST", hn.path_of_user(user) + "/predictions", {"items": [item]})
    return answer.json["predictions"][0]["score"] if answer.status == 200 else None


class NewItems(hn.Case):
    use_other_model = True

    def favourite(self, user):
        """The category of most of what the user took."""
        taken = [c for item in self.world.interactions[user] for c in self.world.categories[item]]
        return max(sorted(set(taken)), key=taken.count)

    def test_a_new_item_is_recommended_before_anybody_took_it(self):
        answer = put(self.server, "n1", title="A New Film", categories=["Comedy"])
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual({k: answer.json[k] for k in ("id", "result", "source")},
                         {"id": "n1", "result": "registered", "source": "features"})
        for model in ("default", "other"):
            found = self.server.recommend("u7", model=model, **ALL).json["items"]
            (item,) = [i for i in found if i["id"] == "n1"]
            self.assertEqual((item["title"], item["categories"]), ("A New Film", ["Comedy"]))
        self.assertIn("n1", self.server.recommend("u7", category="Comedy", **ALL).items)
        self.assertNotIn("n1", self.server.recommend("u7", category="Drama", **ALL).items)
        self.assertIn("n1", self.server.recommend("nobody", cold_start="true", **ALL).items)
        self.assertAlmostEqual(score(self.server, "u7", "n1"),
                               [i for i in self.server.recommend("u7", **ALL).json["items"] if i["id"] == "n1"][0]["score"],
                               places=5)

    def test_ids_that_need_escapes_are_answered_escaped(self):
        """They are answered escaped, and refused where a body holds them raw."""
        for item in ('quo"te', "back\\slash", "new\nline", "t\tb", "\x01", "\x7f", "\u00e9\u4e2d", " "):
            self.assertEqual(put(self.server, quote(item, safe=""), categories=["Comedy"]).status, 201, item)
            for ensure_ascii in (True, False):
                body = json.dumps({"items": [item]}, ensure_ascii=ensure_ascii)
                answer = self.server.request("POST", "/v1/users/u7/predictions", body.encode())
                self.assertEqual([p["id"] for p in answer.json["predictions"]], [item])
            if any(c < " " for c in item):
                raw = self.server.request("POST", "/v1/users/u7/predictions", b'{"items":["%s"]}' % item.encode())
                self.assertProblem(raw, 400, "malformed-json")
            found = self.server.recommend("u7", **ALL).items
            self.assertIn(item, found)
            delete(self.server, quote(item, safe=""))

    def test_a_new_item_stands_higher_for_those_whom_it_suits(self):
        """A new item of a category stands higher for those whose favourite it is than for the others."""
        categories = sorted({c for cs in self.world.categories.values() for c in cs})
        for c in categories:
            self.assertEqual(put(self.server, "kind-" + c, categories=[c]).json["source"], "features")
        new = ["kind-" + c for c in categories]
        places = {True: [], False: []}
        for user in self.world.users[:100]:
            if not self.world.interactions[user]:
                continue
            ids = [i for i in self.server.recommend(user, **ALL).items if i in new]
            for place, item in enumerate(ids):
                places[item == "kind-" + self.favourite(user)].append(place)
        mean = {liked: sum(p) / len(p) for liked, p in places.items()}
        self.assertLess(mean[True], 0.7 * mean[False], mean)
        for item in new:
            delete(self.server, item)

    def test_a_replaced_item_is_what_was_said_last(self):
        first = put(self.server, "r1", title="One", categories=["Comedy"], metadata={"year": 1999}).json
        before = score(self.server, "u9", "r1")
        again = put(self.server, "r1", title="Two", categories=["Drama"])
        self.assertEqual((again.status, again.json["result"]), (200, "replaced"))
        self.assertGreater(again.json["revision"], first["revision"])
        known = get(self.server, "r1").json
        self.assertEqual((known["title"], known["categories"], known["revision"]),
                         ("Two", ["Drama"], again.json["revision"]))
        self.assertNotIn("metadata", known)
        self.assertNotEqual(score(self.server, "u9", "r1"), before)

    def test_items_of_which_nothing_is_known_begin_alike(self):
        self.assertEqual(put(self.server, "p1").json["source"], "prior")
        self.assertEqual(put(self.server, "p2", categories=["Never Seen"], title="Qzx").json["source"], "prior")
        self.assertEqual(score(self.server, "u3", "p1"), score(self.server, "u3", "p2"))

    def test_a_trained_item_keeps_what_was_learned(self):
        item = self.world.items[7]
        before = score(self.server, "u5", item)
        answer = put(self.server, item, title="Another Title", categories=["Renamed"])
        self.assertEqual((answer.status, answer.json["source"]), (200, "training"))
        self.assertEqual(score(self.server, "u5", item), before)
        self.assertIn(item, self.server.recommend("u5", exclude_seen="false", category="Renamed").items)

    def test_events_move_a_new_item(self):
        put(self.server, "m1", categories=["Comedy"])
        other, before = self.world.users[150:180], {}
        for user in other[20:]:
            before[user] = score(self.server, user, "m1")
        for user in other[:20]:
            self.assertEqual(self.server.event(user, "m1").status, 200)
            self.assertNotIn("m1", self.server.recommend(user, **ALL).items)  # seen
        hn.eventually(lambda: get(self.server, "m1").json["source"] == "interactions", "the item to move")
        hn.eventually(lambda: sum(score(self.server, u, "m1") for u in before) > sum(before.values()),
                      "an item that many took to rise")

    def test_a_new_item_counts_for_a_new_user(self):
        put(self.server, "c1", categories=["Horror"])
        self.server.register("cu1", {})
        nothing = self.server.recommend("cu1", **ALL).json["items"]
        answer = self.server.register("cu1", {"interactions": [{"item": "c1"}]})
        self.assertEqual(answer.status, 200, answer)
        something = self.server.recommend("cu1", **ALL)
        self.assertNotIn("c1", something.items)
        self.assertNotEqual([i for i in nothing if i["id"] != "c1"], something.json["items"])
        self.assertEqual(self.server.user("cu1").json["interactions"][0]["item"], "c1")
        because = self.server.recommend("cu1", explain=3, limit=100).json["items"]
        self.assertIn("c1", {r["item"] for i in because for r in i["because"]})

    def test_a_deleted_item_is_gone_until_it_is_brought_back(self):
        put(self.server, "d1", categories=["Comedy"])
        self.server.event("u11", "d1")
        trained = self.server.recommend("u11").items[0]
        for item in ("d1", trained):
            self.assertEqual(delete(self.server, item).status, 204)
            self.assertProblem(delete(self.server, item), 404, "item-not-found")
            self.assertProblem(get(self.server, item), 404, "item-not-found")
            self.assertNotIn(item, self.server.recommend("u12", exclude_seen="false", **ALL).items)
            self.assertNotIn(item, self.server.recommend("u12", exclude_seen="false", category="Comedy", **ALL).items)
            self.assertIsNone(score(self.server, "u12", item))
            self.assertEqual(self.server.event("u13", item).status, 200)  # it may still be named
        self.assertEqual(put(self.server, "d1", categories=["Comedy"]).status, 201)
        back = put(self.server, trained)
        self.assertEqual((back.status, back.json["source"]), (201, "training"))
        for item in ("d1", trained):
            self.assertIn(item, self.server.recommend("u12", exclude_seen="false", **ALL).items)

    def test_many_items_are_put_in_one_call(self):
        body = {"items": [{"id": f"b{i}", "title": f"Film {i}", "categories": ["Drama"]} for i in range(50)]}
        answer = self.server.admin("POST", "/v1/admin/items", body)
        self.assertEqual([i["result"] for i in answer.json["items"]], ["registered"] * 50)
        lines = "".join(json.dumps(i) + "\n" for i in body["items"][::-1]).encode()
        answer = self.server.admin("POST", "/v1/admin/items", lines, headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual([i["id"] for i in answer.json["items"]], [f"b{i}" for i in range(50)][::-1])
        self.assertLessEqual({f"b{i}" for i in range(50)}, set(self.server.recommend("u14", **ALL).items))

    def test_readers_while_items_come_and_go(self):
        """Every answer is whole, has what was acknowledged before it was asked for, and lacks what was deleted."""
        alive, gone, wrong, ending = set(), set(), [], threading.Event()

        def read(user):
            with self.server.client() as client:
                while not ending.is_set():
                    must, never = set(alive), set(gone)
                    answer = client.request("GET", hn.path_of_user(user) + "/recommendations?limit=1000&exclude_seen=false")
                    items = set(answer.items) if answer.status == 200 else None
                    if items is None or not must & alive <= items or never & items:
                        wrong.append(answer)

        readers = [threading.Thread(target=read, args=(u,)) for u in ("u60", "u61", "u62")]
        for reader in readers:
            reader.start()
        try:
            for i in range(30):
                put(self.server, f"x{i}", title=f"Film {i}", categories=["Drama"])
                alive.add(f"x{i}")
                self.server.event(f"u{60 + i % 3}", f"x{i}")
                if i % 3 == 0:
                    alive.discard(f"x{i}")
                    delete(self.server, f"x{i}")
                    gone.add(f"x{i}")
        finally:
            ending.set()
            for reader in readers:
                reader.join()
        self.assertEqual(wrong, [])

    def test_refusals_change_nothing(self):
        before = self.server.rows()
        bad = [({"title": 5}, "/title"), ({"title": "x" * 5000}, "/title"), ({"categories": "Drama"}, "/categories"),
               ({"categories": ["a", 5]}, "/categories/1"), ({"categories": [""]}, "/categories/0"),
               ({"categories": ["a"] * 65}, "/categories"), ({"metadata": []}, "/metadata"),
               ({"metadata": {"x": "y" * 70000}}, "/metadata"), ({"titel": "x"}, "/titel")]
        for body, pointer in bad:
            problem = self.assertProblem(self.server.admin("PUT", path_of("bad"), body), 422, "invalid-value")
            self.assertEqual(problem["pointer"], pointer)
            many = self.server.admin("POST", "/v1/admin/items", {"items": [{"id": "ok"}, dict(body, id="bad")]})
            self.assertEqual(self.assertProblem(many, 422, "invalid-value")["pointer"], "/items/1" + pointer)
        self.assertProblem(self.server.admin("PUT", path_of("x" * 257), {}), 400, "bad-request")
        self.assertProblem(self.server.request("PUT", path_of("bad"), {}), 401, "unauthorized")
        self.assertProblem(self.server.request("DELETE", path_of(self.world.items[0])), 401, "unauthorized")
        self.assertProblem(self.server.request("POST", "/v1/admin/items", {"items": []}), 401, "unauthorized")
        self.assertEqual(self.server.rows(), before)


class Others(unittest.TestCase):
    """Other processes and other lives."""

    def test_another_process_follows_items(self):
        a = hn.Server()
        b = hn.Server(store=a.store)
        trained = b.recommend("u20").items[0]
        self.assertEqual(b.recommend("u20").headers["x-hypernet-cache"], "hit")
        put(a, "o1", title="Other", categories=["Drama"])
        hn.eventually(lambda: "o1" in b.recommend("u20", **ALL).items, "the new item")
        self.assertEqual(b.recommend("u20", **ALL).headers["x-hypernet-cache"], "hit")  # no user changed
        self.assertEqual(b.recommend("u20", **ALL).body, a.recommend("u20", **ALL).body)
        first = score(b, "u20", "o1")
        for user in hn.world().users[100:110]:
            a.event(user, "o1")
        hn.eventually(lambda: score(b, "u20", "o1") != first and score(b, "u20", "o1") == score(a, "u20", "o1"),
                      "the item to move in both")
        delete(a, "o1")
        delete(a, trained)
        hn.eventually(lambda: not {"o1", trained} & set(b.recommend("u20", **ALL).items), "the deletions")
        a.stop()
        b.stop()

    def test_an_event_is_taken_where_the_item_is_not_known_yet(self):
        a = hn.Server()
        b = hn.Server(store=a.store)
        for i in range(20):  # the event comes at once, most times before b has heard of the item
            put(a, f"e{i}", categories=["Drama"])
            self.assertEqual(b.event("u30", f"e{i}").status, 200)
        hn.eventually(lambda: not {f"e{i}" for i in range(20)} & set(b.recommend("u30", **ALL).items), "what was seen")
        hn.eventually(lambda: b.recommend("u30", **ALL).body == a.recommend("u30", **ALL).body, "the same context")
        a.stop()
        b.stop()

    def test_new_items_outlive_a_kill(self):
        server = hn.Server()
        gone = server.recommend("u40").items[0]
        put(server, "k1", title="Kept", categories=["Drama"])
        for user in hn.world().users[60:70]:
            server.event(user, "k1")
        hn.eventually(lambda: get(server, "k1").json["source"] == "interactions", "the item to move")
        put(server, "k2")
        delete(server, gone)
        before = None  # the last event may be yet to move the item
        def settled():
            nonlocal before
            last, before = before, server.recommend("u40", **ALL).body
            return last == before
        hn.eventually(settled, "the item to come to rest", every=0.5)
        server.kill()
        with hn.Server(store=server.store) as again:
            self.assertEqual(again.recommend("u40", **ALL).body, before)
            self.assertEqual(again.request("GET", path_of("k2", False)).status, 200)
            self.assertEqual(get(again, gone).status, 404)

    def test_items_imported_after_training_are_recommended(self):
        w = hn.world()
        server = hn.Server()
        table = w.file("new-items.tsv", "item\ttitle\tcategories\nimp1\tImported\tDrama\nimp2\tImported\t\n")
        rows = w.file("new-rows.tsv", "user\titem\ttimestamp\n" + "".join(f"u{i}\timp1\t{1750000000 + i}\n" for i in range(50, 60)))
        hn.run("import", "--store", server.store, "--items", table)
        hn.eventually(lambda: {"imp1", "imp2"} <= set(server.recommend("u45", **ALL).items), "the imported items")
        before = score(server, "u45", "imp1")
        hn.run("import", "--store", server.store, "--interactions", rows)
        hn.eventually(lambda: score(server, "u45", "imp1") != before, "the imported interactions to move the item")
        hn.eventually(lambda: "imp1" not in server.recommend("u55", **ALL).items, "what was seen")
        told = json.loads(hn.run("recommend", "--store", server.store, "--model", w.model, "--user", "u45", "--limit",
                                 1000, "--json").out)
        self.assertEqual(told, server.recommend("u45", **ALL).json)
        server.stop()

    def test_more_than_there_is_room_for_are_kept_and_wait(self):
        """10,000 new items are ranked; the next is kept with its events, and ranked when another goes."""
        w = hn.world()
        with hn.Server() as server:
            bodies = [{"items": [{"id": "m%d" % i} for i in range(9999)]}, {"items": [{"id": "m%d" % i} for i in range(9999, 10003)]}]
            first, second = (server.admin("POST", "/v1/admin/items", body) for body in bodies)
            self.assertEqual((first.status, second.status), (200, 200), second)
            self.assertEqual({i["ranked"] for i in first.json["items"]}, {True})
            self.assertEqual([i["ranked"] for i in second.json["items"]], [True, False, False, False])
            put(server, "m10001", title="Waits")
            for one in (second.json["items"][1], put(server, "late").json, get(server, "m10000").json):
                self.assertEqual((one["ranked"], one["source"]), (False, "none"))
                self.assertIn("train it anew", one["reason"])
            self.assertEqual(server.metric("items_unranked"), 4)
            self.assertEqual(server.event("u5", "m10001").status, 200)
            self.assertEqual(server.event("u7", "m10000").status, 200)
            self.assertEqual(server.register("new", {"interactions": [{"item": "m10001"}, {"item": w.items[0]}]}).status, 201)
            server.recommend("u7")  # cached, without what has no row
            for gone in ("m3", "m17"):
                self.assertEqual(delete(server, gone).status, 204)
            self.assertTrue(get(server, "m10000").json["ranked"])
            self.assertEqual((get(server, "m10001").json["ranked"], get(server, "m10001").json["title"]), (True, "Waits"))
            self.assertFalse(get(server, "m10002").json["ranked"])
            self.assertEqual(server.metric("items_unranked"), 2)
            self.assertIsNotNone(score(server, "u9", "m10000"))
            self.assertIsNotNone(score(server, "u9", "m18"))
            listed = server.request("GET", hn.path_of_user("u7") + "/recommendations", params={"limit": 1000}).json["items"]
            self.assertNotIn("m10000", [i["id"] for i in listed])  # what the user has
            self.assertEqual(put(server, "m3").json["ranked"], True)  # it has its row still
            again = server.store
        with hn.Server(store=again) as server:  # which counts anew
            self.assertEqual(server.metric("items_unranked"), 3)
            self.assertEqual(get(server, "late").status, 200)

    def test_deleted_items_take_no_room(self):
        server = hn.Server()
        table = hn.world().file("many.tsv", "item\n" + "".join("d%d\n" % i for i in range(10050)))
        hn.run("import", "--store", server.store, "--items", table)
        hn.eventually(lambda: server.metric("items_unranked") == 50, "the imported items")
        for i in range(60):
            self.assertEqual(delete(server, "d%d" % i).status, 204)
        self.assertEqual(server.metric("items_unranked"), 0)
        self.assertTrue(put(server, "one-more").json["ranked"])
        server.stop()
        with hn.Server(store=server.store) as server:
            self.assertEqual(server.metric("items_unranked"), 0)
            self.assertEqual([put(server, "after%d" % i).json["ranked"] for i in range(10)], [True] * 9 + [False])

    def test_the_next_training_takes_them_in(self):
        w = hn.world()
        store = w.copy_store()
        with hn.Server(store=store) as server:
            put(server, "t1", title="Trained Later", categories=["Drama"])
            put(server, "t2", title="Nobody Took It", categories=["Drama"])
            for user in w.users[:30]:
                server.event(user, "t1")
        model = w.path("later.hn")
        hn.run("train", "--store", store, "--out", model, "--epochs", 1, "--dim", 8, "--model-version", "2")
        with hn.Server(store=store, models=[model]) as server:
            for item in ("t1", "t2"):
                self.assertEqual(get(server, item).json["source"], "training")
            self.assertIn("t2", server.recommend("u50", **ALL).items)


if __name__ == "__main__":
    unittest.main()
