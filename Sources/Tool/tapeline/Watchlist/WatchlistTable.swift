import MarketModel
import Primitives
import TapeTransport

/// The instruments of sources, for a person and for a program: what the gateways report, with who
/// has added or removed what.
struct WatchlistTable {
    struct Source {
        let report: WatchlistReport
        let stored: WatchlistStore.Stored
    }

    /// One line of the table.
    struct Row: Equatable {
        let symbol: Symbol
        /// `file` or `settings` (the gateway's own list), `added`, or `removed`.
        var origin: String
        /// What the gateway's provider says; `ending` when the gateway still has what was removed,
        /// and empty for what is not wanted.
        var state: String
        var reason = ""
        /// The entry of the watchlist; `nil` when there is none.
        var entry: Watchlist.Entry?
    }

    /// An active gateway reports once a minute.
    private static let silentNanoseconds: Int64 = 180_000_000_000

    /// Says that no gateway has reported for long; `nil` when one has.
    static func silence(_ report: WatchlistReport, at now: Timestamp) -> String? {
        guard now.nanoseconds(since: report.time) > silentNanoseconds else { return nil }
        return "its gateway has said nothing for \(report.time.age(at: now)): 'tapeline members' "
            + "shows whether one runs"
    }

    let sources: [Source]
    let now: Timestamp

    // MARK: rows

    static func rows(_ source: Source) -> [Row] {
        let report = source.report
        var rows: [Row] = report.instruments.map { row($0, source) }
        let known = Set(report.instruments.map(\.symbol))
        for (symbol, entry) in source.stored.value.sorted where !known.contains(symbol) {
            switch entry.change {
            case .added:
                rows.append(
                    Row(
                        symbol: symbol, origin: "added", state: "waiting",
                        reason: "its gateway does not have it yet", entry: entry))
            case .removed:
                rows.append(Row(symbol: symbol, origin: "removed", state: "", entry: entry))
            }
        }
        return rows.sorted { $0.symbol.text < $1.symbol.text }
    }

    private static func row(_ known: WatchlistReport.Instrument, _ source: Source) -> Row {
        let own = source.report.isBySymbol ? "settings" : "file"
        let entry = source.stored.value[known.symbol]
        var row = Row(
            symbol: known.symbol, origin: known.origin == .listed ? own : "added",
            state: known.state.rawValue, reason: known.reason, entry: entry)
        switch (known.origin, entry?.change) {
        case (.listed, .removed(hidesListed: true)?):
            row.origin = "removed"
            row.state = known.state == .removed ? "" : "ending"
        case (.listed, _):
            // The gateway has not read yet that it is wanted again.
            if known.state == .removed { row.state = "waiting" }
        case (.added, .added?): break
        case (.added, _):
            row.origin = "removed"
            row.state = "ending"
        }
        return row
    }

    /// The instruments of a source. The texts of a note and of a reason may come from others.
    private static func table(_ source: Source) -> ReportRows<Row> {
        ReportRows(
            rows(source),
            [
                ReportColumn("SYMBOL", "symbol") { .text($0.symbol.text) },
                ReportColumn("FROM", "from") { .text($0.origin) },
                ReportColumn("STATE", "state") { .text($0.state) },
                ReportColumn("", "reason") { .text($0.reason) },
                ReportColumn("WHO", "who") {
                    $0.entry.map { ReportValue.text($0.requester) } ?? .absent
                },
                ReportColumn("WHEN", "time", shown: { $0.entry?.time.short ?? "-" }) {
                    $0.entry.map { ReportValue.time($0.time) } ?? .absent
                },
                ReportColumn("", "time_ns") {
                    $0.entry.map { ReportValue.number($0.time.nanoseconds) } ?? .absent
                },
                ReportColumn("WHY", "note", shown: { line([$0.entry?.note ?? "", $0.reason]) }) {
                    $0.entry.map { ReportValue.text($0.note) } ?? .absent
                },
            ])
    }

    // MARK: text

    var lines: [String] {
        guard !sources.isEmpty else {
            return ["no gateway of this release has opened a source of this tape"]
        }
        return sources.enumerated().flatMap { index, source in
            (index == 0 ? [] : [""]) + lines(of: source)
        }.map { Self.line([$0]) }
    }

    private func lines(of source: Source) -> [String] {
        let report = source.report
        let gateway = report.gateway.isEmpty ? "its gateway" : "gateway \(report.gateway)"
        var lines = [
            "source \(report.source) (\(report.providers.joined(separator: ", "))), as \(gateway) "
                + "reported \(report.time.age(at: now)) ago"
        ]
        if let silence = Self.silence(report, at: now) { lines.append(silence) }
        lines += report.problems.map { "problem: \($0)" }
        if let refusal = source.stored.refusal { lines.append("problem: the record: \(refusal)") }
        if let fixed = report.fixed { return lines + ["no list to change: \(fixed)"] }
        lines += Self.table(source).table
        if report.leftOut > 0 {
            lines.append("\(report.leftOut) instruments have no room in the gateway's report")
        }
        return lines
    }

    /// Returns the texts in one line without control characters: they may come from a provider, or
    /// from another person.
    private static func line(_ texts: [String]) -> String {
        let text = texts.filter { !$0.isEmpty }.joined(separator: "; ")
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map {
                    $0.properties.generalCategory == .control ? " " : $0
                }))
    }

    // MARK: JSON

    func json() -> String {
        JSONWriter.made { json in
            json.member("sources", each: sources, write)
        }.text
    }

    private func write(_ source: Source, into json: inout JSONWriter) {
        let report = source.report
        json.member("source", report.source.text)
        json.member("gateway", report.gateway)
        json.member("providers", values: report.providers)
        json.member("told", report.time.description)
        json.member("told_ns", report.time.nanoseconds)
        json.member("revision", source.stored.revision)
        json.member("revision_held", report.revision)
        json.member("fixed", orNull: report.fixed)
        json.member("problems", values: report.problems)
        json.member("left_out", report.leftOut)
        json.member("instruments", rows: Self.table(source))
    }
}
