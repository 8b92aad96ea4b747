import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceTestSupport
import Synchronization
import TapeTransport
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite("Members of a group and what happens to their NATS")
struct MemberFaultTests {
    @Test("NATS restarted and killed: everybody pauses, and nobody changes owner")
    func restarts() throws {
        let (rig, members) = try MemberRig.shared("a", "b")
        let before = members.map(\.tenures)
        for isKilled in [false, true] {
            if isKilled { rig.server.kill() } else { rig.server.stop() }
            #expect(eventually { members.allSatisfy { $0.member.state == .paused } })
            #expect(members.allSatisfy { !$0.isSteady })
            #expect(members.allSatisfy { !$0.service.context.readiness.health.ready })
            try rig.server.start()
            #expect(eventually { rig.isSharedOut(members) }, "\(members[0].service.log.text)")
            #expect(members.map(\.tenures) == before)
        }
        #expect(members[0].service.metric("mds_member_pauses_total") == nil)
        #expect(members[0].service.log.count(of: "member.partition.lost") == 0)
    }

    @Test("a member that is cut off pauses, loses all, and gets its part back when it returns")
    func cutOff() throws {
        let rig = MemberRig(try NatsServer())
        let proxy = try NatsProxy(to: rig.server.port)
        let near = try rig.member("a")
        let far = try rig.member("b", url: proxy.url)
        #expect(eventually { rig.isSharedOut([near, far]) })
        // Nothing comes back, because the link is stalled.
        proxy.freeze(.toClient)
        #expect(eventually { far.member.state == .paused })
        #expect(!far.isSteady)
        #expect(eventually { near.member.held.count == rig.partitions })
        proxy.calm()
        #expect(eventually { rig.isSharedOut([near, far]) }, "\(far.service.log.text)")
        #expect(eventually { far.service.log.count(of: "member.partition.lost") == 4 })
    }

    @Test(
        "a member with a thread that hangs gives all away, and takes its part again when it turns")
    func hangs() throws {
        let (rig, members) = try MemberRig.shared("a", "b")
        let (near, far) = (members[0], members[1])
        let threads = far.service.context.threads
        let beat = threads.thread("stuck", within: .zero)
        _ = threads.turn()
        #expect(eventually { far.member.state == .paused && !far.isSteady })
        #expect(far.service.context.readiness.health.reasons.contains { $0.contains("hangs") })
        #expect(eventually { near.member.held.count == rig.partitions })
        beat.retire()
        _ = threads.turn()
        #expect(eventually { rig.isSharedOut([near, far]) }, "\(far.service.log.text)")
    }

    @Test("of two of one name the later one stands aside, and follows when the first is gone")
    func doubled() throws {
        let (rig, members) = try MemberRig.shared("a")
        let first = members[0]
        let second = try rig.member("a")
        #expect(eventually { second.member.state == .aside }, "\(second.service.log.text)")
        #expect(eventually { second.service.log.count(of: "member.doubled") == 1 })
        #expect(!second.service.context.readiness.health.ready)
        #expect(second.member.held.isEmpty && rig.isSharedOut([first]))
        first.kill()
        #expect(eventually { rig.isSharedOut([second]) }, "\(second.service.log.text)")
        #expect(second.plane.claims.allSatisfy { $0.previous?.text == "a" && !$0.wasReleased })
    }

