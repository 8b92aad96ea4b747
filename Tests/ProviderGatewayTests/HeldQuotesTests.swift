import MarketModel
import Primitives
import Seeds
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("Quotes that wait while quotes are conflated")
struct HeldQuotesTests {
    private let second: Int64 = 1_000_000_000

    private func quote(_ time: Int64) -> Quote {
        Quote(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: time),
                receiveTime: Timestamp(nanoseconds: time), providerID: UInt64(time)),
            bidPrice: .undefined, bidSize: .undefined, askPrice: .undefined, askSize: .undefined)
    }

    @Test("a later quote takes the place of the one that waits, and not its turn")
    func displaced() {
        var held = HeldQuotes(laneOf: [0, 0, 1], laneCount: 2)
        var before = held.hold(quote(10), symbol: 1, now: .at(0))
        #expect(before == nil && held.count == 1)
        before = held.hold(quote(20), symbol: 1, now: .at(second / 2))
        #expect(before == quote(10) && held.count == 1)
        #expect(held.due(now: .at(second - 1)).isEmpty)
        #expect(held.due(now: .at(second)) == [1])
        #expect(held.quote(1) == quote(20) && held.quote(0) == nil && held.quote(9) == nil)
        #expect(held.remove(1) == quote(20))
        #expect(held.isEmpty && held.remove(1) == nil && held.due(now: .at(9 * second)).isEmpty)
    }

    @Test("one that went meanwhile and another one that came wait anew")
    func again() {
        var held = HeldQuotes(laneOf: [0, 0], laneCount: 1)
        _ = held.hold(quote(1), symbol: 0, now: .at(0))
        _ = held.hold(quote(2), symbol: 1, now: .at(5))
        _ = held.remove(0)
        _ = held.hold(quote(3), symbol: 0, now: .at(10))
        #expect(held.due(now: .at(second)) == [])
        #expect(held.due(now: .at(second + 5)) == [1])
        #expect(held.due(now: .at(second + 10)) == [1, 0])
        #expect(held.symbols == [1, 0])
    }

    @Test("no watermark of a lane passes what waits in it, until it is gone")
    func holds() {
        var held = HeldQuotes(laneOf: [0], laneCount: 2)
        held.addSymbol(lane: 1)
        #expect(!held.watermarkMax(lane: 0).isDefined && !held.watermarkMax(lane: 1).isDefined)
        _ = held.hold(quote(70), symbol: 0, now: .at(0))
        _ = held.hold(quote(50), symbol: 1, now: .at(0))
        _ = held.hold(quote(80), symbol: 0, now: .at(0))
        #expect(held.watermarkMax(lane: 0) == Timestamp(nanoseconds: 70))
        held.settle()
        #expect(held.watermarkMax(lane: 0) == Timestamp(nanoseconds: 80))
        _ = held.remove(0)
        #expect(
            held.watermarkMax(lane: 0) == Timestamp(nanoseconds: 80), "not before it is settled")
        held.settle()
        #expect(!held.watermarkMax(lane: 0).isDefined)
        #expect(held.watermarkMax(lane: 1) == Timestamp(nanoseconds: 50))
        _ = held.remove(1)
        held.settle()
        #expect(held.isEmpty && !held.watermarkMax(lane: 1).isDefined)
    }

    @Test(
        "each quote gives way to a later one or gets through, the last one always",
        arguments: Seeds(fixed: 0...59).all())
    func property(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let symbols = 6
        var held = HeldQuotes(laneOf: (0..<symbols).map { $0 % 2 }, laneCount: 2)
        var last = [Int64](repeating: 0, count: symbols)
        var through = [Int64](repeating: 0, count: symbols)
        var now = MonotonicTime(nanoseconds: 0)
        for step in Int64(1)...500 {
            now += Int64(random.next() % UInt64(second / 4))
            let symbol = Int(random.next() % UInt64(symbols))
            if step < 480, random.next() % 3 > 0 {
                let left = held.hold(quote(step), symbol: symbol, now: now)
                if let left { #expect(left.header.eventTime.nanoseconds == last[symbol]) }
                last[symbol] = step
            }
            for due in held.due(now: now) {
                guard let quote = held.remove(due) else {
                    Issue.record("TAPELINE_SEED=\(seed): \(due) is due and does not wait")
                    continue
                }
                #expect(quote.header.eventTime.nanoseconds > through[due], "TAPELINE_SEED=\(seed)")
                through[due] = quote.header.eventTime.nanoseconds
            }
            if step.isMultiple(of: 7) { held.settle() }
            for symbol in 0..<symbols {
                guard let waiting = held.quote(symbol) else { continue }
                #expect(
                    held.watermarkMax(lane: symbol % 2) <= waiting.header.eventTime,
                    "TAPELINE_SEED=\(seed)")
            }
        }
        #expect(through == last && held.isEmpty, "TAPELINE_SEED=\(seed)")
    }
}
