import Membership
@testable import MembershipTransport
import Primitives
import Testing

@testable import TapelineTool

@Suite("tapeline member drain: who may be drained")
struct DrainPlanTests {
    private static let cause = DrainCause(
        reason: "disk", requester: "ops@host", asked: MadeMembers.time(0))

    private static func entry(
        _ name: String, _ group: GroupName = .operators
    ) throws -> DrainBook.Entry {
        DrainBook.Entry(
            member: try #require(MemberName(name)),
            content: .asked(DrainRequest(groups: [group], cause: cause)),
            written: MadeMembers.time(1), revision: 1)
    }

    private static func plan(
        _ more: [(String, String, MemberState, UInt64)] = [], drained: [String] = []
    ) throws -> DrainPlan {
        var members = [
            try MadeMembers.member("operator", "w-1", rank: 1),
            try MadeMembers.member("store", "s-1"), try MadeMembers.member("store", "s-2"),
            try MadeMembers.member("keeper", "g-1"), try MadeMembers.member("source-ib", "g-1"),
            try MadeMembers.member("source-ib-delayed", "g-1"),
            try MadeMembers.member("keeper", "g-2"), try MadeMembers.member("source-ib", "g-2"),
            try MadeMembers.member("source-ib-delayed", "g-2"),
            try MadeMembers.member("operator", "both", .joining),
            try MadeMembers.member("store", "both"),
        ]
        for (group, name, state, rank) in more {
            members.append(try MadeMembers.member(group, name, state, rank: rank))
        }
        return DrainPlan(members: members, drains: try drained.map { try entry($0) })
    }

