#!/usr/bin/env python3
"""Makes the tables of docs/metrics.md from the metrics in the code.

    pages.py           writes the page
    pages.py --check   ends with 1, and says why, when the page is another one

A metric is declared where it is counted: the text of its name, then its meaning, then what to do when it moves
(optional), each a literal. Its labels are those of `by:`, which may list their values, or else those of `labels:`, of
a variable too. A provider's metrics have the label `source` before these (polled ones `provider`, too), unless the
call itself has all of them. The name says the type: `_total` is a counter. A histogram is made by `histogram`. A name
without texts is a use of a metric that another place declares."""

import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import units  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = "docs/metrics.md"
BEGIN = "<!-- The lines up to the end mark are made by `make pages`. -->"
END = "<!-- The end of what `make pages` makes. -->"
PROVIDERS = "Sources/Providers/"
POLLED = PROVIDERS + "Polled"

# The sections of the page, and where their metrics are declared. The longest beginning of a path counts.
SECTIONS = {
    "Every service": ["Sources/Edges/", "Sources/Tape/"],
    "provider-gateway": ["services/provider-gateway/"],
    "Limits of providers (provider-gateway)": [PROVIDERS],
    "Binance (provider-gateway)": [PROVIDERS + "Binance"],
    "A past that is loaded (provider-gateway)": [PROVIDERS + "StreamKit/History"],
    "Alpaca (provider-gateway)": [PROVIDERS + "Alpaca"],
    "Massive (provider-gateway)": [PROVIDERS + "Massive"],
    "Polled services (provider-gateway)": [PROVIDERS + "Polled"],
    "Interactive Brokers (provider-gateway)": [PROVIDERS + "IBKR"],
    "Keeping the tape (provider-gateway)": ["Sources/Tape/TapeKeeping/"],
    "operator-worker": ["services/operator-worker/"],
    "store-writer": ["services/store-writer/", "Sources/Stores/"],
    "cockpit": ["services/cockpit/"],
}

LITERAL = r'"(?:\\.|[^"\\\n])*"'
TEXT = rf"{LITERAL}(?:\s*\+\s*{LITERAL})*"
NAME = re.compile(r'"((?:mds|sink)_[a-z0-9_]*[a-z0-9])"')
TEXTS = re.compile(rf",\s*({TEXT})(?:,\s*({TEXT}))?")
BY = re.compile(rf"\bby:\s*({TEXT})")
LABELS = re.compile(r"\blabels:\s*(\[|\w+)")
ARRAY = r"(?:let|var) {}\b(?::[^=\n]+)?\s*=\s*\["
REGISTRY = re.compile(r"(?:\bmetrics\s*|\$0\s*|\)\s*)\.\w+\(\s*$")
# A row of a table with a label of its own beside it.
BESIDE = re.compile(r'\)\s*,\s*\(\s*"([a-z_]+)",\s*\w+\s*\)')
LABEL = re.compile(r'\(\s*"([a-z_]+)",')


def plain(text):
    """The text of literals that are joined."""
    parts = re.findall(LITERAL, text)
    return "".join(re.sub(r"\\(.)", r"\1", part[1:-1]) for part in parts)


def ahead(text, place):
    """What follows up to the end of the list of arguments that `place` is in."""
    depth = 0
    for token in re.finditer(rf"{LITERAL}|[()\[\]{{}}]", text[place:]):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.group(), 0)
        if depth < 0:
            return text[place:place + token.start()]
    return text[place:]


def labels(path, code, name):
    """The labels of the metric whose name is at that match."""
    call = ahead(code, name.end())
    by, found = BY.search(call), LABELS.search(call)
    names = plain(by[1]) if by else ""
    if not by and found:
        value = call[found.end():]
        if found[1] != "[":
            arrays = [each.end() for each in re.finditer(ARRAY.format(re.escape(found[1])), code)]
            nearest = [place for place in arrays if place < name.start()][-1:] or arrays[:1]
            value = code[nearest[0]:] if nearest else ""
        names = ", ".join(LABEL.findall(ahead(value, 0)))
        if not names and not path.startswith(PROVIDERS):
            raise ValueError("which labels? Say it by `by:`.")
    if path.startswith(PROVIDERS) and not (names if found else REGISTRY.search(code[:name.start()])):
        beside = BESIDE.match(code, name.end() + len(call))
        own = "source, provider" if path.startswith(POLLED) else "source"
        names = names or (beside[1] if beside else "")
        return f"{own}; {names}" if ":" in names else ", ".join(filter(None, [own, names]))
    return names


def declared(path, code):
    """The metrics of a file without comments: name, type, labels, meaning, what to do. Other names are given alone."""
    for name in NAME.finditer(code):
        texts = TEXTS.match(code, name.end())
        if not texts or NAME.fullmatch(texts[1]):
            yield (name[1],)
            continue
        kind = "counter" if name[1].endswith("_total") else "gauge"
        if re.search(r"\bhistogram\(\s*$", code[:name.start()]):
            kind = "histogram"
        yield name[1], kind, labels(path, code, name), plain(texts[1]), \
            plain(texts[2] or "") or "-"


def section(path):
    fitting = [(len(start), name) for name, starts in SECTIONS.items() for start in starts if path.startswith(start)]
    if not fitting:
        raise ValueError("no section of docs/metrics.md lists this folder: add it to SECTIONS in .ci/pages.py.")
    return max(fitting)[1]


def tables(files):
    """The text between the marks, of pairs of path and code, and what is wrong with them."""
    rows, uses, problems = {}, [], []
    for path, text in files:
        code = units.without_comments(text, "swift")
        try:
            for name, *cells in declared(path, code):
                if not cells:
                    uses.append((path, name))
                elif name in rows:
                    problems.append(f"{path}: {name} is declared twice.")
                else:
                    rows[name] = (section(path), cells)
        except ValueError as error:
            problems.append(f"{path}: {error}")
    problems += [f"{path}: {name} is not declared." for path, name in uses if name not in rows]
    lines = []
    for title in SECTIONS:
        found = [(name, cells) for name, (place, cells) in sorted(rows.items()) if place == title]
        if found:
            lines += ["", f"## {title}", "", "| metric | type | labels | meaning | what to do |",
                      "| --- | --- | --- | --- | --- |"]
        for name, cells in found:
            lines.append(f"| `{name}` | " + " | ".join(each.replace("|", "\\|") for each in cells) + " |")
    return "\n".join(lines) + "\n\n", problems


def product():
    listed = subprocess.run(["git", "-C", str(ROOT), "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard", "Sources", "services"], capture_output=True, check=True, text=True)
    for path in sorted(set(listed.stdout.split("\0"))):
        if path.endswith(".swift") and (ROOT / path).exists():
            yield path, (ROOT / path).read_text(encoding="utf-8")


def main(arguments):
    made, problems = tables(product())
    before = (ROOT / PAGE).read_text(encoding="utf-8")
    head, _, rest = before.partition(BEGIN)
    page = head + BEGIN + made + END + rest.partition(END)[2]
    if arguments == ["--check"]:
        problems += [f"{PAGE} is not what the code says: make pages"] if page != before else []
    elif not problems:
        (ROOT / PAGE).write_text(page, encoding="utf-8")
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
