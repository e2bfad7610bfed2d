"""GET /v1/items without sort, and GET /v1/users: pages by id, prefixes, titles, filters, and what comes and goes between pages."""
import os
import sys
import unicodedata
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


def by_bytes(ids):
    return sorted(ids, key=lambda name: name.encode())


class Lists(hn.Case):
    def page(self, what, **params):
        answer = self.server.admin("GET", "/v1/" + what, params=params)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(set(answer.json) - {"next", "warnings"}, {what})
        return answer.json

    def ids(self, what, **params):
        """All pages, and how many there were."""
        out, n = [], 0
        while True:
            page = self.page(what, **params)
            out += [row["id"] for row in page[what]]
            n += 1
            if "next" not in page:
                return out, n
            self.assertNotEqual(page["next"], params.get("cursor"))
            params["cursor"] = page["next"]


class Items(Lists):
    def kept(self, where="1"):
        return by_bytes(row[0] for row in self.server.query(f"SELECT id FROM items WHERE deleted = 0 AND {where}"))

    def put(self, item, **body):
        self.assertIn(self.server.admin("PUT", "/v1/admin/items/" + quote(item, safe=""), body).status, (200, 201))

    def test_pages_have_each_item_once_in_the_order_of_their_bytes(self):
        everything = self.kept()
        self.assertEqual(self.ids("items", limit=7), (everything, -(-len(everything) // 7)))
        self.assertEqual(self.ids("items", limit=len(everything)), (everything, 1))
        self.assertEqual(len(self.page("items")["items"]), 10)

    def test_an_item_is_what_its_own_call_says(self):
        self.put("listed", title="A title", categories=["Comedy"], metadata={"a": [1]}, available_until=4102444800, created=1500000000)
        [row] = self.page("items", prefix="listed")["items"]
        own = self.server.request("GET", "/v1/items/listed").json
        self.assertEqual(row, {name: own[name] for name in own if name not in ("source", "ranked", "reason")})

    def test_prefixes_are_of_bytes_and_go_with_pages(self):
        for item in ("p/a", "p/b", "p/é", "p%", "p", "q"):
            self.put(item)
        self.assertEqual(self.ids("items", prefix="p/", limit=2), (["p/a", "p/b", "p/é"], 2))
        self.assertEqual(self.ids("items", prefix="p"), (["p", "p%", "p/a", "p/b", "p/é"], 1))
        self.assertEqual(self.ids("items", prefix="p/é"), (["p/é"], 1))
        self.assertEqual(self.ids("items", prefix="p", cursor="a"), (["p", "p%", "p/a", "p/b", "p/é"], 1))
        self.assertEqual(self.ids("items", prefix="p/", cursor="q"), ([], 1))
        self.assertEqual(self.ids("items", prefix="none of them"), ([], 1))

    def test_rows_that_come_and_go_between_pages_move_no_other(self):
        before = self.kept("id LIKE 'i1%'")
        first = self.page("items", prefix="i1", limit=5)
        seen = [row["id"] for row in first["items"]]
        self.server.admin("DELETE", "/v1/admin/items/" + quote(first["next"], safe=""))
        self.server.admin("DELETE", "/v1/admin/items/" + quote(seen[0], safe=""))
        self.put(seen[1] + " before")
        self.put(before[-1] + " behind")
        rest, _ = self.ids("items", prefix="i1", limit=5, cursor=first["next"])
        self.assertEqual(seen + rest, before + [before[-1] + " behind"])

    def test_titles_are_searched_by_words_whatever_their_case_and_accents(self):
        for item, title in (("t1", "Le Fabuleux Destin d'Amélie Poulain"), ("t2", unicodedata.normalize("NFD", "AMÉLIE")), ("t3", "Ода к радости"), ("t4", None)):
            self.put(item, **({"title": title} if title else {}))
        self.assertEqual(self.ids("items", q="amelie"), (["t1", "t2"], 1))
        self.assertEqual(self.ids("items", q="amelie", limit=1)[0], ["t1", "t2"])
        self.assertEqual(self.ids("items", q="poul FABULEUX"), (["t1"], 1))
        self.assertEqual(self.ids("items", q="РАДОСТИ"), (["t3"], 1))
        self.assertEqual(self.ids("items", q="amelie", prefix="t2"), (["t2"], 1))
        self.assertEqual(self.ids("items", q="no such words"), ([], 1))
        self.put("t2", title="renamed")
        self.assertEqual(self.ids("items", q="amelie"), (["t1"], 1))

    def test_filters_and_categories_leave_their_items_and_hidden_ones_are_listed(self):
        comedies = by_bytes(item for item, names in self.world.categories.items() if "Comedy" in names)
        comedies = [item for item in comedies if item in self.kept()]
        self.assertGreater(len(comedies), 20)
        self.server.admin("PATCH", "/v1/admin/items/" + quote(comedies[0], safe=""), {"hidden": True})
        listed = '{"field":"categories","has":"Comedy"}'
        for params in ({"filter": listed}, {"category": "Comedy"}, {"category": ["Comedy", "no such"]}, {"category": "Comedy", "filter": listed}):
            got, _ = self.ids("items", limit=9, **params)
            self.assertEqual([item for item in got if item in comedies], comedies, params)
            self.assertEqual([item for item in got if "Comedy" not in self.server.request("GET", "/v1/items/" + quote(item, safe="")).json["categories"]], [])
        self.assertTrue(self.page("items", prefix=comedies[0])["items"][0]["hidden"])
        warned = self.page("items", category=["Comedy", "comedy"])["warnings"]
        self.assertEqual([(w["category"], w["did_you_mean"]) for w in warned], [("comedy", "Comedy")])
        self.assertNotIn("warnings", self.page("items", category="Comedy"))
        self.assertEqual(self.ids("items", filter='{"all":[%s,{"not":%s}]}' % (listed, listed)), ([], 1))

    def test_a_page_ends_after_a_megabyte(self):
        for k in range(30):
            self.put(f"wide{k:02}", metadata={"text": "x" * 60000})
        got, n = self.ids("items", prefix="wide", limit=1000)
        self.assertEqual(got, [f"wide{k:02}" for k in range(30)])
        self.assertEqual(n, 2)
        for item in got:
            self.server.admin("DELETE", "/v1/admin/items/" + item)

    def test_what_is_refused(self):
        long = "x" * 257
        for params in ({"cursor": ""}, {"cursor": long}, {"prefix": ""}, {"prefix": long}, {"q": ""}, {"q": "  "}, {"q": long}, {"q": "a " * 17},
                       {"limit": 0}, {"limit": 1001}, {"offset": 5}):
            self.assertProblem(self.server.request("GET", "/v1/items", params=params), 400, "bad-request")
        self.assertProblem(self.server.request("GET", "/v1/items", params={"filter": '{"field":"metadata.none","eq":1}'}), 422, "invalid-value")
        self.assertProblem(self.server.request("GET", "/v1/items", params={"filter": "{"}), 400, "malformed-json")
        self.assertProblem(self.server.request("GET", "/v1/items", params={"model": "none"}), 404, "unknown-model")


class Users(Lists):
    def test_pages_have_each_user_once_in_the_order_of_their_bytes(self):
        everything = by_bytes(row[0] for row in self.server.query("SELECT id FROM users"))
        self.assertEqual(self.ids("users", limit=17), (everything, -(-len(everything) // 17)))
        self.assertEqual(self.ids("users", prefix="u1", limit=1000), ([u for u in everything if u.startswith("u1")], 1))

    def test_a_user_has_his_profile_and_revision_and_is_gone_when_forgotten(self):
        self.server.register("listed", {"profile": {"age": "25-34"}})
        self.server.register("listed too", {})
        rows = self.page("users", prefix="listed")["users"]
        self.assertEqual([row["profile"] for row in rows], [{"age": "25-34"}, None])
        self.assertEqual([row["revision"] for row in rows], [self.server.user(row["id"]).json["revision"] for row in rows])
        self.server.forget("listed")
        self.assertEqual(self.ids("users", prefix="listed"), (["listed too"], 1))

    def test_all_ids_are_told_to_the_admin_alone(self):
        self.assertEqual(self.server.request("GET", "/v1/users").status, 401)
        with hn.Server("--api-token-file", self.world.secret("lists.token", "an-api-token-0123456789")) as server:
            self.assertEqual(server.request("GET", "/v1/users", token="an-api-token-0123456789").status, 401)
            self.assertEqual(server.request("GET", "/v1/items", token="an-api-token-0123456789").status, 200)
            self.assertEqual(server.request("GET", "/v1/items").status, 401)
            self.assertEqual(server.admin("GET", "/v1/users").status, 200)

    def test_what_is_refused(self):
        for params in ({"cursor": ""}, {"prefix": "x" * 257}, {"limit": 0}, {"limit": 1001}, {"q": "a"}, {"model": "default"}):
            self.assertProblem(self.server.admin("GET", "/v1/users", params=params), 400, "bad-request")


if __name__ == "__main__":
    unittest.main()
