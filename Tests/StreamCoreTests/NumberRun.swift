import MarketModel
import Primitives

@testable import StreamCore

/// Any machine of bars, fed with a tape of names as a shell would do it.
struct MakerRun<Machine: BarMaker> {
    var machine: Alone<Machine>
    private(set) var closed: [Bar] = []
    private(set) var closedPerEvent: [Int] = []
    var late: [LateTick] = []
    var takesLate = true

    init(_ machine: Machine) { self.init(Alone(machine)) }

    init(_ machine: Alone<Machine>) { self.machine = machine }

    mutating func feed(_ tape: some Sequence<NaiveEvent>) {
        for event in tape { feed(event) }
    }

    mutating func feed(_ event: NaiveEvent) {
        let before = closed.count
        switch event {
        case .source(let name): _ = index(of: name)
        case .definition(let subscription, let source):
            _ = machine.symbol(subscription, source: index(of: source))
        case .trade(var trade, let symbol, let source, let ordinal):
            trade.header.symbol = machine.symbols.indexes(of: symbol).first ?? BarMachine.noSymbol
            machine.trade(trade, source: index(of: source), ordinal: ordinal)
        case .quote(var quote, let symbol, let source, let ordinal):
            quote.header.symbol = machine.symbols.indexes(of: symbol).first ?? BarMachine.noSymbol
            machine.quote(quote, source: index(of: source), ordinal: ordinal)
        case .excluded(var header, let symbol, let source):
            header.symbol = machine.symbols.indexes(of: symbol).first ?? BarMachine.noSymbol
            machine.exclude(header, source: index(of: source))
        case .watermark(let source, let time):
            machine.advance(source: index(of: source), watermark: time, into: &closed)
        }
        closedPerEvent.append(closed.count - before)
        if takesLate { machine.takeLateTicks(into: &late) }
    }

    mutating func append(_ bars: [Bar]) { closed += bars }

    private mutating func index(of source: SourceName) -> Int {
        machine.source(source) ?? BarMachine.noSource
    }

    var named: [NumberedBar] { closed.map { named($0) } }

    func named(_ bar: Bar) -> NumberedBar {
        NumberedBar(
            symbol: machine.symbols.pair(at: bar.symbol).symbol.text,
            series: machine.rule.series.all[Int(bar.series)].name.text, number: bar.number,
            flags: bar.flags, openTime: bar.openTime.nanoseconds,
            closeTime: bar.closeTime.nanoseconds,
            prices: [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(\.raw),
            trades: bar.trades, excluded: bar.excluded, volume: bar.volume,
            notional: bar.notional)
    }

    /// The final bars: the last version of each key, without withdrawn ones.
    var last: [NumberedBar] {
        var order: [Bar] = []
        var places: [NumberedBar.Key: Int] = [:]
        for bar in closed {
            if let place = places[named(bar).key] {
                order[place] = bar
            } else {
                places[named(bar).key] = order.count
                order.append(bar)
            }
        }
        return order.filter { !$0.flags.contains(.withdrawn) }.map { named($0) }
    }
}

struct NumberedBar: Hashable {
    struct Key: Hashable {
        var symbol: String
        var series: String
        var openTime: Int64
        var number: Int64
    }

    var symbol: String
    var series: String
    var number: Int64
    var flags: BarFlags
    var openTime: Int64
    var closeTime: Int64
    var prices: [Int64]
    var trades: UInt64
    var excluded: Bar.Excluded
    var volume: Int128
    var notional: Int128

    var key: Key { Key(symbol: symbol, series: series, openTime: openTime, number: number) }

    func without(_ flags: BarFlags) -> NumberedBar {
        var bar = self
        bar.flags.subtract(flags)
        return bar
    }
}

/// Returns what only one of two lists has, short enough for a test's output.
func difference(_ left: [NumberedBar], _ right: [NumberedBar]) -> String {
    let only = Set(left).symmetricDifference(right).sorted {
        ($0.symbol, $0.series, $0.openTime, $0.number)
            < ($1.symbol, $1.series, $1.openTime, $1.number)
    }
    let shown = only.prefix(3).map { (Set(left).contains($0) ? "left " : "right ") + "\($0)" }
    guard shown.isEmpty else { return "\(only.count) differ: " + shown.joined(separator: "\n") }
    return left.count == right.count ? "" : "\(left.count) and \(right.count), some twice"
}
