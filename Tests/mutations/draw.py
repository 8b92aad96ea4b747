#!/usr/bin/env python3
"""Draws faults from a seed: places all over the product where an operator, a bound or a call changes.

    Tests/mutations/draw.py --seed 7 [--count 80]     one line of JSON for each fault: file, line, before, after

Those of plant.py were chosen by people who know the tests. These are not: so they say how much a set of tests sees
that nobody had in mind. Modules take turns, so that a large one does not hide the others. judge.py plants them.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Not the product: what tests and demonstrations alone use.
LEFT_OUT = ("Sources/Kit/", "Sources/C/")
OPERATORS = {
    " < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ", " == ": " != ", " != ": " == ",
    " && ": " || ", " || ": " && ", " + ": " - ", " - ": " + ", " &+ ": " &- ", " += ": " -= ",
}
# A statement that is nothing but a call, on one line.
CALL = re.compile(r"^\s*(?:self\.)?[a-z]\w*(?:[.?]\.?\w+|\[[^\]]*\])*\([^{}]*\)$")
NUMBER = re.compile(r"(?<![\w.\"$])(\d[\d_]*)(?![\w.\"])")
# Where a changed operator is no change of behaviour, or does not compile.
NO_CODE = re.compile(
    r"^\s*(//|import |package import|internal import|case |@|#|precondition|assert|where |func |package func"
    r"|private func|static func|extension |struct |enum |protocol |init|typealias)")


def modules():
    """Returns the files of each module, by its folder."""
    listed = subprocess.run(["git", "ls-files", "Sources/*.swift", "services/*.swift"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()
    found = {}
    for name in listed:
        if not name.startswith(LEFT_OUT):
            found.setdefault("/".join(name.split("/")[:3]), []).append(name)
    return found


def places(name):
    """Yields (line, before, after) for each place of a file that can be changed."""
    in_text = False
    for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
        if line.count('"""') % 2:
            in_text = not in_text
        if in_text or NO_CODE.match(line) or '"' in line:
            continue
        code = line.split(" //")[0]
        for before, after in OPERATORS.items():
            # `->` and generic clauses are no comparisons.
            if code.count(before) == 1 and "->" not in code:
                yield number, line, line.replace(before, after, 1)
        if CALL.match(code) and not code.lstrip().startswith(("return", "super", "self.init")):
            indent = code[: len(code) - len(code.lstrip())]
            yield number, line, f"{indent}// left out"
        if "let " in code or "return" in code or "guard" in code or "if " in code:
            for match in NUMBER.finditer(code):
                value = int(match.group(1).replace("_", ""))
                changed = code[: match.start()] + str(value + 1) + code[match.end():]
                yield number, line, changed


def draw(seed, count):
    chance = random.Random(seed)
    order = sorted(modules().items())
    chance.shuffle(order)
    drawn, used = [], set()
    while len(drawn) < count:
        for _, files in order:
            for _ in range(40):
                name = chance.choice(files)
                found = list(places(name))
                if not found:
                    continue
                number, before, after = chance.choice(found)
                if (name, number) not in used:
                    used.add((name, number))
                    drawn.append({"file": name, "line": number, "before": before, "after": after})
                    break
            if len(drawn) == count:
                break
    return drawn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=80)
    options = parser.parse_args()
    for fault in draw(options.seed, options.count):
        print(json.dumps(fault))


if __name__ == "__main__":
    main()
