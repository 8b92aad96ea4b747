import MarketModel
import Membership
import Primitives
import Testing

@Suite("What members say and what stands in the bucket")
struct MessageTests {
    private static let long = String(repeating: "1", count: 65)

    private static func heartbeat() throws -> MemberHeartbeat {
        MemberHeartbeat(
            member: try #require(MemberName("w-1")), instance: 0xab, state: .ready, rank: 7,
            since: Timestamp(nanoseconds: 1_700_000_000_000_000_001), sequence: 9,
            records: UInt64.max, held: [Partition(0), Partition(31)], release: "0.1.0",
            leaseNanoseconds: 500_000_000)
    }

    @Test("a heartbeat comes back as it was, also with what a later release adds")
    func heartbeatRoundTrip() throws {
        let heartbeat = try Self.heartbeat()
        #expect(try MemberHeartbeat(json: heartbeat.json, member: heartbeat.member) == heartbeat)
        let text = String(decoding: heartbeat.json, as: UTF8.self)
        #expect(
            text == """
                {"v":1,"instance":"00000000000000ab","state":"ready","rank":7,\
                "since_ns":1700000000000000001,"seq":9,"records":18446744073709551615,\
                "held":[0,31],"version":"0.1.0","lease_ns":500000000}
                """)
        let later = text.replacing("\"ready\"", with: "\"dreaming\"").replacing(
            "\"v\":1", with: "\"v\":1,\"more\":[1]")
        let read = try MemberHeartbeat(json: Array(later.utf8), member: heartbeat.member)
        #expect(read.state == .joining && read.revision.isEmpty)
    }

    @Test("a heartbeat names its build; one too long to be shown is left out")
    func revision() throws {
        var heartbeat = try Self.heartbeat()
        heartbeat.revision = "99e8c18e-dirty"
        let text = String(decoding: heartbeat.json, as: UTF8.self)
        #expect(
            text.hasSuffix(#""version":"0.1.0","revision":"99e8c18e-dirty","lease_ns":500000000}"#))
        #expect(try MemberHeartbeat(json: heartbeat.json, member: heartbeat.member) == heartbeat)
        let long = Array(text.replacing("99e8c18e-dirty", with: Self.long).utf8)
        #expect(try MemberHeartbeat(json: long, member: heartbeat.member).revision.isEmpty)
    }

    @Test("an owner's record has these bytes")
    func record() throws {
        let record = OwnershipRecord(
            owner: try #require(MemberName("w-1")), instance: 0xab, epoch: 7,
            since: Timestamp(nanoseconds: 1_700_000_000_000_000_001), state: .held)
        let text = String(decoding: record.json, as: UTF8.self)
        #expect(
            text == """
                {"v":1,"owner":"w-1","instance":"00000000000000ab","epoch":7,\
                "since_ns":1700000000000000001,"state":"held"}
                """)
    }

    @Test("a record says where its owner was started, where that is known")
    func place() throws {
        var record = OwnershipRecord(
            owner: try #require(MemberName("w-1")), instance: 1, epoch: 7,
            since: Timestamp(nanoseconds: 1), state: .held)
        for place in [nil, 0, 0xab, UInt64.max] as [UInt64?] {
            record.place = place
            #expect(try OwnershipRecord(json: record.json) == record)
        }
        record.place = 0xab
        let text = String(decoding: record.json, as: UTF8.self)
        #expect(text.contains(#""instance":"0000000000000001","place":"00000000000000ab","epoch""#))
        let damaged = text.replacing(#""00000000000000ab""#, with: "7")
        #expect(try OwnershipRecord(json: Array(damaged.utf8)).place == nil)
        record.place = .max
        #expect(record.json.count <= OwnershipRecord.bytesMax)
    }

    @Test("a heartbeat and a record of a newer release are refused as that")
    func newer() throws {
        let heartbeat = try Self.heartbeat()
        let record = OwnershipRecord(
            owner: heartbeat.member, instance: 1, epoch: 5, since: heartbeat.since, state: .free)
        for bytes in [heartbeat.json, record.json] {
            let text = String(decoding: bytes, as: UTF8.self)
            let newer = Array(text.replacing("\"v\":1", with: "\"v\":2").utf8)
            let refusal = VersionedJSON.Refusal.newer("it has version 2, this program knows 1")
            #expect(throws: refusal) {
                try MemberHeartbeat(json: newer, member: heartbeat.member)
            }
            #expect(throws: refusal) { try OwnershipRecord(json: newer) }
        }
    }

    @Test("a heartbeat says its lease, and a long one is held")
    func heartbeatLease() throws {
        let heartbeat = try Self.heartbeat()
        let text = String(decoding: heartbeat.json, as: UTF8.self)
        func lease(_ number: String) throws -> Int64 {
            let bytes = Array(text.replacing("500000000", with: number).utf8)
            return try MemberHeartbeat(json: bytes, member: heartbeat.member).leaseNanoseconds
        }
        #expect(try lease("86400000000000") == MemberHeartbeat.leaseNanosecondsMax)
        for wrong in ["0", "-1"] {
            #expect(throws: VersionedJSON.Refusal.self) { try lease(wrong) }
        }
    }

    @Test("a heartbeat says by which rules its member makes output, where that decides something")
    func heartbeatSemantics() throws {
        var heartbeat = try Self.heartbeat()
        #expect(try MemberHeartbeat(json: heartbeat.json, member: heartbeat.member) == heartbeat)
        heartbeat.semantics = 6
        let text = String(decoding: heartbeat.json, as: UTF8.self)
        #expect(text.hasSuffix(#""lease_ns":500000000,"semantics":6}"#))
        #expect(try MemberHeartbeat(json: heartbeat.json, member: heartbeat.member) == heartbeat)
    }

    @Test(
        "a heartbeat that makes no sense is none",
        arguments: [
            ("", ""), (#""v":1"#, #""v":0"#), (#","lease_ns":500000000"#, ""),
            (#""00000000000000ab""#, #""x""#),
            (#""00000000000000ab""#, #""+1""#), (#""rank":7"#, #""rank":-1"#),
            ("[0,31]", "[-1]"), ("[0,31]", "[4096]"), ("[0,31]", "{}"),
            ("1700000000000000001", "1e99"), (#""seq":9,"#, ""), (#""0.1.0""#, "\"\(long)\""),
        ])
    func heartbeatNonsense(part: String, instead: String) throws {
        let heartbeat = try Self.heartbeat()
        let whole = String(decoding: heartbeat.json, as: UTF8.self)
        let text = part.isEmpty ? "" : whole.replacing(part, with: instead)
        #expect(text != whole)
        #expect(throws: VersionedJSON.Refusal.self) {
            try MemberHeartbeat(json: Array(text.utf8), member: heartbeat.member)
        }
        #expect(throws: VersionedJSON.Refusal.self) {
            try OwnershipRecord(json: Array(text.utf8))
        }
    }

    @Test("every byte of a heartbeat and of a record may be damaged: nothing traps")
    func mutations() throws {
        let heartbeat = try Self.heartbeat()
        let record = OwnershipRecord(
            owner: heartbeat.member, instance: 1, epoch: 5, since: heartbeat.since, state: .free)
        #expect(try OwnershipRecord(json: record.json) == record)
        var random = SeededRandom(seed: 5)
        for source in [heartbeat.json, record.json] {
            for place in source.indices {
                var bytes = source
                bytes[place] = UInt8.random(in: 0...255, using: &random)
                _ = try? MemberHeartbeat(json: bytes, member: heartbeat.member)
                _ = try? OwnershipRecord(json: bytes)
                _ = try? OwnershipRecord(json: Array(source.prefix(place)))
            }
        }
    }

    @Test("an epoch that leaves no room for another one makes a record a damaged one")
    func epochs() throws {
        let name = try #require(MemberName("w"))
        for (epoch, isGood) in [(OwnershipRecord.epochMax - 1, true), (1 << 62, false)] {
            let record = OwnershipRecord(
                owner: name, instance: 1, epoch: epoch, since: Timestamp(nanoseconds: 0),
                state: .held)
            #expect(((try? OwnershipRecord(json: record.json)) != nil) == isGood)
        }
    }
}
