#!/usr/bin/env python3
"""Draws faults from a seed: places all over the product where an operator, a bound, a condition or a call changes.

    Tests/mutations/draw.py --seed 7 [--count 80]     one line of JSON for each fault: file, line, before, after

Those of plant.py were chosen by people who know the tests. These are not: so they say how much a set of tests sees
that nobody had in mind. Modules take turns, so that a large one does not hide the others, and a module's files are
drawn alike. Not all that is drawn compiles: judge.py leaves out what does not, and plants the others.
"""

import argparse
import itertools
import json
import pathlib
import random
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPERATORS = {
    " < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ", " == ": " != ", " != ": " == ",
    " && ": " || ", " || ": " && ", " + ": " - ", " - ": " + ", " &+ ": " &- ", " &- ": " &+ ",
    " += ": " -= ", " -= ": " += ",
}
# A statement that is nothing but a call, on one line.
CALL = re.compile(r"^\s*(?:_ = )?(?:try[?!]? )?(?:await )?(?:unsafe )?(?:self\.)?"
                  r"[a-z]\w*(?:[.?]\.?\w+|\[[^\]]*\])*\([^{}]*\)$")
NUMBER = re.compile(r"(?<![\w.\"$])(\d[\d_]*)(?![\w.\"])")
TRUTH = re.compile(r"(?<=[=:(,] )(?:true|false)\b|(?<=return )(?:true|false)$")
# A condition that is one expression of a truth value.
CONDITION = re.compile(r"^(\s*(?:guard|if|\} else if|while) )"
                       r"((?!let |var |case |#|try |await )[^,#]+?)( (?:else )?\{.*)$")
# Where a change is none of behaviour: comments, declarations, patterns, and what logs, checks or makes room.
NO_CODE = re.compile(
    r"^\s*(?://|import |package import|internal import|case |@|#|precondition|assert|where |extension |struct "
    r"|enum |protocol |typealias)|\bfunc |\bwhere |\blog(?:ger)?\b|[cC]apacity|hasher|hash\(into|precondition\("
    r"|assert\(|fatalError|\bprint\(|pollfd\(")
DECLARATION = re.compile(r"^\s*(?:package |public |private |static )*(?:init|subscript)\b")
TRIES_MAX = 60
LARGE = 10_000
SIGN = "⊠"


