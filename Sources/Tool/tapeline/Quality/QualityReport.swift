import DeploymentWatch
import Primitives
import ServiceRuntime

/// A symbol of a source on one day.
struct QualityOfSymbol: Equatable, Sendable {
    let symbol: String
    let source: String
    /// The numbers of `QualityReport.columns`, in their order.
    let counts: [Int]
    /// Seconds of the day in gaps of trades, and the longest time without a tick.
    let missing: String
    let pause: String

    /// Takes the columns of `QualityQuery.symbols`.
    init(_ row: [String?]) {
        func text(_ column: Int) -> String {
            row.indices.contains(column) ? row[column] ?? "0" : "0"
        }
        (symbol, source) = (text(0), text(1))
        counts = (2...9).map { Int(text($0)) ?? 0 } + [Int(text(11)) ?? 0]
        (missing, pause) = (text(10), text(12))
    }

    var ticks: Int { counts[0] }
    var bars: Int { counts[5] }
    var partial: Int { counts[6] }

    /// Returns a count per million of the ticks, or of the bars; `nil` when there are none.
    func perMillion(_ column: Int) -> Int? {
        let whole = (6...7).contains(column) ? bars : ticks
        guard whole > 0 else { return nil }
        let (scaled, isTooMuch) = counts[column].multipliedReportingOverflow(by: 1_000_000)
        return isTooMuch ? Int.max : scaled / whole
    }
}

/// The result of `tapeline quality`.
struct QualityReport {
    let day: String
    let silentSeconds: Int
    /// The symbols that were named; empty: all.
    let asked: [String]
    let symbols: [QualityOfSymbol]
    /// Rows that were refused, by source, of all days.
    let refused: [(source: String, rows: String)]
    /// By hour: its number, ticks, late ticks, rewritten bars. Empty without a page.
    let hours: [[Int]]

    static let columns = [
        "ticks", "late", "duplicates", "changes", "backfilled", "bars", "partial", "rewritten",
        "silent",
    ]
    /// The columns with a rate.
    static let rated = [1, 2, 3, 4, 6, 7]

    /// 1: time of the day is missing, or rows were refused: a person has to act. 2: there is
    /// nothing to judge. A bar that is partial without a gap is one in which a feed began. It is no
    /// failure, nor are late ticks, duplicates, rewritten bars and silent times.
    var exitCode: ExitCode {
        let isMissing = symbols.contains { $0.missing != "0" }
        if isMissing || !refused.isEmpty { return .failure }
        return symbols.isEmpty || !absent.isEmpty ? .incomplete : .success
    }

    /// Symbols that were asked for and of which the day has nothing.
    var absent: [String] {
        asked.filter { name in !symbols.contains { $0.symbol == name } }
    }

    /// The table, for text, page and programs.
    var rows: ReportRows<QualityOfSymbol> {
        let counts = Self.columns.enumerated().map { index, name in
            ReportColumn<QualityOfSymbol>(
                name.uppercased(), name, isNumber: true, shown: { cell($0, index) },
                { .number($0.counts[index]) })
        }
        let before: [ReportColumn<QualityOfSymbol>] = [
            ReportColumn("SYMBOL", "symbol") { .text($0.symbol) },
            ReportColumn("SOURCE", "source") { .text($0.source) },
        ]
        let after: [ReportColumn<QualityOfSymbol>] = [
            ReportColumn("", "per_million") { Self.rates($0) },
            ReportColumn("MISSING s", "missing_seconds", isNumber: true) { .text($0.missing) },
            ReportColumn("LONGEST PAUSE s", "longest_pause_seconds", isNumber: true) {
                .text($0.pause)
            },
        ]
        return ReportRows(symbols, before + counts + after)
    }

    private static func rates(_ one: QualityOfSymbol) -> ReportValue {
        .nested { json in
            json.object { json in
                for index in rated {
                    if let rate = one.perMillion(index) { json.member(columns[index], rate) }
                }
            }
        }
    }

    /// Returns a count, with its share if it is not 0.
    private func cell(_ one: QualityOfSymbol, _ column: Int) -> String {
        let count = one.counts[column]
        guard count > 0, Self.rated.contains(column), let rate = one.perMillion(column) else {
            return "\(count)"
        }
        return "\(count) (\(Self.percent(rate)))"
    }

    /// Returns a rate per million in percent, with two digits after the point at most.
    static func percent(_ perMillion: Int) -> String {
        let hundredths = perMillion / 100
        guard hundredths > 0 else { return "< 0.01 %" }
        let (whole, rest) = (hundredths / 100, hundredths % 100)
        // Of a large share nobody reads the second digit.
        if whole >= 10 || rest == 0 { return "\(whole) %" }
        return whole > 0 ? "\(whole).\(rest / 10) %" : "0.\(rest < 10 ? "0" : "")\(rest) %"
    }

    /// Sentences beside the table.
    var remarks: [String] {
        var remarks: [String] = []
        if symbols.isEmpty || !absent.isEmpty {
            let names = absent.isEmpty ? "" : " of \(absent.joined(separator: ", "))"
            remarks.append("no tick and no bar\(names) of that day is stored")
        }
        for (source, rows) in refused {
            remarks.append(
                "\(source): the database refuses \(rows) rows (of all days): 'tapeline dlq list' "
                    + "shows them")
        }
        if symbols.contains(where: { $0.partial > 0 && $0.missing == "0" }) {
            remarks.append(
                "partial without a gap: a feed began within the bar, or was asked for again; "
                    + "'tapeline explain' and the view bar_trust (column why) say when")
        }
        if !symbols.isEmpty {
            remarks.append(
                "%: of the ticks; of partial and rewritten, of the bars of all series. silent: "
                    + "\(silentSeconds) s or more between two ticks")
        }
        return remarks
    }

    var lines: [String] {
        ["quality of \(day), UTC"] + rows.table + remarks
    }

    func json() -> String {
        JSONWriter.made { json in
            json.member("day", day)
            json.member("silent_seconds", silentSeconds)
            json.member("not_stored", values: absent)
            json.member("symbols", rows: rows)
            json.object("refused_rows_of_all_days") { json in
                for (source, rows) in refused { json.member(source, rows) }
            }
        }.text
    }
}
