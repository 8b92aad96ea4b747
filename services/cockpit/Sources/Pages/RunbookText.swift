/// A runbook as a part of a page. It knows what runbooks use of Markdown.
struct RunbookText {
    private enum Block {
        case heading, item, paragraph, code, row
    }

    /// What items and rows that follow each other have around them.
    private enum Around {
        case nothing, list, table

        func begin(below heading: String) -> String {
            switch self {
            case .nothing: ""
            case .list: "<ul>\n"
            case .table:
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                    + "aria-label=\"\(heading)\">\n<table>\n"
            }
        }

        var end: String {
            switch self {
            case .nothing: ""
            case .list: "</ul>\n"
            case .table: "</table>\n</div>\n"
            }
        }
    }

    /// Whether there is a runbook of this name.
    private let isRunbook: (String) -> Bool
    private var html = ""
    private var block = Block.paragraph
    /// The lines of the block that is being read.
    private var lines: [Substring] = []
    /// The last heading, as HTML.
    private var heading = ""
    /// What is open around the block.
    private var around = Around.nothing

    /// Returns the text as HTML, without its title.
    static func html(_ markdown: String, isRunbook: @escaping (String) -> Bool) -> String {
        var text = RunbookText(isRunbook: isRunbook)
        for line in markdown.split(separator: "\n", omittingEmptySubsequences: false) {
            text.take(line)
        }
        text.endBlock()
        text.enclose(in: .nothing)
        return text.html
    }

    private init(isRunbook: @escaping (String) -> Bool) { self.isRunbook = isRunbook }

    // MARK: blocks

    private mutating func take(_ line: Substring) {
        if line.isEmpty {
            endBlock()
        } else if line.hasPrefix("# ") {
            return
        } else if line.hasPrefix("## ") {
            begin(.heading, line.dropFirst(3))
            endBlock()
        } else if line.hasPrefix("- ") {
            begin(.item, line.dropFirst(2))
        } else if line.hasPrefix("|") {
            begin(.row, line)
        } else if line.hasPrefix("    "), lines.isEmpty || block == .code {
            if lines.isEmpty { block = .code }
            lines.append(line.dropFirst(4))
        } else if lines.isEmpty || block == .code || block == .row {
            begin(.paragraph, line)
        } else {
            lines.append(line.drop { $0 == " " })
        }
    }

    private mutating func begin(_ kind: Block, _ line: Substring) {
        endBlock()
        (block, lines) = (kind, [line])
    }

    private mutating func endBlock() {
        guard !lines.isEmpty else { return }
        let text = lines.joined(separator: block == .code ? "\n" : " ")
        lines = []
        let isHead = block == .row && around != .table
        enclose(in: block == .item ? .list : block == .row ? .table : .nothing)
        switch block {
        case .heading:
            heading = Self.escaped(text)
            html += "<h2>\(heading)</h2>\n"
        case .item: html += "<li>\(inline(text[...]))</li>\n"
        case .paragraph: html += "<p>\(inline(text[...]))</p>\n"
        case .code: html += "<pre tabindex=\"0\">\(Self.escaped(text))</pre>\n"
        case .row: addRow(text, isHead: isHead)
        }
    }

    private mutating func addRow(_ text: String, isHead: Bool) {
        // The line below the head.
        guard text.contains(where: { !"|-: ".contains($0) }) else { return }
        let (begin, end) = isHead ? ("<th scope=\"col\">", "</th>") : ("<td>", "</td>")
        let cells = text.split(separator: "|").map { begin + inline(Self.trimmed($0)) + end }
        html += "<tr>\(cells.joined())</tr>\n"
    }

    private mutating func enclose(in new: Around) {
        guard new != around else { return }
        html += around.end + new.begin(below: heading)
        around = new
    }

    // MARK: parts of a line

    private func inline(_ text: Substring) -> String {
        var (rest, html, isStrong) = (text, "", false)
        while let first = rest.first {
            if first == "`", let end = rest.dropFirst().firstIndex(of: "`") {
                html += "<code>\(Self.escaped(rest[..<end].dropFirst()))</code>"
                rest = rest[end...].dropFirst()
            } else if rest.hasPrefix("**") {
                html += isStrong ? "</strong>" : "<strong>"
                isStrong.toggle()
                rest = rest.dropFirst(2)
            } else if first == "[", let middle = rest.firstRange(of: "]("),
                let end = rest[middle.upperBound...].firstIndex(of: ")")
            {
                let words = inline(rest[..<middle.lowerBound].dropFirst())
                html += link(words, String(rest[middle.upperBound..<end]))
                rest = rest[end...].dropFirst()
            } else {
                html += Self.escaped(rest.prefix(1))
                rest = rest.dropFirst()
            }
        }
        return isStrong ? html + "</strong>" : html
    }

    /// Other documents are where the release is, and not here: they are named.
    private func link(_ words: String, _ target: String) -> String {
        if target.hasPrefix("https://") {
            return "<a rel=\"noreferrer\" href=\"\(Self.escaped(target))\">\(words)</a>"
        }
        let path = target.prefix { $0 != "#" }
        let name = path.hasSuffix(".md") ? String(path.dropLast(3)) : ""
        if isRunbook(name) { return "<a href=\"\(Self.path(name))\">\(words)</a>" }
        let place =
            path.hasPrefix("../../")
            ? String(path.dropFirst(6))
            : path.hasPrefix("../") ? "docs/\(path.dropFirst(3))" : "docs/runbooks/\(path)"
        return words == place ? words : "\(words) (\(Self.escaped(place)))"
    }

    /// The path of a runbook below that of the pages. The one that lists them is called README.
    static func path(_ name: String) -> String {
        name == "README" ? "runbooks" : "runbook-\(name)"
    }

    private static func escaped(_ text: some StringProtocol) -> String {
        text.reduce(into: "") { html, letter in
            switch letter {
            case "&": html += "&amp;"
            case "<": html += "&lt;"
            case ">": html += "&gt;"
            case "\"": html += "&quot;"
            case _: html.append(letter)
            }
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let head = text.drop { $0 == " " }
        return head.lastIndex { $0 != " " }.map { head[...$0] } ?? ""
    }
}
