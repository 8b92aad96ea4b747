import DeadLetters
import DeploymentWatch
import StoredBars
import Testing

@testable import Cockpit

/// What the checker of the scripts' types cannot know: whether pages, scripts and the code around
/// them fit together.
@Suite("The files of the pages") struct PageFileTests {
    static let names = WebFiles.pages.keys.map {
        $0 == "/" ? "overview" : String($0.dropFirst())
    }

    @Test("each page has its title and its script, and is marked among the others")
    func frames() throws {
        for (path, title) in WebFiles.pages {
            let file = try #require(WebFiles.file(path))
            let page = String(decoding: file.bytes, as: UTF8.self)
            #expect(file.type.hasPrefix("text/html"))
            #expect(page.contains("<title>\(title) – Tapeline cockpit</title>"), "\(path)")
            #expect(page.contains("<h1>\(title)</h1>"))
            #expect(page.contains("aria-current=\"page\">\(title)</a>"), "\(path)")
            #expect(page.matches(of: /aria-current/).count == 1, "\(path)")
            #expect(page.matches(of: /\{[a-z]+\}/).isEmpty, "\(path)")
            #expect(page.contains("<main id=\"main\" tabindex=\"-1\">"), "\(path)")
            for match in page.matches(of: /<script type="module" src="(.*?)">/) {
                #expect(WebFiles.file("/\(match.1)")?.type.hasPrefix("text/javascript") == true)
            }
        }
        #expect(WebFiles.file("/frame.html") == nil)
    }

    @Test("what a script asks the page for is there", arguments: PageFileTests.names)
    func parts(name: String) {
        let page = WebFiles.text("frame.html") + WebFiles.text("\(name).html")
        let script = WebFiles.text("\(name).js")
        for match in script.matches(of: /(?:element|field|\$)\("([a-z-]+)"\)/) {
            #expect(page.contains("id=\"\(match.1)\""), "\(name).js asks for \(match.1)")
        }
    }

    @Test("what all pages have is in their frame")
    func strip() {
        for name in ["strip.js", "jump.js"] {
            for match in WebFiles.text(name).matches(of: /element\("([a-z-]+)"\)/) {
                #expect(WebFiles.text("frame.html").contains("id=\"\(match.1)\""), "\(match.1)")
            }
        }
    }

    @Test("each part of a page has an id of its own", arguments: PageFileTests.names)
    func ids(name: String) {
        let page = WebFiles.text("frame.html") + WebFiles.text("\(name).html")
        let ids = page.matches(of: /\sid="([^"]*)"/).map { String($0.1) }
        #expect(Set(ids).count == ids.count)
        for match in page.matches(of: /(?:for|aria-labelledby|data-copies)="([^"]*)"/) {
            #expect(ids.contains(String(match.1)), "\(name).html names \(match.1)")
        }
    }

    @Test("a runbook is a page, whose links lead to pages, and names other documents")
    func runbooks() throws {
        let text = """
            # Title

            ## Impact
            None yet.

            ## Meaning
            - **One**: a `<b>` and
              [two](Nats.md#x), [three](../security.md#tls).
            - Four, [five](../../deploy/x), [six](README.md)

                tapeline a | b

                c
            Text
            goes on.

            | a | b |
            | --- | --- |
            | [c](Gone.md) | "d" |
            """
        #expect(
            RunbookText.html(text) { ["Nats", "README"].contains($0) } == """
                <h2>Impact</h2>
                <p>None yet.</p>
                <h2>Meaning</h2>
                <ul>
                <li><strong>One</strong>: a <code>&lt;b&gt;</code> and \
                <a href="runbook-Nats">two</a>, three (docs/security.md).</li>
                <li>Four, five (deploy/x), <a href="runbooks">six</a></li>
                </ul>
                <pre tabindex="0">tapeline a | b</pre>
                <pre tabindex="0">c</pre>
                <p>Text goes on.</p>
                <div class="scroll" tabindex="0" role="region" aria-label="Meaning">
                <table>
                <tr><th scope="col">a</th><th scope="col">b</th></tr>
                <tr><td>c (docs/runbooks/Gone.md)</td><td>&quot;d&quot;</td></tr>
                </table>
                </div>

                """)
        for (path, name) in WebFiles.runbooks {
            let page = try #require(WebFiles.file(path))
            let html = String(decoding: page.bytes, as: UTF8.self)
            #expect(html.contains("<h1>Runbook"), "\(name)")
            // It is shown also while nothing is known of now.
            #expect(html.contains("<main id=\"main\" tabindex=\"-1\" class=\"known\">"))
            #expect(html.contains("<h2>Mitigation") == (name != "README"), "\(name)")
            for match in html.matches(of: /href="(runbook[^"]*)"/) {
                #expect(WebFiles.isPage("/\(match.1)"), "\(name) names \(match.1)")
            }
            #expect(!html.contains("**") && !html.contains("]("), "\(name)")
        }
    }

    @Test("the page that asks for the token says why nobody was let in")
    func token() {
        #expect(!TokenPage.text().contains("failed"))
        let refused = TokenPage.text("This is not the token.")
        #expect(refused.contains(#"id="failed" class="bad" role="alert">This is not the token.<"#))
        #expect(refused.contains(#"required aria-describedby="failed">"#))
    }

    @Test("what the pages repeat of the code is the same")
    func repeated() {
        func heads(_ titles: [String]) -> String {
            titles.map { "<th scope=\"col\">\($0)</th>" }.joined()
        }
        let letters = WebFiles.text("dead.html").split(separator: "\n").joined()
        #expect(letters.contains("<tr>\(heads(LetterWords.groupTitles))</tr>"))
        #expect(letters.contains("<tr>\(heads(LetterWords.titles))"))
        #expect(WebFiles.text("view.js").contains("export const countMax = \(BarPage.barsMax);"))
        for state in StepState.allCases {
            let sign = "\(state.rawValue): \"\(state.sign)\""
            #expect(WebFiles.text("edges.js").contains(sign), "\(sign)")
        }
        #expect(WebFiles.text("figures.js").contains("\"\(FigureName.gaps)\""))
        let late = "lateAfter = \(Int(StepLook.behindSeconds));"
        #expect(WebFiles.text("edges.js").contains(late))
        let symbols = LatestQuestion.symbolsMax
        #expect(WebFiles.text("latest.html").contains("at most \(symbols)"))
        let most = TapeQuestion.packetsMax
        #expect(WebFiles.text("tape.html").contains("Packets (1 to \(most))"))
        #expect(WebFiles.text("tape.html").contains("min=\"1\" max=\"\(most)\""))
    }
}
