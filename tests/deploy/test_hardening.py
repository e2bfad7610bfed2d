"""The release program is built so that a defect is hard to use: what the compiler has of it is in the binary.

Read with readelf and objdump; where the compiler lacks a measure, its test is skipped and says so."""
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
BINARY = BUILD / "hypernet"
CC = os.environ.get("CC", "gcc")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def compiler_has(*flags):
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
        return subprocess.run([CC, "-O2", "-Werror", *flags, "-o", f"{folder}/probe", source],
                              capture_output=True).returncode == 0


class Hardening(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.flags = (BUILD / "flags.stamp").read_text()
        cls.dynamic = output("readelf", "--wide", "--dynamic", BINARY)
        cls.segments = output("readelf", "--wide", "--segments", BINARY)
        cls.symbols = output("readelf", "--wide", "--dyn-syms", BINARY)

    def need(self, *flags):
        if not compiler_has(*flags):
            self.skipTest(f"{CC} does not take {' '.join(flags)}")

    def test_addresses_differ_from_run_to_run_and_what_is_linked_is_read_only(self):
        self.assertRegex(output("readelf", "--file-header", BINARY), r"Type:\s+DYN")
        self.assertRegex(self.dynamic, r"FLAGS_1.*\bNOW\b.*\bPIE\b")
        self.assertIn("GNU_RELRO", self.segments)

    def test_nothing_is_writable_and_executable(self):
        self.assertRegex(self.segments, r"GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+RW\s")
        self.assertNotRegex(self.segments, r"LOAD.*\bRWE\b")

    def test_overflows_are_noticed(self):
        self.assertIn("__stack_chk_fail", self.symbols)
        self.assertRegex(self.symbols, r"__(memcpy|snprintf|vsnprintf|fprintf)_chk")
        self.need("-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3")
        self.assertIn("-D_FORTIFY_SOURCE=3", self.flags)

    def test_large_frames_touch_every_page_of_the_stack(self):
        self.need("-fstack-clash-protection")
        self.assertIn("-fstack-clash-protection", self.flags)
        if os.uname().machine == "x86_64":  # gcc touches a page by or with nothing
            frame = output("objdump", "--no-show-raw-insn", "--disassemble=log_line", BINARY)
            self.assertRegex(frame, r"or[ql]\s+\$0x0,(0x[0-9a-f]+)?\(%rsp")

    def test_branches_land_where_they_may(self):
        self.need("-fcf-protection")
        for o in BUILD.glob("*/**/*.o"):
            if o.parts[len(BUILD.parts)] in ("base", "engine", "store", "server", "schema"):
                self.assertRegex(output("readelf", "--notes", o), r"x86 feature: IBT, SHSTK", o)
        self.assertIn("SHSTK", output("readelf", "--notes", BINARY))
        entry = output("objdump", "--no-show-raw-insn", "--disassemble=main", BINARY)
        self.assertTrue(re.search(r"<main>:\n.*endbr64", entry), entry[:300])


if __name__ == "__main__":
    unittest.main()
