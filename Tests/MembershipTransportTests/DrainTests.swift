import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@Suite("Members that a person drains, on a real server")
struct DrainTests {
    private static func request(
        _ rig: MemberRig, isForced: Bool = false
    ) -> DrainRequest {
        DrainRequest(
            groups: [rig.group],
            cause: DrainCause(
                reason: "new disk", requester: "ops@host", asked: SystemClock().now(),
                isForced: isForced))
    }

    private static func book(_ rig: MemberRig) throws -> DrainBook {
        let tape = try TestTape(rig.server, namespace: rig.namespace, streams: false)
        return try #require(try DrainBook(tape.client))
    }

    private static func entries(_ rig: MemberRig) throws -> [DrainBook.Entry] {
        let tape = try TestTape(rig.server, namespace: rig.namespace, streams: false)
        return try GroupDirectory(tape.client, listeningFor: .milliseconds(1)).drains
    }

    private static func isStored(_ outcome: WriteOutcome) -> Bool {
        if case .stored = outcome { return true }
        return false
    }

    @Test("one is drained in order, stays out over restarts of NATS and of itself, and is released")
    func whole() throws {
        let (rig, members) = try MemberRig.shared("a", "b")
        let (first, second) = (members[0], members[1])
        let before = second.plane.released.count
        let book = try Self.book(rig)
        #expect(Self.isStored(try book.ask(Self.request(rig), about: try rig.named("b"))))
        #expect(
            eventually { second.member.state == .drained && rig.isSharedOut([first]) },
            "\(second.service.log.text)")
        #expect(second.plane.open.isEmpty && second.plane.released.count == before + 4)
        #expect(first.plane.claims.allSatisfy { $0.wasReleased })
        #expect(second.service.log.count(of: "member.drain.asked") == 1)
        #expect(eventually { second.service.metric("mds_member_state{group=\"operator\"}") == 8 })
        let reasons = second.service.context.readiness.health.reasons
        #expect(reasons.contains { $0.contains("drained by ops@host") && $0.contains("new disk") })
        #expect(
            eventually { first.member.others.contains { $0.drain?.reason == "new disk" } })

        rig.server.kill()
        #expect(eventually { [first, second].allSatisfy { $0.member.state == .paused } })
        try rig.server.start()
        #expect(eventually { second.member.state == .drained && rig.isSharedOut([first]) })
        second.kill()
        let again = try rig.member("b")
        #expect(eventually { again.member.state == .drained }, "\(again.service.log.text)")
        #expect(again.plane.claims.isEmpty && rig.isSharedOut([first]))

        let entry = try #require(try Self.entries(rig).first)
        #expect(entry.member.text == "b" && entry.request?.groups == [rig.group])
        #expect(Self.isStored(try Self.book(rig).release(entry)))
        #expect(eventually { rig.isSharedOut([first, again]) }, "\(again.service.log.text)")
        #expect(again.service.log.count(of: "member.drain.ended") == 1)
        #expect(again.service.context.readiness.health.ready)
    }

    @Test("the last one keeps what nobody else may own, until it is forced")
    func last() throws {
        let (rig, members) = try MemberRig.shared("a", "b")
        let (first, second) = (members[0], members[1])
        let book = try Self.book(rig)
        #expect(Self.isStored(try book.ask(Self.request(rig), about: try rig.named("a"))))
        #expect(eventually { first.member.state == .drained && rig.isSharedOut([second]) })
        #expect(Self.isStored(try book.ask(Self.request(rig), about: try rig.named("b"))))
        #expect(eventually { second.member.state == .draining })
        #expect(rig.isSharedOut([second]))
        let entry = try #require(try Self.entries(rig).last)
        #expect(Self.isStored(try book.release(entry)))
        let forced = Self.request(rig, isForced: true)
        #expect(Self.isStored(try book.ask(forced, about: entry.member)))
        #expect(eventually { second.member.state == .drained })
        #expect(first.plane.open.isEmpty && second.plane.open.isEmpty)
    }

    @Test("a request for another group, or one that cannot be read, asks for nothing")
    func others() throws {
        let (rig, members) = try MemberRig.shared("a")
        let member = members[0]
        let tape = try TestTape(rig.server, namespace: rig.namespace, streams: false)
        let bucket = try #require(try tape.client.jetStream.bucketAsFound("md_owners"))
        var other = Self.request(rig, isForced: true)
        other.groups = [.keepers]
        _ = try bucket.put("drain.member.a", other.json, expected: 0)
        let text = String(decoding: Self.request(rig, isForced: true).json, as: UTF8.self)
        let newer = Array(text.replacing("\"v\":1", with: "\"v\":2").utf8)
        let last = try #require(try bucket.get("drain.member.a")).revision
        _ = try bucket.put("drain.member.a", newer, expected: last)
        #expect(
            eventually { member.service.log.count(of: "member.drain.not_understood") > 0 },
            "\(member.service.log.text)")
        #expect(member.member.state == .ready && rig.isSharedOut([member]))
        let directory = try GroupDirectory(tape.client, listeningFor: .milliseconds(1))
        #expect(directory.refused.contains { $0.contains("the request to drain member a") })
    }

    @Test("one request is enough, a request that changed is not released, and markers are removed")
    func compareAndSet() throws {
        let (rig, members) = try MemberRig.shared("a")
        defer { withExtendedLifetime(members) {} }
        let (book, name) = (try Self.book(rig), try rig.named("z"))
        #expect(Self.isStored(try book.ask(Self.request(rig), about: name)))
        #expect(try book.ask(Self.request(rig), about: name) == .conflict)
        let entry = try #require(try Self.entries(rig).first)
        #expect(Self.isStored(try book.release(entry)))
        #expect(try book.release(entry) == .conflict)
        let now = SystemClock().now()
        let marker = try #require(try Self.entries(rig).first)
        #expect(marker.content == .released && marker.isObsolete(at: now, isHeard: true))
        try book.remove([entry, marker])
        #expect(try Self.entries(rig).isEmpty)
        #expect(Self.isStored(try book.ask(Self.request(rig), about: name)))
    }

    @Test(
        "a request about a member that is not heard is forgotten after a week",
        arguments: [(6, false, false), (8, false, true), (8, true, false)])
    func obsolete(days: Int64, isHeard: Bool, isObsolete: Bool) throws {
        let now = SystemClock().now()
        let entry = DrainBook.Entry(
            member: try #require(MemberName("a")),
            content: .asked(
                DrainRequest(
                    groups: [.store],
                    cause: DrainCause(reason: "", requester: "o", asked: now))),
            written: Timestamp(nanoseconds: now.nanoseconds - days * 86_400_000_000_000),
            revision: 1)
        #expect(entry.isObsolete(at: now, isHeard: isHeard) == isObsolete)
    }
}
