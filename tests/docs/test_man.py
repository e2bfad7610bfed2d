"""The man pages against the binary: every command has its page, every option with its argument and default stands in
it and no other, summaries agree, references lead somewhere, and mandoc finds no fault where it is installed."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from command import COMMANDS, ROOT, done  # noqa: E402

FOLDER = os.path.join(ROOT, "server", "cli", "man")


def page(name):
    with open(os.path.join(FOLDER, name + ".1"), encoding="utf-8") as f:
        return f.read()


def plain(text):
    """Roff to the words that a reader sees, without the macros' names."""
    text = re.sub(r"\\f.", "", text.replace("\\-", "-"))
    return re.sub(r'^\.[A-Z]{1,2} ?|"', "", text, flags=re.M)


def one_line(text):
    return " ".join(text.replace("\\-", "-").split())


def options_of_page(name):
    """{option: (argument, text)} from the section OPTIONS."""
    section = page("hypernet-" + name).split(".SH OPTIONS\n")[1].split("\n.SH ")[0]
    found = {}
    for part in section.split(".TP\n")[1:]:
        first, rest = part.split("\n", 1)
        words = plain(first).replace(",", "").split()
        found[words[0]] = ("" if words[0] == "--help" else " ".join(words[1:]), plain(rest))
    return found


def options_of_help(name):
    """{option: (argument, text)} from the text that --help prints."""
    found = {}
    for line in done("help", name).split("\nOptions:\n")[1].splitlines():
        m = re.match(r"  (--[a-z-]+)(?: (\S+))? +(\S.*)$", line)
        if not m:
            break
        option, argument, text = m.groups()
        if option in ("--json", "--help") or not (argument or "").isupper() and argument != "true|false":
            # a flag: what stood after it is the text
            argument, text = "", line.split(option, 1)[1].strip()
        found[option] = (argument, text)
    return found


class Man(unittest.TestCase):
    def test_every_command_has_a_page_and_every_page_a_command(self):
        pages = sorted(name[:-2] for name in os.listdir(FOLDER))
        self.assertEqual(pages, sorted(["hypernet"] + ["hypernet-" + name for name in COMMANDS]))
        listed = re.findall(r"^  hypernet ([a-z]+) ", done("help"), flags=re.M)
        self.assertEqual(sorted(listed), sorted(COMMANDS + ["help"]))

    def test_every_option_with_its_argument_and_no_other(self):
        for name in COMMANDS:
            in_help = {option: argument for option, (argument, _) in options_of_help(name).items()}
            in_page = {option: argument for option, (argument, _) in options_of_page(name).items()}
            self.assertEqual(in_page, in_help, name)

    def test_options_stand_in_the_order_of_the_help(self):
        for name in COMMANDS:
            self.assertEqual(list(options_of_page(name)), list(options_of_help(name)), name)

    def test_defaults_needs_and_repetition_agree(self):
        for name in COMMANDS:
            described = options_of_page(name)
            for option, (_, text) in options_of_help(name).items():
                here = "%s %s" % (name, option)
                default = re.search(r"\(default (.*?)\)", text)
                if default and option != "--model-version":  # its default is the time
                    self.assertIn("The default is %s." % default.group(1), described[option][1], here)
                elif not default:
                    self.assertNotIn("The default is", described[option][1], here)
                self.assertEqual("(required)" in text, "It is needed." in described[option][1], here)
                self.assertEqual("(may be repeated)" in text, "It may be repeated." in described[option][1], here)

    def test_summaries_are_those_of_the_help(self):
        for name in COMMANDS:
            summary = done("help", name).splitlines()[0].split(" - ", 1)[1]
            self.assertIn("hypernet-%s - %s .SH" % (name, summary), one_line(page("hypernet-" + name)))
            self.assertIn(".BR hypernet-%s (1) %s." % (name, summary[0].upper() + summary[1:]),
                          one_line(page("hypernet")))

    def test_references_lead_to_pages(self):
        for name in ["hypernet"] + ["hypernet-" + c for c in COMMANDS]:
            for other in re.findall(r"^\.BR (hypernet\S*) \(1\)", page(name), flags=re.M):
                self.assertTrue(os.path.exists(os.path.join(FOLDER, other.replace("\\-", "-") + ".1")), other)

    def test_examples_use_commands_and_options_that_exist(self):
        for name in ["hypernet"] + ["hypernet-" + c for c in COMMANDS]:
            example = page(name).split(".SH EXAMPLE\n")[1].split(".fi")[0].replace("\\e\n", " ").replace("\\-", "-")
            for command, rest in re.findall(r"^hypernet (\S+)(.*)$", example, flags=re.M):
                self.assertIn(command, COMMANDS)
                for option in re.findall(r"--[a-z-]+", rest):
                    self.assertIn(option, options_of_help(command))

    @unittest.skipUnless(shutil.which("mandoc"), "SKIPPED: mandoc is not installed")
    def test_mandoc_finds_no_fault(self):
        for name in sorted(os.listdir(FOLDER)):
            r = subprocess.run(["mandoc", "-T", "lint", "-W", "style", os.path.join(FOLDER, name)],
                               capture_output=True, text=True, timeout=600)
            faults = [line for line in r.stdout.splitlines() if "missing date" not in line]
            self.assertEqual(faults, [], name)


if __name__ == "__main__":
    unittest.main()