    @Test("a bucket that is deleted is made again, and all is shared out anew above the old epochs")
    func deletedBucket() throws {
        let (rig, members) = try MemberRig.shared("a", "b")
        let tape = try TestTape(rig.server, namespace: "md", streams: false)
        let answer = try tape.client.connection.request(
            [], to: "$JS.API.STREAM.DELETE.KV_md_owners", timeout: patience)
        #expect(String(decoding: answer.payload, as: UTF8.self).contains("true"))
        #expect(
            eventually {
                rig.isSharedOut(members)
                    && members.flatMap { $0.plane.open.values }.allSatisfy { $0.epoch >= 2 }
            }, "\(members[0].service.log.text)")
        // A member that reads only after as many new writes as there were old ones sees no lower
        // revision, only the new owners.
        #expect(members.contains { $0.service.log.count(of: "member.owners.replaced") > 0 })
    }

    @Test("whoever leaves hands all over, says so, and is not missed")
    func leaving() throws {
        let (rig, members) = try MemberRig.shared("a", "b")
        members[0].member.leave()
        #expect(eventually { members[0].member.hasLeft }, "\(members[0].service.log.text)")
        #expect(members[0].plane.open.isEmpty && members[0].member.state == .gone)
        #expect(eventually { rig.isSharedOut([members[1]]) })
        #expect(members[1].service.log.count(of: "member.partition.lost") == 0)
        #expect(members[1].plane.claims.allSatisfy { $0.wasReleased })
        members[1].member.leave()
        #expect(eventually { members[1].member.hasLeft })
        // After an orderly end, a cold start waits for no other member.
        let next = try rig.member("c")
        #expect(eventually { rig.isSharedOut([next]) })
        #expect(next.plane.claims.allSatisfy { $0.wasReleased })
    }

    @Test("while NATS is away nobody can leave, and closing ends all the same")
    func leavingWithoutNats() throws {
        let (rig, members) = try MemberRig.shared("a")
        let member = members[0]
        rig.server.stop()
        #expect(eventually { member.member.state == .paused })
        member.member.leave()
        #expect(eventually { member.plane.open.isEmpty })
        #expect(!member.member.hasLeft)
        member.member.close()
        member.member.close()
        #expect(!member.isSteady)
        // A member that NATS never answered also ends.
        let other = try rig.member("b")
        #expect(other.member.state == .joining && !other.member.hasLeft)
        other.member.close()
    }

    @Test("a stranger's epoch on the tape is met by a higher claim, after a wait")
    func fenced() throws {
        let (rig, members) = try MemberRig.shared("a", partitions: 2)
        let member = members[0]
        member.plane.lose(Partition(1))
        #expect(eventually { rig.isSharedOut([member]) }, "\(member.service.log.text)")
        let claim = member.plane.open[Partition(1)]
        #expect(claim?.epoch == 2 && claim?.previous?.text == "a" && claim?.wasReleased == false)
        #expect(member.service.log.contains("outside of the group"))
    }

    @Test("an epoch that was opened above the record's is written into it")
    func raised() throws {
        let (rig, members) = try MemberRig.shared("a", partitions: 2)
        defer { withExtendedLifetime(rig) {} }
        let member = members[0]
        member.plane.epochStep.store(40, ordering: .relaxed)
        member.plane.lose(Partition(0))
        #expect(
            eventually {
                member.member.owners.contains {
                    $0.partition == Partition(0) && $0.record.epoch == 42 && $0.isOwn
                }
            }, "\(member.member.owners)")
    }

    @Test("only members of the highest rank get partitions")
    func ranks() throws {
        let rig = MemberRig(try NatsServer())
        let old = try rig.member("a", rank: 1)
        #expect(eventually { rig.isSharedOut([old]) })
        let new = try rig.member("b", rank: 2)
        #expect(eventually { rig.isSharedOut([new]) && old.member.held.isEmpty })
        #expect(old.member.state == .ready)
        new.kill()
        #expect(eventually { rig.isSharedOut([old]) })
    }

    @Test("the directory finds groups, members and owners; a gone or silent one is not there")
    func directory() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "md", streams: false)
        let empty = try GroupDirectory(tape.client, listeningFor: .milliseconds(10))
        #expect(empty.groups.isEmpty && empty.members.isEmpty && empty.owners.isEmpty)
        let operators = MemberRig(server, partitions: 4)
        let writers = MemberRig(server, group: .keepers, partitions: 1)
        let first = try operators.member("a", rank: 3)
        let second = try writers.member("k")
        #expect(eventually { operators.isSharedOut([first]) && writers.isSharedOut([second]) })
        let found = try GroupDirectory(tape.client)
        #expect(found.groups == [.keepers, .operators])
        #expect(found.members.map(\.heartbeat.member.text) == ["k", "a"])
        #expect(found.members.map(\.heartbeat.held.count) == [1, 4])
        #expect(found.members.last?.heartbeat.release == "1.2.3")
        #expect(found.members.last?.heartbeat.revision == "abc12" && found.refused.isEmpty)
        #expect(found.owners.map(\.partition.number) == [0, 0, 1, 2, 3])
        #expect(found.owners.allSatisfy { $0.record?.epoch == 1 && $0.record?.state == .held })
        second.member.leave()
        #expect(eventually { second.member.hasLeft })
        let later = try GroupDirectory(tape.client)
        #expect(later.members.map(\.group) == [.operators])
        #expect(later.owners.first?.record?.state == .free)
    }

    @Test("the status page says who owns what, and settings come from the configuration")
    func status() throws {
        let (rig, members) = try MemberRig.shared("a", partitions: 2)
        let member = members[0]
        var json = JSONWriter()
        json.object { member.member.write(into: &$0) }
        #expect(eventually { member.member.owners.count == 2 })
        for part in [
            "\"group\":\"operator\"", "\"state\":\"ready\"", "\"held\":[0,1]", "\"own\":true",
            "\"connected\":true", "\"leaseSeconds\":0.5",
        ] {
            #expect(json.text.contains(part), "\(json.text)")
        }
        let service = try rig.service(["MDS_MEMBER": "w-9", "MDS_LEASE": "2s"])
        let settings = try GroupMember.Settings(
            service.context.configuration, group: .store, partitions: 2, operationsPort: 8_502)
        #expect(settings.member.text == "w-9" && settings.lease == .seconds(2))
        let plain = try GroupMember.Settings(
            try rig.service().context.configuration, group: .store, partitions: 2,
            operationsPort: 8_502)
        #expect(plain.member.text.hasSuffix("-8502") && plain.lease == .milliseconds(500))
        let wrong = try rig.service(["MDS_MEMBER": "a.b"])
        #expect(throws: SettingsError.self) {
            _ = try GroupMember.Settings(
                wrong.context.configuration, group: .store, partitions: 2, operationsPort: 1)
        }
    }

    @Test("nonsense on the group's subjects is counted and ignored")
    func nonsense() throws {
        let (rig, members) = try MemberRig.shared("a", partitions: 2)
        let member = members[0]
        let tape = try TestTape(rig.server, namespace: "md", streams: false)
        try tape.client.connection.publish([UInt8]("{}".utf8), to: "md.hb.operator.x")
        #expect(
            eventually {
                member.service.metric("mds_member_heartbeats_not_understood_total") == 1
            })
        #expect(rig.isSharedOut([member]))
    }

    @Test("what a newer release says is named and ignored; a record of it is claimed over")
    func newerRelease() throws {
        let (rig, members) = try MemberRig.shared("a", partitions: 2)
        let member = members[0]
        let tape = try TestTape(rig.server, namespace: "md", streams: false)
        let connection = tape.client.connection
        let newer = Array(#"{"v":2}"#.utf8)
        let news = try connection.subscribe("md.ask.members", pendingMessagesMax: 64) { _ in
            _ = try? connection.publish(newer, to: "md.hb.operator.new")
        }
        defer { news.unsubscribe() }
        let bucket = try #require(try tape.client.jetStream.bucketAsFound("md_owners"))
        _ = try bucket.create("store.0", newer)
        let told =
            "a newer release wrote it (it has version 2, this program knows 1): "
            + "upgrade this program to that release"
        #expect(
            try GroupDirectory(tape.client).refused == [
                "member new of group operator is not listed: \(told)",
                "the record of partition 0 of group store: \(told)",
            ])
        #expect(eventually { member.service.log.contains("a heartbeat was ignored: \(told)") })
        let own = try #require(try bucket.get("operator.0"))
        _ = try bucket.put("operator.0", newer, expected: own.revision)
        #expect(eventually { member.service.log.count(of: "member.owners.damaged") == 1 })
        #expect(eventually { rig.isSharedOut([member]) })
        #expect(member.service.log.contains("the partition has no owner: \(told)"))
    }
}
