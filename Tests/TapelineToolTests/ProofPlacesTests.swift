import MarketModel
import Primitives
import StreamCore
import Testing

@testable import TapelineTool

/// Fetched ticks come among the others by their event times, as a repair judges them.
@Suite("Places of fetched ticks in proofs") struct ProofPlacesTests {
    private func tick(
        _ ordinal: UInt64, at time: Int64, received: Int64? = nil, isFetched: Bool = false,
        of source: String = "ibkr"
    ) throws -> ProofTick {
        let name = try #require(SourceName(source))
        var tick = ProofTick(
            symbol: SourceSymbol(try #require(Symbol("AAPL")), of: name), provider: "test",
            source: name, ordinal: ordinal)
        tick.quote = Quote(
            header: TickHeader(
                symbol: 0, flags: isFetched ? .backfilled : [],
                providerTime: Timestamp(nanoseconds: time),
                receiveTime: Timestamp(nanoseconds: received ?? time)),
            bidPrice: Price(raw: 1), bidSize: Quantity(raw: 1), askPrice: Price(raw: 2),
            askSize: Quantity(raw: 1))
        return tick
    }

    private func tape() throws -> [ProofTick] {
        [
            try tick(1, at: 10), try tick(2, at: 5, received: 20),
            // The clock does not go back, so what was fetched for 15 stands before the second.
            try tick(3, at: 12, received: 18), try tick(4, at: 30),
            try tick(5, at: 20, received: 90, isFetched: true),
            try tick(6, at: 15, received: 91, isFetched: true),
            try tick(7, at: 15, received: 92, isFetched: true),
            try tick(8, at: 40), try tick(9, at: 95, received: 99, isFetched: true),
        ]
    }

    private static let order: [UInt64] = [1, 6, 7, 2, 3, 5, 4, 8, 9]

    @Test("all together, and as the ticks of the tape come by, they get the same places")
    func places() throws {
        let tape = try tape()
        #expect(ProofPlaces.placed(tape) { $0 }.map(\.ordinal) == Self.order)
        var places = ProofPlaces(tape.filter(\.isFetched))
        var found: [UInt64] = []
        for tick in tape where !tick.isFetched {
            found += places.before(tick).map(\.ordinal)
            found.append(tick.ordinal)
        }
        found += places.rest().map(\.ordinal)
        #expect(found == Self.order)
    }

    @Test("each source has a clock of its own")
    func owners() throws {
        let fetched = try tick(1, at: 20, received: 90, isFetched: true, of: "other")
        var places = ProofPlaces([fetched])
        #expect(places.before(try tick(2, at: 50)).isEmpty)
        #expect(places.before(try tick(3, at: 20, of: "other")).isEmpty)
        #expect(places.before(try tick(4, at: 21, of: "other")).map(\.ordinal) == [1])
        #expect(places.rest().isEmpty)
    }
}
