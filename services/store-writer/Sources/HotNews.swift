import MarketModel
import Primitives
import StoreSinks
import TapeCodec

/// Where on the tape a value stands: an older one never replaces a newer one.
struct HotOrder: Hashable, Sendable {
    let streamCreated: Timestamp
    let sequence: UInt64

    /// Compared as text by the server: numbers of Lua hold 53 bits only.
    var text: String { padded(UInt64(clamping: streamCreated.nanoseconds)) + padded(sequence) }

    private func padded(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }
}

/// The latest of each symbol since the last write. Bounded by the number of symbols.
struct HotNews {
    struct Value<Record> {
        let record: Record
        let source: String
        let order: HotOrder
    }

    struct BarKey: Hashable {
        let symbol: Symbol
        let series: SeriesName
    }

    /// Beyond this the news of symbols that are new in this round are left out: the next round
    /// has them again.
    static let symbolsMax = 65_536

    private(set) var trades: [Symbol: Value<Trade>] = [:]
    private(set) var quotes: [Symbol: Value<Quote>] = [:]
    private(set) var bars: [BarKey: Value<Bar>] = [:]

    var isEmpty: Bool { trades.isEmpty && quotes.isEmpty && bars.isEmpty }

    var count: Int { trades.count + quotes.count + bars.count }

    /// Takes up to `limit` of them out.
    mutating func take(atMost limit: Int) -> HotNews {
        guard count > limit else {
            defer { self = HotNews() }
            return self
        }
        var taken = HotNews()
        while taken.count < limit, let (symbol, quote) = quotes.popFirst() {
            taken.quotes[symbol] = quote
        }
        while taken.count < limit, let (symbol, trade) = trades.popFirst() {
            taken.trades[symbol] = trade
        }
        while taken.count < limit, let (key, bar) = bars.popFirst() { taken.bars[key] = bar }
        return taken
    }

    /// Puts back what could not be written; what came meanwhile is newer and stays.
    mutating func putBack(_ older: HotNews) {
        trades.merge(older.trades) { newer, _ in newer }
        quotes.merge(older.quotes) { newer, _ in newer }
        bars.merge(older.bars) { newer, _ in newer }
    }

    mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        quotes.removeAll(keepingCapacity: true)
        bars.removeAll(keepingCapacity: true)
    }

    mutating func add(_ header: PacketHeader, _ packet: borrowing RawSpan, order: HotOrder) {
        var context = PacketContext(header)
        var found: [(Record, SymbolDefinition, SeriesDefinition?)] = []
        context.walk(packet) { context, record, _ in
            switch record {
            case .trade(let trade):
                if let symbol = context.symbol(trade.header.symbol) {
                    found.append((record, symbol, nil))
                }
            case .quote(let quote):
                if let symbol = context.symbol(quote.header.symbol) {
                    found.append((record, symbol, nil))
                }
            case .bar(let bar):
                if let symbol = context.symbol(bar.symbol) {
                    found.append((record, symbol, context.series(bar.series)))
                }
            case .other, .malformed: return
            }
        }
        for (record, symbol, series) in found {
            keep(record, symbol, series, source: header.source.text, order: order)
        }
    }

    private mutating func keep(
        _ record: Record, _ definition: SymbolDefinition, _ series: SeriesDefinition?,
        source: String, order: HotOrder
    ) {
        let symbol = definition.symbol
        switch record {
        case .trade(let trade):
            guard trade.header.action == TradeAction.new.rawValue else { return }
            guard trades.count < Self.symbolsMax || trades[symbol] != nil else { return }
            trades[symbol] = Value(record: trade, source: source, order: order)
        case .quote(let quote):
            guard quotes.count < Self.symbolsMax || quotes[symbol] != nil else { return }
            quotes[symbol] = Value(record: quote, source: source, order: order)
        case .bar(let bar):
            guard let series else { return }
            let key = BarKey(symbol: symbol, series: series.name)
            guard bars.count < Self.symbolsMax || bars[key] != nil else { return }
            // A revision of an older window does not hide the present one.
            if let present = bars[key], present.record.openTime > bar.openTime { return }
            bars[key] = Value(
                record: bar, source: definition.source?.text ?? source, order: order)
        case .other, .malformed: return
        }
    }
}
