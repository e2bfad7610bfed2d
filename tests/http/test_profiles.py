"""Profiles from a shop's table to a model and through HTTP: what is personal is in no model file, the forms of a value are one, and an
answer says what the model does not know."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import command  # noqa: E402
import hn  # noqa: E402

NAMES = ["Annegret", "Bartholomew", "Cunegonde", "Desideria", "Eberhard", "Fionnuala", "Gwendolyn"]
SURNAMES = ["Quackenbush", "Rottenmeier", "Sidebottom", "Thistlewood"]


def customer(n):
    """(name, mail, telephone) of a user; some share a name, never five of them."""
    name = "%s %s-%d" % (NAMES[n % 7], SURNAMES[n % 4], n // 4)
    return name, name.lower().replace(" ", ".") + "@post.example", "+4915112%06d" % (n * 7919)


class Profiles(command.World):
    users, epochs = 120, 1

    @classmethod
    def load(cls, store):
        """The simulated world with customers' tables as pandas writes them."""
        lines = ["user,name,mail,phone,customer,age,premium,orders,zip"]
        for n, row in enumerate(cls.rows("users.tsv")):
            lines.append("%s,%s,%s,%s,%d,%.1f,%s,%d.0,%05d" % (
                (row["user"],) + customer(n) + (88120000 + n, 18 + n * 7 % 60, n % 3 == 0, n % 4, 2139 + n % 5)))
        with open(cls.path("customers.csv"), "w") as f:
            f.write("\n".join(lines) + "\n")
        command.done("import", "--store", store, "--interactions", cls.path("interactions.tsv"),
                     "--users", cls.path("customers.csv"), "--items", cls.path("items.tsv"))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = hn.Server(store=cls.store, models=[cls.model])
        cls.addClassCleanup(cls.server.stop)

    def vocabulary(self):
        return command.done_json("inspect", self.model)["hypernet"]["encoder"]["profile"]["values"]

    def test_what_is_personal_is_not_in_the_model_file(self):
        with open(self.model, "rb") as f:
            model = f.read()
        texts = [t for n in range(self.users) for t in customer(n)] + ["%d" % (88120000 + n) for n in range(self.users)]
        for text in texts + NAMES + SURNAMES + ["post.example"]:
            self.assertNotIn(text.encode(), model)
            self.assertNotIn(text.lower().encode(), model)
        self.assertEqual({field for field, _ in self.vocabulary()}, {"age", "premium", "orders", "zip"})

    def test_who_sets_the_least_users_decides_and_hears_of_what_is_not_learned(self):
        r = command.run("train", "--store", self.store, "--out", self.path("strict"), "--epochs", 1, "--dim", 8, "--no-contexts",
                        "--min-profile-users", 30)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertRegex(r.stderr, "without a value that 30 users share: customer, mail, name, phone, (shoe, )?zip\n")
        values = command.done_json("inspect", self.path("strict"))["hypernet"]["encoder"]["profile"]["values"]
        self.assertEqual({f for f, _ in values}, {"age", "premium", "orders"})

    def test_values_are_in_one_form_and_numbers_in_ranges(self):
        values = self.vocabulary()
        self.assertEqual({v for f, v in values if f == "premium"}, {"true", "false"})
        self.assertEqual({v for f, v in values if f == "orders"}, {"0", "1", "2", "3"})
        self.assertEqual({v for f, v in values if f == "zip"}, {"%05d" % n for n in range(2139, 2144)})
        ages = [v for f, v in values if f == "age"]
        self.assertEqual([a.get("from") for a in ages][1:], [a.get("below") for a in ages][:-1])
        self.assertEqual((set(ages[0]), set(ages[-1])), ({"below"}, {"from"}))

    def test_fields_that_are_personal_by_name_are_in_no_model_file_however_many_share_a_value(self):
        personal = ["name", "Last_Name", "customer_name", "e-mail", "billing.phone", "homeAddress", "IBAN", "phone2"]
        store, model, views, users = (self.path("shared-" + n) for n in ("s.db", "m", "v.csv", "u.csv"))
        with open(users, "w") as f, open(views, "w") as g:
            f.write("user,%s,renamed,plan\n" % ",".join(personal))
            g.write("user,item\n")
            for n in range(900):
                values = ["Quackenbush%d%s" % (n % 90, field[0]) for field in personal]
                f.write("u%d,%s,kept%d,plan%d\n" % (n, ",".join(values), n % 2, n % 3))
                g.writelines("u%d,i%d\n" % (n, (n * 7 + k * k) % 40) for k in range(4))
        command.done("import", "--store", store, "--interactions", views, "--users", users)
        r = command.run("train", "--store", store, "--out", model, "--epochs", 1, "--dim", 8, "--no-contexts")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("share: %s\n" % ", ".join(sorted(personal)), r.stderr)
        with open(model, "rb") as f:
            self.assertNotIn(b"quackenbush", f.read().lower())
        values = command.done_json("inspect", model)["hypernet"]["encoder"]["profile"]["values"]
        self.assertEqual({f for f, _ in values}, {"renamed", "plan"})

    def registered(self, profile, **more):
        answer = self.server.register("someone", dict(more, profile=profile))
        self.assertIn(answer.status, (200, 201), answer)
        self.assertEqual(self.server.user("someone").json["source"], answer.json["source"])
        return answer.json

    def ranked(self, profile):
        self.registered(profile)
        return [i["score"] for i in self.server.recommend("someone", limit=20).json["items"]]

    def test_a_table_and_the_api_mean_the_same_user(self):
        forms = [{"premium": True, "age": 30, "orders": 2}, {"premium": "True", "age": "30.0", "orders": "2.0"},
                 {"premium": "TRUE", "age": "3e1", "orders": 2.0}, {"premium": "true", "age": 30.0, "orders": "2"}]
        first = self.ranked(forms[0])
        for form in forms[1:]:
            self.assertEqual(self.ranked(form), first)
            self.assertEqual(self.registered(form)["unknown_profile"], [])
        self.assertNotEqual(self.ranked({"premium": False, "age": 70, "orders": 0}), first)

    def test_any_number_is_in_a_range(self):
        for age in (-5, 0, 17.5, 18, 33.3, "44", 77, 1000, 1e300):
            self.assertEqual(self.registered({"age": age})["unknown_profile"], [], age)

    def test_an_answer_says_what_the_model_does_not_know(self):
        known = self.registered({"premium": True, "zip": 2139, "shoe": 43, "age": "old", "likes": ["x", 1], "at": {"x": 1}, "no": None})
        self.assertEqual(known["source"], "profile")
        self.assertEqual(known["unknown_profile"], [
            {"field": "zip", "value": "2139"}, {"field": "shoe", "value": "43"}, {"field": "age", "value": "old"},
            {"field": "likes", "value": "x"}, {"field": "likes", "value": "1"}, {"field": "at"}])

    def test_a_profile_of_which_nothing_is_known_is_no_source(self):
        for profile in ({"shoe": 43}, {"age": "old"}, {}, {"premium": None}, {"premium": {"is": True}}):
            self.assertEqual(self.registered(profile)["source"], "prior", profile)
        self.assertEqual(self.registered({"shoe": 43, "premium": "False"})["source"], "profile")
        answer = self.server.admin("POST", "/v1/admin/users", {"users": [{"id": "a", "profile": {"shoe": 1}}, {"id": "b"}]})
        self.assertEqual([u["source"] for u in answer.json["users"]], ["prior", "prior"])
        self.assertEqual([u.get("unknown_profile") for u in answer.json["users"]], [[{"field": "shoe", "value": "1"}], None])


if __name__ == "__main__":
    unittest.main()
