import Membership
import Primitives
import Testing

@Suite("A request to drain a member, as bytes")
struct DrainRequestTests {
    private static func request() throws -> DrainRequest {
        DrainRequest(
            groups: [try #require(GroupName("source-ib")), .keepers],
            cause: DrainCause(
                reason: "new disk", requester: "ops@host",
                asked: Timestamp(nanoseconds: 1_700_000_000_000_000_001), isForced: true))
    }

    @Test("it comes back as it was, also with what a later release adds")
    func roundTrip() throws {
        let request = try Self.request()
        let text = String(decoding: request.json, as: UTF8.self)
        #expect(
            text == """
                {"v":1,"groups":["source-ib","keeper"],"reason":"new disk","by":"ops@host",\
                "asked_ns":1700000000000000001,"forced":true}
                """)
        #expect(try DrainRequest(json: request.json) == request)
        let later = text.replacing("\"v\":1", with: "\"v\":1,\"more\":[1]")
        #expect(try DrainRequest(json: Array(later.utf8)) == request)
        let bare = text.replacing(",\"forced\":true", with: "").replacing(
            "\"reason\":\"new disk\",", with: "")
        let read = try DrainRequest(json: Array(bare.utf8))
        #expect(read.cause.reason.isEmpty && !read.cause.isForced)
        #expect(read.cause.text == "by ops@host at 2023-11-14T22:13:20.000000001Z")
    }

    @Test(
        "one that makes no sense is none",
        arguments: [
            ("\"v\":1", "\"v\":2"), ("[\"source-ib\",\"keeper\"]", "[]"), ("keeper", "Keeper"),
            (
                "[\"source-ib\",\"keeper\"]",
                "[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]"
            ),
            ("\"by\"", "\"of\""), ("asked_ns", "asked"),
            ("new disk", String(repeating: "n", count: 201)),
            ("ops@host", String(repeating: "o", count: 101)),
        ])
    func nonsense(part: String, instead: String) throws {
        let whole = String(decoding: try Self.request().json, as: UTF8.self)
        let text = whole.replacing(part, with: instead)
        #expect(text != whole)
        #expect(throws: VersionedJSON.Refusal.self) { try DrainRequest(json: Array(text.utf8)) }
    }

    @Test("every byte may be damaged: nothing traps")
    func mutations() throws {
        let json = try Self.request().json
        var random = SeededRandom(seed: 5)
        for place in json.indices {
            var bytes = json
            bytes[place] = UInt8.random(in: 0...255, using: &random)
            _ = try? DrainRequest(json: bytes)
            _ = try? DrainRequest(json: Array(json.prefix(place)))
        }
    }

    @Test("the largest request fits into the bucket")
    func largest() throws {
        let group = try #require(GroupName(String(repeating: "g", count: 31)))
        let request = DrainRequest(
            groups: Array(repeating: group, count: DrainRequest.groupsMax),
            cause: DrainCause(
                reason: String(repeating: "r", count: DrainCause.reasonBytesMax),
                requester: String(repeating: "o", count: DrainCause.requesterBytesMax),
                asked: Timestamp(nanoseconds: .max), isForced: true))
        #expect(request.json.count <= DrainRequest.bytesMax)
    }

    @Test("a heartbeat says why its member is drained; a damaged reason is left out")
    func heartbeat() throws {
        let cause = try Self.request().cause
        var heartbeat = MemberHeartbeat(
            member: try #require(MemberName("w-1")), instance: 0xab, state: .drained, rank: 7,
            since: Timestamp(nanoseconds: 1), sequence: 9, records: 3, held: [], release: "0.1.0",
            leaseNanoseconds: 500_000_000)
        heartbeat.drain = cause
        let text = String(decoding: heartbeat.json, as: UTF8.self)
        #expect(
            text.hasSuffix(
                """
                "lease_ns":500000000,"drain":{"reason":"new disk","by":"ops@host",\
                "asked_ns":1700000000000000001,"forced":true}}
                """))
        #expect(try MemberHeartbeat(json: heartbeat.json, member: heartbeat.member) == heartbeat)
        let damaged = Array(text.replacing("\"by\"", with: "\"of\"").utf8)
        #expect(try MemberHeartbeat(json: damaged, member: heartbeat.member).drain == nil)
    }
}
