internal import MarketModel
package import Primitives
internal import TapeCodec

/// The same ticks in different orders of arrival. Every tick comes at most `delay` after its time.
/// The watermark waits for the first part of the delay, and the lateness covers the rest.
package struct ShuffledMarket: Sendable {
    private let ticks: [(source: Int, symbol: Symbol, trade: Trade)]
    private let sources: Int
    private let watermarkDelay: Int64
    private let delay: Int64

    /// Makes two sources with two symbols each. No two ticks of a symbol have the same time,
    /// because their ordinals would then decide their order, and ordinals follow the order of
    /// arrival.
    package init(
        ticks count: Int, watermarkDelay: Int64, lateness: Int64,
        using random: inout SeededRandom
    ) {
        sources = 2
        self.watermarkDelay = watermarkDelay
        delay = watermarkDelay + lateness
        var time = SimulatedInput.start
        ticks = (0..<count).compactMap { index in
            time += Int64.random(in: 1...700_000_000, using: &random)
            let source = Int.random(in: 0..<2, using: &random)
            let header = TickHeader(
                symbol: 0, resolution: TimeResolution.nanosecond.rawValue,
                providerTime: Timestamp(nanoseconds: time), receiveTime: .undefined,
                providerID: UInt64(index + 1))
            let trade = Trade(
                header: header, price: Price(raw: Int64.random(in: 1...90, using: &random) << 28),
                size: Quantity(raw: Int64.random(in: 1...900, using: &random) << 24))
            return Symbol("S\(source)\(Int.random(in: 0..<2, using: &random))").map {
                (source, $0, trade)
            }
        }
    }

    /// Returns the packets of one order of arrival.
    package func packets(using random: inout SeededRandom) -> [SimulatedPacket] {
        var arrivals: [(time: Int64, index: Int)] = []
        for (index, tick) in ticks.enumerated() {
            let time = tick.trade.header.eventTime.nanoseconds
            arrivals.append((time + Int64.random(in: 0..<max(1, delay), using: &random), index))
        }
        arrivals.sort { ($0.time, $0.index) < ($1.time, $1.index) }
        var writing = Writing(sources: sources, delay: watermarkDelay)
        for arrival in arrivals {
            var tick = ticks[arrival.index]
            tick.trade.header.receiveTime = Timestamp(nanoseconds: arrival.time)
            writing.add(tick.trade, tick.symbol, tick.source)
            if Int.random(in: 0..<3, using: &random) == 0 {
                writing.seal(tick.source, at: arrival.time)
            }
        }
        writing.end(at: (arrivals.last?.time ?? SimulatedInput.start))
        return writing.tape.packets
    }

    private struct Writing {
        var tape = TapeWriter()
        private var sources: [SimulatedSource]
        private let delay: Int64

        init(sources count: Int, delay: Int64) {
            self.delay = delay
            sources = (0..<count).compactMap { index in
                let symbols = (0..<2).compactMap { Symbol("S\(index)\($0)") }
                return SourceName("src\(index)").map { SimulatedSource($0, symbols: symbols) }
            }
        }

        mutating func add(_ trade: Trade, _ symbol: Symbol, _ source: Int) {
            sources[source].append(.trade(trade), symbol)
        }

        mutating func seal(_ source: Int, at time: Int64) {
            tape.store(
                sources[source].seal(
                    isIdle: !sources[source].hasTicks, watermark: time - delay, sendTime: time))
        }

        mutating func end(at time: Int64) {
            for source in sources.indices { seal(source, at: time) }
            for source in sources.indices { seal(source, at: time + SimulatedInput.silence) }
        }
    }
}
