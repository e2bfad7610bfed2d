"""Items that a model has and the store does not: nobody is shown them, a model of another catalogue is refused, and neither a reading
command nor the opening of a model writes a row. With --allow-foreign-items the model's own items are served all the same."""
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402

EXPORT = os.path.join(hn.ROOT, "tests", "golden", "export_model.py")  # 500 items named item-0 ..., no encoder of items


def rows(store, sql, *values):
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % store, uri=True)) as db:
        return db.execute(sql, values).fetchall()


def content(store):
    return [rows(store, "SELECT * FROM %s ORDER BY 1, 2" % table)
            for table in ("users", "items", "interactions", "contexts", "changes", "sqlite_sequence")]


class Foreign(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()
        cls.other_catalogue = cls.world.path("other-catalogue.hn")
        subprocess.run([sys.executable, EXPORT, cls.other_catalogue], check=True)

    def store_without(self, *items):
        """A copy of the world's store that never heard of these items."""
        path = self.world.copy_store()
        with contextlib.closing(sqlite3.connect(path)) as db:
            for item in items:
                db.execute("DELETE FROM interactions WHERE item_key = (SELECT item_key FROM items WHERE id = ?)", (item,))
                db.execute("DELETE FROM items WHERE id = ?", (item,))
            db.execute("DELETE FROM contexts")
            db.commit()
        return path

    # ---- a model of another catalogue ----

    def test_a_model_of_another_catalogue_is_refused_with_figures_and_the_way_on(self):
        store, test = self.world.copy_store(), self.world.file("held-other.tsv", "user\titem\nu1\titem-3\n")
        before = content(store)
        for args in (["serve", "--listen", "127.0.0.1:0"], ["recommend", "--user", "u1"], ["evaluate", "--test", test]):
            done = hn.run(*args, "--store", store, "--model", self.other_catalogue, check=False)
            self.assertEqual(done.returncode, 1, args)
            self.assertEqual(done.out, "", args)
            for part in ("knows 0 of the 500 items of model 'from-pytorch'", "--allow-foreign-items", "import its items"):
                self.assertIn(part, done.err, args)
            self.assertEqual(content(store), before, args)

    def test_it_is_refused_beside_a_model_that_fits(self):
        done = hn.run("serve", "--listen", "127.0.0.1:0", "--store", self.world.copy_store(), "--model", self.world.model, "--model",
                      self.other_catalogue, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("'from-pytorch'", done.err)

    def test_half_of_the_items_are_enough_and_one_less_is_not(self):
        items = self.world.items
        enough, short = self.store_without(*items[:100]), self.store_without(*items[:101])
        hn.run("recommend", "--store", enough, "--model", self.world.model, "--user", "u1")
        done = hn.run("recommend", "--store", short, "--model", self.world.model, "--user", "u1", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("knows 99 of the 200 items", done.err)

    def test_deleted_items_are_known(self):
        store = self.world.copy_store()
        with contextlib.closing(sqlite3.connect(store)) as db:
            db.execute("UPDATE items SET deleted = 1 WHERE id <> ?", (self.world.items[5],))
            db.commit()
        done = hn.run("recommend", "--store", store, "--model", self.world.model, "--user", "u1", "--exclude-seen", "false", "--json")
        self.assertEqual([i["id"] for i in json.loads(done.out)["items"]], [self.world.items[5]])

    def test_opening_a_model_writes_no_row(self):
        store = self.store_without(*self.world.items[:30])
        before = content(store)
        with hn.Server(store=store) as server:
            server.recommend("u1")
            self.assertEqual(content(store), before)
            self.assertIn("the store does not have 30 of its 200 items; they are not served", server.log())
        self.assertEqual(content(store), before)

    # ---- items that only the model has ----

    def test_an_item_without_a_row_is_not_served_until_it_is_put(self):
        missing = self.world.items[:3]
        with hn.Server(store=self.store_without(*missing)) as server:
            shown = server.recommend("u1", limit=1000, exclude_seen="false").items
            self.assertEqual(len(shown), 197)
            self.assertFalse(set(missing) & set(shown))
            asked = server.request("POST", "/v1/users/u1/predictions", {"items": [shown[0], missing[0]]})
            self.assertEqual((asked.status, asked.problem), (422, "unknown-item"))
            path = "/v1/admin/items/" + missing[0]
            for refused, kind in ((server.event("u1", missing[0]), "unknown-item"),
                                  (server.register("new", {"interactions": [{"item": missing[0]}]}), "unknown-item"),
                                  (server.request("GET", "/v1/items/" + missing[0]), "item-not-found"),
                                  (server.admin("PATCH", path, {"title": "Back"}), "item-not-found"),
                                  (server.admin("DELETE", path), "item-not-found")):
                self.assertEqual(refused.problem, kind)
                self.assertIn("a model was trained with it: PUT /v1/admin/items/{item} or an import", refused.body.decode())
            for unknown in (server.event("u1", "none"), server.request("GET", "/v1/items/none")):
                self.assertNotIn("trained", unknown.body.decode())
            put = server.admin("PUT", "/v1/admin/items/" + missing[0], {"title": "Back"})
            self.assertEqual((put.status, put.json["source"]), (201, "training"))
            shown = server.recommend("u1", limit=1000, exclude_seen="false").items
            self.assertEqual(len(shown), 198)
            self.assertIn(missing[0], shown)
            self.assertEqual(server.event("u1", missing[0]).status, 200)

    def test_an_import_that_brings_it_lets_a_running_server_serve_it(self):
        missing = self.world.items[:2]
        store = self.store_without(*missing)
        with hn.Server(store=store) as server:
            self.assertNotIn(missing[1], server.recommend("u2", limit=1000, exclude_seen="false").items)
            hn.run("import", "--store", store, "--items", self.world.file("late.tsv", "item\ttitle\n%s\tLate\n" % missing[1]))
            hn.eventually(lambda: missing[1] in server.recommend("u2", limit=1000, exclude_seen="false").items, "the item is served")
            self.assertNotIn(missing[0], server.recommend("u2", limit=1000, exclude_seen="false").items)

    def test_a_user_s_own_answer_is_the_same_with_and_without_the_rows_but_for_the_items(self):
        missing = [i for i in self.world.items if i not in self.world.interactions["u3"]][:4]
        whole = hn.run("recommend", "--store", self.world.store, "--model", self.world.model, "--user", "u3", "--limit", "200", "--json")
        part = hn.run("recommend", "--store", self.store_without(*missing), "--model", self.world.model, "--user", "u3", "--limit",
                      "200", "--json")
        ids = [[i["id"] for i in json.loads(done.out)["items"]] for done in (whole, part)]
        self.assertEqual([i for i in ids[0] if i not in missing], ids[1])

    # ---- allowed ----

    def test_allowed_foreign_items_are_served_and_nothing_is_written(self):
        missing = self.world.items[:150]
        store = self.store_without(*missing)
        before = content(store)
        done = hn.run("recommend", "--store", store, "--model", self.world.model, "--user", "u1", "--limit", "1000", "--exclude-seen",
                      "false", "--allow-foreign-items", "--json")
        self.assertEqual(len(json.loads(done.out)["items"]), 200)
        with hn.Server("--allow-foreign-items", store=store) as server:
            self.assertEqual(len(server.recommend("u1", limit=1000, exclude_seen="false").items), 200)
            predicted = server.request("POST", "/v1/users/u1/predictions", {"items": [missing[0], self.world.items[199]]})
            self.assertEqual(predicted.status, 200)
        self.assertEqual(content(store), before)

    def test_an_event_with_an_allowed_foreign_item_makes_its_row_and_counts_at_once(self):
        missing = self.world.items[:150]
        store = self.store_without(*missing)
        with hn.Server("--allow-foreign-items", store=store) as server:
            server.register("eve", {"interactions": [{"item": missing[0]}, {"item": missing[1]}]})
            self.assertEqual(server.event("eve", missing[2]).status, 200)
            shown = server.recommend("eve", limit=1000).items
            self.assertEqual(sorted(set(self.world.items) - set(shown)), sorted(missing[:3]))
            self.assertEqual([r[0] for r in rows(store, "SELECT count(*) FROM items")], [53])
            refused = server.event("eve", "no-such-item")
            self.assertEqual(refused.problem, "unknown-item")
            batch = server.request("POST", "/v1/events", {"events": [{"user": "eve", "item": missing[9]}, {"user": "eve", "item": "none"}]})
            self.assertEqual(batch.problem, "unknown-item")
            self.assertEqual([r[0] for r in rows(store, "SELECT count(*) FROM items")], [53])  # nothing refused leaves a trace

    def test_an_event_counts_at_once_although_another_process_made_the_row_this_moment(self):
        missing = [i for i in self.world.items if i not in self.world.interactions["u4"]][:20]
        store = self.store_without(*missing)
        with hn.Server("--allow-foreign-items", store=store) as server:
            for item in missing:
                hn.run("import", "--store", store, "--items", self.world.file("row.tsv", "item\ttitle\n%s\tNow\n" % item))
                self.assertEqual(server.event("u4", item).status, 200)
                self.assertNotIn(item, server.recommend("u4", limit=1000).items)

    def test_an_empty_store_serves_a_model_that_was_written_elsewhere(self):
        store = self.world.path("made.db")
        with hn.Server("--create", "--allow-foreign-items", store=store, models=[self.other_catalogue]) as server:
            server.register("zoe", {"embedding": [0.1] * 24})
            shown = server.recommend("zoe", limit=1000)
            self.assertEqual(len(shown.items), 500)
            self.assertEqual(rows(store, "SELECT count(*) FROM items"), [(0,)])


if __name__ == "__main__":
    unittest.main()