def modules():
    """Returns the files of each module, by its folder."""
    listed = subprocess.run(["git", "ls-files", "Sources/*.swift", "services/*.swift"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()
    found = {}
    for name in listed:
        if not name.endswith("/main.swift"):
            found.setdefault("/".join(name.split("/")[:3]), []).append(name)
    return found


def places(name):
    """Yields the faults that are possible in a file. `switched` is the line with a switch in it."""
    in_text = False
    for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
        if line.count('"""') % 2:
            in_text = not in_text
        # What a person reads is no behaviour that a test has to hold.
        if in_text or NO_CODE.search(line) or DECLARATION.match(line) or '"' in line or "->" in line:
            continue

        def fault(after, switched, change=None):
            return {"file": name, "line": number, "before": line, "after": after, "switched": switched,
                    "change": change}

        code = line.split(" //")[0]
        for before, after in OPERATORS.items():
            if code.count(before) == 1:
                yield fault(line.replace(before, after), line.replace(before, f" {SIGN} "),
                            (before.strip(), after.strip()))
        indent = code[: len(code) - len(code.lstrip())]
        if CALL.match(code):
            yield fault(f"{indent}// left out", f"{indent}if !drawn@() {{ {code.strip()} }}")
        if condition := CONDITION.match(code):
            head, truth, rest = condition.groups()
            if " = " not in truth:
                yield fault(f"{head}!({truth}){rest}", f"{head}drawn@() != ({truth}){rest}")
        values = [(match, moved(int(match.group(1).replace("_", "")))) for match in NUMBER.finditer(code)]
        values += [(match, "false" if match.group() == "true" else "true") for match in TRUTH.finditer(code)]
        for match, changed in values:
            head, rest = code[: match.start()], code[match.end():]
            yield fault(head + changed + rest, f"{head}drawn@({match.group()}, {changed}){rest}")


def moved(bound):
    """One more, or twice as much of what is a span of time or a size: one more of these is nothing."""
    return str(bound + 1 if bound < LARGE else 2 * bound)


def sign(number):
    """An operator of its own for a fault. Signs of mathematics stand for the digits of its number."""
    return SIGN + "".join("⊖⊗⊘⊙⊚⊛⊜⊝⊞⊟"[int(digit)] for digit in str(number))


def of_module(files, chance, accept):
    """Yields the accepted faults of a module, in the order in which they are drawn."""
    used = set()
    found = {}
    tries = 0
    while tries < TRIES_MAX:
        tries += 1
        name = chance.choice(files)
        if name not in found:
            found[name] = list(places(name))
        if not found[name]:
            continue
        fault = chance.choice(found[name])
        if (name, fault["line"]) in used:
            continue
        used.add((name, fault["line"]))
        if accept(fault):
            tries = 0
            yield fault


def draw(seed, count, accept=lambda fault: True, mapping=map):
    """Returns the first faults of a seed, numbered from 1. Each module has chances of its own, so more faults begin
    with the same ones. `mapping` may ask for those of several modules at once."""
    order = sorted(modules().items())
    random.Random(seed).shuffle(order)
    streams = [of_module(files, random.Random(f"{seed} {name}"), accept) for name, files in order]
    drawn = []
    while len(drawn) < count:
        drawn += [fault for fault in mapping(lambda stream: next(stream, None), streams) if fault]
    return [{"number": number, **fault} for number, fault in zip(itertools.count(1), drawn[:count])]


# One of these stands at the end of each file with faults. The programs that tests start inherit the environment.
STATE = """
@_silgen_name("secure_getenv")
private func drawnValue(_ name: UnsafePointer<CChar>) -> UnsafePointer<CChar>?
@_silgen_name("creat") private func drawnFile(_ path: UnsafePointer<CChar>, _ mode: UInt32) -> Int32
private let drawnFault: Int = {
    if let text = unsafe drawnValue("DRAWN_FAULT") { return unsafe Int(String(cString: text)) ?? 0 }
    return unsafe drawnValue("DRAWN_REACH") == nil ? 0 : -1
}()
private func drawnReach(_ number: Int) {
    guard let folder = unsafe drawnValue("DRAWN_REACH") else { return }
    _ = unsafe drawnFile("\\(String(cString: folder))/\\(number)", 0o666)
}
"""
# One for each fault: whether it is planted. Else it may note that it was reached.
SWITCH = """
nonisolated(unsafe) private var drawnSeen@ = false
private func drawn@() -> Bool {
    if drawnFault < 0, unsafe !drawnSeen@ {
        unsafe drawnSeen@ = true
        drawnReach(@)
    }
    return drawnFault == @
}
private func drawn@<T>(_ before: T, _ after: T) -> T { drawn@() ? after : before }
"""
INTEGERS = """@_disfavoredOverload
private func SIGN<L: BinaryInteger, R: BinaryInteger>(_ left: L, _ right: R) -> Bool {
    drawn@() ? left AFTER right : left BEFORE right
}
"""
COMPARE = """infix operator SIGN: ComparisonPrecedence
private func SIGN<T: KIND>(_ left: T, _ right: T) -> Bool { drawn@() ? left AFTER right : left BEFORE right }
""" + INTEGERS
NONE = """@_disfavoredOverload
private func SIGN<T>(_ left: T?, _ right: _OptionalNilComparisonType) -> Bool {
    drawn@() ? left AFTER right : left BEFORE right
}
"""
LOGIC = """infix operator SIGN: PRECEDENCE
private func SIGN(_ left: Bool, _ right: @autoclosure () throws -> Bool) rethrows -> Bool {
    drawn@() ? try left AFTER right() : try left BEFORE right()
}
"""
ADD = """infix operator SIGN: AdditionPrecedence
private func SIGN<T: KIND>(_ left: T, _ right: T) -> T { drawn@() ? left AFTER right : left BEFORE right }
"""
ASSIGN = """infix operator SIGN: AssignmentPrecedence
private func SIGN<T: AdditiveArithmetic>(_ left: inout T, _ right: T) {
    if drawn@() { left AFTER right } else { left BEFORE right }
}
"""


def operator(before, after):
    if before in ("&&", "||"):
        precedence = "LogicalConjunctionPrecedence" if before == "&&" else "LogicalDisjunctionPrecedence"
        text = LOGIC.replace("PRECEDENCE", precedence)
    elif before in ("+", "-", "&+", "&-"):
        text = ADD.replace("KIND", "FixedWidthInteger" if "&" in before else "AdditiveArithmetic")
    elif before in ("+=", "-="):
        text = ASSIGN
    else:
        text = COMPARE.replace("KIND", "Equatable") + NONE if "==" in (before, after) else COMPARE.replace(
            "KIND", "Comparable")
    return text.replace("BEFORE", before).replace("AFTER", after)


def with_switches(text, faults):
    """Returns the text of a file with all of its faults in it, each behind its switch."""
    lines, more = text.splitlines(), STATE
    for fault in faults:
        number, change = str(fault["number"]), fault["change"]
        lines[fault["line"] - 1] = fault["switched"].replace("drawn@", f"drawn{number}").replace(SIGN, sign(number))
        switch = SWITCH + (operator(*change) if change else "")
        more += switch.replace("drawn@", f"drawn{number}").replace("drawnSeen@", f"drawnSeen{number}").replace(
            "(@)", f"({number})").replace("== @", f"== {number}").replace("SIGN", sign(number))
    return "\n".join(lines) + "\n" + more


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=80)
    options = parser.parse_args()
    for fault in draw(options.seed, options.count):
        print(json.dumps({key: fault[key] for key in ("number", "file", "line", "before", "after")}))


if __name__ == "__main__":
    main()
