import ClickHouseWire
import MarketModel
import Primitives
import StoreIntents
import StoreSinks
import Testing

@testable import StoreWriter

@Suite("What is kept of a store without transactions, and how its rows are counted")
struct KeptIntentTests {
    private static let owner = MarkOwner(namespace: "md", name: "store")
    private let source: SourceName

    init() throws { source = try #require(SourceName("a")) }

    private func position() -> SinkPosition {
        var position = SinkPosition(input: .ticks, partition: Partition(1), ownerEpoch: 4)
        position.sources = [
            SinkPosition.SourceAccount(
                source: source, firstOrdinal: 11, lastOrdinal: 20, written: 8, skipped: 2,
                tapeOrdinal: 20)
        ]
        return position
    }

    @Test("what is owed is read as it was written, and damage is refused")
    func owed() throws {
        let position = SinkPosition(input: .ticks, partition: Partition(1), ownerEpoch: 4)
        let gaps = [3...9, 12...12].map {
            SinkGap(source: source, ordinals: $0, reason: .tapeLost, epoch: 2)
        }
        let record = IntentRecord(epoch: 4, instance: 7)
        let json = KeptIntent(record, position, database: "x", owed: gaps).json(of: Self.owner)
        let read = try KeptIntent(json: json, of: position.place, store: Self.owner)
        #expect(read.owed == gaps && read.database == "x" && read.record == record)
        let damaged = String(decoding: json, as: UTF8.self)
            .replacing("\"lengths\":[7", with: "\"lengths\":[0")
        #expect(damaged.contains("[0,2,1]"))
        #expect(throws: VersionedJSON.Refusal.self) {
            try KeptIntent(json: Array(damaged.utf8), of: position.place, store: Self.owner)
        }
    }

    @Test("of several batches of which every other row is there, NATS takes what is owed")
    func owedMost() throws {
        let position = SinkPosition(input: .ticks, partition: Partition(1), ownerEpoch: 4)
        let start: UInt64 = 1 << 60
        // A batch has at most 20,000 rows.
        var gaps = (0..<UInt64(100_000)).map { number in
            let ordinal = start + 2 * number
            return SinkGap(
                source: source, ordinals: ordinal...ordinal, reason: .tapeLost, epoch: 2)
        }
        let record = IntentRecord(epoch: 4, instance: 7)
        func json() -> [UInt8] {
            KeptIntent(record, position, database: "x", owed: gaps).json(of: Self.owner)
        }
        #expect(json().count < KeptIntent.bytesMax)
        // Each gap is looked for among as many that are named.
        let named = gaps.map { $0.ordinals }
        #expect(gaps.without([source: named.reversed()]).isEmpty)
        #expect(gaps.without([source: named.map { $0.lowerBound + 1...$0.upperBound + 1 }]) == gaps)

        let other = try #require(SourceName("b"))
        gaps = [(source, 9, 2), (source, 3, 2), (source, 5, 3), (other, 7, 3)].map {
            SinkGap(source: $0, ordinals: $1...$1, reason: .tapeLost, epoch: $2)
        }
        let read = try KeptIntent(json: json(), of: position.place, store: Self.owner)
        #expect(read.owed == gaps)
        #expect(gaps.without([other: [1...9]]) == Array(gaps[..<3]))
    }

    @Test("a record that NATS does not take is told, and what to do")
    func tooMuchOwed() throws {
        let tape = try BlockTape(packets: 3, ticks: 4)
        let world = try BlockWorld(kind: "questdb", tape, isPurging: false)
        #expect(world.live(world.session(), 1))
        // Ranges far apart take more bytes each.
        let gaps = (1...UInt64(50_000)).map { number in
            let ordinal = number * 10_000_000_000
            return SinkGap(
                source: source, ordinals: ordinal...ordinal, reason: .tapeLost, epoch: 2)
        }
        world.owe(gaps)
        #expect(!world.live(world.session(), .max))
        let said = world.failures.last ?? ""
        #expect(said.contains("NATS takes 524288: ") && said.contains("STORE_NAME"), "\(said)")
    }

    @Test("the audit counts what was copied from another store, before the first ordinal, too")
    func copied() {
        let accounts = position().sources
        let found = [source: StoreAudit.Rows(rows: 18, ordinals: 18, first: 1, last: 20)]
        func problems(copied rows: UInt64?) -> [String] {
            let filled = rows.map { [source: StoreAudit.Filled(rows: $0, first: 1)] }
            return StoreAudit.problems(accounts, found, filled: filled ?? [:])
        }
        #expect(problems(copied: 10).isEmpty)
        #expect(problems(copied: nil).count == 2)
        #expect(problems(copied: 11) == ["a has 18 ordinals, written are 8 and copied 11"])
    }

    @Test("a server that is older than 26.2, or does not say its version, is no store")
    func versions() {
        #expect(["26.2.1.1", "26.10.1.1", "27.1"].allSatisfy { !ClickHouseClient.isTooOld($0) })
        #expect(["26.1.9.9", "25.12.1.1", "", "x"].allSatisfy { ClickHouseClient.isTooOld($0) })
    }

    @Test("ordinals are asked for by the source that has them: bars have those of the operator")
    func questions() throws {
        let tables = ClickHouseSettings.tables(SinkCatalogue([.trades, .bars]))
        let ticks = RowPlace(isDerived: false, partition: 3)
        let asked = try #require(
            ticks.ordinals([RowPlace.Ordinals(source: "a'b", range: 1...5)], in: tables))
        #expect(
            asked.contains(
                "FROM trades AS t WHERE partition = 3 AND t.source NOT IN ('operator', 'universe') "
                    + "AND t.source = 'a\\'b' AND ordinal BETWEEN 1 AND 5"))
        #expect(!asked.contains("bar_versions"))
        let bars = RowPlace(isDerived: true, partition: 3)
        let derived = try #require(
            bars.ordinals([RowPlace.Ordinals(source: "operator", range: 1...5)], in: tables))
        #expect(
            derived.contains(
                "SELECT 'operator' AS source, ordinal FROM bar_versions AS t WHERE partition = 3 "
                    + "AND ordinal BETWEEN 1 AND 5"))
        #expect(bars.ordinals([], in: tables) == nil)
        for table in ClickHouseTable.books { #expect(ticks.rows(in: table) == nil) }
    }
}
