import MarketModel
import Primitives
import ServiceRuntime

/// The result of `tapeline reconcile`.
struct ReconcileReport {
    let days: [ReconciledDay]
    /// Symbols that were asked for, and of which the provider sent no bar.
    let without: [Symbol]

    /// 1: a volume differs and nothing explains it. 2: not every volume could be judged.
    var exitCode: ExitCode {
        if days.contains(where: { [.differs, .lots].contains($0.verdict) }) { return .failure }
        let isOpen = days.contains { [.gap, .inProgress].contains($0.verdict) }
        return days.isEmpty || isOpen || !without.isEmpty ? .incomplete : .success
    }

    private static func shown(_ volume: Int128) -> String {
        FixedPoint.text(volume, decimals: Quantity.decimals)
    }

    var rows: ReportRows<ReconciledDay> {
        ReportRows(
            days,
            [
                ReportColumn("SYMBOL", "symbol") { .text($0.symbol) },
                ReportColumn("SOURCE", "source") { .text($0.source) },
                ReportColumn("", "from") { .text($0.from) },
                ReportColumn("", "to") { .text($0.to) },
                .cell("BARS", isNumber: true) { $0.bars },
                ReportColumn("PROVIDER", "provider_volume", isNumber: true) {
                    .text(Self.shown($0.provided))
                },
                ReportColumn("OURS", "volume", isNumber: true) { .text(Self.shown($0.counted)) },
                ReportColumn("DIFFERENCE", "difference", isNumber: true) {
                    .text(Self.shown($0.difference))
                },
                ReportColumn("", "missing_seconds") { .text($0.missing) },
                ReportColumn("VERDICT", "verdict", shown: sentence) { .text($0.verdict.rawValue) },
                ReportColumn("", "explanation") { Self.parts($0.explanation) },
                ReportColumn("", "kinds") { Self.parts($0.kinds) },
            ])
    }

    private static func parts(_ parts: [ReconciledDay.Part]) -> ReportValue {
        .nested { json in
            json.object { json in
                for part in parts { json.member(part.name, shown(part.volume)) }
            }
        }
    }

    var lines: [String] {
        var lines = rows.table
        for symbol in without { lines.append("\(symbol): its provider sent no bar of that day") }
        if days.isEmpty, without.isEmpty {
            lines.append("nothing was compared: no provider's bar of trades opens in that day")
        }
        return lines
    }

    private func sentence(_ day: ReconciledDay) -> String {
        let parts = day.explanation.map { "\($0.name) \(Self.shown($0.volume))" }
            .joined(separator: ", ")
        let kinds = day.kinds.map { "\($0.name) \(Self.shown($0.volume))" }
            .joined(separator: ", ")
        switch day.verdict {
        case .equal: return "equal"
        case .explained: return "explained: \(parts)"
        case .lots: return "the units differ: \(parts)"
        case .gap:
            return "not judged: trades of \(day.missing) s are missing, and the provider sent no "
                + "shorter bars of that time"
        case .inProgress: return "not judged: the provider's bar was not over when it came last"
        case .differs: return "DIFFERS" + (kinds.isEmpty ? "" : "; there are \(kinds)")
        }
    }

    func json() -> String {
        JSONWriter.made { json in
            json.member("days", rows: rows)
            json.member("without_provider_bars", values: without.map(\.text))
        }.text
    }
}
