import MarketModel
import Primitives
import Seeds
import StoreIntents
import TapeCodec
import Testing

@Suite struct IntentRecordTests {
    private static func record() throws -> IntentRecord {
        let alpha = try #require(SourceName("alpha"))
        let beta = try #require(SourceName("beta"))
        let position = TapePosition(
            streamCreated: Timestamp(nanoseconds: 1_700_000_000_000_000_001), sequence: 90,
            packet: PacketIdentity(epoch: 3, firstOrdinal: 400, checksum: UInt64.max),
            sources: [SourceOrdinal(source: alpha, epoch: 3, lastOrdinal: 412)])
        let intent = StoreIntent(
            packet: TapePacket(
                streamCreated: position.streamCreated, sequence: 95,
                identity: PacketIdentity(epoch: 1, firstOrdinal: 7, checksum: 0)),
            ranges: [
                OrdinalRange(source: alpha, epoch: 4, first: 413, last: 500),
                OrdinalRange(source: beta, epoch: 1, first: 1, last: 9),
            ], rows: 97, digest: UInt64.max, layout: 12)
        return IntentRecord(epoch: 7, instance: UInt64.max, position: position, intent: intent)
    }

    private static let golden = """
        {"v":1,"epoch":7,"instance":18446744073709551615,"position":{\
        "stream_created_ns":1700000000000000001,"sequence":90,"packet_epoch":3,\
        "packet_ordinal":400,"packet_crc":18446744073709551615,\
        "sources":[{"source":"alpha","epoch":3,"last_ordinal":412}]},\
        "intent":{"stream_created_ns":1700000000000000001,"sequence":95,"packet_epoch":1,\
        "packet_ordinal":7,"packet_crc":0,"rows":97,"digest":18446744073709551615,"layout":12,\
        "sources":[{"source":"alpha","epoch":4,"first_ordinal":413,"last_ordinal":500},\
        {"source":"beta","epoch":1,"first_ordinal":1,"last_ordinal":9}]}}
        """

    @Test("a record has these bytes, and comes back as it was")
    func roundTrip() throws {
        let record = try Self.record()
        #expect(String(decoding: record.json, as: UTF8.self) == Self.golden)
        #expect(try IntentRecord(json: record.json) == record)
        let empty = IntentRecord(epoch: 1, instance: 2)
        #expect(String(decoding: empty.json, as: UTF8.self) == #"{"v":1,"epoch":1,"instance":2}"#)
        #expect(try IntentRecord(json: empty.json) == empty && empty.reach == nil)
    }

    @Test("what a later release adds is passed over; a later version is refused as that")
    func newer() throws {
        let more = Self.golden.replacing("\"rows\":97", with: "\"rows\":97,\"more\":[1]")
        #expect(try IntentRecord(json: Array(more.utf8)) == Self.record())
        let later = Self.golden.replacing("\"v\":1", with: "\"v\":2")
        #expect(throws: VersionedJSON.Refusal.newer("it has version 2, this program knows 1")) {
            try IntentRecord(json: Array(later.utf8))
        }
    }

    @Test(
        "a record out of its bounds is refused",
        arguments: [
            ("\"epoch\":7", "\"epoch\":4611686018427387905"), ("\"epoch\":7", "\"epoch\":-1"),
            ("\"sequence\":90", "\"sequence\":null"), ("\"rows\":97", "\"rows\":0"),
            ("\"first_ordinal\":413", "\"first_ordinal\":412"),
            ("\"first_ordinal\":413", "\"first_ordinal\":501"),
            ("\"last_ordinal\":500", "\"last_ordinal\":18446744073709551615"),
            ("\"source\":\"beta\"", "\"source\":\"alpha\""),
            ("\"source\":\"beta\"", "\"source\":\"B\""),
            ("\"digest\":18446744073709551615", "\"digest\":18446744073709551616"),
            ("\"intent\":{", "\"intent\":0,\"x\":{"), ("\"position\":{", "\"position\":[],\"x\":{"),
        ])
    func refused(_ part: String, _ damage: String) {
        let text = Self.golden.replacing(part, with: damage)
        #expect(text != Self.golden)
        #expect(throws: VersionedJSON.Refusal.self) { try IntentRecord(json: Array(text.utf8)) }
    }

    @Test("a record with as many sources as it may have is smaller than the largest one")
    func largest() throws {
        let number = IntentRecord.numberMax
        let names = (0..<IntentRecord.sourcesMax).compactMap { index in
            SourceName("a-source-with-24-ch-\(1_000 + index)")
        }
        var record = try Self.record()
        record.epoch = number
        record.position?.sources = names.map {
            SourceOrdinal(source: $0, epoch: number, lastOrdinal: number - 1)
        }
        record.intent?.ranges = names.map {
            OrdinalRange(source: $0, epoch: number, first: number, last: number)
        }
        #expect(record.json.count <= IntentRecord.bytesMax)
        #expect(try IntentRecord(json: record.json) == record)
        let one = try #require(SourceName("z"))
        record.intent?.ranges.append(OrdinalRange(source: one, epoch: 1, first: 1, last: 1))
        #expect(throws: VersionedJSON.Refusal.self) { try IntentRecord(json: record.json) }
        let large = [UInt8](repeating: UInt8(ascii: " "), count: IntentRecord.bytesMax + 1)
        #expect(throws: VersionedJSON.Refusal.damaged("it is too large")) {
            try IntentRecord(json: large)
        }
    }

    @Test("changed bytes are refused, or are a record that comes back as it is")
    func mutated() throws {
        let bytes = Array(Self.golden.utf8)
        for seed in Seeds(fixed: 1...2_000).all() {
            var random = SeededRandom(seed: seed)
            var changed = bytes
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 0..<changed.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: changed[place] = UInt8.random(in: 0...255, using: &random)
                case 1: changed[place] = bytes.randomElement(using: &random) ?? 0
                case 2: changed.remove(at: place)
                default: changed.removeLast(min(place, 40))
                }
            }
            do throws(VersionedJSON.Refusal) {
                let record = try IntentRecord(json: changed)
                let again = try IntentRecord(json: record.json)
                #expect(again == record, "TAPELINE_SEED=\(seed)")
                #expect(record.intent?.follows(record.position) != false, "TAPELINE_SEED=\(seed)")
            } catch {
                #expect(!"\(error)".isEmpty)
            }
        }
    }

    @Test("a batch ends at the last ordinals of its sources, and those before it stay")
    func reach() throws {
        let record = try Self.record()
        let reach = try #require(record.reach)
        #expect(reach.sequence == 95 && reach.packet.firstOrdinal == 7)
        #expect(reach.sources.map(\.lastOrdinal) == [500, 9])
        #expect(record.intent?.follows(record.position) == true)
        #expect(record.intent?.follows(reach) == false)
    }

    @Test("a token has nothing of the owner, and each part of a batch changes it")
    func tokens() throws {
        let intent = try #require(try Self.record().intent)
        let token = intent.token(in: "ch/trades/3")
        #expect(token == "ch/trades/3/4a6c6d8854059c03")
        var others = [intent, intent, intent, intent, intent]
        others[0].rows += 1
        others[1].digest -= 1
        others[2].layout += 1
        others[3].ranges[1].last += 1
        others[4].packet.sequence += 1
        let tokens = others.map { $0.token(in: "ch/trades/3") } + [intent.token(in: "ch/trades/4")]
        #expect(Set(tokens + [token]).count == 7)
    }
}
