import ServiceRuntime

/// A file of the pages. All of them are in the program.
struct WebFile: Sendable {
    let type: String
    let bytes: [UInt8]
    /// Changes with the content.
    let tag: String

    init(_ type: String, _ text: String) {
        self.type = type
        bytes = Array(text.utf8)
        tag = Self.tag(of: bytes)
    }

    /// Returns a text that changes with the content. It is weak, because what is packed has it too.
    /// Nobody finds two contents with one tag.
    static func tag(of bytes: [UInt8]) -> String { "W/\"\(WebDigest.sha256(bytes).prefix(32))\"" }

    static func html(_ text: String) -> WebFile { WebFile("text/html; charset=utf-8", text) }
    static func script(_ text: String) -> WebFile {
        WebFile("text/javascript; charset=utf-8", text)
    }
}

/// The files by their paths.
enum WebFiles {
    /// What the page that asks for the token needs.
    static let open: Set<String> = ["/style.css", "/icon.svg", "/signin.js"]

    /// What people open, so that it asks for the token.
    static let pages: Set<String> = [
        "/", "/chart", "/gaps", "/partitions", "/store", "/feeds", "/tape", "/dead", "/alerts",
        "/actions",
    ]

    static func file(_ path: String) -> WebFile? { all[path] }

    private static let all: [String: WebFile] = [
        "/": .html(OverviewPage.html), "/gaps": .html(GapsPage.html),
        "/style.css": WebFile("text/css; charset=utf-8", Style.css),
        "/icon.svg": WebFile("image/svg+xml", Style.icon),
        "/stream.js": .script(StreamScript.text), "/shared.js": .script(StreamScript.worker),
        "/live.js": .script(LiveScript.text), "/table.js": .script(TableScript.text),
        "/overview.js": .script(OverviewPage.script), "/graph.js": .script(GraphScript.text),
        "/partitions": .html(PartitionsPage.html),
        "/partitions.js": .script(PartitionsPage.script), "/matrix.js": .script(MatrixScript.text),
        "/store": .html(StorePage.html), "/store.js": .script(StorePage.script),
        "/bars.js": .script(BarsScript.text),
        "/feeds": .html(FeedsPage.html), "/feeds.js": .script(FeedsPage.script),
        "/alerts": .html(AlertsPage.html), "/alerts.js": .script(AlertsPage.script),
        "/chart": .html(ChartPage.html), "/chart.js": .script(ChartPage.script),
        "/candles.js": .script(CandlesScript.text),
        "/dead": .html(LettersPage.html), "/dead.js": .script(LettersPage.script),
        "/tape": .html(TapePage.html), "/tape.js": .script(TapePage.script),
        "/copy.js": .script(CopyScript.text), "/signin.js": .script(SignInScript.text),
        "/actions": .html(ActionsPage.html), "/actions.js": .script(ActionsScript.text),
        "/gaps.js": .script(GapsPage.script), "/timeline.js": .script(TimelineScript.text),
    ]
}

/// What all pages have around their content.
enum PageFrame {
    static func html(_ title: String, current: String, script: String, _ main: String) -> String {
        func link(_ path: String, _ name: String) -> String {
            let mark = name == current ? " aria-current=\"page\"" : ""
            return "<li><a href=\"\(path)\"\(mark)>\(name)</a></li>"
        }
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>\(title) – Tapeline cockpit</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <link rel="stylesheet" href="style.css">
            <link rel="icon" href="icon.svg" type="image/svg+xml">
            <script type="module" src="\(script)"></script>
            </head>
            <body>
            <a class="skip" href="#main">Skip to the content</a>
            <header>
            <p class="name">Tapeline cockpit</p>
            <nav aria-label="Pages"><ul>
            \(link("./", "Overview"))\(link("chart", "Chart"))\(link("gaps", "Gaps"))
            \(link("partitions", "Partitions"))
            \(link("store", "Store"))\(link("feeds", "Feeds"))\(link("tape", "Tape"))
            \(link("dead", "Dead letters"))\(link("alerts", "Alerts"))
            \(link("actions", "Actions"))
            </ul></nav>
            <p id="link" class="unknown">waiting for the first news</p>
            </header>
            <main id="main" tabindex="-1">
            <h1>\(title)</h1>
            <section aria-labelledby="well">
            <h2 id="well">Is all well?</h2>
            <noscript><p>Without JavaScript nothing here is known.</p></noscript>
            <ul id="verdict"><li class="unknown">NOT KNOWN: waiting for the first news</li></ul>
            <p id="announce" class="unseen" role="status"></p>
            </section>
            \(main)
            </main>
            <footer><p>Times are UTC. What is grey is not known to be alive now.</p></footer>
            </body>
            </html>

            """
    }

    /// A table that scrolls by itself and can be reached by keyboard.
    static func table(_ id: String, _ caption: String, _ columns: [String]) -> String {
        let heads = columns.map { "<th scope=\"col\">\($0)</th>" }.joined()
        return """
            <div class="scroll" tabindex="0" role="region" aria-label="\(caption)">
            <table id="\(id)"><caption>\(caption)</caption>
            <thead><tr>\(heads)</tr></thead><tbody></tbody></table>
            </div>
            """
    }
}
