import MarketModel
import Primitives
import ServiceRuntime

/// What `tapeline trade` shows: the trade, its bars before the change, and their new versions.
struct TradeReport {
    let command: TradeCommand
    let found: TradeOnTape
    let record: TradeChange
    let bars: Bars

    enum Bars {
        /// No database is named.
        case notAsked
        case failed(String)
        case found([TradeBar])
    }

    /// The new versions that a change may make.
    var subject: RepairWatch.Subject {
        let time = found.trade.header.eventTime
        return RepairWatch.Subject(
            symbol: found.symbol, source: nil, from: time, to: time.advanced(byNanoseconds: 1),
            reason: .bust)
    }

    var question: String {
        switch command.action {
        case .cancel: "Cancel this trade?"
        case .correct: "Correct this trade to \(record.size) at \(record.price)?"
        case .restore: "Take the change of this trade back?"
        }
    }

    var lines: [String] {
        var lines = found.lines
        if command.action == .correct {
            lines.append("  will count as \(record.size) at \(record.price)")
        }
        let bars: [TradeBar]
        switch self.bars {
        case .notAsked:
            return lines + ["its bars are not shown: no database is named (POSTGRES_HOST)"]
        case .failed(let why): return lines + ["its bars are not shown: \(why)"]
        case .found(let found): bars = found
        }
        guard !bars.isEmpty else {
            return lines + ["no bar with its time is stored; an open one changes, too"]
        }
        let header = ["SERIES", "SOURCE", "FROM", "TO", "VERSION", "TRADES"]
        let rows = bars.map { [$0.series, $0.source, $0.from, $0.to, $0.version, $0.trades] }
        return lines + ["bars with its time, which get a new version if they hold it:"]
            + TextTable.lines([header] + rows, numbers: [4, 5]).map { "  \($0)" }
    }

    func lines(of versions: [RepairWatch.Version]) -> [String] {
        versions.map {
            let state = $0.isWithdrawn ? "withdrawn" : "\($0.trades) trades"
            return "  \($0.series) of \($0.source) at \($0.openTime): revision \($0.revision), "
                + state
        }
    }

    func json(_ outcome: RepairOutcome, _ versions: [RepairWatch.Version]) -> String {
        JSONWriter.made { json in
            json.member("tick_id", "\(found.address)")
            json.member("symbol", found.symbol.text)
            json.member("time", "\(found.trade.header.eventTime)")
            json.member("time_ns", found.trade.header.eventTime.nanoseconds)
            json.member("price", decimal: found.trade.price.raw, decimals: Price.decimals)
            json.member("size", decimal: found.trade.size.raw, decimals: Quantity.decimals)
            json.member("change", "\(command.action)")
            if command.action == .correct {
                json.member("new_price", decimal: record.price.raw, decimals: Price.decimals)
                json.member("new_size", decimal: record.size.raw, decimals: Quantity.decimals)
            }
            json.member("requester", record.requester)
            json.member("note", record.note)
            json.member("bars", each: foundBars, Self.write)
            if case .failed(let why) = bars { json.member("bars_problem", why) }
            json.member("state", outcome.state.rawValue)
            if let sequence = outcome.sequence { json.member("sequence", sequence) }
            json.member("versions", each: versions, Self.write)
            json.array("refused") { json in outcome.writeRefusals(into: &json) }
        }.text
    }

    private var foundBars: [TradeBar] {
        if case .found(let bars) = bars { bars } else { [] }
    }

    private static func write(_ bar: TradeBar, into json: inout JSONWriter) {
        json.member("series", bar.series)
        json.member("source", bar.source)
        json.member("from", bar.from)
        json.member("to", bar.to)
        json.member("version", bar.version)
        json.member("trades", bar.trades)
    }

    private static func write(_ version: RepairWatch.Version, into json: inout JSONWriter) {
        json.member("series", version.series.text)
        json.member("source", version.source.text)
        json.member("from", "\(version.openTime)")
        json.member("from_ns", version.openTime.nanoseconds)
        json.member("revision", version.revision)
        json.member("trades", version.trades)
        json.member("withdrawn", version.isWithdrawn)
    }
}
