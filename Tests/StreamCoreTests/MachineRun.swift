import MarketModel
import Primitives

@testable import StreamCore

/// A machine that is fed a tape of names, as a shell would do it.
struct MachineRun {
    var machine: Alone<BarMachine>
    private(set) var closed: [Bar] = []
    /// The number of bars that each event of the tape closed.
    private(set) var closedPerEvent: [Int] = []
    var late: [LateTick] = []
    /// False leaves the late ticks in the machine.
    var takesLate = true

    init(_ series: BarSeriesSet) { self.init(rule: BarRule(series: series)) }

    init(_ texts: [String]) throws { self.init(try barSeries(texts)) }

    init(rule: BarRule, calendar: SessionCalendar? = nil) {
        machine = Alone<BarMachine>(rule: rule, calendar: calendar)
    }

    mutating func feed(_ tape: [NaiveEvent]) {
        for event in tape { feed(event) }
    }

    mutating func feed(_ event: NaiveEvent) {
        let before = closed.count
        switch event {
        case .source(let name):
            _ = index(of: name)
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

    private mutating func index(of source: SourceName) -> Int {
        machine.source(source) ?? BarMachine.noSource
    }

    /// Appends versions that a repair made.
    mutating func append(_ versions: [Bar]) { closed += versions }

    var named: [NamedBar] { closed.map { named($0) } }

    func named(_ bar: Bar) -> NamedBar {
        NamedBar(
            symbol: machine.symbols.pair(at: bar.symbol).symbol.text,
            series: machine.series.all[Int(bar.series)].name.text, flags: bar.flags,
            reason: bar.reason,
            openTime: bar.openTime.nanoseconds, closeTime: bar.closeTime.nanoseconds,
            prices: [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(\.raw),
            trades: bar.trades, excluded: bar.excluded, volume: bar.volume,
            notional: bar.notional)
    }
}
