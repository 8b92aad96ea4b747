import Membership
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import MembershipTransport
@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline may-i restart")
struct MayITests {
    /// A deployment in which any process may be started again.
    private static func well(_ subject: String) throws -> Preflight {
        var facts = Preflight(subject: subject)
        facts.members = [
            try MadeMembers.member("operator", "w-1", rank: 1, held: [0, 1]),
            try MadeMembers.member("operator", "w-2", rank: 1, held: [2, 3]),
            try MadeMembers.member("store", "s-1", held: [0, 1, 2, 3]),
            try MadeMembers.member("store", "s-2"),
            try MadeMembers.member("source-ib", "g-1", held: [0]),
            try MadeMembers.member("source-ib", "g-2"),
            try MadeMembers.member("keeper", "g-1"),
            try MadeMembers.member("keeper", "g-2", held: [0]),
        ]
        facts.lags = ["operator": .init(records: 50_000), "store": .init(records: 3)]
        facts.nats = "127.0.0.1:4222"
        facts.streams = 6
        facts.database = .answers("127.0.0.1:5432")
        return facts
    }

    private static func noes(_ facts: Preflight) -> [String] {
        facts.reasons.filter { $0.level == .no }.map(\.text)
    }

    @Test(
        "a member or a group may be started again where others are there",
        arguments: ["w-1", "s-1", "s-2", "g-1", "g-2", "operator", "store", "source-ib", "keeper"])
    func yes(subject: String) throws {
        let facts = try Self.well(subject)
        #expect(facts.isYes && Self.noes(facts).isEmpty, "\(facts.reasons)")
    }

