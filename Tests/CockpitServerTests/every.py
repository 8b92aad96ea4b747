"""every.py CHROMIUM SITES draw FOLDER | axe: each page of made cockpits, in light and in dark colours.

SITES is a file with a list of JSON: the name of each site (that of the fault that was planted in it, or "well"), its
address, and the words by which a person knows what is wrong. `draw` writes a picture of each page for windows of 1280
and 390 pixels, and sheets with many of them; `axe` prints a line of JSON for each page. The exit code is 1 if axe found
something, or if a page of a fault does not say what is wrong.
"""
import datetime
import html
import json
import pathlib
import re
import sys

from axe_playwright_python.sync_playwright import Axe
from pictures import BEGUN, PATIENCE, show
from playwright.sync_api import sync_playwright

# What each page shows is in its address.
PAGES = {
    "overview": "", "gaps": "gaps", "feeds": "feeds", "partitions": "partitions", "store": "store", "alerts": "alerts",
    "chart": "chart?symbol=AAPL&source=ib&series=1m", "market": "market",
    "latest": "latest?symbols=AAPL,BTCUSDT,XYZ&series=1m", "tape": "tape", "dead": "dead", "sql": "sql",
    "actions": "actions?do=drain&member=worker-b", "runbooks": "runbooks",
}
# The pages that say something else with each fault.
OF_FAULTS = ["overview", "gaps", "feeds", "partitions", "store", "alerts"]
COLOURS = ["light", "dark"]
SIZES = [(1280, 800), (390, 844)]
# A page takes no news from a cockpit that was killed. For so long it may still look alive.
SILENCE = 4_000


def asked(page):
    """The page SQL shows an answer when something was asked."""
    page.get_by_label("Questions to begin with").select_option(index=1)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("rows in").wait_for(timeout=PATIENCE * 1000)


def opened(browser, site, name):
    """Opens a page, and waits until it has its news, and says what is wrong."""
    context = browser.new_context(reduced_motion="reduce", timezone_id="UTC", locale="en-GB")
    page = context.new_page()
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    page.clock.install(time=BEGUN)
    page.clock.pause_at(BEGUN + datetime.timedelta(seconds=1))
    page.goto(site["address"] + PAGES[name])
    page.locator("#link", has_text="live").wait_for(state="attached", timeout=PATIENCE * 1000)
    # The documents that a page asks for come meanwhile, one after the other.
    for _ in range(3):
        page.evaluate("() => fetch('me.json').then(answer => answer.text())")
        page.clock.run_for(250)
    if name == "sql":
        asked(page)
    if site["name"] == "cockpit-killed":
        page.clock.run_for(SILENCE)
    # A part that has grown old is said before what is wrong.
    told = re.compile(f"{re.escape(site['words'])}|NOT KNOWN: no news of")
    show(page, page.locator("#mood", has_text=told))
    return page


def draw(page, site, name, folder):
    """Pictures in all sizes and colours. What a page draws by itself follows its timers."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for colours in COLOURS:
            page.emulate_media(color_scheme=colours)
            page.clock.run_for(250)
            page.screenshot(path=folder / f"{site['name']}-{name}-{colours}-{width}.png", animations="disabled")


def check(page, site, name):
    """All of axe's rules, in each colour. Returns how many found something."""
    bad = 0
    for colours in COLOURS:
        page.emulate_media(color_scheme=colours)
        found = Axe().run(page).response["violations"]
        bad += len(found)
        where = [node["target"] for one in found for node in one["nodes"]][:5]
        print(json.dumps({"site": site["name"], "page": name, "colours": colours, "good": not found,
                          "violations": [one["id"] for one in found], "where": where}), flush=True)
    return bad


def sheet(browser, folder, title, pictures, across):
    """Many pictures in one, each with its name."""
    figures = "".join(f"<figure><img src='{name}.png' alt=''><figcaption>{html.escape(name)}</figcaption></figure>"
                      for name in pictures)
    path = folder / f"{title}.html"
    path.write_text(f"""<!doctype html><style>body {{ margin: 12px; font: 12px sans-serif; display: grid;
        gap: 12px; grid-template-columns: repeat({across}, 1fr); }} figure {{ margin: 0; }}
        img {{ width: 100%; }}</style>{figures}""")
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.goto(path.resolve().as_uri())
    page.screenshot(path=folder / f"{title}.png", full_page=True)
    page.close()
    path.unlink()


def sheets(browser, sites, folder):
    """The overview with each fault, and all pages of the deployment that is well."""
    for width, across in ((1280, 4), (390, 7)):
        for colours in COLOURS:
            end = f"{colours}-{width}"
            sheet(browser, folder, f"sheet-faults-{end}", [f"{site['name']}-overview-{end}" for site in sites], across)
            sheet(browser, folder, f"sheet-pages-{end}", [f"well-{name}-{end}" for name in PAGES], across)


def main(chromium, sites, mode, place=""):
    sites = json.loads(pathlib.Path(sites).read_text())
    folder, bad = pathlib.Path(place), 0
    if mode == "draw":
        folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for site in sites:
            for name in PAGES if mode == "draw" or site["name"] == "well" else OF_FAULTS:
                page = opened(browser, site, name)
                if mode == "draw":
                    draw(page, site, name, folder)
                else:
                    bad += check(page, site, name)
                page.context.close()
        if mode == "draw":
            sheets(browser, sites, folder)
        browser.close()
    sys.exit(1 if bad else 0)


main(*sys.argv[1:])
