"""Runs docs/desk.ipynb over the recording in the wheel, without a screen, and checks the package's types.

DESK_PACKAGE names the folder in which the wheel is installed (desk/install.py), DESK_SITE an empty one. The notebook is
stored with its outputs, which have to come again; with DESK_KEEP=1 they are stored anew."""

import base64
import os
import pathlib
import subprocess
import sys

import desk_package as base
from desk.checks import check, equal, raises

SITE = pathlib.Path(os.environ["DESK_SITE"])
BYTES_MAX = 400_000
"""Of the recording in the package. Its wheel has it compressed."""


def demo():
    """The first lines that a person tries."""
    import tapeline

    desk = tapeline.demo()
    check(pathlib.Path(desk.origin.path).stat().st_size <= BYTES_MAX)
    rows = desk.symbols().rows()
    equal([row["symbol"] for row in rows], ["AAPL", "MSFT", "SPY"])
    check(all(row["trades"] > 100 for row in rows), rows)
    for kind in (desk.trades, desk.quotes):
        with raises(tapeline.TapeHole, "AAPL of synthetic from "):
            kind("AAPL").to_polars()
        marked = kind("AAPL", missing="mark")
        equal(len(marked.coverage), 1)
        hole = marked.coverage[0]
        check(5e9 < hole.end - hole.start < 120e9, hole)
        before, after = kind("AAPL", end=hole.start).to_polars(), kind("AAPL", hole.end).to_polars()
        check(len(before) > 100 and len(after) > 10, len(before), len(after))
        equal(len(marked.to_polars()), len(before) + len(after))
    equal({row["symbol"] for row in desk.gaps().rows()}, {"AAPL", "MSFT", "SPY"})
    bars(desk, hole)


def bars(desk, hole):
    """The bars of the recording, and its simulation."""
    import tapeline

    for series in ("10s", "1m"):
        with raises(tapeline.TapeHole, "AAPL of synthetic from "):
            desk.bars("AAPL", series).to_polars()
        check(desk.bars("AAPL", series, missing="mark").to_polars()["is_whole"].any())
    marked = desk.bars("AAPL", "10s", missing="mark").to_polars()
    check(len(marked) > 30 and not marked["is_whole"].all(), marked)
    # The last version of each bar that a simulation gives is the one that stands; its trades are all trades.
    last, trades, known = {}, 0, 0
    day = tapeline.simulate(
        desk, "2026-01-01", trades="AAPL", bars={"AAPL": "10s"}, source="synthetic", missing="mark")
    equal(list(day.coverage), [])
    for batch in day:
        check(batch.known_at >= known)
        known = batch.known_at
        if batch.kind == "trades":
            trades += len(batch)
        elif batch.kind == "bars":
            names = ("version", "close", "is_whole", "is_withdrawn")
            last.update(zip(batch["open_time"], zip(*(batch[name] for name in names))))
    check(day.watermark > hole.end, day.watermark)
    equal(trades, len(desk.trades("AAPL", missing="mark").to_polars()))
    equal({opened: row[:3] for opened, row in last.items() if not row[3]},
          dict(zip(marked["open_time"].dt.epoch("ns"), zip(*(marked[name] for name in names[:3])))))


def notebook():
    """Every cell runs; holes and differences are printed, and the plots are pictures."""
    import nbclient
    import nbformat

    here = pathlib.Path(nbclient.__file__).parents[1]
    os.environ.update({
        "PYTHONPATH": os.pathsep.join([base.PACKAGE, os.environ.get("PYTHONPATH", "")]),
        "JUPYTER_PATH": str(here / "share/jupyter"), "JUPYTER_RUNTIME_DIR": str(SITE / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "0", "IPYTHONDIR": str(SITE / "ipython"), "MPLCONFIGDIR": str(SITE / "plots"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONDONTWRITEBYTECODE": "1",
    })
    path = base.ROOT / "docs" / "desk.ipynb"
    stored = nbformat.read(path, as_version=4)
    pages = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        pages, timeout=60, kernel_name="python3", record_timing=False,
        resources={"metadata": {"path": str(SITE)}}).execute()
    outputs = [output for cell in pages.cells for output in cell.get("outputs", ())]
    text = "\n".join(output.get("text", "") for output in outputs)
    for told in ("data of this selection are missing: AAPL of synthetic", "True", "cents by time",
                 "bars, half of them within", "not those of the provenance: source synthetic, "):
        check(told in text, told, text)
    check(not any(output.get("name") == "stderr" for output in outputs), text)
    plots = [base64.b64decode(output["data"]["image/png"]) for output in outputs
             if "image/png" in output.get("data", {})]
    equal(len(plots), 2)
    check(all(plot.startswith(b"\x89PNG") and len(plot) > 10_000 for plot in plots))
    if os.environ.get("DESK_KEEP"):
        for cell, made in zip(stored.cells, pages.cells):
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = made.outputs, made.execution_count
        nbformat.write(stored, path)
    for cell, made in zip(stored.cells, pages.cells):
        equal(cell.get("outputs"), made.get("outputs"), "store them with DESK_KEEP=1:", cell.source)


def types():
    """The package is typed strictly."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports",
         "--python-version", "3.11", f"--cache-dir={base.ROOT / '.build/types'}", "-p", "tapeline"],
        cwd=base.ROOT / "Sources/Desk/python", capture_output=True, text=True)
    equal(done.returncode, 0, done.stdout, done.stderr)


if __name__ == "__main__":
    sys.path.insert(0, base.PACKAGE)
    demo()
    notebook()
    types()
    print(f"{base.checks.count} checks passed")