    @Test("the answer has a line on each reason")
    func text() throws {
        #expect(
            MayIAnswer(try Self.well("g-1")).lines.joined(separator: "\n") == """
                YES: g-1 may be started again
                  yes      g-1 owns nothing of keeper
                  yes      the other members of keeper are ready: 1
                  yes      others of source-ib can take over from g-1
                  yes      the other members of source-ib are ready: 1
                  yes      NATS answers: 127.0.0.1:4222
                  yes      each of 6 streams has one copy, which answers
                  yes      the database answers: 127.0.0.1:5432
                """)
        var facts = try Self.well("operator")
        facts.database = .unnamed
        #expect(
            MayIAnswer(facts).lines.joined(separator: "\n") == """
                YES: operator may be started again
                  yes      others of operator can take over from each of its members
                  yes      all members of operator are ready: 2
                  yes      operator is 50000 records behind; up to 50000 are worked off by those \
                that remain
                  yes      NATS answers: 127.0.0.1:4222
                  yes      each of 6 streams has one copy, which answers
                  skipped  no database is named (POSTGRES_HOST)
                """)
        let json = try JSONValue.parse(
            MayIAnswer(subject: "w-1", problem: "no route").json())
        #expect(json["answer"]?.string == "no" && json["subject"]?.string == "w-1")
        let reason = try #require(json["reasons"]?.array?.first)
        #expect(reason["level"]?.string == "no")
        #expect(reason["text"]?.string == "NATS does not answer: no route")
    }

    /// What is different, and the line that says no.
    struct Case: Sendable {
        var subject = "w-1"
        let no: String
        let change: @Sendable (inout Preflight) throws -> Void
    }

    @Test(
        "each reason against it says no",
        arguments: [
            Case(subject: "w-3", no: "no member and no group w-3 is heard: did you mean w-1?") {
                _ in
            },
            Case(no: "nobody of operator can take over from w-1: 0,1 would have no owner") {
                $0.members.remove(at: 1)
            },
            Case(no: "nobody of operator can take over from w-1: 0,1 would have no owner") {
                $0.members[1] = try MadeMembers.member("operator", "w-2", rank: 0)
            },
            Case(
                subject: "store",
                no: "nobody of store can take over from s-1: 0-3 would have no owner"
            ) { $0.members.remove(at: 3) },
            Case(no: "w-3 of operator is drained") {
                $0.members.append(
                    try MadeMembers.member("operator", "w-3", .drained, rank: 1))
            },
            Case(subject: "operator", no: "w-3 of operator is joining") {
                $0.members.append(
                    try MadeMembers.member("operator", "w-3", .joining, rank: 1))
            },
            Case(no: "no living owner of partitions 3 of operator") {
                $0.silent = ["operator": [3], "store": [1]]
            },
            Case(
                no: "operator is 50001 records behind; up to 50000 are worked off by those that "
                    + "remain"
            ) { $0.lags["operator"] = .init(records: 50_001) },
            Case(no: "nobody says how far operator has read") { $0.lags["operator"] = nil },
            Case(no: "w-3 of operator is to be drained") {
                let member = try MadeMembers.member("operator", "w-3", rank: 1)
                $0.members.append(member)
                $0.drains[member.heartbeat.member] = [.operators]
            },
            Case(no: "nobody says how far 2 partitions of operator are read") {
                $0.lags["operator"] = .init(records: 0, unheard: 2)
            },
            Case(no: "MD_BARS: its copy on n-2 is away") {
                $0.behind = [.init(stream: "MD_BARS", problem: "its copy on n-2 is away")]
            },
            Case(no: "the database does not answer: refused") { $0.database = .away("refused") },
        ])
    func no(each: Case) throws {
        var facts = try Self.well(each.subject)
        try each.change(&facts)
        #expect(!facts.isYes && Self.noes(facts) == [each.no])
    }

    @Test("what does not concern the member does not say no")
    func others() throws {
        var facts = try Self.well("w-1")
        facts.members.append(try MadeMembers.member("store", "s-3", .joining))
        facts.silent = ["store": [2]]
        facts.lags["store"] = .init(records: .max, unheard: 3)
        facts.members[0] = try MadeMembers.member("operator", "w-1", .drained, rank: 1)
        facts.replicated = 6
        #expect(facts.isYes, "\(facts.reasons)")
        #expect(facts.reasons.contains(.init(.yes, "all copies of 6 of 6 streams are current")))
    }

    @Test("an upgrade begins with the writers and ends with the gateways, and two releases run")
    func upgrade() throws {
        let (old, new) = ("1.2.3", "2.0.0")
        func facts(_ subject: String, of release: [String: String]) throws -> Preflight {
            var facts = try Self.well(subject)
            facts.upgradeTo = Preflight.Release(new, "abc")
            facts.members = facts.members.map { member in
                var own = member.heartbeat
                own.release = release[own.member.text] ?? old
                own.revision = own.release == new ? "abc" : ""
                return GroupDirectory.Member(group: member.group, heartbeat: own)
            }
            return facts
        }
        func noes(_ subject: String, of release: [String: String] = [:]) throws -> Int {
            Self.noes(try facts(subject, of: release)).count
        }
        #expect(try noes("store") == 0 && noes("s-1") == 0)
        let early = try facts("w-1", of: ["s-1": new])
        #expect(
            Self.noes(early) == ["s-2 of store comes before: it is of release 1.2.3"])
        #expect(try noes("w-1", of: ["s-1": new, "s-2": new]) == 0)
        #expect(try noes("keeper", of: ["s-1": new, "s-2": new]) == 2)
        #expect(try noes("keeper") == 4)
        let all = ["s-1": new, "s-2": new, "w-1": new, "w-2": new]
        #expect(try noes("source-ib", of: all) == 0 && noes("g-1", of: all) == 0)
        let third = ["s-1": "1.9.0"]
        #expect(
            Self.noes(try facts("store", of: third))
                == ["1.2.3 and 1.9.0 run already: finish that upgrade, or take it back"])
        let done = MayIAnswer(try facts("s-1", of: all))
        #expect(done.lines.first == "YES: s-1 may be started again as 2.0.0 (abc)")
        #expect(done.reasons.contains(.init(.yes, "s-1 is of release 2.0.0 (abc) already")))
        let json = try JSONValue.parse(done.json())
        #expect(json["release"]?.string == "2.0.0 (abc)")
        #expect(
            try facts("s-1", of: [:]).orderReasons == [.init(.yes, "nothing comes before s-1")])
        var lone = try facts("w-1", of: [:])
        lone.members.removeAll { $0.group == .store }
        #expect(
            lone.orderReasons.last
                == .init(
                    .skipped, "nobody of store is heard, who comes before w-1"))
        // A release without a revision is any build of it.
        var any = try facts("w-1", of: all)
        any.upgradeTo = Preflight.Release(new, "")
        #expect(Self.noes(any).isEmpty)
        any.upgradeTo = Preflight.Release(new, "def")
        // Two writers come before, and two other releases run.
        #expect(Self.noes(any).count == 3)
        // Who is not heard has no place in the order.
        #expect(try facts("nobody", of: all).orderReasons.isEmpty)
    }

    @Test("its arguments, and those that are wrong")
    func arguments() throws {
        let own = Preflight.Release(ProductVersion.text, ProductVersion.revision)
        #expect(
            try MayICommand.parse(["upgrade", "w-1"])
                == MayICommand(subject: "w-1", upgradeTo: own))
        for (text, release) in [("1.4.0", ("1.4.0", "")), ("1.4.0 (0a)", ("1.4.0", "0a"))] {
            let wanted = Preflight.Release(release.0, release.1)
            #expect(
                try MayICommand.parse(["upgrade", "w-1", "--to", text])
                    == MayICommand(subject: "w-1", upgradeTo: wanted))
            #expect(wanted.description == text)
        }
        #expect(
            try MayICommand.parse(["restart", "w-1", "--json"])
                == MayICommand(subject: "w-1", asJSON: true))
    }

    @Test("on a real server: who can take over, and what nobody says")
    func real() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "may_a")
        let group = try ToolMembers(bench, .operators, ["a"])
        defer { group.close() }
        #expect(eventually { group.held() == [4] })
        func said(_ subject: String) throws -> Said {
            try Said(["may-i", "restart", subject], bench.tape.environment)
        }
        let alone = try said("a")
        #expect(alone.code == .failure && alone.output.hasPrefix("NO: leave a alone"))
        #expect(alone.output.contains("nobody of operator can take over from a: 0-3"))
        try group.start("b")
        #expect(eventually { group.held() == [2, 2] })
        let both = try said("a")
        #expect(both.output.contains("yes      others of operator can take over from a"))
        // These members read no tape, so nobody says how far it is read.
        #expect(both.code == .failure, "\(both.output)")
        #expect(both.output.contains("no       nobody says how far operator has read"))
        #expect(both.output.contains("yes      NATS answers: 127.0.0.1:"))
        #expect(both.output.contains("each of 6 streams has one copy"))
    }
}
