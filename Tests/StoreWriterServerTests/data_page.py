"""Runs the questions of docs/data.md against a database: data_page.py PAGE URL

The answers of a question in SQL and in Python must be the same rows in the same order. A question without Python
is read by pandas. Prints a line per question."""

import datetime
import decimal
import math
import os
import re
import sys

import pandas as pd
import polars as pl


def questions(page):
    """Yields each question's title, and its code in each language."""
    parts = re.split(r"^### (?=\d)", page, flags=re.MULTILINE)[1:]
    for part in parts:
        blocks = dict(re.findall(r"^```(sql|polars)\n(.*?)^```", part, re.MULTILINE | re.DOTALL))
        yield part.split("\n", 1)[0], blocks, "The trap: " in part


def plain(value):
    """Returns a value in a form that is equal for both languages."""
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, datetime.datetime):
        return ("time", round(value.timestamp() * 1_000_000))
    if isinstance(value, (int, float, decimal.Decimal)) or hasattr(value, "__float__"):
        number = float(value)
        return None if math.isnan(number) else number
    if hasattr(value, "item"):
        return plain(value.item())
    raise TypeError(f"{type(value)}: {value!r}")


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-8)
    return one == other


def rows(answer):
    if isinstance(answer, pd.DataFrame):
        answer = answer.astype(object).itertuples(index=False)
    elif isinstance(answer, pl.DataFrame):
        answer = answer.rows()
    return [tuple(plain(value) for value in row) for row in answer]


def difference(one, other):
    """Returns the first difference in words. None if there is none."""
    if len(one) != len(other):
        return f"{len(one)} rows and {len(other)}"
    for place, (left, right) in enumerate(zip(one, other)):
        if len(left) != len(right) or not all(map(same, left, right)):
            return f"row {place}: {left} and {right}"
    return None


def main(page, url):
    text = open(page, encoding="utf-8").read()
    begin = {}
    os.environ["TAPELINE_URL"] = url
    exec(compile(re.search(r"^```py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1], "begin", "exec"), begin)
    db = begin["db"]
    failed = 0
    for title, blocks, has_trap in questions(text):
        problems = [] if has_trap else ["names no trap"]
        answer = rows(db.exec_driver_sql(blocks["sql"]))
        names = {**begin, "sql": blocks["sql"]}
        exec(compile(blocks.get("polars", "answer = pd.read_sql(sql, db)"), title, "exec"), names)
        told = difference(answer, rows(names["answer"]))
        if told:
            problems.append(f"SQL and Python differ: {told}")
        if not answer:
            problems.append("no rows")
        failed += bool(problems)
        shown = answer if len(answer) == 1 else f"{len(answer)} rows"
        print("differs" if problems else "equal", shown, title, *problems, sep=": ")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(*sys.argv[1:]), 1))
