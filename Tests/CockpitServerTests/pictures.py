"""pictures.py CHROMIUM WELL FAULTY FOLDER: draws the pages of two made cockpits into PNG files of this folder.

The clock of the browser is frozen, so ages are the same in each picture, but for at most a second on a busy machine. A
page that does not show its news within 20 s ends the script.
"""
import datetime
import pathlib
import sys

from playwright.sync_api import TimeoutError, sync_playwright

# Name of the picture, which cockpit, page, what it shows once it has its news, and the colours.
PICTURES = [
    ("overview", "well", "", "ALL GOOD", "light"),
    ("overview-dark", "well", "", "ALL GOOD", "dark"),
    ("overview-fault", "faulty", "", "GAPS OPEN", "light"),
    ("gaps", "faulty", "gaps", "ETHUSDT", "light"),
    ("partitions", "faulty", "partitions", "worker-a", "light"),
    ("store", "well", "store", "closed", "light"),
    ("alerts", "faulty", "alerts", "ProviderNotConnected", "light"),
    ("feeds", "faulty", "feeds", "lost the broker", "light"),
    ("chart", "well", "chart?symbol=AAPL&source=ib&series=1m", "repair", "light"),
    ("latest", "well", "latest?symbols=AAPL,BTCUSDT,XYZ&series=1m", "no source", "light"),
    ("dead", "well", "dead", "price_check", "light"),
    ("actions", "well", "actions?do=drain&member=worker-b", "worker-b", "light"),
]
PATIENCE = 20
WIDTH, HEIGHT = 1100, 760
# What people act with is farther down.
HEIGHTS = {"actions": 1_500}
# How much of the window has moved below the eyes of who reads.
MOVES = """window.moved = 0;
  window.noted = new PerformanceObserver(list => { for (const one of list.getEntries()) moved += one.value; });
  noted.observe({ type: "layout-shift", buffered: true });"""
BEGUN = datetime.datetime(2026, 3, 2, 14, 40, tzinfo=datetime.timezone.utc)


def opened(browser, address, page_path, news, colours, height):
    """Opens a page of a made cockpit, and waits until it shows its news."""
    context = browser.new_context(
        color_scheme=colours, reduced_motion="reduce", timezone_id="UTC", locale="en-GB",
        viewport={"width": WIDTH, "height": height})
    page = context.new_page()
    page.add_init_script(MOVES)
    page.clock.install(time=BEGUN)
    page.clock.pause_at(BEGUN + datetime.timedelta(seconds=1))
    page.goto(address + page_path)
    # The first event draws the page at once, and lets it ask for its document, which a timer draws.
    page.locator("#link", has_text="live").wait_for(state="attached", timeout=PATIENCE * 1000)
    if page_path:
        name = page_path.split("?")[0]
        page.evaluate("path => fetch(path).then(answer => answer.json())", f"{name}.json")
    show(page, page.locator(".framed:not(.waits) main", has_text=news))
    return page


def show(page, news):
    """Lets the page's timers run until it shows the news. On a busy machine they come after the first quarter of a
    second, and the clock of the page stands."""
    for left in range(7, -1, -1):
        page.clock.run_for(250)
        try:
            return news.wait_for(timeout=PATIENCE * 125)
        except TimeoutError:
            if not left:
                raise


def main(chromium, well, faulty, folder):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, which, path, news, colours in PICTURES:
            address, height = well if which == "well" else faulty, HEIGHTS.get(name, HEIGHT)
            page = opened(browser, address, path, news, colours, height)
            page.screenshot(path=f"{folder}/cockpit-{name}.png", animations="disabled")
            page.context.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
