import MarketModel
import Primitives
import QuestDBWire
import Seeds
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec
import Testing

@testable import StoreWriter

/// Runs sessions with a store without transactions, with every kind of fault.
@Suite struct BlockWorldTests {
    @Test(
        "whatever is killed, sleeps or is lost, each record is one row, or one letter",
        arguments: ["clickhouse", "questdb"])
    func storms(kind: String) throws {
        var events: [BlockWorld.Event: Int] = [:]
        var (dropped, lost) = (0, 0)
        // In the last one ClickHouse loses ordinals, in seed 21 QuestDB does.
        let kept: [UInt64] = Array(1...24) + [2_366_542_553_303_053_758]
        let failed: [UInt64] = [2_000_845_898_133_118_599]
        for seed in Seeds(fixed: 1...300, kept: kept, failed: failed).all() {
            let world = try BlockWorld(seed: seed, kind: kind)
            let problems = world.run()
            #expect(problems.isEmpty, "\(kind) TAPELINE_SEED=\(seed): \(problems.prefix(3))")
            events.merge(world.events) { $0 + $1 }
            dropped += world.droppedBlocks
            lost += world.lostRanges
        }
        for point in BlockWorld.Point.allCases {
            for fate in [BlockWorld.Fate.killedBefore, .killedAfter, .sleeps] {
                let count = events[BlockWorld.Event(point: point, fate: fate)] ?? 0
                #expect(count >= Seeds.least(100), "\(point) \(fate): \(count)")
            }
        }
        #expect(dropped >= Seeds.least(10), "\(kind)")
        #expect(lost >= Seeds.least(5), "\(kind): \(lost)")
    }

    @Test(
        "many refused rows that take longer than a try has end, and each letter counts once",
        arguments: ["clickhouse", "questdb"])
    func refusedRows(kind: String) throws {
        let world = try BlockWorld(
            kind: kind, refusing: Set(1...40), insertNanoseconds: 1_000_000_000)
        let (tries, problems) = world.persist(triesMax: 60)
        #expect(problems.isEmpty, "\(problems)")
        #expect(tries > 2)
        #expect(world.refusedSends.allSatisfy { $0 == 1 })
        #expect(!world.keptLetters.isEmpty && world.countedLetters == world.keptLetters)
    }

    @Test("answers count for one batch, and rows that are stored for the tables that took them")
    func answers() {
        let sends = AnsweredSends()
        sends.begin("one", "trades 1")
        sends.store("one/trades")
        #expect(sends.refuse("one/quotes", StoreServerError("a constraint", .rows)))
        sends.begin("one", "trades 1")
        #expect(sends.isStored("one/trades") && sends.error(of: "one/quotes") != nil)
        sends.begin("one", "trades 2")
        #expect(!sends.isStored("one/trades") && sends.error(of: "one/quotes") != nil)
        sends.begin("two", "trades 2")
        #expect(sends.error(of: "one/quotes") == nil)
    }

    @Test(
        "rows that a server took and lost are sent again, whether it says so or is away",
        arguments: [BlockWorld.Fate.well, .sleepsBefore, .killedBefore])
    func unsafe(fate: BlockWorld.Fate) throws {
        let isSlow = fate == .sleepsBefore
        let world = try BlockWorld(
            kind: "questdb", refusing: isSlow ? Set(1...40) : [],
            insertNanoseconds: isSlow ? 1_000_000_000 : 0)
        world.makeUnsafe()
        if fate == .killedBefore { world.planned = (.insert, 1, fate) }
        let (tries, problems) = world.persist(triesMax: 60)
        #expect(problems.isEmpty, "\(problems)")
        #expect(tries > 1)
        let said = world.failures.first ?? ""
        #expect(said.contains(fate == .killedBefore ? "killed" : "is nosync"), "\(said)")
    }

    @Test("gaps of one batch that begin at one ordinal are rows of QuestDB, and each is there once")
    func keyedGaps() throws {
        let source = try #require(SourceName("a"))
        let ends: [(last: UInt64, epoch: UInt64)] = [(9, 8), (7, 8), (7, 9)]
        let gaps = ends.map { last, epoch in
            SinkGap(source: source, ordinals: 5...last, reason: .givenTwice, epoch: epoch)
        }
        let server = KeyedTables(refusing: [])
        // The batches of another owner may end elsewhere.
        for sequence: UInt64 in [12, 13] {
            var after = SinkPosition(input: .ticks, partition: Partition(1), ownerEpoch: 1)
            after.position = TapePosition(
                streamCreated: Timestamp(nanoseconds: 7), sequence: sequence,
                packet: PacketIdentity(epoch: 8, firstOrdinal: 1, checksum: 0), sources: [])
            let catalogue = SinkCatalogue()
            let rows = BlockRows(
                WriteBatch(), catalogue,
                catalogue.sinks.map { LineRowWriter(QuestDBTable($0)) },
                gaps: LineRowWriter(.gaps))
            for part in try rows.blocks(2, after, owed: gaps) {
                try server.insert(part.block, token: "\(sequence)")
            }
        }
        #expect(server.ordinals("ordinal_gaps") == [5: 3])
    }

    @Test(
        "where a table refuses too many rows in a row, all is sent again when it is mended",
        arguments: ["clickhouse", "questdb"])
    func mended(kind: String) throws {
        // A batch has at most so many rows, so only several of them have more.
        let world = try BlockWorld(
            kind: kind, refusing: Set(1...500), insertNanoseconds: 0, lettersMax: 24)
        #expect(world.tape.ordinals.values.contains { $0.count > 24 })
        // The first try ends where a table has refused more than 24 rows and taken none. The second
        // one sends all of that batch again, and nothing is refused any more.
        let (tries, problems) = world.persist(triesMax: 5, mends: true)
        #expect(problems.isEmpty, "\(problems)")
        #expect(world.failures.count == 1 && tries == 2, "\(world.failures)")
        #expect(world.failures.first?.contains("mend the table") == true)
    }

    @Test("what is left of a range has no ordinal of a row")
    func gaps() throws {
        let range = OrdinalRange(
            source: try #require(SourceName("a")), epoch: 3, first: 10, last: 400)
        func shown(_ rows: [UInt64]) -> [ClosedRange<UInt64>] {
            range.gaps(without: rows).map(\.ordinals)
        }
        #expect(shown([]) == [10...400])
        #expect(shown([10, 12, 13, 400]) == [11...11, 14...399])
        #expect(shown(Array(10...400)) == [])
        let odd = stride(from: UInt64(11), through: 399, by: 2)
        #expect(shown(Array(odd)) == stride(from: UInt64(10), through: 400, by: 2).map { $0...$0 })
        let gap = try #require(range.gaps(without: [10]).first)
        #expect(gap.reason == .tapeLost && gap.ordinals == 11...400)
        func rest(_ named: ClosedRange<UInt64>...) -> [ClosedRange<UInt64>] {
            [gap].without([gap.source: named]).map(\.ordinals)
        }
        #expect(rest() == [11...400] && rest(1...10, 401...500) == [11...400])
        #expect(rest(300...500, 5...20, 15...30) == [31...299])
        #expect(rest(11...11, 13...399) == [12...12, 400...400] && rest(1...400).isEmpty)
    }
}
