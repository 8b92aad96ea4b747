import MarketModel
import Primitives

@testable import StreamCore

/// A tape from a seed: several sources with their own watermarks, symbols of very different
/// activity, late, early, undefined, corrected and backfilled trades, switches of provider and
/// source, negative prices and huge sizes.
struct RandomTape {
    private(set) var events: [NaiveEvent] = []
    private var random: SeededRandom
    private var ordinals: [UInt64]
    private var clocks: [Int64]
    private let sources: [SourceName]
    private let symbols: [Symbol]
    private var feeding: [Int]
    private var providers: [String]
    private var since: [Int64]

    static let second: Int64 = 1_000_000_000

    init(seed: UInt64, packets: Int = 60) {
        random = SeededRandom(seed: seed)
        sources = ["beta", "alpha", "gamma"].prefix(Int.random(in: 1...3, using: &random))
            .compactMap { SourceName($0) }
        symbols = (0..<Int.random(in: 1...8, using: &random)).compactMap { Symbol("SYM\($0)") }
        ordinals = sources.map { _ in 1 }
        // Around 1970, so that times below zero occur, or around today.
        let origin = Bool.random(using: &random) ? -40 * Self.second : 1_700_000_000 * Self.second
        clocks = sources.map { _ in origin }
        feeding = []
        providers = symbols.map { _ in "one" }
        since = symbols.map { _ in origin }
        for _ in symbols { feeding.append(Int.random(in: sources.indices, using: &random)) }
        for index in symbols.indices {
            since[index] += Int64.random(in: -2...3, using: &random) * Self.second / 2
        }
        for source in sources { events.append(.source(source)) }
        for _ in 0..<packets { appendPacket() }
        for (index, source) in sources.enumerated() where Bool.random(using: &random) {
            let end = clocks[index] + 200 * Self.second
            events.append(.watermark(source, Timestamp(nanoseconds: end)))
        }
    }

    private mutating func appendPacket() {
        let source = Int.random(in: sources.indices, using: &random)
        if Int.random(in: 0..<20, using: &random) == 0 { change() }
        var defined: Set<Int> = []
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            // The square makes the first symbols busy and the last ones sparse.
            let place = Int.random(in: 0..<100, using: &random)
            let symbol = place * place * symbols.count / 10_000
            guard feeding[symbol] == source else { continue }
            if defined.insert(symbol).inserted { define(symbol) }
            let trade = trade(at: clocks[source])
            events.append(
                .trade(
                    trade, symbol: symbols[symbol], source: sources[source],
                    ordinal: ordinals[source]))
            ordinals[source] += 1
        }
        clocks[source] += Int64.random(in: 0...3, using: &random) * Self.second / 2
        // Now and then a watermark goes back, which must change nothing.
        let back = Int.random(in: 0..<10, using: &random) == 0 ? 3 * Self.second : 0
        events.append(
            .watermark(sources[source], Timestamp(nanoseconds: clocks[source] - back)))
    }

    private mutating func define(_ symbol: Int) {
        events.append(
            .definition(
                Subscription(
                    symbol: symbols[symbol], provider: providers[symbol],
                    since: Timestamp(nanoseconds: since[symbol])),
                source: sources[feeding[symbol]]))
    }

    /// Moves a symbol to another source or another provider.
    private mutating func change() {
        let symbol = Int.random(in: symbols.indices, using: &random)
        if Bool.random(using: &random) {
            feeding[symbol] = Int.random(in: sources.indices, using: &random)
        } else {
            providers[symbol] = providers[symbol] == "one" ? "two" : "one"
            since[symbol] = max(since[symbol], clocks[feeding[symbol]] - Self.second / 2)
        }
        define(symbol)
        // Each packet ends with its source's watermark, and so does one with a definition alone.
        let source = feeding[symbol]
        events.append(
            .watermark(sources[source], Timestamp(nanoseconds: clocks[source])))
    }

    private mutating func trade(at clock: Int64) -> Trade {
        let ahead = Int64.random(in: 0..<3, using: &random) * Self.second / 2
        let late = Int.random(in: 0..<12, using: &random) == 0
        let offset = late ? -Int64.random(in: 1...90, using: &random) * Self.second : ahead
        let kind = Int.random(in: 0..<30, using: &random)
        var header = TickHeader(
            symbol: 0, providerTime: Timestamp(nanoseconds: clock + offset),
            receiveTime: Timestamp(nanoseconds: clock + ahead))
        if kind == 0 { header.action = TradeAction.correction.rawValue }
        if kind == 1 { header.flags.insert(.backfilled) }
        if kind == 2 { header.flags.insert(.snapshot) }
        if kind == 3 { header.providerTime = .undefined }
        var price = Int64.random(in: -50...50, using: &random) * 10_000_000
        var size = Int64.random(in: 0...50, using: &random) * 1_000_000
        if kind == 4 { price = Int64.max }
        if kind == 5 { size = Int64.max }
        if kind == 6 { size = -5 }
        if kind == 7 { price = Int64.random(in: -1 << 40...1 << 40, using: &random) << 20 }
        if kind == 8 { size = Int64.max - 1 - Int64.random(in: 0..<1_000, using: &random) }
        return Trade(header: header, price: Price(raw: price), size: Quantity(raw: size))
    }
}
