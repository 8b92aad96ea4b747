import MarketModel
import PostgresClient
import Primitives
import ServiceTestSupport
import NatsTransport
import TapeTransport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Positions and batches")
struct SinkPositionTests {
    private func header(
        _ source: String, first: UInt64, count: UInt32, kind: PacketKind = .ticks
    ) throws -> PacketHeader {
        var header = PacketHeader(
            kind: kind, partition: Partition(3), source: try #require(SourceName(source)), epoch: 9,
            firstOrdinal: first, watermark: .undefined, sendTime: .undefined)
        header.tickCount = count
        return header
    }

    private var tapePosition: TapePosition {
        TapePosition(
            streamCreated: Timestamp(nanoseconds: 1_700_000_000_123_456_789), sequence: 77,
            packet: PacketIdentity(epoch: 9, firstOrdinal: 5, checksum: UInt64.max), sources: [])
    }

    @Test("the account sums per source what was written and skipped, whatever the packets hold")
    func account() throws {
        var position = SinkPosition(input: .ticks, partition: Partition(3), ownerEpoch: 1)
        position.add(try header("a", first: 11, count: 4), TickCount(written: 3, skipped: 1))
        position.add(try header("b", first: 1, count: 2), TickCount(written: 2, skipped: 0))
        // A marker has no ordinals.
        position.add(try header("a", first: 15, count: 0), TickCount())
        position.add(try header("a", first: 15, count: 6), TickCount(written: 6, skipped: 0))
        #expect(position.sources.map(\.source.text) == ["a", "b"])
        let first = try #require(position.sources.first)
        #expect(first.firstOrdinal == 11 && first.lastOrdinal == 20)
        #expect(first.written == 9 && first.skipped == 1)
    }

    @Test("what is missing, and what comes twice, is named when its packet is taken")
    func gaps() throws {
        var position = SinkPosition(input: .ticks, partition: Partition(3), ownerEpoch: 1)
        let source = try #require(SourceName("a"))
        func add(_ first: UInt64, _ count: UInt32, twice: UInt64 = 0) throws -> [SinkGap] {
            position.gaps = []
            position.add(
                try header("a", first: first, count: count),
                TickCount(written: UInt64(count) - twice, skipped: 0, givenTwice: twice))
            return position.gaps
        }
        func gap(_ ordinals: ClosedRange<UInt64>, _ reason: SinkGap.Reason) -> SinkGap {
            SinkGap(source: source, ordinals: ordinals, reason: reason, epoch: 9)
        }
        // A marker of an unknown source tells nothing.
        #expect(try add(5, 0).isEmpty && position.sources.isEmpty)
        #expect(try add(1, 10).isEmpty && add(11, 10).isEmpty)
        #expect(try add(25, 6) == [gap(21...24, .hole)])
        // A marker shows a hole as well as a packet does.
        #expect(try add(41, 0) == [gap(31...40, .hole)])
        #expect(try add(41, 10).isEmpty && position.sources.first?.lastOrdinal == 50)
        // The tape was restored from a backup, and assigns ordinals again.
        position.sources[0].tapeOrdinal = 38
        #expect(try add(39, 5, twice: 5) == [gap(39...43, .givenTwice)])
        #expect(position.sources.first?.lastOrdinal == 50)
        #expect(position.sources.first?.tapeOrdinal == 43)
        // The ordinals that it lacks were stored before.
        #expect(try add(46, 10, twice: 5) == [gap(46...50, .givenTwice)])
        #expect(try add(60, 1) == [gap(56...59, .hole)])
        let account = try #require(position.account(source))
        #expect(account.lastOrdinal == 60 && account.tapeOrdinal == 60 && account.givenTwice == 10)
        #expect(account.written == 42 && account.firstOrdinal == 1)
        #expect(gap(0...UInt64.max, .hole).ordinalCount == UInt64.max)
    }

