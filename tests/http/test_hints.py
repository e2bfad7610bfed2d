"""A body that was nearly right is told what was meant: the object around a list, a name that was mistyped."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Hints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = hn.Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def refused(self, method, path, body):
        answer = self.server.admin(method, path, body)
        self.assertEqual((answer.status, answer.problem), (422, "invalid-value"), answer)
        return answer.json

    def test_one_part_or_a_bare_list_is_told_the_object_around_it(self):
        for path, name, part in (("/v1/events", "events", {"user": "u1", "item": "i1"}), ("/v1/admin/users", "users", {"id": "u1", "profile": {}}),
                                 ("/v1/admin/items", "items", {"id": "i1", "title": "T"})):
            one = self.refused("POST", path, part)
            self.assertIn('send {"%s":[{...}]}' % name, one["detail"])
            many = self.refused("POST", path, [part, part])
            self.assertIn('expected an object with the member "%s", got an array; send {"%s":[...]}' % (name, name), many["detail"])
            self.assertIn("no member of this name", self.refused("POST", path, {name: [part], "foo": 1})["detail"])

    def test_a_mistyped_name_is_told_the_one_that_was_meant(self):
        cases = [
            ("POST", "/v1/events", {"event": []}, "/event", "events"),
            ("POST", "/v1/events", {"events": [{"user": "u1", "item": "i1", "time_stamp": 5}]}, "/events/0/time_stamp", "timestamp"),
            ("PUT", "/v1/admin/users/u1", {"Profile": {}}, "/Profile", "profile"),
            ("PUT", "/v1/admin/users/u1", {"interaction": []}, "/interaction", "interactions"),
            ("PATCH", "/v1/admin/items/i1", {"titel": "x"}, "/titel", "title"),
            ("PUT", "/v1/admin/items/i1", {"catgories": ["x"]}, "/catgories", "categories"),
            ("POST", "/v1/users/u1/predictions", {"item": ["i1"]}, "/item", "items"),
        ]
        for method, path, body, pointer, meant in cases:
            with self.subTest(path=path, body=body):
                problem = self.refused(method, path, body)
                self.assertIn('did you mean "%s"?' % meant, problem["detail"])
                self.assertEqual(problem.get("pointer"), pointer)
        self.assertNotIn("did you mean", self.refused("PUT", "/v1/admin/users/u1", {"shoe": 5})["detail"])


if __name__ == "__main__":
    unittest.main()
