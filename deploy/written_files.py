"""What scaling.py and sources.py have in common: they write files of the checkout, or say which ones differ."""

import argparse
import sys


def main(name, about, arguments, root, made):
    """Writes the texts that `made` returns by their paths. With --check it changes nothing, and returns 1 where a file
    differs."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    try:
        texts = made(root)
    except (OSError, ValueError, KeyError) as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return 1
    differing = [path for path, text in texts.items()
                 if not (root / path).exists() or (root / path).read_text() != text]
    for path in differing:
        print(f"{path} {'differs' if options.check else 'is changed'}")
        if not options.check:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(texts[path])
    return 1 if differing and options.check else 0
