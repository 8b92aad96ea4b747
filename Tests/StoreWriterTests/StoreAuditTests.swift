import MarketModel
import Testing

@testable import StoreWriter

@Suite("store-writer audit: what it compares, and what it must not pass")
struct StoreAuditTests {
    private let ticks = SinkPlace(input: .ticks, partition: Partition(0))
    private let bars = SinkPlace(input: .bars, partition: Partition(1))

    private func account(_ written: UInt64) throws -> SinkPosition.SourceAccount {
        SinkPosition.SourceAccount(
            source: try #require(SourceName("test")), firstOrdinal: 1, lastOrdinal: written,
            written: written, skipped: 0, tapeOrdinal: written)
    }

    private func found(_ rows: UInt64) throws -> [SourceName: StoreAudit.Rows] {
        [
            try #require(SourceName("test")): StoreAudit.Rows(
                rows: rows, ordinals: rows, first: 1, last: rows)
        ]
    }

    @Test("rows that their position counts are right, and a place without both is")
    func equal() throws {
        var audit = StoreAudit()
        audit.compare(ticks, [try account(7)], try found(7))
        audit.compareWithoutPosition(bars, [:])
        #expect(audit.problems.isEmpty)
    }

    @Test("rows in a place without a position are a difference")
    func rowsWithoutPosition() throws {
        var audit = StoreAudit()
        audit.compare(ticks, [try account(7)], try found(7))
        audit.compareWithoutPosition(bars, try found(3))
        #expect(
            audit.problems == ["bars of partition 1: test has 3 rows, and there is no position"])
    }

    @Test("without any position nothing was compared, and one line says so")
    func nothingCompared() throws {
        var audit = StoreAudit()
        audit.compareWithoutPosition(ticks, [:])
        #expect(audit.problems.count == 1)
        #expect(audit.problems.first?.contains("nothing was compared") == true)
        // That holds however many rows there are.
        audit.compareWithoutPosition(ticks, try found(7))
        audit.compareWithoutPosition(bars, try found(2))
        #expect(audit.problems.count == 1)
        #expect(audit.problems.first?.contains(" and 9 rows: ") == true)
    }

    @Test("a position without rows is compared: what it counts is missing")
    func rowsGone() throws {
        var audit = StoreAudit()
        audit.compare(ticks, [try account(7)], [:])
        #expect(
            audit.problems == ["ticks of partition 0: test has 0 ordinals, written are 7"])
    }
}
