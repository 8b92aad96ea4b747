internal import MarketModel
package import OperatorGraph
internal import Primitives
internal import StreamCore

/// Checks the promise by adding up two tapes, that of the ticks and that of the bars. The promise
/// is: for each tumbling series made of its kind, every tick is counted in exactly one window of
/// the last versions, or excluded by a rule, or listed.
///
/// A tick in a window that a repair computed again is counted, whether it was listed before or not.
package struct TapeEquation: Sendable {
    /// The violations as sentences; empty when the equation is true.
    package private(set) var problems: [String] = []
    /// The windows that were checked, and the ones among them that a repair touched.
    package private(set) var windows = 0
    package private(set) var repaired = 0
    /// Ticks that are listed as late.
    package private(set) var listed = 0

    private let ledger: TickLedger
    private let mayRepeat: Bool

    /// `mayRepeat` allows some ticks to be listed twice, because a new line of output was begun.
    package init(
        of output: PublishedOutput, made definition: GraphDefinition,
        from packets: [SimulatedPacket],
        mayRepeat: Bool = false
    ) {
        ledger = TickLedger(packets, definition.groups)
        self.mayRepeat = mayRepeat
        if output.unreadable > 0 { problems.append("\(output.unreadable) records are unreadable") }
        for node in definition.nodes {
            guard case .bars(let rule, _) = node.operation else { continue }
            let way = StageWay(to: node.input, in: definition.nodes)
            for series in rule.series.all {
                guard case .tumbling(let width) = series.window else { continue }
                check(TumblingSeries(series, rule, way, width: width), output)
            }
        }
    }

    private mutating func check(_ series: TumblingSeries, _ output: PublishedOutput) {
        let listed = output.late[series.name] ?? []
        let ids = Set(listed.map(\.id))
        self.listed += ids.count
        if ids.count != listed.count, !mayRepeat {
            problems.append("\(series.name) lists a tick twice")
        }
        let duplicates = series.way.deduplicating.flatMap { output.late[$0] ?? [] }.map(\.id)
        let elsewhere = ids.union(duplicates)
        var places = ledger.windows(of: series)
        for one in listed {
            let key = TickLedger.Window(symbol: one.symbol, start: one.openTime.nanoseconds)
            if places[key]?.contains(where: { $0.tick.id == one.id }) != true {
                problems.append("\(series.name) lists \(one.id), which is not in \(key)")
            }
        }
        for key in output.bars.keys where key.series == series.name {
            let window = TickLedger.Window(symbol: key.symbol, start: key.openTime.nanoseconds)
            places[window, default: []] += []
        }
        for (window, entries) in places {
            windows += 1
            let end = ledger.lastRepair(of: window, in: series)
            if end >= 0 { repaired += 1 }
            var account = WindowAccount(series, window, ledger)
            for entry in entries {
                if entry.place <= end {
                    account.countRepaired(entry)
                } else if !elsewhere.contains(entry.tick.id) {
                    account.countLive(entry)
                }
            }
            let key = BarKey(
                symbol: window.symbol, series: series.name,
                openTime: Timestamp(nanoseconds: window.start), number: 0)
            if let problem = account.problem(with: output.bars[key]) {
                problems.append("\(key): \(problem)")
            }
        }
    }
}

/// The numbers that a bar must have for the ticks of its window.
private struct WindowAccount {
    private let series: TumblingSeries
    private let end: Int64
    private let ledger: TickLedger
    /// The greatest and least number of ticks that a bar of this window may count or exclude.
    private var most = 0
    private var least = 0
    /// Ticks with a price.
    private var priced = 0
    private var ids: Set<UInt64> = []

    init(_ series: TumblingSeries, _ window: TickLedger.Window, _ ledger: TickLedger) {
        self.series = series
        self.ledger = ledger
        end = window.start + series.width
    }

    /// Counts a tick that was on the tape when the window was computed again.
    mutating func countRepaired(_ entry: TickLedger.Entry) {
        most += 1
        // A duplicate is not listed a second time in a repair. A tick without an id is no
        // duplicate.
        let id = entry.tick.header.providerID
        let isFirst = id == 0 || ids.insert(id).inserted
        if isFirst || series.way.deduplicating.isEmpty { least += 1 }
        let part = OracleShare.part(of: entry.mended, series.rule, isRepair: true)
        if mayHavePrice(part, entry), !entry.isCancelled { priced += 1 }
    }

    /// Whether the tick has a price. Which changes of books have one, only their rows say.
    private func mayHavePrice(_ part: OracleShare.Part?, _ entry: TickLedger.Entry) -> Bool {
        if case .share = part { return true }
        return entry.tick.book != nil
    }

    mutating func countLive(_ entry: TickLedger.Entry) {
        guard let part = OracleShare.part(of: entry.tick, series.rule, isRepair: false) else {
            return
        }
        most += 1
        if mayHavePrice(part, entry) { priced += 1 }
        // An excluded tick changes nothing in a window that is over, and is not listed.
        let isOver = end + series.lateness <= ledger.watermark(before: entry.place)
        let hasEffect = OracleEntry(tick: entry.tick, part: part).hasEffect
        if !isOver || hasEffect && !series.way.hasStages { least += 1 }
    }

    /// Returns the violation; `nil` when the bar, or its absence, is right.
    func problem(with bar: Bar?) -> String? {
        guard let bar else {
            // Stages may have kept all of them back.
            return priced > 0 && !series.way.hasStages ? "\(priced) ticks have no bar" : nil
        }
        // An excluded tick makes no version of a withdrawn bar.
        let least = bar.flags.contains(.withdrawn) ? 0 : least
        let counted = Int(bar.trades) + Int(bar.excluded.total)
        if counted < least || counted > most {
            return "\(counted) ticks where \(least) to \(most) are on the tape: \(bar)"
        }
        let isRight =
            series.way.hasStages ? Int(bar.trades) <= priced : Int(bar.trades) == priced
        return isRight ? nil : "\(bar.trades) trades where \(priced) are on the tape: \(bar)"
    }
}
