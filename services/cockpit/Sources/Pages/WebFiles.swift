import PageFiles
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
}

/// The files by their paths. They are in `services/cockpit/CPages/files`.
enum WebFiles {
    /// What the page that asks for the token needs.
    static let open: Set<String> = ["/style.css", "/icon.svg", "/signin.js"]

    /// What people open, so that it asks for the token, with its title. Each has a text and a
    /// script of its name, `/` those of the overview.
    static let pages = [
        "/": "Overview", "/chart": "Chart", "/gaps": "Gaps", "/feeds": "Feeds",
        "/market": "Market", "/latest": "Latest", "/tape": "Tape",
        "/partitions": "Partitions", "/store": "Store", "/dead": "Dead letters",
        "/sql": "SQL", "/alerts": "Alerts", "/actions": "Actions",
    ]

    /// The runbooks by their paths, with their names.
    static let runbooks: [String: String] = {
        let names = PageFiles.texts.keys.filter { $0.hasPrefix("runbook-") }
            .map { String($0.dropFirst("runbook-".count).dropLast(".md".count)) }
        return Dictionary(uniqueKeysWithValues: names.map { ("/\(RunbookText.path($0))", $0) })
    }()

    /// Whether people open it.
    static func isPage(_ path: String) -> Bool { pages[path] != nil || runbooks[path] != nil }

    static func file(_ path: String) -> WebFile? { all[path] }

    /// Returns what is in one of the files.
    static func text(_ name: String) -> String {
        guard let text = PageFiles.texts[name] else {
            preconditionFailure("\(name) is no file of the pages")
        }
        return text
    }

    static let all: [String: WebFile] = {
        var all: [String: WebFile] = [:]
        for (name, text) in PageFiles.texts {
            guard let type = contentType(name) else { continue }
            all["/\(name)"] = WebFile(type, text)
        }
        for (path, title) in pages {
            let name = path == "/" ? "overview" : String(path.dropFirst())
            all[path] = WebFile(html, page(path, title, script: name, text("\(name).html")))
        }
        for (path, name) in runbooks {
            let main = RunbookText.html(text("runbook-\(name).md")) {
                PageFiles.texts["runbook-\($0).md"] != nil
            }
            let title = path == "/runbooks" ? "Runbooks" : "Runbook \(name)"
            all[path] = WebFile(html, page(path, title, script: "runbook", main))
        }
        return all
    }()

    /// Changes with any of them. Pages that are open then load themselves again.
    static let version = String(
        WebDigest.sha256(all.keys.sorted().compactMap { all[$0]?.tag }.joined()).prefix(16))

    private static let html = "text/html; charset=utf-8"

    /// `nil`: it is a part of pages, which nobody asks for.
    private static func contentType(_ name: String) -> String? {
        switch name.split(separator: ".").last {
        case "js": "text/javascript; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "svg": "image/svg+xml"
        case _: nil
        }
    }

    /// What all pages have is around a page's own.
    private static func page(
        _ path: String, _ title: String, script: String, _ main: String
    ) -> String {
        let link = "<a href=\"\(path == "/" ? "./" : String(path.dropFirst()))\""
        return text("frame.html").replacing("{title}", with: title)
            .replacing("{script}", with: "\(script).js")
            .replacing("\(link)>", with: "\(link) aria-current=\"page\">")
            .replacing("{known}", with: pages[path] == nil ? " class=\"known\"" : "")
            .replacing("{main}", with: main)
    }
}
