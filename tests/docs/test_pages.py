"""What the pages say of this tree is so: links lead to files and headings, files and functions that they name are there, a function that a
table puts into a file is defined in that file, make's targets are make's, and the README's figures are those of docs/results.md."""
import functools
import os
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".git", "build", "node_modules", "__pycache__"}
SOURCES = {".c", ".h", ".S", ".py", ".js", ".lua", ".sql", ".yaml", ".1", ".cfg", ".service", ".sysusers", ""}
# A newcomer has these after commands of the pages, or they belong to other programs.
ROOMS = {"base", "engine", "store", "server"}
NOT_OF_THE_TREE = {"store.db", "backup.db", "test.csv", "model.safetensors", "admin.token", "api.token", "warm.users", "item.weight", "known.svg",
                   "hypernet.env", "quality.md", "quality.json", "build/bench.json", "train.tsv.gz", "test.tsv.gz", "candidates.tsv.gz",
                   "users.tsv.gz", "items.tsv.gz", "../shared/data", "u1.base", "u1.test", "microhttpd.h", "sched_runtime"}


@functools.cache
def files():
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in SKIPPED]
        found += [str((Path(folder) / name).relative_to(ROOT)) for name in names + folders]
    return found


@functools.cache
def words():
    """Every word of the sources, and the names of their files."""
    found = set()
    for name in files():
        path = ROOT / name
        if path.suffix in SOURCES and path.is_file() and path.stat().st_size < 1 << 20:
            found.update(re.findall(r"\w+", path.read_text(errors="replace")))
        found.add(path.stem)
    return found


@functools.cache
def pages():
    """{name: text without code blocks} of all pages but the history of changes."""
    names = [name for name in files() if name.endswith(".md") and name != "CHANGELOG.md"]
    return {name: re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.M | re.S) for name in names}


