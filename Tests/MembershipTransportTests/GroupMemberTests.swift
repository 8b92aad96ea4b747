import MarketModel
import Membership
import MembershipTransport
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@Suite("Members of a group on a real server")
struct GroupMemberTests {
    @Test("members share partitions out, and one that comes gets its part in order")
    func joining() throws {
        let (rig, members) = try MemberRig.shared("a")
        let first = members[0]
        let second = try rig.member("b")
        #expect(eventually { rig.isSharedOut([first, second]) }, "\(second.service.log.text)")
        #expect(second.plane.claims.allSatisfy { $0.wasReleased && $0.previous?.text == "a" })
        #expect(second.plane.claims.allSatisfy { $0.epoch == 2 })
        #expect(first.plane.released.count == 4)
        #expect(first.service.context.readiness.health.ready)
        let shared = first.service.metric("mds_member_group_partitions{group=\"operator\"}")
        #expect(shared == 8)
    }

    @Test("its owner, and nobody else, shows each partition with its epoch")
    func shownEpochs() throws {
        let (rig, members) = try MemberRig.shared("a", "b", partitions: 4)
        let (first, second) = (members[0], members[1])
        func shown(_ member: TestMember, _ name: String) -> [Double?] {
            (0..<4).map { number in
                member.service.metric(
                    "mds_partition_owner_epoch{group=\"\(rig.group)\",member=\"\(name)\","
                        + "partition=\"\(number)\"}")
            }
        }
        func isRight(_ member: TestMember, _ name: String) -> Bool {
            let epochs = (0..<4).map { member.plane.open[Partition($0)].map { Double($0.epoch) } }
            return shown(member, name) == epochs
        }
        #expect(eventually { isRight(first, "a") && isRight(second, "b") })
        first.kill()
        #expect(eventually { rig.isSharedOut([second]) && isRight(second, "b") })
        #expect(shown(second, "b").allSatisfy { $0 != nil })
        #expect(
            second.service.metric("mds_queue_capacity{queue=\"members.\(rig.group)\"}") == 4_096)
    }

    @Test("who is killed loses all to the others, above its epochs")
    func killed() throws {
        let (rig, members) = try MemberRig.shared("a", "b", "c")
        let lost = members[0].member.held
        members[0].kill()
        let rest = Array(members.dropFirst())
        #expect(eventually { rig.isSharedOut(rest) }, "\(rest[0].service.log.text)")
        for partition in lost {
            let claim = rest.compactMap { $0.plane.open[partition] }.first
            #expect(claim?.previous?.text == "a")
            #expect(claim?.wasReleased == false)
        }
    }
}
