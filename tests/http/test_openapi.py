"""/openapi.json against what the server does: its calls are the server's, and real answers fit its schemas."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import jsonschema_small as schema
import shops

CALLS = {("get", "/v1/users/{user}/recommendations"), ("post", "/v1/users/{user}/predictions"), ("post", "/v1/events"),
         ("get", "/v1/users/{user}"), ("put", "/v1/admin/users/{user}"), ("delete", "/v1/admin/users/{user}"),
         ("patch", "/v1/admin/users/{user}"), ("patch", "/v1/admin/items/{item}"),
         ("post", "/v1/admin/users"), ("get", "/v1/items/{item}"), ("put", "/v1/admin/items/{item}"),
         ("delete", "/v1/admin/items/{item}"), ("post", "/v1/admin/items"), ("get", "/v1/items/{item}/similar"), ("post", "/v1/recommendations"), ("get", "/healthz"), ("get", "/readyz"), ("get", "/metrics"),
         ("post", "/v1/tasks/{task}/predictions"), ("post", "/v1/tasks/predictions"), ("get", "/v1/models"), ("post", "/v1/tasks/{task}/examples"), ("post", "/v1/predictions"), ("get", "/v1/tasks/{task}/weights"),
         ("get", "/v1/tasks/{task}"), ("put", "/v1/admin/tasks/{task}"), ("patch", "/v1/admin/tasks/{task}"), ("delete", "/v1/admin/tasks/{task}"),
         ("post", "/v1/admin/tasks"), ("delete", "/v1/admin/tasks/{task}/classes/{class}"),
         ("delete", "/v1/users/{user}/interactions/{item}"), ("get", "/v1/users/{user}/export"), ("get", "/v1/items"), ("get", "/v1/users"), ("get", "/v1/items/{item}/users"), ("get", "/v1/users/{user}/similar"),
         ("post", "/v1/users/{user}/merge"), ("get", "/v1/admin/event-kinds"), ("put", "/v1/admin/event-kinds"),
         ("post", "/v1/admin/backup"),
         ("get", "/openapi.json"), ("get", "/")}
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Validator(unittest.TestCase):
    """The validator itself tells good from bad."""

    def test_the_validator_tells_good_from_bad(self):
        document = {"components": {"schemas": {"id": {"type": "string", "minLength": 1}}}}
        s = {"type": "object", "required": ["id"], "additionalProperties": False,
             "properties": {"id": {"$ref": "#/components/schemas/id"}, "n": {"type": ["integer", "null"], "minimum": 0},
                            "list": {"type": "array", "items": {"type": "number"}, "maxItems": 2},
                            "cold": {"const": True}}}
        for good in ({"id": "a"}, {"id": "a", "n": None}, {"id": "a", "n": 5.0, "list": [1, 2.5], "cold": True}):
            self.assertEqual(schema.errors(document, s, good), [], good)
        for bad in ([], {}, {"id": ""}, {"id": 5}, {"id": "a", "n": -1}, {"id": "a", "n": 1.5}, {"id": "a", "n": True},
                    {"id": "a", "list": [1, 2, 3]}, {"id": "a", "list": ["x"]}, {"id": "a", "more": 1},
                    {"id": "a", "cold": 1}):
            self.assertTrue(schema.errors(document, s, bad), bad)
        one = {"oneOf": [{"type": "string"}, {"type": "integer"}, {"minimum": 5}]}
        self.assertEqual(schema.errors({}, one, 3), [])
        self.assertTrue(schema.errors({}, one, 7))
        with self.assertRaises(schema.Unknown):
            schema.errors({}, {"if": {}}, 5)


class Contract(hn.Case):
    @classmethod
    def setUpClass(cls):
        cls.world, cls.shops = hn.world(), shops.shops()
        cls.server = hn.Server(models=[cls.world.model, cls.shops.model, cls.shops.classes])
        cls.document = cls.server.request("GET", "/openapi.json").json

    def setUp(self):
        if not self.document.get("paths"):
            self.skipTest("schema/openapi.yaml is not filled in yet")

    def operation(self, method, path):
        return schema.resolve(self.document, self.document["paths"][path])[method.lower()]

    def check(self, answer, method, path):
        """The answer's status, media type and body are among those the contract gives for the call."""
        responses = self.operation(method, path)["responses"]
        response = responses.get(str(answer.status)) or responses.get("default")
        self.assertIsNotNone(response, f"{method} {path}: {answer.status} is not in {sorted(responses)}")
        response = schema.resolve(self.document, response)
        for name, header in response.get("headers", {}).items():
            header = schema.resolve(self.document, header)
            if header.get("required"):
                self.assertIn(name, answer.headers, f"{method} {path}: {answer.status}")
        content = response.get("content", {})
        if not content:
            self.assertEqual(answer.body, b"")
            return
        given = answer.headers["Content-Type"]
        media = content.get(given) or content.get(given.split(";")[0])
        self.assertIsNotNone(media, f"{method} {path}: {given} is not in {sorted(content)}")
        if "json" in given and "schema" in media:
            self.assertEqual(schema.errors(self.document, media["schema"], answer.json), [], (method, path, answer))

    def check_request(self, body, method, path):
        media = schema.resolve(self.document, self.operation(method, path.partition("?")[0])["requestBody"])["content"]
        return schema.errors(self.document, media["application/json"]["schema"], body)

    def test_the_contract_has_the_calls_of_the_server(self):
        self.assertTrue(self.document["openapi"].startswith("3.1"))
        described = {(method, path) for path, item in self.document["paths"].items()
                     for method in schema.resolve(self.document, item) if method in METHODS}
        self.assertEqual(described, CALLS)
        names = [self.operation(*call).get("operationId") for call in CALLS]
        self.assertNotIn(None, names)
        self.assertEqual(len(set(names)), len(names))

    def test_parameters_of_the_contract_are_taken(self):
        """Each query parameter of the contract is taken by the server, and path parameters are those of the path."""
        for method, path in CALLS:
            item = schema.resolve(self.document, self.document["paths"][path])
            parameters = [schema.resolve(self.document, p)
                          for p in item.get("parameters", []) + self.operation(method, path).get("parameters", [])]
            in_path = {p["name"] for p in parameters if p["in"] == "path"}
            self.assertEqual(in_path, {name for name in ("user", "item", "task", "class") if "{%s}" % name in path}, path)
            for name in (p["name"] for p in parameters if p["in"] == "query"):
                answer = self.server.admin(method.upper(), path.replace("{user}", "nobody").replace("{item}", "nothing").replace("{task}", "none"),
                                           {} if method in ("put", "post", "patch") else None, params={name: "\x01"})
                self.assertNotIn("no query parameter", answer.body.decode(), (path, name))

    def test_answers_fit_the_contract(self):
        width = self.world.description["hypernet"]["d_context"]
        inputs = self.world.description["hypernet"]["d_item"]
        item, user = self.world.items[0], "/v1/users/{user}"
        admin = "/v1/admin/users/{user}"
        bodies = [
            ("PUT", admin, "new", {"interactions": [{"item": item, "rating": 3, "weight": 2, "timestamp": 5}]}, 201),
            ("PUT", admin, "new", {"profile": {"age": "25-34", "x": [1, None]}}, 200),
            ("PUT", admin, "e", {"embedding": [0.5] * width}, 201),
            ("POST", "/v1/admin/users", "", {"users": [{"id": "a"}, {"id": "b", "profile": {}}]}, 200),
            ("POST", "/v1/events", "", {"events": [{"user": "u1", "item": item, "rating": 1}]}, 200),
            ("POST", "/v1/events", "", {"events": 2 * [{"user": "u1", "item": item, "kind": "view", "id": "e1"}]}, 200),
            ("PUT", "/v1/admin/event-kinds", "", {"kinds": [{"name": "cart", "weight": 0.5, "negative": False, "seen": False}]}, 200),
            ("PUT", "/v1/admin/event-kinds", "", {"kinds": [{"name": "interaction", "weight": 2}]}, 422),
            ("PATCH", admin, "new", {"profile": {"age": None}, "interactions": None, "embedding": None}, 200),
            ("PATCH", admin, "new", {"profile": None, "interactions": [{"item": item, "rating": 1, "weight": 3}]}, 200),
            ("PATCH", admin, "nobody", {}, 404),
            ("POST", "/v1/admin/users?on_error=skip&create=true", "",
             {"users": [{"id": "a"}, {"id": "b", "interactions": [{"item": "made"}]}]}, 200),
            ("POST", "/v1/events?on_error=skip&create=true", "",
             {"events": [{"user": "visitor", "item": "made too", "rating": 1}]}, 200),
            ("POST", "/v1/events?on_error=skip&create=false", "", {"events": [{"user": "nobody", "item": item}]}, 200),
            ("POST", user + "/predictions", "u1", {"items": [item]}, 200),
            ("POST", user + "/predictions?unknown=null", "u1", {"items": [item, "x"]}, 200),
            ("POST", user + "/predictions", "u1", {"items": ["x", item, "y", ""]}, 422),
            ("POST", user + "/predictions", "u1", {"inputs": [[0.5] * inputs]}, 200),
        ]
        for method, path, who, body, status in bodies:
            with self.subTest(method=method, path=path, body=list(body)):
                self.assertEqual(self.check_request(body, method, path), [])
                answer = self.server.admin(method, path.replace("{user}", who), body)
                self.assertEqual(answer.status, status, answer)
                self.check(answer, method, path.partition("?")[0])
        for path, who, params, status in [
                (user + "/recommendations", "u1", {}, 200),
                (user + "/recommendations", "u1", {"limit": 3, "offset": 2, "exclude_seen": "false",
                                                   "category": ["Drama", "Music"], "model": "default"}, 200),
                (user + "/recommendations", "nobody", {"cold_start": "true"}, 200),
                (user + "/recommendations", "u1", {"explain": 10}, 200),
                (user + "/recommendations", "u1", {"explain": 11}, 400),
                (user, "u1", {}, 200), (user, "new", {}, 200), (user, "e", {"model": "default"}, 200),
                ("/", "", {}, 200), ("/healthz", "", {}, 200), ("/readyz", "", {}, 200), ("/metrics", "", {}, 200),
                ("/openapi.json", "", {}, 200), (user + "/recommendations", "nobody", {}, 404),
                (user + "/recommendations", "u1", {"limit": 0}, 400), (user, "nobody", {}, 404),
                (user, "u1", {"model": "x"}, 404), ("/healthz", "", {"x": 1}, 200)]:
            with self.subTest(path=path, who=who, params=params):
                answer = self.server.request("GET", path.replace("{user}", who), params=params)
                self.assertEqual(answer.status, status, answer)
                self.check(answer, "GET", path)
        for status in (204, 404):
            answer = self.server.admin("DELETE", "/v1/admin/users/new")
            self.assertEqual(answer.status, status)
            self.check(answer, "DELETE", admin)

    def test_lists_by_a_body_fit_the_contract(self):
        path, items = "/v1/recommendations", self.world.items
        self.server.admin("PUT", "/v1/admin/items/" + items[0], {"metadata": {"a": 1}})
        for body, status in (({"user": "u1"}, 200), ({"user": "u1", "candidates": [items[0], "x"], "exclude": ["x"], "fields": ["a"], "exclude_seen": False,
                                                                "explain": 1, "samples": 5, "seed": 1, "offset": 0, "limit": 3}, 200),
                             ({"user": "u1", "categories": ["Drama"], "min_score": -5.5, "candidates": ["x"]}, 200),
                             ({"users": ["u1", "nobody"]}, 200), ({"profile": {"age": "25-34"}, "interactions": [{"item": items[0]}]}, 200),
                             ({"user": "nobody", "cold_start": True, "diversity": 0.5}, 200), ({"user": "nobody"}, 404), ({"user": ""}, 422), ({}, 422)):
            if status < 422:
                self.assertEqual(self.check_request(body, "POST", path), [])
            answer = self.server.request("POST", path, body)
            self.assertEqual(answer.status, status, answer)
            self.check(answer, "POST", path)

    def test_similar_items_fit_the_contract(self):
        path, known = "/v1/items/{item}/similar", self.world.items[0]
        for item, params, status in ((known, {}, 200), (known, {"limit": 3, "category": ["Drama", "None such"], "model": "default"}, 200),
                                     (known, {"limit": 0}, 400), ("nothing", {}, 404)):
            answer = self.server.request("GET", path.replace("{item}", item), params=params)
            self.assertEqual(answer.status, status, answer)
            self.check(answer, "GET", path)

    def test_answers_of_items_fit_the_contract(self):
        admin, full = "/v1/admin/items/{item}", {"title": "T", "categories": ["Drama"], "metadata": {"a": [1, None]}}
        for method, path, body, status in [
                ("PUT", admin, full, 201), ("PUT", admin, {}, 200), ("PUT", admin, full, 200), ("PUT", admin, {"title": 5}, 422),
                ("POST", "/v1/admin/items", {"items": [dict(full, id="many"), {"id": "more"}]}, 200),
                ("POST", "/v1/admin/items", {"items": [{}]}, 422),
                ("POST", "/v1/admin/items?on_error=skip", {"items": [{}, {"id": "more", "title": 5}]}, 200),
                ("PATCH", admin, {"title": None, "categories": ["Drama"], "metadata": {"a": None, "b": 1}}, 200),
                ("PATCH", admin, {"metadata": None, "categories": None}, 200), ("PATCH", admin, {"title": 5}, 422),
                ("GET", "/v1/items/{item}", None, 200), ("DELETE", admin, None, 204), ("DELETE", admin, None, 404),
                ("GET", "/v1/items/{item}", None, 404)]:
            with self.subTest(method=method, path=path, body=body):
                if body is not None and status < 400 and "skip" not in path:
                    self.assertEqual(self.check_request(body, method, path), [])
                answer = self.server.admin(method, path.replace("{item}", "it"), body)
                self.assertEqual(answer.status, status, answer)
                self.check(answer, method, path.partition("?")[0])

    def test_answers_of_lists_fit_the_contract(self):
        self.server.admin("PUT", "/v1/admin/items/it", {"title": "T", "categories": ["Drama"], "metadata": {"a": 1}, "hidden": True, "available_until": 4102444800})
        for path, query, status in [("/v1/items", "", 200), ("/v1/items", "?prefix=it&limit=1000", 200), ("/v1/items", "?q=the&limit=2&category=drama", 200),
                                    ("/v1/items", "?sort=popular&window_days=3", 200), ("/v1/items", "?sort=latest", 200), ("/v1/items", "?sort=latest&window_days=3", 400), ("/v1/items", "?q=", 400), ("/v1/items", "?sort=popular&cursor=a", 400),
                                    ("/v1/users", "?limit=3", 200), ("/v1/users", "?limit=3&prefix=u1&cursor=u10", 200), ("/v1/users", "?limit=0", 400)]:
            with self.subTest(path=path, query=query):
                answer = self.server.admin("GET", path + query)
                self.assertEqual(answer.status, status, answer)
                self.check(answer, "GET", path)
        for query, status in (("?limit=2", 200), ("?exclude_seen=false", 200), ("?limit=0", 400)):
            answer = self.server.admin("GET", "/v1/items/it/users" + query)
            self.assertEqual(answer.status, status, answer)
            self.check(answer, "GET", "/v1/items/{item}/users")

    def test_answers_of_tasks_fit_the_contract(self):
        rows, support = self.shops.asked("s20"), {"rows": self.shops.known("s20")}
        predictions, examples, admin = "/v1/tasks/{task}/predictions", "/v1/tasks/{task}/examples", "/v1/admin/tasks/{task}"
        for method, path, body, status in [
                ("POST", predictions, {"rows": rows}, 404),
                ("POST", predictions + "?cold_start=true", {"rows": rows, "interval": 0.5, "clamp": False}, 200),
                ("POST", predictions + "?cold_start=true&model=busy", {"rows": rows, "unknown_category": "ignore"}, 200),
                ("POST", predictions, {"rows": rows, "support": support, "profile": {"district": "north"}}, 200),
                ("POST", predictions, {"rows": [[1, 2, "yes"]], "columns": ["day", "price", "deal"], "profile": {"district": "north"},
                                       "support": support}, 200),
                ("POST", predictions, {"rows": [{"price": "x"}], "support": support}, 422),
                ("POST", predictions + "?model=default", {"rows": rows}, 422),
                ("POST", predictions, {"rows": [{}] * 1025}, 413),
                ("POST", examples, {"rows": rows}, 422), ("POST", examples, support, 404), ("GET", "/v1/tasks/{task}", None, 404), ("GET", "/v1/tasks/{task}/weights", None, 404),
                ("POST", examples + "?create=true", support, 201), ("POST", examples, support, 200),
                ("PUT", admin, {"profile": {"district": "north", "x": [1]}, "support": support, "keep_rows": False}, 200),
                ("GET", "/v1/tasks/{task}", None, 200), ("GET", "/v1/tasks/{task}/weights", None, 200), ("POST", predictions, {"rows": rows}, 200),
                ("POST", predictions, {"rows": rows, "contexts": [{"id": "s20", "weight": 2}, {"id": "s20"}]}, 200),
                ("POST", predictions + "?cold_start=true", {"rows": rows, "contexts": [{"id": "no"}]}, 200),
                ("POST", predictions, {"rows": rows, "contexts": [{"id": "no"}]}, 404),
                ("POST", "/v1/tasks/predictions", {"rows": support["rows"], "limit": 1}, 200),
                ("POST", "/v1/tasks/predictions", {"rows": rows}, 422),
                ("POST", "/v1/tasks/predictions", {"rows": support["rows"], "candidates": ["no"]}, 404),
                ("POST", predictions, {"rows": rows, "adapt_steps": 5}, 422),
                ("POST", "/v1/predictions", {"tasks": [{"id": "s20", "rows": rows}, {"id": "s20", "columns": [], "rows": []}]}, 200),
                ("POST", "/v1/predictions?cold_start=true&model=busy", {"tasks": [{"id": "no", "rows": rows}], "clamp": False}, 200),
                ("POST", "/v1/predictions", {"tasks": [{"id": "no", "rows": [5]}]}, 404),
                ("POST", "/v1/predictions?unknown=null", {"tasks": [{"id": "no", "rows": rows}, {"id": "x", "contexts": [{"id": "s20"}], "rows": rows}]}, 200),
                ("POST", examples + "?on_error=skip", {"rows": [support["rows"][0], {}]}, 200),
                ("PATCH", admin, {"profile": {"district": "north", "more": None}, "keep_rows": True}, 200),
                ("PATCH", admin, {"support": None, "profile": None}, 200),
                ("PATCH", admin, {"profile": 5}, 422), ("PUT", admin, {"support": support}, 200),
                ("POST", predictions, {"rows": rows, "samples": 3, "seed": 5}, 200),
                ("PUT", admin, {"support": {"rows": []}}, 200), ("PUT", admin, {"support": {"rows": [{}]}}, 422),
                ("PUT", admin, {"support": {"rows": [dict(rows[0], units=5)] * 2}}, 200),
                ("POST", "/v1/admin/tasks", {"tasks": [{"id": "t1", "support": support}, {"id": "t2"}]}, 200),
                ("POST", "/v1/admin/tasks?on_error=skip", {"tasks": [{"id": "t1"}, {"id": 5}]}, 200),
                ("POST", "/v1/admin/tasks", {"tasks": [{"id": 5}]}, 422), ("POST", "/v1/admin/tasks?model=default", {"tasks": []}, 422),
                ("DELETE", admin, None, 204), ("DELETE", admin, None, 404),
                ("GET", "/v1/models", None, 200)]:
            with self.subTest(method=method, path=path, body=body):
                if body is not None and status < 400 and "skip" not in path:
                    self.assertEqual(self.check_request(body, method, path), [])
                answer = self.server.admin(method, path.replace("{task}", "s20"), body)
                self.assertEqual(answer.status, status, answer)
                self.check(answer, method, path.partition("?")[0])

    def test_refusals_fit_the_contract(self):
        admin = "/v1/admin/users/{user}"
        for method, path, body, rest, status in [
                ("PUT", admin, b"{", {}, 400), ("PUT", admin, {"x": 1}, {}, 422),
                ("PUT", admin, {}, {"token": "wrong"}, 401),
                ("PUT", admin, b"{}", {"headers": {"Content-Type": "text/plain"}}, 415),
                ("PUT", admin, b" " * (9 << 20), {}, 413),
                ("PUT", admin, {"interactions": [{"item": "no such"}]}, {}, 422),
                ("POST", "/v1/admin/users", {"users": 5}, {}, 422),
                ("POST", "/v1/events?create=false", {"events": [{"user": "nobody", "item": "i1"}]}, {}, 404),
                ("POST", "/v1/events", {"events": [{"user": "u1", "item": "no such"}]}, {}, 422),
                ("POST", "/v1/events?create=false", {"events": [{"user": "nobody", "item": "no such"}, 5]}, {}, 404),
                ("POST", "/v1/events?create=true", {"events": [{"user": "u1", "item": "no such"}]}, {"token": ""}, 422),
                ("POST", "/v1/admin/users", {"users": [{"id": 5}, {"profile": 5}]}, {}, 422),
                ("POST", "/v1/admin/users", b'{"id":\n[', {"headers": {"Content-Type": "application/x-ndjson"}}, 400),
                ("PATCH", admin, {"x": 1, "profile": 5}, {}, 422),
                ("POST", "/v1/users/{user}/predictions", {"items": [5]}, {}, 422)]:
            with self.subTest(method=method, path=path, status=status):
                answer = self.server.admin(method, path.replace("{user}", "u1"), body, **rest)
                self.assertEqual(answer.status, status, answer)
                self.check(answer, method, path.partition("?")[0])

    def test_the_refusal_without_an_admin_token_fits_the_contract(self):
        with hn.Server(admin=False) as server:
            answer = server.request("PUT", "/v1/admin/users/u1", {})
            self.assertEqual(answer.status, 403)
            self.check(answer, "PUT", "/v1/admin/users/{user}")

    def test_answers_of_backups_fit_the_contract(self):
        self.check(self.server.admin("POST", "/v1/admin/backup"), "POST", "/v1/admin/backup")
        with hn.Server("--backup-dir", hn.temporary_folder()) as server:
            answer = server.admin("POST", "/v1/admin/backup")
            self.assertEqual(answer.status, 201, answer)
            self.check(answer, "POST", "/v1/admin/backup")

    def test_schemas_refuse_what_is_wrong(self):
        """A contract that lets everything through would pass the tests above."""
        for body, method, path in (
                ({"events": 5}, "post", "/v1/events"), ({"events": [{"user": "u1"}]}, "post", "/v1/events"),
                ({"rows": 5}, "post", "/v1/tasks/{task}/predictions"), ({"rows": [5]}, "post", "/v1/tasks/{task}/predictions"),
                ({"users": [{}]}, "post", "/v1/admin/users"), ({"profile": []}, "put", "/v1/admin/users/{user}"),
                ({"unknown": 1}, "put", "/v1/admin/users/{user}")):
            self.assertTrue(self.check_request(body, method, path), body)


if __name__ == "__main__":
    unittest.main()
