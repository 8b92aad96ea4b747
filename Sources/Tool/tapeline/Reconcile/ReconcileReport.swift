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

    var lines: [String] {
        var lines: [String] = []
        if !days.isEmpty {
            let head = [
                "SYMBOL", "SOURCE", "BARS", "PROVIDER", "OURS", "DIFFERENCE", "VERDICT",
            ]
            let rows = days.map { day in
                [
                    day.symbol, day.source, day.bars, Self.shown(day.provided),
                    Self.shown(day.counted), Self.shown(day.difference), sentence(day),
                ]
            }
            lines = TextTable.lines([head] + rows, numbers: [2, 3, 4, 5])
        }
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
        var json = JSONWriter(capacity: 2_048)
        json.object { json in
            json.member(
                "days", array: { json in for day in days { Self.write(day, into: &json) } })
            json.member(
                "without_provider_bars",
                array: { json in for symbol in without { json.value(symbol.text) } })
        }
        return json.text
    }

    private static func write(_ day: ReconciledDay, into json: inout JSONWriter) {
        func write(_ parts: [ReconciledDay.Part], _ name: String, _ json: inout JSONWriter) {
            json.member(
                name,
                object: { json in
                    for part in parts { json.member(part.name, shown(part.volume)) }
                })
        }
        json.object { json in
            json.member("symbol", day.symbol)
            json.member("source", day.source)
            json.member("from", day.from)
            json.member("to", day.to)
            json.member("provider_volume", shown(day.provided))
            json.member("volume", shown(day.counted))
            json.member("difference", shown(day.difference))
            json.member("missing_seconds", day.missing)
            json.member("verdict", day.verdict.rawValue)
            write(day.explanation, "explanation", &json)
            write(day.kinds, "kinds", &json)
        }
    }
}
