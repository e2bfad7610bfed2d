"""Times of tasks' rows: one order, however they are written, for tables and calls alike; what is ahead of the clock is refused, since all
other rows of its task would be old beside it for ever."""
import datetime
import json
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

DAY = datetime.datetime(2025, 3, 1, tzinfo=datetime.timezone.utc)
AHEAD = "more than a day ahead of this machine's clock"


def seconds(day):
    return int((DAY + datetime.timedelta(days=day)).timestamp())


def iso(day):
    return (DAY + datetime.timedelta(days=day)).strftime("%Y-%m-%d")


class Times(hn.Folder):
    def rows(self, write=iso):
        """Shops whose demand drifts, as a table; the lines of the last one are those of its 24 days."""
        rng, lines = random.Random(5), ["shop,when,price,units"]
        for shop in range(12):
            level = rng.uniform(20, 60)
            for day in range(24):
                price = round(rng.uniform(1, 4), 2)
                level += rng.gauss(0, 1)
                lines.append(f"s{shop},{write(day)},{price},{level - 5 * price:.2f}")
        return lines

    def train(self, lines, out, **more):
        path = self.file("rows.csv", "\n".join(lines) + "\n")
        return hn.run("train", "--rows", path, "--task", "shop", "--target", "units", "--time", "when", "--out", out, "--epochs", 2,
                      "--threads", 1, **more)

    def test_a_row_that_is_ahead_of_the_clock_is_refused_with_its_line_by_tables_and_calls(self):
        model = self.path("timed.hn")
        self.train(self.rows(), model)
        for when in ("2299-01-01", "10413792000000", "90000000000"):
            lines = self.rows()
            lines[7] = f"s0,{when},2,30"
            done = self.train(lines, self.path("none.hn"), check=False)
            self.assertEqual((done.returncode, os.path.exists(self.path("none.hn"))), (1, False))
            self.assertIn("rows.csv:8: column 'when': the time, read as", done.err)
            self.assertIn(AHEAD, done.err)
        with hn.Server("--create", store=self.path("tasks.db"), models=[model]) as server:
            for when, good in (("2299-01-01", False), (10413792000000, False), (90000000000, False), (iso(3), True)):
                row = {"when": when, "price": 2, "units": 30}
                calls = (server.admin("PUT", "/v1/admin/tasks/t", {"support": {"rows": [row]}}),
                         server.request("POST", "/v1/tasks/t/predictions", {"rows": [{"price": 2}], "support": {"rows": [row]}}))
                for answer, at in zip(calls, ("/support/rows/0/when",) * 2):
                    self.assertEqual(answer.status in (200, 201), good, answer)
                    if not good:
                        self.assertEqual((answer.status, answer.json["pointer"]), (422, at))
                        self.assertIn(AHEAD, answer.json["detail"])

    def test_rows_are_as_old_as_they_are_whatever_the_unit(self):
        model = self.path("timed.hn")
        self.train(self.rows(), model)
        with hn.Server("--create", store=self.path("tasks.db"), models=[model]) as server:
            answers = []
            for write in (iso, seconds, lambda day: 1000 * seconds(day), lambda day: iso(day) + "T00:00:00Z"):
                known = [{"when": write(day), "price": 1 + day % 3, "units": 40 + day} for day in range(10)]
                answer = server.request("POST", "/v1/tasks/t/predictions", {"rows": [{"price": 2}], "support": {"rows": known}})
                self.assertEqual(answer.status, 200, answer)
                answers.append(json.dumps(answer.json["predictions"]))
            self.assertEqual(set(answers), {answers[0]})


if __name__ == "__main__":
    unittest.main()
