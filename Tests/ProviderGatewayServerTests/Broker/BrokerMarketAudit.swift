import IBSimulator
import MarketModel
import Primitives

@testable import ProviderGatewayTests

/// All events of the simulator's market, sent or not, as far as history reports them.
struct BrokerMarket {
    var prints: [HistoryPrint: Int] = [:]
    /// The prints that count for the last price.
    var reported: [HistoryPrint: Int] = [:]
    var quotes: [BrokerQuote: Int] = [:]

    init() {}

    /// `names` has the names of instruments on the tape, by the broker's numbers.
    init(_ market: SimulatedMarket, names: [Int32: String], _ seconds: Range<Int64>) {
        for (index, instrument) in market.instruments.enumerated() {
            guard let name = names[instrument.conID] else { continue }
            for second in seconds {
                for event in market.events(of: index, in: second) {
                    add(event, instrument, name, second)
                }
            }
        }
    }

    private mutating func add(
        _ event: MarketEvent, _ instrument: SimulatedInstrument, _ name: String, _ second: Int64
    ) {
        func price(_ steps: Int64) -> Int64 { BrokerTruth.price(instrument.priceText(steps)) }
        func size(_ units: Int64) -> Int64 { BrokerTruth.size(instrument.sizeText(units)) }
        switch event.kind {
        case .trade(let trade):
            let print = HistoryPrint(
                symbol: name, second: second, price: price(trade.price), size: size(trade.size))
            prints[print, default: 0] += 1
            if !trade.isUnreported { reported[print, default: 0] += 1 }
        case .quote(let quote):
            quotes[
                BrokerQuote(
                    symbol: name, second: second, bid: price(quote.bid), ask: price(quote.ask),
                    bidSize: size(quote.bidSize), askSize: size(quote.askSize)), default: 0] += 1
        case .book: break
        }
    }
}

/// Checks the ticks that were filled in:
///
/// - Each has happened.
/// - Each is in a gap, or in the seconds at the gap's borders in which late ticks were missing.
/// - None is there twice, where live ticks count as well.
/// - A part of a gap that is recorded as filled has all ticks that happened in it.
///
/// History has whole seconds and no numbers, so all is counted per second and content. Values that
/// came without a time (the quotes of level 1, and its trades where there is no `RTVolume`) cannot
/// be compared with history. For such quotes, the seconds that are completely in a filled part have
/// to be complete. For such trades nothing can be checked.
struct BrokerMarketAudit {
    /// `BackfillLimits.borderSeconds`, and the second itself.
    static let border: Int64 = 3

    let feeds: [String: Instrument.Feeds]
    let market: BrokerMarket
    let truth: BrokerTruth
    let tape: BrokerTape
    /// The seconds for which the market is known.
    let seconds: Range<Int64>
    private(set) var problems: [String] = []

    init(
        feeds: [String: Instrument.Feeds], market: BrokerMarket, truth: BrokerTruth,
        tape: BrokerTape, seconds: Range<Int64>
    ) {
        (self.feeds, self.market, self.truth) = (feeds, market, truth)
        (self.tape, self.seconds) = (tape, seconds)
    }

    /// Compares the tape with the market, and notes the problems.
    mutating func run() {
        for (print, count) in tape.prints where seconds.contains(print.second) {
            let sent = truth.prints[print].map { max($0.tickByTick, $0.level1) } ?? 0
            judgeFilled(
                "\(print)", (count.live - (tape.states[print] ?? 0), count.fetched),
                happened: happened(print), sent: sent,
                gaps: gaps(near: print.second, print.symbol, .trade))
        }
        for (quote, count) in tape.quotes where seconds.contains(quote.second) {
            judgeFilled(
                "\(quote)", count, happened: market.quotes[quote] ?? 0,
                sent: truth.quotes[quote] ?? 0,
                gaps: gaps(near: quote.second, quote.symbol, .quote))
        }
        checkFilled()
        checkBars()
    }

