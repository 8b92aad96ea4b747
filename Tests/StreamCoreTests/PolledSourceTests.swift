import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// A source without trades, such as one of polled values, beside one with trades.
@Suite("A source without trades")
struct PolledSourceTests {
    private static let second: Int64 = 1_000_000_000

    /// Returns up to which second bars are complete after 100 s, if the watermark of the source
    /// without trades is what `polled` returns for each second.
    private func complete(_ polled: (Int64) -> Int64) throws -> Int64 {
        var tables = PartitionTables()
        let names = try ["exchange", "fred"].map { try #require(SourceName($0)) }
        let indexes = names.map { tables.source($0) }
        let trades = try #require(indexes[0])
        let values = try #require(indexes[1])
        for number in 1...100 as ClosedRange<Int64> {
            let now = Timestamp(nanoseconds: 1_000_000 * Self.second + number * Self.second)
            for (source, time) in [(trades, number), (values, polled(number))] {
                tables.sent(source, at: now)
                tables.sources.advance(source, to: Timestamp(nanoseconds: time * Self.second))
            }
            tables.complete(silentAfter: 60 * Self.second)
        }
        return tables.completeThrough.nanoseconds / Self.second
    }

    @Test("a watermark of the present holds nothing up; one of the last poll would")
    func watermark() throws {
        #expect(try complete { $0 } == 100)
        #expect(try complete { $0 / 60 * 60 } == 60)
    }
}
