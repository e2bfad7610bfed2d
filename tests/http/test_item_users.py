"""GET /v1/items/{item}/users: the lift of the item over the catalogue for each user, from the server's own scores; who has it already; new items; who may ask."""
import math
import os
import sys
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class ItemUsers(hn.Case):
    def users_of(self, item, **params):
        return self.server.admin("GET", f"/v1/items/{quote(item, safe='')}/users", params=params)

    def everybody(self):
        return [row[0] for row in self.server.query("SELECT id FROM contexts WHERE kind = 'user' AND model = 'default'")]

    def lifts(self, item):
        """{user: lift} by the scores of all items of the model, of which there are fewer than references."""
        catalogue = sorted(set(self.world.items))
        self.assertLessEqual(len(catalogue), 256)
        out = {}
        for user in self.everybody():
            got = self.server.request("POST", hn.path_of_user(user) + "/predictions", {"items": [item, *catalogue]}).json["predictions"]
            scores = [p["score"] for p in got]
            most = max(scores[1:])
            out[user] = scores[0] - most - math.log(sum(math.exp(s - most) for s in scores[1:]) / len(catalogue))
        return out

    def assertUsers(self, answer, expected, limit):
        self.assertEqual(answer.status, 200, answer)
        got = answer.json["users"]
        order = sorted(expected, key=lambda user: (-expected[user], user))[:limit]
        self.assertEqual(len(got), len(order))
        for u, user in zip(got, order):
            self.assertAlmostEqual(u["score"], expected[user], places=3)
            self.assertAlmostEqual(u["score"], expected[u["id"]], places=3)
        scores = [u["score"] for u in got]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_those_come_first_for_whom_it_stands_out_most_without_who_has_it(self):
        item = self.world.items[3]
        takers = {user for user, items in self.world.interactions.items() if item in items}
        self.assertTrue(takers)
        lifts = self.lifts(item)
        self.assertUsers(self.users_of(item, exclude_seen="false", limit=1000), lifts, 1000)
        left = {user: lift for user, lift in lifts.items() if user not in takers}
        answer = self.users_of(item)
        self.assertUsers(answer, left, 10)
        self.assertEqual((answer.json["item"], answer.json["looked_at"], answer.json["scored"]), (item, len(lifts), len(left)))
        self.assertUsers(self.users_of(item, limit=len(left)), left, len(left))

    def test_who_takes_it_is_gone_from_the_next_answer_and_who_is_forgotten_too(self):
        item = self.world.items[5]
        first, second, third = (u["id"] for u in self.users_of(item, limit=3).json["users"])
        self.server.event(first, item)
        self.assertNotIn(first, [u["id"] for u in self.users_of(item, limit=1000).json["users"]])
        self.server.register("passing", {"interactions": [{"item": self.world.items[6]}]})
        self.assertIn("passing", [u["id"] for u in self.users_of(item, limit=1000).json["users"]])
        self.server.forget("passing")
        self.assertNotIn("passing", [u["id"] for u in self.users_of(item, limit=1000).json["users"]])

    def test_a_new_item_has_those_who_like_its_kind(self):
        item = self.world.items[7]
        self.server.admin("PUT", "/v1/admin/items/new%2Fone", {"title": "New", "categories": self.world.categories[item]})
        answer = self.users_of("new/one", limit=5)
        self.assertEqual((answer.status, len(answer.json["users"])), (200, 5))
        self.assertUsers(answer, self.lifts("new/one"), 5)
        self.server.admin("DELETE", "/v1/admin/items/new%2Fone")
        self.assertProblem(self.users_of("new/one"), 404, "item-not-found")

    def test_it_is_the_admins_and_what_is_refused(self):
        item = self.world.items[3]
        self.assertEqual(self.server.request("GET", f"/v1/items/{quote(item, safe='')}/users").status, 401)
        for params in ({"limit": 0}, {"limit": 1001}, {"exclude_seen": "x"}, {"category": "Comedy"}):
            self.assertProblem(self.users_of(item, **params), 400, "bad-request")
        self.assertProblem(self.users_of("no such item"), 404, "item-not-found")
        self.assertProblem(self.users_of(item, model="none"), 404, "unknown-model")


if __name__ == "__main__":
    unittest.main()
