import MarketModel
import Primitives
import StreamCore
import Testing

@testable import TapelineTool

/// Fetched ticks come among the others by their event times, as a repair judges them.
@Suite("Places of fetched ticks in proofs") struct ProofPlacesTests {
    private func tick(
        _ ordinal: UInt64, at time: Int64, received: Int64? = nil, isFetched: Bool = false,
        isSnapshot: Bool = false, of source: String = "ibkr"
    ) throws -> ProofTick {
        let name = try #require(SourceName(source))
        var tick = ProofTick(
            symbol: SourceSymbol(try #require(Symbol("AAPL")), of: name), provider: "test",
            source: name, ordinal: ordinal)
        tick.quote = Quote(
            header: TickHeader(
                symbol: 0, flags: isFetched ? .backfilled : isSnapshot ? .snapshot : [],
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
            try tick(8, at: 40),
            // A snapshot, which nodes do not judge, moves no clock.
            try tick(9, at: 60, isSnapshot: true),
            // The gateway held the second back, and had fetched the first before it sent it.
            try tick(10, at: 45, received: 46, isFetched: true),
            try tick(11, at: 41, received: 42), try tick(12, at: 43),
            try tick(13, at: 95, received: 99, isFetched: true),
        ]
    }

    private static let order: [UInt64] = [1, 6, 7, 2, 3, 5, 4, 8, 9, 10, 11, 12, 13]

    @Test("all together, and as the ticks of the tape come by, they get the same places")
    func places() throws {
        let tape = try tape()
        #expect(ProofPlaces.placed(tape) { $0 }.map(\.ordinal) == Self.order)
        var places = ProofPlaces(tape.filter(\.isFetched))
        var found: [UInt64] = []
        for tick in tape {
            found += places.due(tick).map(\.ordinal)
            if !tick.isFetched { found.append(tick.ordinal) }
        }
        found += places.rest().map(\.ordinal)
        #expect(found == Self.order)
    }

    @Test("of one event time, what is first on the tape comes first, whatever its kind")
    func ties() throws {
        let quote = try tick(5, at: 20, received: 90, isFetched: true)
        var trade = try tick(6, at: 20, received: 89, isFetched: true)
        trade.trade = trade.quote.map {
            Trade(header: $0.header, price: Price(raw: 1), size: Quantity(raw: 1))
        }
        trade.quote = nil
        let other = try tick(7, at: 20, received: 89, isFetched: true, of: "other")
        // Tables are read kind by kind.
        let read = ProofPlaces.inOrder([trade, other, quote])
        #expect(read.map(\.ordinal) == [7, 5, 6])
    }

    @Test("each source has a clock of its own")
    func owners() throws {
        let fetched = try tick(1, at: 20, received: 90, isFetched: true, of: "other")
        var places = ProofPlaces([fetched])
        let due = try [
            tick(2, at: 50), tick(3, at: 20, of: "other"), tick(4, at: 21, of: "other"),
        ].map { places.due($0).map(\.ordinal) }
        #expect(due == [[], [], [1]])
        let rest = places.rest()
        #expect(rest.isEmpty)
    }
}
