import MarketModel
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport
import ServiceRuntime
import TestSupport
import Testing

@testable import TapeTransport

/// A gateway's record of its source, which is kept beside the tape.
@Suite struct SourceRecordTests {
    private let ticks = SourceRecord.Lane.ticks(Partition(3))
    private let watermarks = SourceRecord.Lane.watermarks(stream: 2)

    private func record(_ epoch: UInt64, _ ordinal: UInt64) -> SourceRecord {
        SourceRecord(
            heads: [
                ticks: SourceRecord.Head(epoch: epoch, lastOrdinal: ordinal),
                watermarks: SourceRecord.Head(epoch: epoch, lastOrdinal: 7),
            ], time: Timestamp(nanoseconds: 5))
    }

    @Test("it survives its way through JSON, whichever lanes it has")
    func roundTrip() throws {
        var many = record(4, PublisherLane.floorMax - 1)
        for number in 0..<Partition.countRange.upperBound {
            many.heads[.ticks(Partition(number))] = SourceRecord.Head(
                epoch: PublisherLane.floorMax - 1, lastOrdinal: PublisherLane.floorMax - 1,
                storedUntil: Timestamp(nanoseconds: Int64.max - 1))
        }
        for record in [SourceRecord(), record(1, 0), many] {
            #expect(try SourceRecord(json: record.json) == record)
        }
        #expect(many.json.count < KeyValueLimits.valueBytesMax)
        let text = String(decoding: record(1, 2).json, as: UTF8.self)
        #expect(
            text == """
                {"v":1,"time":"1970-01-01T00:00:00.000000005Z","time_ns":5,\
                "partitions":[{"partition":3,"epoch":1,"last_ordinal":2}],\
                "watermarks":[{"stream":2,"epoch":1,"last_ordinal":7}]}
                """)
    }

    @Test(
        "what is no record is refused as a whole",
        arguments: [
            "", "[", #"{"v":1,"partitions":[{"epoch":1,"last_ordinal":2}]}"#,
            #"{"v":1,"partitions":[{"partition":-1,"epoch":1,"last_ordinal":2}]}"#,
            #"{"v":1,"partitions":[{"partition":4096,"epoch":1,"last_ordinal":2}]}"#,
            #"{"v":1,"partitions":[{"partition":1,"last_ordinal":2}]}"#,
            #"{"v":1,"partitions":[{"partition":1,"epoch":1,"last_ordinal":-2}]}"#,
            #"{"v":1,"partitions":[{"partition":1,"epoch":1,"#
                + #""last_ordinal":18446744073709551615}]}"#,
            #"{"v":1,"watermarks":[{"stream":4,"epoch":1,"last_ordinal":2}]}"#,
        ])
    func damaged(text: String) {
        let refusal = #expect(throws: VersionedJSON.Refusal.self) {
            try SourceRecord(json: Array(text.utf8))
        }
        #expect(refusal?.isNewer == false)
    }

    @Test("it only rises, and keeps the lanes that the other one does not know")
    func rises() {
        var present = record(4, 10)
        present.rise(to: record(3, 12))
        #expect(present.heads[ticks] == SourceRecord.Head(epoch: 4, lastOrdinal: 12))
        present.rise(
            to: SourceRecord(heads: [.ticks(Partition(9)): .init(epoch: 1, lastOrdinal: 1)]))
        #expect(present.heads.count == 3 && present.time == Timestamp(nanoseconds: 5))
        #expect(present.isBehind(record(5, 1)) && !present.isBehind(record(4, 99)))
    }

    // MARK: in its bucket

    private func source() throws -> SourceName { try #require(SourceName("sim")) }

    private func recorder(_ rig: TapeRig) throws -> SourceRecorder {
        try SourceRecorder(rig.client, source: source())
    }

    @Test("what was recorded is found by the next owner; the last one before the end, too")
    func recorded() throws {
        let rig = try TapeServer().rig()
        let first = try recorder(rig)
        #expect(first.found == SourceRecord())
        #expect(first.record(record(1, 10)))
        #expect(eventually { first.status.writes == 1 })
        #expect(first.status.written == Timestamp(nanoseconds: 5) && first.status.problem == nil)
        first.record(record(1, 20))
        #expect(first.stop(within: .seconds(20)))
        #expect(!first.record(record(1, 30)))
        let second = try recorder(rig)
        #expect(second.found.heads == record(1, 20).heads)
        #expect(rig.log.count("tape.record.failed") == 0)
    }

    @Test("an owner that was succeeded does not write over its successor's record")
    func superseded() throws {
        let tape = try TapeServer()
        let (old, new) = (try tape.rig(), try tape.rig())
        let (older, newer) = (try recorder(old), try recorder(new))
        newer.record(record(2, 50))
        #expect(eventually { newer.status.writes == 1 })
        older.record(record(1, 99))
        #expect(eventually { old.log.count("tape.record.superseded") == 1 })
        #expect(older.status.problem != nil && older.status.writes == 0)
        #expect(try recorder(new).found.heads == record(2, 50).heads)
    }

    @Test("a predecessor's last record, written late, is taken over")
    func lateRecord() throws {
        let rig = try TapeServer().rig()
        let (older, newer) = (try recorder(rig), try recorder(rig))
        older.record(record(1, 99))
        #expect(eventually { older.status.writes == 1 })
        newer.record(record(2, 50))
        #expect(eventually { newer.status.writes == 1 })
        #expect(try recorder(rig).found.heads[ticks] == .init(epoch: 2, lastOrdinal: 99))
    }

    @Test("while NATS is away it fails, is told, and is written when NATS is back")
    func unavailable() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        let recorder = try recorder(rig)
        tape.server.stop()
        recorder.record(record(1, 10))
        #expect(eventually { recorder.status.problem != nil })
        #expect(rig.log.count("tape.record.failed") > 0)
        try tape.server.start()
        #expect(eventually { recorder.status.writes == 1 })
        #expect(recorder.status.problem == nil)
    }

    @Test("a record of a newer release is told, not used, and left alone")
    func newerRecord() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        _ = try recorder(rig)
        let newer = Array(#"{"v":2,"partitions":"all"}"#.utf8)
        let key = "gateway.sim.record"
        let jetStream = rig.client.jetStream
        let bucket = try #require(try jetStream.bucketAsFound(tape.names.sourceBucket))
        _ = try bucket.create(key, newer)
        let found = try recorder(rig)
        #expect(found.found == SourceRecord() && rig.log.count("tape.record.damaged") == 1)
        found.record(record(1, 10))
        #expect(eventually { rig.log.count("tape.record.superseded") == 1 })
        #expect(try bucket.get(key)?.value == newer)
    }

    @Test("a record that is damaged is told and written anew")
    func damagedRecord() throws {
        let rig = try TapeServer().rig()
        _ = try recorder(rig)
        _ = try rig.client.connection.request(
            [UInt8]("{".utf8), to: "$KV.\(rig.client.names.sourceBucket).gateway.sim.record",
            timeout: patience)
        let found = try recorder(rig)
        #expect(found.found == SourceRecord() && rig.log.count("tape.record.damaged") == 1)
        found.record(record(1, 10))
        #expect(eventually { found.status.writes == 1 })
        #expect(try recorder(rig).found.heads == record(1, 10).heads)
    }
}
