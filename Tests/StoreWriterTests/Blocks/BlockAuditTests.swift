import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreIntents
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The audit of a store without transactions")
struct BlockAuditTests {
    private static let place = SinkPlace(input: .ticks, partition: Partition(1))
    private static let owner = MarkOwner(namespace: "md", name: "store")

    /// One source, of which this many rows are stored, and a record that says so.
    private final class Counted: IntentKeeper, CountedServer {
        let source: SourceName
        var written: UInt64 = 10
        var lost: UInt64 = 0
        /// How many batches of 5 rows a writer still stores, each while rows are counted.
        var batches = 0
        private(set) var counts = 0
        /// How many rows a command has copied, and how many of these it has noted.
        var copied: UInt64 = 0
        var noted: UInt64 = 0
        /// How often it notes what it has copied, each time after rows were counted.
        var notes = 0
        var isFilling = false

        init() throws { source = try #require(SourceName("a")) }

        func read(_ place: SinkPlace) throws(StoreError) -> (value: [UInt8]?, revision: UInt64) {
            var position = SinkPosition(
                input: place.input, partition: place.partition, ownerEpoch: 4)
            position.position = TapePosition(
                streamCreated: Timestamp(nanoseconds: 7), sequence: written,
                packet: PacketIdentity(epoch: 1, firstOrdinal: 1, checksum: 0), sources: [])
            position.sources = [
                SinkPosition.SourceAccount(
                    source: source, firstOrdinal: 1, lastOrdinal: written, written: written,
                    skipped: 0, tapeOrdinal: written)
            ]
            let kept = KeptIntent(IntentRecord(epoch: 4, instance: 7), position, database: "")
            return (kept.json(of: BlockAuditTests.owner), written)
        }

        func write(
            _ place: SinkPlace, _ value: [UInt8], after revision: UInt64
        ) throws(StoreError) -> UInt64? { nil }

        func rows(of place: SinkPlace) -> [SourceName: StoreAudit.Rows] {
            counts += 1
            if batches > 0 {
                batches -= 1
                written += 5
            }
            let rows = written - lost + copied
            if notes > 0 {
                notes -= 1
                noted = copied
            }
            return [source: StoreAudit.Rows(rows: rows, ordinals: rows, first: 1, last: written)]
        }

        func filled(_ place: SinkPlace) -> [SourceName: StoreAudit.Filled] {
            noted > 0 ? [source: StoreAudit.Filled(rows: noted, first: 1)] : [:]
        }
    }

    private func audit(_ store: Counted) throws -> StoreAudit {
        var counts = PlaceCounts(store, store, of: Self.owner) { store.isFilling }
        try counts.add(Self.place)
        return counts.audit
    }

    private func problems(_ store: Counted) throws -> [String] {
        let audit = try audit(store)
        #expect(audit.left.isEmpty)
        return audit.problems
    }

    @Test("rows of a batch that is stored while they are counted are no difference")
    func writing() throws {
        let store = try Counted()
        #expect(try problems(store) == [] && store.counts == 1)
        store.batches = 2
        #expect(try problems(store) == [] && store.counts == 4)
        store.lost = 1
        store.batches = 2
        #expect(
            try problems(store) == ["ticks of partition 1: a has 29 ordinals, written are 30"])
    }

    @Test("a place that is written at each count is not compared, and the audit says so")
    func busy() throws {
        let store = try Counted()
        store.batches = 100
        let audit = try audit(store)
        #expect(audit.left.count == 1 && store.counts == PlaceCounts.countsMax)
        #expect(audit.left.first?.contains("stop the store's writers") == true)
        // It is no difference, and no success.
        #expect(audit.problems.isEmpty)
        let service = try TestService(Main.description, ["WRITER_HOT_STATE": "false"])
        #expect(audit.end(service.context.telemetry) == .failure)
        #expect(service.log.contains("audit.left") && !service.log.contains("audit.clean"))
    }

    @Test("rows that are being copied are no difference, and left-over ones are")
    func filling() throws {
        let store = try Counted()
        // They are noted while rows are counted.
        store.isFilling = true
        store.copied = 5
        store.notes = 1
        #expect(try problems(store) == [] && store.counts == 2)
        // They are not noted yet.
        store.copied = 10
        let left = try audit(store)
        #expect(left.left.count == 1 && left.problems.isEmpty)
        #expect(left.left.first?.contains("'tapeline store fill'") == true)
        store.isFilling = false
        #expect(
            try problems(store) == [
                "ticks of partition 1: a has 20 ordinals, written are 10 and copied 5"
            ])
    }
}
