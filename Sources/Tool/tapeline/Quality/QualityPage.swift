/// The quality of a day as one page of HTML: the table, and plots by hour. It has no script and
/// loads nothing. It follows the reader's choice of a light or dark page.
struct QualityPage {
    private let report: QualityReport

    private static let plots = ["ticks", "late ticks", "rewritten bars"]
    private static let (width, height, step) = (720, 120, 30)

    init(_ report: QualityReport) { self.report = report }

    var html: String {
        let rows = report.rows.cells.enumerated().map { index, row in
            let tag = index == 0 ? "th" : "td"
            return "<tr>"
                + row.map { "<\(tag)>\(Self.escaped($0))</\(tag)>" }.joined() + "</tr>"
        }
        let remarks = report.remarks.map { "<p>\(Self.escaped($0))</p>" }
        let title = "Quality of \(Self.escaped(report.day)), UTC"
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title)</title><style>
            :root { color-scheme: light dark; --bar: #2563eb; }
            @media (prefers-color-scheme: dark) { :root { --bar: #60a5fa; } }
            body { font: 14px system-ui, sans-serif; margin: 2em; }
            table { border-collapse: collapse; }
            th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #8884; }
            svg text { font-size: 10px; fill: currentColor; } rect { fill: var(--bar); }
            </style></head><body><h1>\(title)</h1>
            \(Self.plots.indices.map(plot).joined(separator: "\n"))
            <table>\(rows.joined(separator: "\n"))</table>
            \(remarks.joined(separator: "\n"))
            </body></html>

            """
    }

    /// Returns the bars of one number by hour.
    private func plot(_ index: Int) -> String {
        let values = report.hours.map { $0.indices.contains(index + 1) ? $0[index + 1] : 0 }
        let most = max(1, values.max() ?? 0)
        let bars = values.enumerated().map { hour, value in
            let tall = Int(Double(value) / Double(most) * Double(Self.height - 10))
            return "<rect x=\"\(hour * Self.step + 2)\" y=\"\(Self.height - tall)\" "
                + "width=\"\(Self.step - 4)\" height=\"\(tall)\"><title>\(hour):00: \(value)"
                + "</title></rect><text x=\"\(hour * Self.step + 4)\" y=\"\(Self.height + 12)\">"
                + "\(hour)</text>"
        }
        return """
            <h2>\(Self.plots[index]) by hour, at most \(values.max() ?? 0)</h2>
            <svg viewBox="0 0 \(Self.width) \(Self.height + 16)" width="\(Self.width)" role="img">
            <title>\(Self.plots[index]) by hour</title>\(bars.joined(separator: "\n"))</svg>
            """
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
