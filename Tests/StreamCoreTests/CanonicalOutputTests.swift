import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("The bytes of output that is no bar")
struct CanonicalOutputTests {
    private let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    private var trade: Trade {
        Trade(
            header: TickHeader(
                symbol: 3, flags: .delayed, action: 1, resolution: 2, providerTime: time,
                receiveTime: time.advanced(byNanoseconds: 5), providerID: 9),
            price: Price(raw: 11), size: Quantity(raw: 12), exchange: ShortText(raw: 13),
            conditions: ShortText(raw: 14))
    }

    private func late() throws -> LateTickRecord {
        LateTickRecord(
            trade, source: try #require(SourceName("ib")), ordinal: 15, series: 4, openTime: time,
            closeTime: time.advanced(byNanoseconds: 7), reason: .windowClosed)
    }

    private func bytes(_ late: LateTickRecord, _ symbol: String = "A") throws -> [UInt8] {
        var bytes: [UInt8] = []
        late.appendCanonicalBytes(
            pair: SourceSymbol(try symbolName(symbol), of: try sourceName("ib")),
            series: try #require(SeriesName("1m")),
            to: &bytes)
        return bytes
    }

    @Test("every field of a late tick counts, and no index does")
    func lateTicks() throws {
        let late = try late()
        let changes: [(inout LateTickRecord) throws -> Void] = [
            { $0.header.flags = [] }, { $0.header.action = 0 }, { $0.header.resolution = 0 },
            { $0.header.providerTime = .undefined }, { $0.header.receiveTime = .undefined },
            { $0.header.providerID = 8 }, { $0.price = .undefined }, { $0.size = .undefined },
            { $0.exchange = .empty }, { $0.conditions = .empty }, { $0.askPrice = Price(raw: 1) },
            { $0.askSize = Quantity(raw: 1) }, { $0.ordinal = 16 },
            { $0.source = try #require(SourceName("other")) }, { $0.openTime = .undefined },
            { $0.closeTime = .undefined }, { $0.reason = 2 }, { $0.kind = 2 },
        ]
        var seen: Set<[UInt8]> = [try bytes(late), try bytes(late, "B")]
        for change in changes {
            var other = late
            try change(&other)
            seen.insert(try bytes(other))
        }
        #expect(seen.count == changes.count + 2)
        var moved = late
        moved.header.symbol = 0
        moved.series = 0
        #expect(try bytes(moved) == bytes(late))
    }

    @Test(
        "bars, late ticks and values of the same symbol and time differ, and chain as output does")
    func kinds() throws {
        let symbol = SourceSymbol(try symbolName("A"), of: try sourceName("ib"))
        let series = try #require(SeriesName("1m"))
        let value = IndicatorValue(
            header: trade.header, name: "n", value: 1, periodStart: time, periodEnd: time)
        var ledger = OutputLedger(published: nil)
        var checksums: Set<UInt64> = []
        let bar = Bar(symbol: 0, series: 0, openTime: time, closeTime: time)
        #expect(ledger.record(bar, of: symbol, series: series) == .new(ordinal: 1))
        checksums.insert(ledger.checksum)
        #expect(ledger.record(try late(), of: symbol, series: series) == .new(ordinal: 2))
        checksums.insert(ledger.checksum)
        #expect(ledger.record(value, of: symbol) == .new(ordinal: 3))
        checksums.insert(ledger.checksum)
        #expect(ledger.record(value, of: nil) == .new(ordinal: 4))
        checksums.insert(ledger.checksum)
        #expect(checksums.count == 4)
        // The repeated output is suppressed up to the end of what is stored, and proven there.
        var again = OutputLedger(published: ledger.computed)
        #expect(again.record(bar, of: symbol, series: series) == .suppressed(ordinal: 1))
        var other = try late()
        other.ordinal += 1
        _ = again.record(other, of: symbol, series: series)
        _ = again.record(value, of: symbol)
        guard case .diverged(ordinal: 4, _, _) = again.record(value, of: nil) else {
            Issue.record("another late tick was not noticed")
            return
        }
    }
}
