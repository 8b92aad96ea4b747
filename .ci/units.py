"""Counts code and words, without comments and blanks. Pure; budget.py uses it.

A line of code is one unit. A longer line is one unit for every 100 characters that it has begun, so that
joining lines gains nothing. A language inside of a string counts as the language around it. The patterns
know where strings and comments begin and end, and nothing else of a language. Where that is not enough (a
string inside of an interpolation), a line is cut too short, and is still counted."""

import io
import re
import tokenize

UNIT = 100

LANGUAGES = {
    ".swift": "swift", ".sql": "sql", ".py": "python", ".c": "c", ".h": "c", ".js": "javascript",
    ".sh": "shell", ".css": "css", ".html": "html",
}

# What begins a comment (the group `line` or `block`), or is to be passed over as a whole.
QUOTED = r'"(?:\\.|[^"\\\n])*"'
APOSTROPHES = r"'(?:\\.|[^'\\\n])*'"
C_COMMENTS = r"(?P<line>//)|(?P<block>/\*)"
# Where an operand may stand, a slash begins a pattern and no division.
PATTERN = r"(?:(?<=[(,=:\[!&|?{};])|(?<=[(,=:\[!&|?{};] )|(?<=return ))/(?![/*\s])(?:\\.|[^/\\\n])+/"
TOKENS = {
    "swift": re.compile(
        r'(?P<hash>#+)"""[\s\S]*?"""(?P=hash)|(?P<hash1>#+)"[^\n]*?"(?P=hash1)|#/[^\n]*?/#'
        r'|"""(?:\\.|[^\\])*?"""|' + "|".join((QUOTED, C_COMMENTS, PATTERN)), re.DOTALL),
    "c": re.compile("|".join((QUOTED, APOSTROPHES, C_COMMENTS)), re.DOTALL),
    "javascript": re.compile(
        "|".join((r"`(?:\\.|[^`\\])*`", QUOTED, APOSTROPHES, C_COMMENTS, PATTERN)), re.DOTALL),
    "css": re.compile("|".join((QUOTED, C_COMMENTS.partition("|")[2]))), "html": re.compile(QUOTED),
    # The body of a function stands between dollars, and has comments of its own.
    "sql": re.compile(r"""'(?:''|[^'])*'|"[^"\n]*"|(?P<line>--)|(?P<block>/\*)"""),
    "shell": re.compile(
        r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|<<-?\s*(["']?)(?P<end>\w+)\1[\s\S]*?\n\s*(?P=end)$"""
        r"|(?<![^\s;(])(?P<line>\#)", re.MULTILINE),
}
NESTED = {"swift", "sql"}

GENERATED = re.compile(
    r"<!-- The lines up to the end mark are made by [\s\S]*?<!-- The end of what [^\n]*-->")


def language(path, first_line=""):
    """The language of a file by its name, or by its first line when the name says nothing. `None`: it is
    not counted."""
    name = path.rpartition("/")[2]
    if first_line.startswith("#!"):
        return "python" if "python" in first_line else "shell" if first_line.rstrip().endswith("sh") else None
    return LANGUAGES.get("." + name.rpartition(".")[2]) if "." in name else None


def units(text, kind):
    """How much code a text of this language is."""
    code = without_documentation(text) if kind == "python" else without_comments(text, kind)
    return sum(-(-len(line.rstrip()) // UNIT) for line in code.split("\n"))


def without_comments(text, kind):
    """The text with its lines, but nothing of its comments."""
    parts, place = [], 0
    for token in iter(lambda: TOKENS[kind].search(text, place), None):
        groups = token.groupdict()
        if groups.get("line"):
            parts.append(text[place:token.start()])
            end = text.find("\n", token.end())
            place = len(text) if end < 0 else end
        elif groups.get("block"):
            parts.append(text[place:token.start()])
            end = block_end(text, token.end(), kind in NESTED)
            parts.append("\n" * text.count("\n", token.start(), end))
            place = end
        else:
            parts.append(text[place:token.end()])
            place = token.end()
    return "".join(parts) + text[place:]


def block_end(text, place, is_nested):
    depth = 1
    for mark in re.finditer(r"/\*|\*/", text[place:]):
        depth += 1 if mark.group() == "/*" and is_nested else -1 if mark.group() == "*/" else 0
        if depth == 0:
            return place + mark.end()
    return len(text)


def without_documentation(text):
    """Python without comments, and without strings that are statements: they document."""
    lines = text.split("\n")
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    begins = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    before = tokenize.NEWLINE
    for token, after in zip(tokens, tokens[1:]):
        is_text = token.type == tokenize.STRING and before in begins and after.type == tokenize.NEWLINE
        if token.type == tokenize.COMMENT or is_text:
            (first, start), (last, end) = token.start, token.end
            for line in range(first, last + 1):
                stays = lines[line - 1][:start] if line == first else ""
                lines[line - 1] = stays + (lines[line - 1][end:] if line == last else "")
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type
    return "\n".join(lines)


def words(text):
    """The words of a Markdown page that a person has written."""
    return len(GENERATED.sub("", text).split())
