"""GET /v1/users/{user}/recommendations and POST .../predictions: what an answer holds and in which order."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

EVERYTHING = 1000  # above the number of items


class Recommendations(hn.Case):
    use_other_model = True

    def test_ten_by_default_in_order_of_score(self):
        answer = self.server.recommend("u1")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        document = answer.json
        self.assertEqual((document["user"], document["model"], document["model_version"]), ("u1", "default", "1"))
        self.assertGreaterEqual(document["context_revision"], 1)
        self.assertNotIn("cold", document)
        self.assertEqual(len(document["items"]), 10)
        scores = [item["score"] for item in document["items"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        for item in document["items"]:
            self.assertEqual(item["categories"], self.world.categories[item["id"]])
            self.assertTrue(item["title"])

    def test_every_item_comes_once_in_order(self):
        answer = self.server.recommend("u2", limit=EVERYTHING, exclude_seen="false")
        self.assertEqual(sorted(answer.items), sorted(self.world.items))
        scores = [item["score"] for item in answer.json["items"]]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_a_limit_cuts_the_same_list(self):
        everything = self.server.recommend("u3", limit=EVERYTHING).items
        for limit in (1, 7, 50, 100):
            self.assertEqual(self.server.recommend("u3", limit=limit).items, everything[:limit])

    def test_seen_items_are_left_out(self):
        for user in self.world.users[:20]:
            seen = set(self.world.interactions[user])
            self.assertTrue(seen)
            unseen = self.server.recommend(user, limit=EVERYTHING)
            self.assertEqual(set(unseen.items), set(self.world.items) - seen)
            every = self.server.recommend(user, limit=EVERYTHING, exclude_seen="false").json["items"]
            self.assertEqual(unseen.json["items"], [item for item in every if item["id"] not in seen])

    def test_pages_join(self):
        everything = self.server.recommend("u4", limit=EVERYTHING).json["items"]
        pages, offset = [], 0
        while page := self.server.recommend("u4", limit=13, offset=offset).json["items"]:
            pages += page
            offset += 13
        self.assertEqual(pages, everything)
        self.assertEqual(self.server.recommend("u4", offset=len(everything)).items, [])
        self.assertEqual(self.server.recommend("u4", offset=100000).items, [])

    def test_a_category_leaves_the_others_out(self):
        everything = self.server.recommend("u5", limit=EVERYTHING).json["items"]

        def only(*wanted):
            return [item for item in everything if set(wanted) & set(item["categories"])]

        one = self.server.recommend("u5", limit=EVERYTHING, category="Comedy")
        self.assertTrue(one.items)
        self.assertEqual(one.json["items"], only("Comedy"))
        several = self.server.recommend("u5", limit=EVERYTHING, category=["Comedy", "Drama", "Music"])
        self.assertEqual(several.json["items"], only("Comedy", "Drama", "Music"))
        twice = self.server.recommend("u5", limit=EVERYTHING, category=["Comedy", "Comedy"])
        self.assertEqual(twice.items, one.items)
        mixed = self.server.recommend("u5", limit=EVERYTHING, category=["Comedy", "no such category"])
        self.assertEqual(mixed.items, one.items)
        for unknown in ("no such category", "comedy", "Comed", ""):
            none = self.server.recommend("u5", category=unknown)
            self.assertEqual((none.status, none.items), (200, []), unknown)
        paged = self.server.recommend("u5", limit=3, offset=2, category="Comedy")
        self.assertEqual(paged.items, one.items[2:5])

    def test_an_unknown_user_is_404(self):
        answer = self.server.recommend("nobody")
        self.assertProblem(answer, 404, "unknown-user")
        self.assertProblem(self.server.recommend("nobody", cold_start="false"), 404, "unknown-user")

    def test_a_cold_start_answers_from_the_prior(self):
        cold = self.server.recommend("nobody", cold_start="true")
        self.assertEqual(cold.status, 200, cold)
        self.assertIs(cold.json["cold"], True)
        self.assertIsNone(cold.json["context_revision"])
        self.assertEqual(cold.json["user"], "nobody")
        self.assertEqual(len(cold.items), 10)
        other = self.server.recommend("nobody else", cold_start="true")
        self.assertEqual(other.json["items"], cold.json["items"])  # the prior is one for all
        known = self.server.recommend("u1", cold_start="true")
        self.assertNotIn("cold", known.json)
        self.assertEqual(known.json, self.server.recommend("u1").json)
        self.assertEqual(self.server.user("nobody").status, 404)  # asking registers nobody

    def test_the_cache_header_says_hit_or_miss(self):
        made = self.server.metric("weights_made_total")
        first = self.server.recommend("u100")
        self.assertEqual(first.headers["x-hypernet-cache"], "miss")
        for _ in range(3):
            again = self.server.recommend("u100")
            self.assertEqual(again.headers["x-hypernet-cache"], "hit")
            self.assertEqual(again.body, first.body)
        self.assertEqual(self.server.metric("weights_made_total"), made + 1)
        self.assertIsNone(self.server.recommend("nobody").headers["x-hypernet-cache"])

    def test_another_server_gives_the_same_bits_for_the_same_revision(self):
        users = self.world.users[:30]
        here = [self.server.recommend(user, limit=50).body for user in users]
        with hn.Server(models=[self.world.model], admin=False) as other:
            self.assertEqual([other.recommend(user, limit=50).body for user in reversed(users)], here[::-1])

    def test_the_command_line_gives_the_same_answer(self):
        cases = [({}, []), ({"limit": 25, "offset": 5}, ["--limit", 25, "--offset", 5]),
                 ({"exclude_seen": "false"}, ["--exclude-seen", "false"]),
                 ({"category": ["Drama", "Music"]}, ["--category", "Drama", "--category", "Music"])]
        for user in self.world.users[7:10]:
            for params, args in cases:
                answer = self.server.recommend(user, **params)
                said = hn.run("recommend", "--store", self.server.store, "--model", self.world.model, "--user", user,
                              "--json", *args)
                self.assertEqual(json.loads(said.out), answer.json)
                self.assertEqual(said.out.encode(), answer.body)

    def test_the_command_line_gives_the_same_cold_answer(self):
        said = hn.run("recommend", "--store", self.server.store, "--model", self.world.model, "--user", "nobody",
                      "--json", "--cold-start")
        self.assertEqual(json.loads(said.out), self.server.recommend("nobody", cold_start="true").json)

    def test_two_models_answer_side_by_side(self):
        first = self.server.recommend("u11")
        named = self.server.recommend("u11", model="default")
        other = self.server.recommend("u11", model="other")
        self.assertEqual(first.body, named.body)
        self.assertEqual((other.status, other.json["model"]), (200, "other"))
        self.assertNotEqual(other.json["items"], first.json["items"])
        said = hn.run("recommend", "--store", self.server.store, "--model", self.world.other_model, "--user", "u11",
                      "--json")
        self.assertEqual(json.loads(said.out), other.json)
        self.assertEqual(self.server.recommend("u11").body, first.body)
        index = self.server.request("GET", "/").json
        self.assertEqual([m["name"] for m in index["models"]], ["default", "other"])

    def test_an_unknown_model_is_404(self):
        for name in ("nothing", "", "defaul", "default2", "x" * 128, "x" * 129, "x" * 1000, "default\0x", "\0"):
            self.assertProblem(self.server.recommend("u1", model=name), 404, "unknown-model")

    def test_predictions_of_items_are_their_scores(self):
        everything = {item["id"]: item["score"]
                      for item in self.server.recommend("u12", limit=EVERYTHING, exclude_seen="false").json["items"]}
        wanted = self.world.items[::3] + self.world.items[:2]
        answer = self.server.request("POST", "/v1/users/u12/predictions", {"items": wanted})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual([p["id"] for p in answer.json["predictions"]], wanted)
        for p in answer.json["predictions"]:
            want = everything[p["id"]]
            self.assertLessEqual(abs(p["score"] - want), 1e-4 * max(1, abs(want)), p)
        many = self.server.request("POST", "/v1/users/u12/predictions", {"items": self.world.items * 50})
        self.assertEqual((many.status, len(many.json["predictions"])), (200, 10000))
        none = self.server.request("POST", "/v1/users/u12/predictions", {"items": []})
        self.assertEqual((none.status, none.json["predictions"]), (200, []))

    def test_predictions_of_items_are_the_same_in_any_spelling(self):
        """The usual body is read in another way than all others; the answers are the same."""
        one, two = self.world.items[:2]
        usual = self.server.request("POST", "/v1/users/u12/predictions", b'{"items":["%s","%s"]}' % (one.encode(), two.encode()))
        self.assertEqual([p["id"] for p in usual.json["predictions"]], [one, two])
        escaped = "".join("\\u%04x" % ord(c) for c in one)
        for body in ('{"items":["%s","%s"]}' % (escaped, two), '\t{ "items"\n:\r[ "%s" , "%s" ] }\n' % (one, two),
                     '{"it\\u0065ms":["%s","%s"]}' % (one, two)):
            answer = self.server.request("POST", "/v1/users/u12/predictions", body.encode())
            self.assertEqual((answer.status, answer.body), (200, usual.body), body)
        for body in ('{"items":["%s","%s"' % (one, two), '{"items":["%s","%s"]}}' % (one, two), '{"items":["%s" "%s"]}' % (one, two),
                     '{"items":["%s\n"]}' % one, '{"items":["%s' % one, '{"items":["%s",]}' % one):
            self.assertProblem(self.server.request("POST", "/v1/users/u12/predictions", body.encode()), 400, "malformed-json")

    def test_predictions_of_rows_do_not_depend_on_the_others(self):
        width = self.world.description["hypernet"]["d_item"]
        rows = [[0.0] * width, [0.25] * width]
        answer = self.server.request("POST", "/v1/users/u12/predictions", {"inputs": rows})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(len(answer.json["predictions"]), 2)
        again = self.server.request("POST", "/v1/users/u12/predictions", {"inputs": rows[1:]})
        self.assertEqual(again.json["predictions"], answer.json["predictions"][1:])

    def test_predictions_for_the_unknown_come_with_a_cold_start_alone(self):
        body = {"items": self.world.items[:3]}
        self.assertProblem(self.server.request("POST", "/v1/users/nobody/predictions", body), 404, "unknown-user")
        cold = self.server.request("POST", "/v1/users/nobody/predictions", body, params={"cold_start": "true"})
        self.assertEqual((cold.status, cold.json["cold"]), (200, True))


class Ids(hn.Case):
    """A user's id is any UTF-8 of 1 to 256 bytes without a zero byte."""

    ids = ["a/b", "/", "//", "a%2Fb", "%", "%%", "100%", "a b", "a+b", "?", "a?b=c", "#", "&=;", "\u00e9t\u00e9", "\u4e2d\u6587",
           "\U0001f600", "..", ".", "a\\b", '"', "'", "a\nb", "\t", "\x01", "\x7f", "x" * 256, "\u4e2d" * 85 + "x",
           "recommendations"]

    def test_any_text_is_an_id(self):
        w, some = self.world, self.world.items[:4]
        for i, user in enumerate(self.ids):
            with self.subTest(user=user):
                body = {"interactions": [{"item": some[i % 4], "timestamp": 1700000000}]}
                made = self.server.register(user, body)
                self.assertEqual((made.status, made.json["id"]), (201, user), made)
                self.assertEqual(self.server.user(user).json["user"], user)
                answer = self.server.recommend(user)
                self.assertEqual((answer.status, answer.json["user"]), (200, user))
                self.assertNotIn(some[i % 4], self.server.recommend(user, limit=1000).items)
        many = self.server.admin("POST", "/v1/admin/users", {"users": [{"id": user} for user in self.ids]})
        self.assertEqual([u["id"] for u in many.json["users"]], self.ids)
        self.assertEqual({u["result"] for u in many.json["users"]}, {"replaced"})
        for user in self.ids:
            self.assertEqual(self.server.event(user, w.items[5]).json["users"][0]["id"], user)
            self.assertEqual(self.server.forget(user).status, 204, user)
            self.assertEqual(self.server.user(user).status, 404, user)

    def test_what_is_no_id_is_refused(self):
        for path in ("/v1/users/%FF", "/v1/users/%C3", "/v1/users/%ED%A0%80", "/v1/users/a%00b", "/v1/users/%00",
                     "/v1/users/" + "x" * 257, "/v1/users/%", "/v1/users/%2", "/v1/users/%zz", "/v1/users/a%",
                     "/v1/users/%C0%AF"):
            with self.subTest(path=path):
                self.assertProblem(self.server.request("GET", path), 400, "bad-request")
                self.assertProblem(self.server.request("GET", path + "/recommendations"), 400, "bad-request")


if __name__ == "__main__":
    unittest.main()