    private static func groups(
        _ plan: DrainPlan, _ name: String, _ wish: MemberCommand.Wish = .init()
    ) throws -> [String] {
        try plan.groups(try #require(MemberName(name)), wish).map(\.text)
    }

    private static func refusal(
        _ plan: DrainPlan, _ name: String, _ wish: MemberCommand.Wish = .init()
    ) throws -> String {
        do {
            return "none: \(try groups(plan, name, wish))"
        } catch ToolError.refused(let sentence) {
            return sentence
        }
    }

    @Test("a process is drained in all its groups, or in those that are named")
    func groups() throws {
        let plan = try Self.plan()
        #expect(try Self.groups(plan, "s-1") == ["store"])
        #expect(try Self.groups(plan, "g-1") == ["keeper", "source-ib", "source-ib-delayed"])
        #expect(try Self.groups(plan, "g-1", .init(groups: [.keepers])) == ["keeper"])
        #expect(try Self.groups(plan, "both", .init(groups: [.store])) == ["store"])
    }

    @Test("an unknown name, an unknown group, and a name of several processes are refused")
    func names() throws {
        let plan = try Self.plan()
        #expect(
            try Self.refusal(plan, "nobody")
                == "no member nobody is heard; 'tapeline members' lists those that are")
        #expect(try Self.refusal(plan, "s-11") == "no member s-11 is heard: did you mean s-1?")
        #expect(
            try Self.refusal(plan, "s-1", .init(groups: [.operators]))
                == "s-1 is no member of operator; it is heard in store")
        #expect(
            try Self.refusal(plan, "both")
                == "both is the name of several processes, in the groups operator, store: say "
                + "with --group which one is meant")
    }

    @Test("who is drained already is refused, with what is known of it")
    func drained() throws {
        #expect(
            try Self.refusal(try Self.plan(drained: ["w-1"]), "w-1")
                == "w-1 is drained already, by ops@host at 2026-01-05T14:30:00.000000000Z: disk; "
                + "'tapeline member release w-1' ends that")
        let name = try #require(MemberName("s-1"))
        let damaged = DrainPlan(
            members: [],
            drains: [
                .init(
                    member: name, content: .refused(.newer("version 2")),
                    written: MadeMembers.time(0), revision: 3)
            ])
        #expect(try Self.refusal(damaged, "s-1").contains("that cannot be read (a newer release"))
        #expect(try damaged.request(about: name).revision == 3)
    }

    @Test(
        "the last one that can own partitions is refused, unless it is forced",
        arguments: [
            ([], [], " (both is joining)"),
            ([("operator", "w-2", MemberState.ready, 1 as UInt64)], [], nil),
            ([("operator", "w-2", .ready, 2)], [], nil),
            ([("operator", "w-2", .ready, 0)], [], " (both is joining, w-2 is of a lower rank)"),
            ([("operator", "w-2", .paused, 1)], [], " (both is joining, w-2 is paused)"),
            ([("operator", "w-2", .drained, 1)], ["w-2"], " (both is joining, w-2 is drained)"),
            // It has not read the request yet.
            ([("operator", "w-2", .ready, 1)], ["w-2"], " (both is joining, w-2 is ready)"),
            ([("operator", "w-1", .aside, 1)], [], " (both is joining)"),
        ] as [([(String, String, MemberState, UInt64)], [String], String?)])
    func last(
        others: [(String, String, MemberState, UInt64)], drained: [String], why: String?
    ) throws {
        let plan = try Self.plan(others, drained: drained)
        #expect(try Self.groups(plan, "w-1", .init(isForced: true)) == ["operator"])
        guard let why else {
            #expect(try Self.groups(plan, "w-1") == ["operator"])
            return
        }
        #expect(
            try Self.refusal(plan, "w-1")
                == "w-1 is the last member of operator that can own partitions\(why): start "
                + "another one first, or give --force, and nobody of its rank owns them")
    }

    @Test("a request of another group does not count, and a full book is refused")
    func limits() throws {
        var plan = try Self.plan()
        for (group, isLast) in [(GroupName.operators, false), (.store, true)] {
            let drains = [try Self.entry("both", group), try Self.entry("s-2", group)]
            plan = DrainPlan(members: plan.members, drains: drains)
            #expect(try Self.refusal(plan, "s-1").hasPrefix("s-1 is the last") == isLast)
        }
        let many = try (0..<DrainRequest.countMax).map { try Self.entry("x-\($0)") }
        let full = DrainPlan(members: plan.members, drains: many)
        #expect(try Self.refusal(full, "s-1").hasPrefix("128 members are drained"))
    }

    @Test("only a member that has a request is released")
    func release() throws {
        let plan = try Self.plan(drained: ["w-1"])
        #expect(try plan.request(about: try #require(MemberName("w-1"))).revision == 1)
        let other = try #require(MemberName("s-1"))
        let refused = ToolError.refused("s-1 is not drained; those that are: w-1")
        #expect(throws: refused) { try plan.request(about: other) }
        let nobody = ToolError.refused("s-1 is not drained; no member is")
        let empty = try Self.plan()
        #expect(throws: nobody) { try empty.request(about: other) }
    }

    @Test("how far it is, and why it may never be done")
    func progress() throws {
        let name = try #require(MemberName("w-1"))
        func progress(
            _ state: MemberState?, held: [Int] = [], cause: DrainCause? = Self.cause,
            isDrain: Bool = true
        ) throws -> DrainProgress {
            var members: [GroupDirectory.Member] = []
            if let state {
                let made = try MadeMembers.member("operator", "w-1", state, held: held)
                var heartbeat = made.heartbeat
                heartbeat.drain = cause
                members = [.init(group: made.group, heartbeat: heartbeat)]
            }
            return DrainProgress(members, of: name, in: [.operators], isDrain: isDrain)
        }
        let open = try progress(.draining, held: [1, 2, 3, 5])
        #expect(!open.isDone && open.held == 4)
        #expect(open.text == "w-1 is draining in operator and holds 1-3,5")
        #expect(open.doubt == "; it keeps what no other member is ready to take")
        #expect(try progress(.drained).isDone)
        #expect(try progress(nil).text == "w-1 is not heard in operator")
        #expect(try !progress(nil).isDone)
        #expect(try progress(.ready, cause: nil).doubt.contains("does not report the request"))
        #expect(try progress(.ready, cause: nil, isDrain: false).isDone)
        #expect(try !progress(.ready, isDrain: false).isDone)
        #expect(try !progress(.drained, isDrain: false).isDone)
    }
}