    /// Notes what is wrong with a value that was filled in: it never happened, or too seldom.
    private mutating func judgeFilled(
        _ what: String, _ count: (live: Int, fetched: Int), happened: Int, sent: Int,
        gaps: [BrokerTape.Gap]
    ) {
        guard count.fetched > 0 else { return }
        if happened == 0 { problems.append("filled in and never happened: \(what)") }
        if gaps.isEmpty { problems.append("filled in outside of all gaps: \(what)") }
        let total = count.live + count.fetched
        if total > max(happened, sent) {
            problems.append(
                "\(count.live) times live and \(count.fetched) times filled in, not "
                    + "\(max(happened, sent)): \(what), beside \(gaps)")
        }
    }

    private func happened(_ print: HistoryPrint) -> Int {
        let feeds = feeds[print.symbol] ?? []
        let isReportedAlone = feeds.contains(.trades) && !feeds.contains(.allTrades)
        return (isReportedAlone ? market.reported[print] : market.prints[print]) ?? 0
    }

    private func gaps(near second: Int64, _ symbol: String, _ kind: DataKind) -> [BrokerTape.Gap] {
        tape.gaps.filter { gap in
            guard gap.symbol == symbol, gap.kind == kind.rawValue else { return false }
            let from = gap.range.lowerBound / 1_000_000_000 - Self.border
            return (from...gap.range.upperBound / 1_000_000_000 + Self.border).contains(second)
        }
    }

    // MARK: filled parts

    private mutating func checkFilled() {
        let untimed = Set(
            tape.live.filter { lane, values in
                lane.kind == .printed && values.contains { $0.event == nil && !$0.isState }
            }.map(\.key.symbol))
        for print in market.prints.keys
        where !untimed.contains(print.symbol) && isFilled(print.symbol, .trade, print.second) {
            let count = tape.prints[print] ?? (0, 0)
            let wanted = happened(print)
            let states = tape.states[print] ?? 0
            if count.live - states + count.fetched < wanted {
                problems.append("filled, and \(count), not \(wanted): \(print)")
            }
        }
        for (quote, wanted) in market.quotes where isFilled(quote.symbol, .quote, quote.second) {
            let count = tape.quotes[quote] ?? (0, 0)
            if count.live + count.fetched < wanted {
                problems.append("filled, and \(count), not \(wanted): \(quote)")
            }
        }
    }

    private func isFilled(_ symbol: String, _ kind: DataKind, _ second: Int64) -> Bool {
        let whole = BrokerValue.event(second: second)
        return tape.gaps.contains { gap in
            gap.symbol == symbol && gap.kind == kind.rawValue
                && gap.filled.contains {
                    $0.lowerBound <= whole.lowerBound && whole.upperBound <= $0.upperBound
                }
        }
    }

    // MARK: bars

    private mutating func checkBars() {
        for (lane, fetched) in tape.fetched where lane.kind == .bars {
            let live = Set((tape.live[lane] ?? []).compactMap { $0.event?.lowerBound })
            var seen: Set<Range<Int64>> = []
            for bar in fetched {
                guard let event = bar.event else { continue }
                let isOwn = event.upperBound - event.lowerBound == 5_000_000_000
                let second = event.upperBound / 1_000_000_000
                if isOwn, live.contains(event.lowerBound) {
                    let gaps = gaps(near: second, lane.symbol, .providerBar)
                    problems.append("\(lane): live and filled in: \(bar.content), beside \(gaps)")
                }
                if !seen.insert(event).inserted {
                    problems.append("\(lane): filled in twice: \(bar.content)")
                }
                if truth.pastBars[lane.symbol]?.contains(bar.content) != true {
                    problems.append("\(lane): filled in and in no answer: \(bar.content)")
                }
                let kinds: [DataKind] = isOwn ? [.providerBar] : [.trade, .quote]
                if !kinds.contains(where: { !gaps(near: second, lane.symbol, $0).isEmpty }) {
                    problems.append("\(lane): filled in outside of all gaps: \(bar.content)")
                }
            }
        }
    }
}