def anchors(name):
    headings = re.findall(r"^#+ (.*)$", (ROOT / name).read_text(), re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


def names_in_code(text):
    return {name for code in re.findall(r"`([^`\n]+)`", text) for name in [code.strip()]}


def is_there(page, name):
    """A file by its path from the root, from the page's folder, or by the end of its path; * stands for what it may."""
    pattern = re.compile(r"(.*/)?" + re.escape(name.rstrip("/")).replace(r"\*", "[^/]*"))
    beside = os.path.normpath(os.path.join(os.path.dirname(page), name))
    return (ROOT / beside).exists() or any(pattern.fullmatch(f) for f in files())


def defines(path, function):
    return re.search(rf"^\w[\w *]*\b{function}\(", (ROOT / path).read_text(), re.M)


class Pages(unittest.TestCase):
    maxDiff = None

    def test_links_lead_somewhere(self):
        lost = []
        for page, text in pages().items():
            for target in re.findall(r"\]\(([^):]+)\)", text):
                file, _, heading = target.partition("#")
                to = os.path.normpath(os.path.join(os.path.dirname(page), file)) if file else page
                if not (ROOT / to).exists() or heading and heading not in anchors(to):
                    lost.append(f"{page}: {target}")
        self.assertEqual(lost, [])

    def test_files_they_name_are_there(self):
        lost = []
        for page, text in pages().items():
            for name in names_in_code(text):
                if name in NOT_OF_THE_TREE or not re.fullmatch(r"[\w.*/-]+(/|\.(c|h|S|py|js|lua|sql|md|yaml|cfg|service|sysusers))", name) \
                        and not re.fullmatch(r"(base|engine|store|schema|server|tests|deploy|docs)/[\w.*/-]+", name):
                    continue
                if not name.startswith("/") and not is_there(page, name):
                    lost.append(f"{page}: {name}")
        self.assertEqual(sorted(lost), [])

    def test_functions_and_types_they_name_are_there(self):
        lost = []
        for page, text in pages().items():
            for name in names_in_code(text):
                name = re.sub(r"^(struct |enum |hypernet_)", "", name).removesuffix("()")  # the last: a metric
                if name not in NOT_OF_THE_TREE and re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", name) and name not in words():
                    lost.append(f"{page}: {name}")
        self.assertEqual(sorted(lost), [])

    def test_functions_are_defined_in_the_files_that_tables_give_them(self):
        n, lost = 0, []
        for page, text in pages().items():
            for table in re.findall(r"^\|.*\| file \| function \|\n\|[-|: ]+\|\n((?:\|.*\n)+)", text, re.M):
                for row in table.splitlines():
                    file, functions = [cell.strip() for cell in row.strip("|").split("|")][-2:]
                    path = os.path.normpath(os.path.join(os.path.dirname(page), file.strip("`")))
                    path = path if (ROOT / path).exists() else file.strip("`")
                    for function in names_in_code(functions):
                        n += 1
                        if not (ROOT / path).exists() or not defines(path, function):
                            lost.append(f"{page}: {function} in {file}")
        self.assertEqual(lost, [])
        self.assertGreater(n, 8)

    def test_first_columns_of_files_name_files_beside_the_page(self):
        n, lost = 0, []
        for page, text in pages().items():
            beside = os.path.dirname(page)
            for table in re.findall(r"^\| (?:file|folder|room) \|.*\n\|[-|: ]+\|\n((?:\|.*\n)+)", text, re.M | re.I):
                for name in [name for row in table.splitlines() for name in names_in_code(row.split("|")[1])]:
                    n += 1
                    if not list((ROOT / beside).glob(name)) and not list((ROOT / beside).glob(name + ".*")):
                        lost.append(f"{page}: {name}")
        self.assertEqual(lost, [])
        self.assertGreater(n, 100)

    def test_every_room_has_a_page(self):
        rooms = [line.split(":")[0] for line in (ROOT / "tests/support/rooms").read_text().splitlines() if line and not line.startswith("#")]
        self.assertGreater(len(rooms), 20)
        self.assertEqual([room for room in rooms if room != "schema/tools" and f"{room}/README.md" not in pages()], [])

    def test_every_source_file_of_a_room_is_named_on_its_page(self):
        n, unnamed = 0, []
        for page, text in pages().items():
            room = ROOT / os.path.dirname(page)
            named = [re.escape(os.path.basename(name)).replace(r"\*", ".*") for name in names_in_code(text)]
            for stem in {f.stem for f in room.glob("*.[ch]") if str(room.relative_to(ROOT)).split("/")[0] in ROOMS}:
                n += 1
                if not any(re.fullmatch(rf"({name})(\.[ch])?", of) for name in named for of in (stem, stem + ".c", stem + ".h")):
                    unnamed.append(f"{page}: {stem}")
        self.assertEqual(sorted(unnamed), [])
        self.assertGreater(n, 150)

    def test_pages_are_reached_from_the_readme(self):
        reached, left = set(), ["README.md"]
        while left:
            page = left.pop()
            if page in reached or page not in pages():
                continue
            reached.add(page)
            for target in re.findall(r"\]\(([^):#]+)", pages()[page]):
                left.append(os.path.normpath(os.path.join(os.path.dirname(page), target)))
        self.assertEqual([page for page in pages() if page not in reached], [])

    def test_make_targets_they_name_are_there(self):
        makefile = (ROOT / "Makefile").read_text()
        for page, _ in pages().items():
            for target in set(re.findall(r"`?\bmake ([a-z]+(?:-[a-z]+)*)\b(?=[ `#]*(?:`|#|$|\)| [A-Z]+=))", (ROOT / page).read_text(), re.M)):
                self.assertRegex(makefile, rf"(?m)^{target}:", page)

    def test_what_the_process_redefines_is_in_the_table_of_base(self):
        doings = re.compile(r"xSetSystemCall\(|mallopt\(|\(\"/proc/self/exe|__libc_\w+\(|syscall\(SYS_|attribute__\(\(weak|prctl\(|setrlimit\(|sqlite3_config\(|"
                            r"preinit_array|^(?:ssize_t|int|void \*)(?:calloc|malloc|free|realloc|recv|send|read|write|poll|epoll_\w+)\(", re.M)
        rows = pages()["base/README.md"].split("## What this process redefines")[1]
        n, lost = 0, []
        for name in files():
            if name.endswith(".c") and not name.startswith("tests/") and doings.search((ROOT / name).read_text()):
                n += 1
                if f"`{name}`" not in rows:
                    lost.append(name)
        self.assertEqual(lost, [])
        self.assertGreater(n, 5)

    def test_headings_of_the_readme_that_messages_name_are_there(self):
        n = 0
        for name in files():
            if name.endswith(".c") and not name.startswith("tests/"):
                for heading in re.findall(r'\\"([^"\\]+)\\" in the README', (ROOT / name).read_text()):
                    n += 1
                    self.assertIn(f"\n## {heading}\n", (ROOT / "README.md").read_text(), name)
        self.assertGreater(n, 0)

    def test_the_readmes_figures_are_those_of_the_results(self):
        section = pages()["README.md"].split("## Quality and speed")[1].split("\n## ")[0]
        figures = re.findall(r"\| (\d+\.\d{4}|\d+,\d{3}) (?=\|)", section)
        self.assertGreater(len(figures), 15)
        results = set(re.findall(r"\d[\d,.]*\d", pages()["docs/results.md"]))
        self.assertEqual([f for f in figures if f not in results], [])

    def test_the_readme_is_a_newcomers_page(self):
        self.assertLess((ROOT / "README.md").read_text().count("\n"), 200)

    def test_a_room_has_a_page_at_most(self):
        of_rooms = [page for page in pages() if re.match(r"(base|engine|schema|server|store)/(.*/)?README\.md", page)]
        self.assertGreater(len(of_rooms), 5)
        for page in of_rooms:
            self.assertLess((ROOT / page).read_text().count("\n"), 90, page)


if __name__ == "__main__":
    unittest.main(verbosity=2)
