#!/usr/bin/env python3
"""Reads a stack of the packages of Python with a Python package that has no compiled part, in a bare Debian without
network: the database and Parquet work, and recordings and the tape say in one line what they lack.

    deploy/local/desk-test.py [--wheels FOLDER] [--roots FOLDER] [SUITE]

SUITE is bookworm if not given. Run it as root, after 'make wheels'.
"""

import argparse
import importlib
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
wheels_test = importlib.import_module("wheels-test")

PACKAGES = ("polars", "pyarrow", "psycopg[binary]")
STEPS = """\
set -e
cd "$HOME"
quiet='--quiet --no-index --no-cache-dir --disable-pip-version-check'
python3 -m venv d
d/bin/pip install $quiet --find-links /wheels 'tapeline[stack]'
python3 -m venv p
p/bin/pip install $quiet --find-links /wheels/pure tapeline
p/bin/pip install $quiet --find-links /wheels polars pyarrow 'psycopg[binary]'
[ -z "$(find p/lib/python3*/site-packages/tapeline -name '*.so*')" ]
d/bin/tapeline up
p/bin/python - <<'END'
import time
import polars
import tapeline

desk = tapeline.connect()
trades = desk.trades("AAPL", missing="mark")
end = time.monotonic() + 60
while not len(frame := trades.to_polars()):
    assert time.monotonic() < end, "no trade of AAPL is stored"
print(f"database: {len(frame) > 0}, its first columns: {', '.join(frame.columns[:4])}")
trades.write_parquet("aapl.parquet")
print(f"parquet: {polars.read_parquet('aapl.parquet').height > 0}")
for name, read in (
        ("recording", lambda: tapeline.demo().trades("AAPL", missing="mark").to_polars()),
        ("tape", lambda: next(iter(desk.live(trades="AAPL", missing="mark"))))):
    try:
        read()
        print(f"{name}: it was read")
    except tapeline.TapelineError as error:
        print(f"{name}: {error}")
END
d/bin/tapeline down --remove --name default --yes
"""
EXPECTED = ("database: True", "parquet: True", "recording: the decoder of recordings cannot be loaded",
            "tape: the transport of the tape cannot be loaded")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=pathlib.Path, default=ROOT / ".build/wheel")
    parser.add_argument("--roots", type=pathlib.Path, default=ROOT / ".local/roots")
    parser.add_argument("suite", nargs="?", default="bookworm", choices=wheels_test.SUITES)
    given = parser.parse_args()
    place = wheels_test.bare(given.suite, given.roots.resolve())
    sys.path.insert(0, str(ROOT / "Sources/Desk/python"))
    import wheel_builder
    with tempfile.TemporaryDirectory(prefix="tapeline-desk-") as work:
        folder = pathlib.Path(work)
        folder.chmod(0o755)
        for path in given.wheels.resolve().glob("*.whl"):
            shutil.copy(path, folder)
        wheels_test.fetch(folder, place, PACKAGES)
        (folder / "pure").mkdir()
        wheel_builder.build_wheel(str(folder / "pure"))
        lines = wheels_test.enter(place, folder, "person", STEPS)
    if lines[-1].startswith("status "):
        wheels_test.fail("without compiled parts: " + "; ".join(lines[-5:]))
    said = [line for line in lines if line.split(":")[0] in ("database", "parquet", "recording", "tape")]
    if len(said) != len(EXPECTED) or not all(line.startswith(words) for line, words in zip(said, EXPECTED)):
        wheels_test.fail("without compiled parts: " + "; ".join(said or lines[-5:]))
    print("\n".join(said))


if __name__ == "__main__":
    main()
