import MarketModel
import Primitives

@testable import StreamCore

typealias MachineRun = MakerRun<BarMachine>

/// A machine of bars that is fed a tape of names, as a shell would do it.
struct MakerRun<Machine: BarMaker & LoneMachine> {
    var machine: Alone<Machine>
    private(set) var closed: [Bar] = []
    /// True if the account of the machine balanced after each event.
    private(set) var isBalanced = true
    var late: [LateTick] = []
    /// False leaves the late ticks in the machine.
    var takesLate = true

    init(_ machine: Alone<Machine>) { self.machine = machine }

    init(rule: BarRule, calendar: SessionCalendar? = nil) {
        self.init(Alone(rule: rule, calendar: calendar))
    }

    init(_ series: BarSeriesSet) { self.init(rule: BarRule(series: series)) }

    init(_ texts: [String]) throws { self.init(try barSeries(texts)) }

    mutating func feed(_ tape: some Sequence<NaiveEvent>) {
        for event in tape { feed(event) }
    }

    /// Does what a shell does with an event of a tape, and keeps the closed bars.
    mutating func feed(_ event: NaiveEvent) {
        switch event {
        case .source(let name): _ = index(of: name)
        case .definition(let subscription, let source):
            _ = machine.symbol(subscription, source: index(of: source))
        case .trade(var trade, let symbol, let source, let ordinal):
            trade.header.symbol = index(of: symbol)
            machine.trade(trade, source: index(of: source), ordinal: ordinal)
        case .quote(var quote, let symbol, let source, let ordinal):
            quote.header.symbol = index(of: symbol)
            machine.quote(quote, source: index(of: source), ordinal: ordinal)
        case .excluded(var header, let symbol, let source):
            header.symbol = index(of: symbol)
            machine.exclude(header, source: index(of: source))
        case .watermark(let source, let time):
            machine.advance(source: index(of: source), watermark: time, into: &closed)
        }
        isBalanced = isBalanced && machine.maker.counters.isBalanced
        if takesLate { machine.takeLateTicks(into: &late) }
    }

    private mutating func index(of source: SourceName) -> Int {
        machine.source(source) ?? BarMachine.noSource
    }

    private func index(of symbol: Symbol) -> UInt32 {
        machine.symbols.indexes(of: symbol).first ?? BarMachine.noSymbol
    }

    /// Appends versions that a repair made.
    mutating func append(_ versions: [Bar]) { closed += versions }

    var named: [NamedBar] { closed.map { named($0) } }

    func named(_ bar: Bar) -> NamedBar {
        NamedBar(bar, machine.symbols, machine.maker.rule.series)
    }

    /// The final bars, whatever the reason of their publication: the last version of each key,
    /// without withdrawn ones.
    var last: [NamedBar] { named.lastVersions }
}
