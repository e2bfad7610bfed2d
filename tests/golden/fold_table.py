"""Writes base/fold_table.h: what base/fold.c makes of the letters that it does not keep. `fold_table.py` prints it;
tests/golden/test_fold_table.py holds the two together.

A letter is folded to its lower case, by the simple case folding of Unicode where that is one letter. Of a Latin or Greek letter, and of
Cyrillic io, the accents go before; combining accents (U+0300 to U+036F) go by themselves, which the table says by 0."""
import sys
import unicodedata

UNICODE = "14.0.0"
ACCENTS = range(0x300, 0x370)


def fold(code):
    letter = chr(code)
    if unicodedata.name(letter, "").startswith(("LATIN", "GREEK")) or code in (0x401, 0x451):
        base = "".join(c for c in unicodedata.normalize("NFD", letter) if unicodedata.category(c) != "Mn")
        letter = base if len(base) == 1 else letter
    for folded in (letter.casefold(), letter.lower()):
        if len(folded) == 1:
            return ord(folded) if ord(folded) == code else fold(ord(folded))
    return ord(letter)


def table():
    """{code: folded} of those that change."""
    codes = [c for c in range(0x80, 0x20000) if not 0xD800 <= c < 0xE000]
    out = {c: fold(c) for c in codes if fold(c) != c}
    out.update({c: 0 for c in ACCENTS})
    return out


def run_at(folds, first):
    """The longest run from there: how many, the step between them, and between what they become."""
    best = (1, 1, 0)
    for step in (1, 2):
        for rise in (0, 1, 2):
            n = 1
            while folds.get(first + n * step) == folds[first] + n * rise and (step == 1 or first + n * step - 1 not in folds):
                n += 1
            best = max(best, (n, step, rise), key=lambda run: run[0])
    return best


def runs(folds):
    todo, out = dict(folds), []
    while todo:
        first = min(todo)
        n, step, rise = run_at(folds, first)
        out.append((first, folds[first], n, step, rise))
        for k in range(n):
            del todo[first + k * step]
    return out


def text():
    lines, line = [], "   "
    for run in runs(table()):
        entry = " {0x%x, 0x%x, %d, %d, %d}," % run
        if len(line + entry) > 108:
            lines.append(line)
            line = "   "
        line += entry
    lines.append(line)
    return ("/* fold_table - the letters that fold.c changes, of Unicode %s: runs of letters (first, what it becomes,\n"
            " * how many, the step between them, and between what they become), by the first.\n * Printed by tests/golden/fold_table.py.\n"
            " * Layer: base\n * Threads: immutable.\n * Memory: 4 kB. */\n"
            "#ifndef BASE_FOLD_TABLE_H\n#define BASE_FOLD_TABLE_H\n\n#include <stdint.h>\n\n"
            "struct fold_run {\n    uint32_t first, to; /* to 0: they go */\n    uint8_t n, step, rise;\n};\n\n"
            "/* clang-format off */\nstatic const struct fold_run fold_runs[] = {\n%s\n};\n/* clang-format on */\n\n#endif\n" % (UNICODE, "\n".join(lines)))


if __name__ == "__main__":
    sys.stdout.write(text())