    @Test("what is advanced in the database is what the next claim finds")
    func roundTrip() throws {
        let database = try TestDatabase.migrated("position_round")
        let writer = try database.connectWriter()
        let place = SinkPlace(input: .bars, partition: Partition(3))
        func claim(_ owner: String, epoch: UInt64, knownEpoch: Int64? = nil) throws -> SinkRow {
            let claim = SinkClaim(place: place, epoch: epoch, knownEpoch: knownEpoch)
            let rows = try SinkPosition.claim(
                [claim], of: "store", by: SinkOwner(name: owner), on: writer, timeout: patience)
            return try #require(rows.first)
        }
        var position = try claim("me", epoch: 0).position
        #expect(position.position == nil && position.ownerEpoch == 1 && position.sources.isEmpty)
        position.position = tapePosition
        position.add(try header("a", first: 11, count: 4), TickCount(written: 3, skipped: 1))
        position.add(try header("z-9", first: 1, count: 2), TickCount(written: 2, skipped: 0))
        var json = JSONWriter(capacity: 64)
        json.array { position.write(into: &$0) }
        try writer.execute("SELECT advance_positions('store', $1::jsonb)", [.text(json.text)])
        let read = try #require(
            SinkPosition.read([place], of: "store", on: writer, timeout: patience).first?
                .position)
        let claimed = try claim("you", epoch: 7).position
        #expect(read.ownerEpoch == 1 && claimed.ownerEpoch == 7 && claimed.owner == "you")
        // The same by the fenced owner, and by the present owner.
        let refused = try claim("me", epoch: 1, knownEpoch: 1)
        #expect(!refused.isClaimed && refused.position.owner == "you")
        #expect(refused.position.ownerEpoch == 7 && refused.position.position == nil)
        #expect(try claim("you", epoch: 1, knownEpoch: 3).position.ownerEpoch == 8)
        // Nor by one that knows the same epoch as its own: on a promoted server both may be true.
        #expect(try !claim("me", epoch: 1, knownEpoch: 8).isClaimed)
        #expect(try claim("me", epoch: 1, knownEpoch: 9).isClaimed)
        for found in [read, claimed] {
            let reached = try #require(found.position)
            #expect(reached.streamCreated == tapePosition.streamCreated && reached.sequence == 77)
            #expect(reached.packet == tapePosition.packet)
            #expect(reached.sources.map(\.lastOrdinal) == [14, 2])
            #expect(found.sources.map(\.written) == [3, 2])
            #expect(found.sources.map(\.skipped) == [1, 0])
            #expect(found.sources.map(\.firstOrdinal) == [11, 1])
        }
    }

    @Test("the first claim of a position writes its row once, with the tables of its owner")
    func firstClaim() throws {
        let database = try TestDatabase.migrated("position_first")
        let writer = try database.connectWriter()
        func claim(_ tables: [String]) throws {
            try writer.execute(
                "SELECT * FROM claim_position('store', 'ticks', 3, 1, 'me', $1)",
                [.textArray(tables)])
        }
        // A row that is written again stands elsewhere on its page.
        func row() throws -> String { try database.psql("SELECT ctid, tables FROM sink_positions") }
        try claim(["quotes", "trades"])
        #expect(try row() == "(0,1)|{quotes,trades}")
        // A later claim changes the row, and then its tables if they are others.
        try claim(["quotes", "trades"])
        #expect(try row() == "(0,2)|{quotes,trades}")
        try claim(["trades"])
        #expect(try row().hasSuffix("|{trades}"))
    }

    @Test("a position that was never claimed cannot be read")
    func unreadable() throws {
        let writer = try TestDatabase.migrated("position_none").connectWriter()
        let error = #expect(throws: StoreError.self) {
            try SinkPosition.read(
                [SinkPlace(input: .ticks, partition: Partition(5))], of: "store", on: writer,
                timeout: patience)
        }
        #expect(error?.description.contains("migrate") == true)
    }

    private let row = """
        {"source":"a","first_ordinal":11,"last_ordinal":14,"written":3,"skipped":1,\
        "dead_lettered":0,"epoch":9,"tape_ordinal":null,"given_twice":0,"apart":0}
        """
    private let place = SinkPlace(input: .ticks, partition: Partition(3))

    @Test("a source whose tape ordinal is not known is on the tape where it is in the store")
    func readable() throws {
        let later = row.replacing("\"a\"", with: "\"b\"").replacing("null", with: "12")
        let accounts = try SinkPosition.accounts("[\(row),\(later)]", of: place)
        #expect(accounts.map(\.source.text) == ["a", "b"])
        #expect(accounts.map(\.tapeOrdinal) == [14, 12])
        #expect(accounts.allSatisfy { $0.firstOrdinal == 11 && $0.lastOrdinal == 14 })
        #expect(accounts.allSatisfy { $0.written == 3 && $0.skipped == 1 && $0.epoch == 9 })
        #expect(try SinkPosition.accounts("[]", of: place).isEmpty)
    }

    @Test(
        "a source that cannot be read makes its position unreadable, so its counts stay",
        arguments: [
            ("\"a\"", "\"A B\""), ("11", "-11"), ("14", "\"14\""),
            ("\"written\":3", "\"written\":null"),
            ("\"skipped\":1,", ""), ("null", "-1"), ("}", ""),
        ])
    func unreadableSource(from: String, to: String) throws {
        let bad = row.replacing(from, with: to)
        #expect(bad != row)
        #expect(throws: StoreError.self) {
            try SinkPosition.accounts("[\(row),\(bad)]", of: place)
        }
        #expect(throws: StoreError.self) { try SinkPosition.accounts(row, of: place) }
    }

    @Test("without a tape position nothing is told")
    func empty() {
        let position = SinkPosition(input: .ticks, partition: Partition(3), ownerEpoch: 1)
        var json = JSONWriter(capacity: 64)
        json.array { position.write(into: &$0) }
        #expect(json.text == "[]")
    }

    @Test("the report is JSON, sorted by partition and input")
    func report() throws {
        var stored = SinkPosition(input: .bars, partition: Partition(3), ownerEpoch: 4)
        stored.position = tapePosition
        stored.add(try header("a", first: 1, count: 4), TickCount(written: 4, skipped: 0))
        let report = WriterReport()
        report.update([
            WriterReport.Line(
                SinkPlace(input: .ticks, partition: Partition(4)), stored: nil, problem: "why"),
            WriterReport.Line(
                SinkPlace(input: .ticks, partition: Partition(3)), stored: nil, problem: nil),
            WriterReport.Line(
                SinkPlace(input: .bars, partition: Partition(3)), stored: stored, problem: nil),
        ])
        var json = JSONWriter(capacity: 64)
        json.object { report.write(into: &$0) }
        let lines = try #require(try JSONValue.parse(json.text)["positions"]?.array)
        #expect(lines.map { $0["partition"]?.int } == [3, 3, 4])
        #expect(lines.map { $0["input"]?.string } == ["bars", "ticks", "ticks"])
        #expect(lines[2]["problem"]?.string == "why" && lines[0]["problem"] == .null)
        #expect(lines[0]["sequence"]?.int == 77 && lines[0]["owner_epoch"]?.int == 4)
        #expect(lines[0]["sources"]?.array?.first?["written"]?.int == 4)
    }

    // MARK: batches

    /// Returns a message of a real server that holds a packet of so many trades.
    private func item(_ tape: TestTape, input: Int, ticks: Int) throws -> WriteBatch.Item {
        var source = TestSource(tape, Partition(0), source: try #require(SourceName("s")))
        try source.define("A")
        WriterBench.fill(&source, ticks: ticks)
        let packet = source.seal(watermark: .undefined)
        // The request itself comes back as the answer, because any message serves.
        let message = try tape.client.connection.request([], to: "$JS.API.INFO", timeout: patience)
        return WriteBatch.Item(
            input: input, header: packet.header, message: message, position: tapePosition)
    }

    @Test("a batch is full by rows, bytes or packets, and forgets inputs that were taken over")
    func batches() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "batches")
        var batch = WriteBatch()
        #expect(batch.isEmpty && !batch.isFull)
        let small = try item(tape, input: 0, ticks: 2)
        let large = try item(tape, input: 1, ticks: 1_000)
        batch.add(small)
        batch.add(large)
        #expect(batch.rows == 1_002 && batch.items.count == 2)
        #expect(batch.bytes == Int(small.header.byteCount) + Int(large.header.byteCount))
        batch.remove(inputs: [0])
        #expect(batch.rows == 1_000 && batch.items.map(\.input) == [1])
        batch.remove(inputs: [1])
        #expect(batch.isEmpty && batch.rows == 0 && batch.bytes == 0)
        for _ in 0..<20 { batch.add(large) }
        #expect(batch.isFull)
        batch.removeAll()
        let none = try item(tape, input: 2, ticks: 0)
        for _ in 0..<WriterSettings.batchPacketsMax {
            #expect(!batch.isFull)
            batch.add(none)
        }
        #expect(batch.isFull && batch.rows == 0)
    }
}
