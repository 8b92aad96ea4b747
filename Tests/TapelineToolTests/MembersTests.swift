import MarketModel
import Membership
@testable import MembershipTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool

/// Known members and owners, for tables.
enum MadeMembers {
    static func time(_ seconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: 1_767_623_400_000_000_000 + seconds * 1_000_000_000)
    }

    static func member(
        _ group: String, _ name: String, instance: UInt64 = 1, _ state: MemberState = .ready,
        rank: UInt64 = 0, held: [Int] = [], release: String = "0.1.0"
    ) throws -> GroupDirectory.Member {
        GroupDirectory.Member(
            group: try #require(GroupName(group)),
            heartbeat: MemberHeartbeat(
                member: try #require(MemberName(name)), instance: instance, state: state,
                rank: rank, since: time(0), sequence: 9, records: 3,
                held: held.map { Partition($0) }, release: release, revision: "99e8c18e",
                leaseNanoseconds: 500_000_000))
    }

    static func owner(
        _ group: String, _ partition: Int, _ name: String, instance: UInt64 = 1,
        epoch: UInt64 = 4, state: OwnershipRecord.State = .held, isDamaged: Bool = false
    ) throws -> GroupDirectory.Owner {
        let record = OwnershipRecord(
            owner: try #require(MemberName(name)), instance: instance, epoch: epoch,
            since: time(Int64(epoch)), state: state)
        return GroupDirectory.Owner(
            group: try #require(GroupName(group)), partition: Partition(partition),
            record: isDamaged ? nil : record, written: time(5), revision: 7)
    }

    static func table() throws -> MembersTable {
        MembersTable(
            members: [
                try member("operator", "host-8501", held: [0, 1, 2, 5]),
                try member(
                    "operator", "host-with-quite-a-long-name-8502", .joining, rank: 2,
                    release: "0.2.0"),
                try member("source-ib", "gate-8500", instance: 8, .aside),
            ],
            owners: [
                try owner("operator", 0, "host-8501"), try owner("operator", 1, "host-8501"),
                try owner("operator", 2, "host-8501", epoch: 6),
                try owner("operator", 3, "gone-8501", instance: 5, epoch: 9),
                try owner("operator", 4, "host-8501", epoch: 2, state: .free),
                try owner("operator", 5, "host-8501", epoch: 5),
                try owner("operator", 6, "x", isDamaged: true),
                try owner("store", 0, "silent"),
            ])
    }
}

@Suite("tapeline members")
struct MembersTests {
    @Test("groups, members, owners, epochs, since when; in 80 columns")
    func text() throws {
        let lines = try MadeMembers.table().lines
        #expect(
            lines.joined(separator: "\n") == """
                operator
                  MEMBER                    STATE    RANK  SINCE                 HOLDS
                  host-8501                 ready       0  2026-01-05T14:30:00Z  0-2,5
                  host-with-quite-a-long-…  joining     2  2026-01-05T14:30:00Z  -
                  RELEASE           MEMBERS
                  0.1.0 (99e8c18e)  host-8501
                  0.2.0 (99e8c18e)  host-with-quite-a-long-…
                  OWNER               EPOCH  SINCE                 PARTITIONS
                  host-8501             4-6  2026-01-05T14:30:06Z  0-2,5
                  gone-8501 (silent)      9  2026-01-05T14:30:09Z  3
                  free                    2  2026-01-05T14:30:02Z  4
                  damaged record          -  -                     6

                source-ib
                  MEMBER     STATE  RANK  SINCE                 HOLDS
                  gate-8500  aside     0  2026-01-05T14:30:00Z  -
                  RELEASE           MEMBERS
                  0.1.0 (99e8c18e)  all
                  no partition has an owner on record

                store
                  no member was heard
                  OWNER            EPOCH  SINCE                 PARTITIONS
                  silent (silent)      4  2026-01-05T14:30:04Z  0
                """)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(
            MembersTable(members: [], owners: []).lines
                == ["no member was heard, and no partition has an owner on record"])
    }

    @Test("for a program everything is there, and nothing is cut")
    func json() throws {
        let json = try JSONValue.parse(try MadeMembers.table().json())
        let groups = try #require(json["groups"]?.array)
        #expect(groups.map { $0["group"]?.string } == ["operator", "source-ib", "store"])
        let members = try #require(groups[0]["members"]?.array)
        #expect(members[1]["member"]?.string == "host-with-quite-a-long-name-8502")
        #expect(members[0]["held"]?.array?.compactMap(\.int) == [0, 1, 2, 5])
        #expect(members[0]["instance"]?.string == "0000000000000001")
        #expect(members.map { $0["version"]?.string } == ["0.1.0", "0.2.0"])
        #expect(members[0]["revision"]?.string == "99e8c18e")
        let owners = try #require(groups[0]["owners"]?.array)
        #expect(owners.count == 7 && owners[2]["epoch"]?.int == 6)
        #expect(owners[4]["state"]?.string == "free" && owners[6]["state"]?.string == "damaged")
        #expect(owners[0]["since"]?.string == "2026-01-05T14:30:04.000000000Z")
    }
}
