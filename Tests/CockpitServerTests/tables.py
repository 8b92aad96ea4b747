"""tables.py CHROMIUM WELL FAULTY: compares the table behind each picture with what the server of a made cockpit says.

It prints a line of JSON for each table; the exit code is 1 if one has other numbers, or if a page moved after it was
seen first.
"""
import datetime
import json
import sys
import urllib.request

from pictures import HEIGHT, PICTURES, opened
from playwright.sync_api import sync_playwright

# Nobody sees such a part of the window move.
MOVED_MAX = 0.01
MOVED = "() => { for (const one of noted.takeRecords()) moved += one.value; return moved; }"
SYMBOLS = {"flows": "●", "quiet": "◌", "behind": "▲", "dead": "✕", "unknown": "?", "closed": "◇"}


LOOKS = {}
"""What the first event of each site says. It is asked for before a page is open, which would get it once more."""


def look(address):
    with urllib.request.urlopen(address + "events", timeout=10) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                return json.loads(line[5:])
    raise EOFError("the stream of events ended")


def document(address, name):
    with urllib.request.urlopen(f"{address}{name}.json", timeout=10) as answer:
        found = json.load(answer)
    return found.get("value", found)


def rows(page, table):
    """The texts of a table's cells."""
    return page.locator(f"#{table} tbody").evaluate(
        "body => [...body.rows].map(row => [...row.cells].map(cell => cell.innerText))")


def bytes_text(count):
    value, unit = float(count), 0
    while value >= 1024 and unit < 4:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f}" if value < 10 and unit else f"{int(value + 0.5)}", ["B", "KiB", "MiB", "GiB", "TiB"][unit]


def edges(page, address):
    def rate(edge):
        if "rate" not in edge:
            return "–"
        value = edge["rate"]
        return f"{value:.1f} {edge['unit']}" if value < 10 else f"{int(value + 0.5):,} {edge['unit']}"

    wanted = [[edge["from"], edge["to"], f"{SYMBOLS[edge['state']]} {edge['words']}", rate(edge),
               f"{edge['lag_records']:,} records" if "lag_records" in edge else "–"]
              for edge in LOOKS[address]["edges"]]
    # Before the records is their time, which grows.
    found = [row[:4] + [row[4].split(", ")[-1]] for row in rows(page, "edges")]
    return wanted, found


def gaps(page, address):
    def time(value):
        return datetime.datetime.fromtimestamp(int(value), datetime.timezone.utc).strftime("%H:%M:%S")

    page.get_by_label("Time").first.select_option("0")
    # One outage is one row.
    outages = {}
    for gap in document(address, "gaps")["items"]:
        end = time(gap["to"]) if "to" in gap else "lasts"
        symbols, kinds = outages.setdefault(
            (gap["source"], time(gap["from"]), end, gap["reason"], gap["words"]), ({}, {}))
        symbols[gap.get("symbol") or "(all)"] = kinds[gap["kind"]] = True
    wanted = [[", ".join(symbols), ", ".join(kinds), *key[:4]] for key, (symbols, kinds) in outages.items()]
    return wanted, [row[:5] + [row[6]] for row in rows(page, "gaps")]


def partitions(page, address):
    page.get_by_label("Rows", exact=True).select_option("all")
    wanted = []
    for group in document(address, "partitions")["groups"]:
        for row in group["rows"]:
            lag = f"{row['lag']['records']:,} records" if "lag" in row else "–"
            epoch = str(row["record"]["epoch"]) if "record" in row else "–"
            wanted.append([str(row["partition"]), group["name"], epoch, lag])
    found = [[row[0], row[1], row[3].removesuffix(" (old)"), row[4].removesuffix(" (old)").split(", ")[-1]]
             for row in rows(page, "rows")]
    return sorted(wanted), sorted(found)


def sizes(page, address):
    room = document(address, "store")["room"]
    wanted = [[table["name"], " ".join(bytes_text(table["bytes"])), f"{table['bytes'] / room['used'] * 100:.1f} %"]
              for table in room["tables"]]
    return wanted, rows(page, "tables")


def ages(page, address):
    wanted = [[source["name"], *(f"{count:,}" for count in (
        source["instruments"], *(count for _, count in source["ages"]), source["older"], source["never"]))]
              for source in document(address, "feeds")["sources"] if "instruments" in source]
    return wanted, rows(page, "ages")


def bars(page, address):
    names = ("open", "high", "low", "close", "bid", "ask", "volume")
    wanted = []
    for bar in reversed(document(address, "chart")["bars"]):
        wanted.append([bar["time"][11:-1], *(bar.get(name, "–") for name in names), str(bar["trades"])])
    found = [row[:9] for row in rows(page, "bars") if not row[0].startswith("┄")]
    return wanted, found


CHECKS = {"overview": edges, "gaps": gaps, "partitions": partitions, "store": sizes, "feeds": ages, "chart": bars}


def main(chromium, well, faulty):
    bad = 0
    for address in (well, faulty):
        LOOKS[address] = look(address)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, which, path, news, colours in PICTURES:
            if name not in CHECKS:
                continue
            address = well if which == "well" else faulty
            page = opened(browser, address, path, news, colours, HEIGHT)
            moved = page.evaluate(MOVED)
            wanted, found = CHECKS[name](page, address)
            is_same = wanted == found and len(wanted) > 0
            is_good = is_same and moved <= MOVED_MAX
            bad += not is_good
            differing = [pair for pair in zip(wanted, found) if pair[0] != pair[1]][:3]
            print(json.dumps({"table": name, "rows": len(wanted), "found": len(found), "good": is_good,
                              "moved": moved, "differing": differing}, ensure_ascii=False), flush=True)
            page.context.close()
        browser.close()
    sys.exit(1 if bad else 0)


main(*sys.argv[1:])
