"""The commands as such: help, names that do not exist, options and their variables, exit statuses, and results that
cannot be written."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from command import COMMANDS, environment, run, HYPERNET  # noqa: E402
import subprocess  # noqa: E402

REQUIRED = {"simulate": "--out", "import": "--store", "train": "--out", "evaluate": "--model",
            "recommend": "--store", "serve": "--store", "inspect": "MODEL", "backup": "--store",
            "restore": "--store", "predict": "--model", "export": "--store"}


class Help(unittest.TestCase):
    def test_no_command_is_wrong_use_and_lists_the_commands(self):
        r = run()
        self.assertEqual((r.returncode, r.stdout), (2, ""))
        for name in COMMANDS:
            self.assertIn("hypernet " + name, r.stderr)

    def test_help_lists_the_commands_on_standard_output(self):
        for words in (["help"], ["--help"], ["-h"], ["help", "help"]):
            r = run(*words)
            self.assertEqual((r.returncode, r.stderr), (0, ""), words)
            for name in COMMANDS:
                self.assertIn("hypernet " + name, r.stdout)

    def test_three_ways_to_the_help_of_a_command(self):
        def plain(*words):
            r = run(*words)
            self.assertEqual((r.returncode, r.stderr), (0, ""), words)
            # the default of train --model-version is the time
            return [line for line in r.stdout.splitlines() if "--model-version" not in line]
        for name in COMMANDS:
            text = plain("help", name)
            self.assertTrue(text[0].startswith("hypernet %s - " % name))
            self.assertEqual(text, plain(name, "--help"))
            self.assertEqual(text, plain(name, "-h"))

    def test_version_is_one_line(self):
        r = run("--version")
        self.assertEqual(r.returncode, 0)
        self.assertRegex(r.stdout, r"^hypernet \d+\.\d+\.\d+\n$")


class WrongUse(unittest.TestCase):
    def refused(self, text, *words, **more):
        r = run(*words, **more)
        self.assertEqual((r.returncode, r.stdout), (2, ""), words)
        self.assertIn(text, r.stderr)
        return r

    def test_a_near_miss_is_named(self):
        self.refused("did you mean 'train'?", "trian")
        self.refused("did you mean 'import'?", "help", "imprt")

    def test_a_far_word_is_not_guessed_at(self):
        for word in ("", "completely-different", "x" * 4000):
            self.assertNotIn("did you mean", self.refused("no command", word).stderr)

    def test_what_is_needed_is_named_and_the_help_pointed_at(self):
        for name, option in REQUIRED.items():
            r = self.refused(option, name)
            self.assertIn("hypernet %s: " % name, r.stderr)
            self.assertIn("hypernet help " + name, r.stderr)

    def test_unknown_options_and_words_too_many(self):
        for name in COMMANDS:
            self.refused("no option --nonsense", name, "--nonsense")
            self.refused("no option -v", name, "-v")
            self.refused("one word too many", name, "one", "two")

    def test_values_out_of_range_are_wrong_use(self):
        self.refused("--limit must be 1 to 1000", "recommend", "--limit", "0")
        self.refused("--limit must be 1 to 1000", "recommend", "--limit=1001")
        self.refused("--seed takes a whole number", "train", "--seed", "x")
        self.refused("such as 64K, 256M or 2G", "serve", "--cache-bytes", "many")

    def test_what_would_do_nothing_is_refused_with_the_option_it_goes_with(self):
        """On the command line; a variable of the environment is for whichever command takes it."""
        serve, train = ("serve", "--store", "s", "--model", "m"), ("train", "--out", "m")
        evaluate, rows = ("evaluate", "--model", "m"), ("--rows", "r.csv", "--task", "t")
        store = ("--store", "s", "--test", "t.csv")
        for text, words in (
                ("--warm-seconds goes with --warm-file", (*serve, "--warm-seconds", "5")),
                ("--warm-save-seconds goes with --warm-file", (*serve, "--warm-save-seconds=5")),
                ("--allow-anonymous is for a server without --api-token-file",
                 (*serve, "--allow-anonymous", "--api-token-file", "f")),
                ("--access-log and --access-log-routes", (*serve, "--access-log-routes", "--access-log")),
                ("--probe asks the server at --listen and goes without --store", ("serve", "--probe", "--store", "s")),
                ("--target goes with --rows", (*train, "--store", "s", "--target", "y")),
                ("--horizon goes with --time", (*train, *rows, "--target", "y", "--horizon", "3")),
                ("--dim goes with --store, not with --rows", (*train, *rows, "--target", "y", "--dim", "8")),
                ("--interval goes with --rows", (*evaluate, *store, "--interval", "0.9")),
                ("--groups goes with --store, not with --rows", (*evaluate, *rows, "--groups")),
                ("--baseline is among --baselines", (*evaluate, *store, "--baselines", "--baseline", "ials"))):
            self.refused(text, *words)
        for variable in ({"HYPERNET_WARM_SECONDS": "5"}, {"HYPERNET_LOG_JSON": "1"}):
            r = run(*serve, env=variable)
            self.assertEqual((r.returncode, "goes with" in r.stderr), (1, False), r.stderr)
        r = run(*serve, "--admin-token-file", "--warm-seconds")  # which is a value here
        self.assertEqual((r.returncode, "goes with" in r.stderr), (1, False), r.stderr)

    def test_a_bad_variable_is_named(self):
        self.refused("HYPERNET_CACHE_BYTES: ", "serve", env={"HYPERNET_CACHE_BYTES": "many"})


class Environment(unittest.TestCase):
    def test_options_come_from_variables_and_flags_win(self):
        with tempfile.TemporaryDirectory() as folder:
            one, two = os.path.join(folder, "one"), os.path.join(folder, "two")
            variables = {"HYPERNET_OUT": one, "HYPERNET_USERS": "7", "HYPERNET_INTERACTIONS": "60"}
            self.assertEqual(run("simulate", env=variables).returncode, 0)
            self.assertEqual(run("simulate", "--out", two, "--users", "9", env=variables).returncode, 0)
            for path, n_users in ((one, 7), (two, 9)):
                with open(os.path.join(path, "users.tsv"), encoding="utf-8") as f:
                    self.assertEqual(len(f.readlines()), 1 + n_users)


    def test_what_is_typed_wins_over_variables_that_do_not_go_with_it(self):
        """A variable is for whichever command takes it: it is never a reason to refuse what was typed."""
        imports, train = ("import", "--store", "s/s"), ("train", "--out", "m")
        store = ("evaluate", "--model", "m", "--store", "s/s", "--test", "t.csv")
        rows = ("evaluate", "--model", "m", "--rows", "r.csv", "--task", "t")
        recommend = ("recommend", "--store", "s/s", "--model", "m", "--user", "u")
        for variables, words, first in (  # `first`: what is missing is that which was typed
                ("TASKS=t.csv", (*imports, "--users", "u.csv"), "s/s"),
                ("TASK_ROWS=t.csv TASK=t", (*imports, "--interactions", "i.csv"), "s/s"),
                ("USERS=u.csv ITEMS=i.csv CONTEXTS=c.csv", (*imports, "--tasks", "t.csv", "--task", "t"), "t.csv"),
                ("INTERACTIONS=i.csv", (*imports, "--task-rows", "t.csv", "--task", "t"), "t.csv"),
                ("REPLACE=1 REPLACE_ROWS=1", (*imports, "--users", "u.csv"), "s/s"),
                ("MODEL=m MODEL_VERSION=1", (*imports, "--users", "u.csv"), "s/s"),
                ("ROWS=r.csv TARGET=y TASK=t", (*train, "--store", "s/s"), "s/s"),
                ("STORE=s/s", (*train, "--rows", "r.csv", "--target", "y", "--task", "t"), "r.csv"),
                ("CHECKPOINT=c GENERATOR=core", (*train, "--rows", "r.csv", "--target", "y", "--task", "t"), "r.csv"),
                ("ROWS=r.csv TASK=t", store, "s/s"),
                ("STORE=s/s TEST=t.csv", rows, "m: "),
                ("BASELINES=1", rows, "m: "),
                ("BASELINE=linear-for-all", rows, "m: "),
                ("BASELINE=ials", (*rows, "--known", "k.csv"), "m: "),
                ("BASELINE=linear-for-all", store, "s/s"),
                ("TRAIN=t.csv", (*rows, "--known", "k.csv"), "m: "),
                ("KNOWN_COUNTS=1,2", rows, "m: "),
                ("BASELINES=1", (*store, "--baseline", "ials"), "s/s"),
                ("USERS=u.csv", store, "s/s"),
                ("KNOWN_COUNTS=1,2", store, "s/s"),
                ("GROUPS=1", (*store, "--known", "k.csv", "--known-counts", "1"), "s/s"),
                ("KNOWN_COUNTS=1,2", (*store, "--known", "k.csv", "--groups"), "s/s"),
                ("CANDIDATES=c.csv", (*store, "--metrics", "rmse"), "s/s"),
                ("BASELINE=ials", (*store, "--metrics", "rmse"), "s/s"),
                ("ACCESS_LOG_ROUTES=1", ("serve", "--store", "s/s", "--model", "m", "--access-log"), "s/s"),
                ("ACCESS_LOG=1", ("serve", "--store", "s/s", "--model", "m", "--access-log-routes"), "s/s"),
                ("MEASURE=rmse", ("plot", "p.json", "--chart", "calibration"), "p.json"),
                ("LIMIT=500", (*recommend, "--explain", "3"), "s/s"),
                ("LIMIT=many", (*recommend, "--limit", "3"), "s/s")):
            with self.subTest(variables=variables, words=words), tempfile.TemporaryDirectory() as folder:
                env = dict(("HYPERNET_" + v).split("=") for v in variables.split())
                r = run(*words, env=env, cwd=folder)
                self.assertEqual(r.returncode, 1, r.stderr)
                self.assertIn(first, r.stderr)

    def test_variables_that_leave_it_open_what_is_meant_are_refused(self):
        both = {"HYPERNET_TASKS": "t.csv", "HYPERNET_TASK": "t", "HYPERNET_USERS": "u.csv"}
        r = run("import", "--store", "s", env=both)
        self.assertEqual((r.returncode, r.stdout), (2, ""))
        self.assertIn("type the options of those that are meant", r.stderr)
        # the variable is of other commands' models: contexts must not go to a model of a file's name
        r = run("import", "--store", "s", "--contexts", "c.csv", env={"HYPERNET_MODEL": "m", "HYPERNET_MODEL_VERSION": "1"})
        self.assertEqual(r.returncode, 2)
        self.assertIn("--contexts needs --model and --model-version", r.stderr)
        # but nobody is let in by a variable that is not read
        r = run("serve", "--store", "s", "--model", "m", "--allow-anonymous", env={"HYPERNET_API_TOKEN_FILE": "f"})
        self.assertEqual(r.returncode, 2)
        self.assertIn("--allow-anonymous is for a server without --api-token-file", r.stderr)

    def test_variables_that_an_objective_does_not_take_are_left_away(self):
        with tempfile.TemporaryDirectory() as folder:
            table, store = os.path.join(folder, "i.csv"), os.path.join(folder, "s.db")
            with open(table, "w", encoding="utf-8") as f:
                f.write("user,item,rating,timestamp\n")
                f.writelines("u%d,i%d,%d,%d\n" % (u, i, (u * i) % 5 + 1, i) for u in range(20) for i in range(20) if (u + i) % 3)
            self.assertEqual(run("import", "--store", store, "--interactions", table).returncode, 0)
            r = run("train", "--store", store, "--objective", "rating", "--out", os.path.join(folder, "m"),
                    env={"HYPERNET_GENERATOR": "core", "HYPERNET_CHECKPOINT": os.path.join(folder, "c")})
            self.assertEqual(r.returncode, 0, r.stderr)


class Output(unittest.TestCase):
    def test_a_result_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            for words in (["--version"], ["help"], ["help", "train"], ["train", "--help"]):
                r = subprocess.run([HYPERNET, *words], stdout=full, stderr=subprocess.PIPE, text=True,
                                   env=environment(), timeout=600)
                self.assertEqual(r.returncode, 1, words)
                self.assertIn("could not be written", r.stderr)


if __name__ == "__main__":
    unittest.main()
