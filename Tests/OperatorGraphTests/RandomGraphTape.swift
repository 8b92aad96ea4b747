import MarketModel
import Primitives
import TapeCodec

/// A tape of one source with everything that may happen, from a seed.
enum RandomGraphTape {
    static func make(seed: UInt64, packets: Int = 40) throws -> [SealedPacket] {
        var random = SeededRandom(seed: seed)
        var tape = try GraphTape()
        var now = 0.0
        for _ in 0..<packets {
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                now += Double(Int.random(in: 0...200, using: &random)) / 1_000
                try tick(&tape, now, &random)
            }
            // Some of the following ticks are late.
            tape.seal(watermark: now - 0.3)
        }
        tape.seal(watermark: now + 1_000)
        return tape.packets
    }

    private static func tick(
        _ tape: inout GraphTape, _ now: Double, _ random: inout SeededRandom
    ) throws {
        let symbol = ["A", "B", "C", "D"][Int.random(in: 0..<4, using: &random)]
        let time = max(0, now - Double(Int.random(in: 0...600, using: &random)) / 1_000)
        let price = Double(Int.random(in: 90...110, using: &random))
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<12:
            try tape.trade(
                symbol, at: time, price: price,
                size: Double(Int.random(in: 1...300, using: &random)),
                id: UInt64.random(in: 0...400, using: &random))
        case 12..<17: try tape.quote(symbol, at: time, bid: price, ask: price + 1)
        case 17: try tape.trade(symbol, at: time, price: price, id: 3, flags: .snapshot)
        case 18: try tape.trade(symbol, at: time, price: price, id: 9, flags: .backfilled)
        default: try tape.trade(symbol, at: time, price: price, id: 7, action: .cancel)
        }
    }
}
