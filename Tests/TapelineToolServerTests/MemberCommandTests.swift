import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline member")
struct MemberCommandTests {
    @Test("its arguments, and those that are wrong")
    func arguments() throws {
        let name = try #require(MemberName("w-1"))
        #expect(
            try MemberCommand.parse(["drain", "w-1"])
                == MemberCommand(verb: .drain(.init()), member: name))
        let all = try MemberCommand.parse([
            "drain", "w-1", "--group", "operator", "--group=operator", "--reason", "a disk",
            "--force", "--wait", "--timeout", "7", "--json",
        ])
        #expect(
            all.verb == .drain(.init(groups: [.operators], reason: "a disk", isForced: true)))
        #expect(all.waitSeconds == 7 && all.asJSON)
        #expect(try MemberCommand.parse(["release", "w-1", "--wait"]).waitSeconds == 120)
    }

    private func runMember(
        _ bench: TailBench, _ arguments: [String], shutdown: ShutdownSignal = ShutdownSignal()
    ) throws -> Said {
        try Said(["member"] + arguments, bench.tape.environment, shutdown: shutdown)
    }

    private func listed(_ bench: TailBench, _ arguments: [String] = []) throws -> String {
        try Said(["members"] + arguments, bench.tape.environment).output
    }

    @Test("drained and released on a real server, for people and for programs")
    func whole() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "member_a")
        #expect(throws: ToolError.refused("no member has ever run on this tape")) {
            try runMember(bench, ["drain", "a"])
        }
        let group = try ToolMembers(bench, .operators, ["a", "b"])
        defer { group.close() }
        #expect(eventually { group.held() == [2, 2] })

        let asked = try runMember(bench, ["drain", "a", "--reason", "a disk"])
        #expect(asked.code == .success && asked.errors.isEmpty)
        #expect(asked.output.hasPrefix("a hands over what it owns of operator, and takes nothing"))
        #expect(eventually { group.held() == [0, 4] })
        #expect(eventually { group.members[0].state == .drained })
        let waited = { try runMember(bench, ["drain", "a"]) }
        #expect(throws: ToolError.self) { try waited() }
        let list = try listed(bench)
        #expect(list.contains("  a       drained"))
        #expect(list.contains("a is to take nothing, by ") && list.contains(": a disk\n"))
        let groups = try JSONValue.parse(try listed(bench, ["--json"]))["groups"]?.array
        let drain = try #require(groups?.first?["drains"]?.array?.first)
        #expect(drain["member"]?.string == "a" && drain["reason"]?.string == "a disk")
        #expect(throws: ToolError.self) { try runMember(bench, ["drain", "b"]) }

        let released = try runMember(bench, ["release", "a", "--json"])
        let json = try JSONValue.parse(released.output)
        #expect(json["outcome"]?.string == "released" && json["reason"]?.string == "a disk")
        #expect(eventually { group.held() == [2, 2] })
        #expect(throws: ToolError.refused("a is not drained; no member is")) {
            try runMember(bench, ["release", "a"])
        }
    }

    @Test("waiting ends when it is done, when the time is over, and when a person ends it")
    func waiting() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "member_b")
        let group = try ToolMembers(bench, .store, ["a", "b"])
        defer { group.close() }
        #expect(eventually { group.held() == [2, 2] })
        // Nobody carries the orders out meanwhile.
        let late = try runMember(bench, ["drain", "a", "--wait", "--timeout", "1", "--json"])
        #expect(late.code == .temporary && late.errors.contains("not done after 1 s: a is "))
        #expect(late.errors.contains("the request stays"))
        #expect(try JSONValue.parse(late.output)["outcome"]?.string == "waiting")
        #expect(eventually { group.held() == [0, 4] && group.members[0].state == .drained })
        let shutdown = ShutdownSignal()
        shutdown.request("a person")
        let ended = try runMember(bench, ["release", "a", "--wait"], shutdown: shutdown)
        #expect(ended.code == .interrupted || ended.output.contains("a is ready in store"))
        #expect(eventually { group.held() == [2, 2] && group.members[0].state == .ready })
        // A member without partitions has nothing to hand over.
        try group.start("c")
        #expect(eventually { group.held().reduce(0, +) == 4 && group.members[2].state == .ready })
        let names = ["a", "b", "c"]
        let idle = try #require(group.held().firstIndex { $0 <= 1 })
        _ = try runMember(bench, ["drain", names[idle]])
        #expect(eventually { group.held()[idle] == 0 && group.members[idle].state == .drained })
        let done = try runMember(bench, ["release", names[idle], "--wait"])
        #expect(done.code == .success && done.output.contains("\(names[idle]) is ready in store"))
    }

    @Test("one that is not heard any more is released all the same")
    func absent() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "member_c")
        let group = try ToolMembers(bench, .operators, ["a", "b"])
        defer { group.close() }
        #expect(eventually { group.held() == [2, 2] })
        _ = try runMember(bench, ["drain", "a"])
        #expect(eventually { group.held() == [0, 4] })
        group.members[0].close()
        #expect(try eventually { try listed(bench).contains("(it is not heard)") })
        let released = try runMember(bench, ["release", "a", "--wait"])
        #expect(released.output.contains("it is not heard now") && released.code == .success)
        #expect(try !listed(bench).contains("is to take nothing"))
    }
}
