import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeKeeping
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline groups")
struct GroupsTests {
    private func runGroups(_ bench: TailBench, _ arguments: [String]) throws -> Said {
        try Said(["groups"] + arguments, bench.tape.environment)
    }

    @Test("registered, listed and removed, for people and for programs")
    func all() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "groups_a")
        #expect(try runGroups(bench, ["list"]).output.hasPrefix("no group is registered"))
        let registered = try runGroups(bench, ["register", "archive", "--reads", "ticks,bars"])
        #expect(registered.output.contains("bars and ticks that it has not read stay"))
        #expect(
            try runGroups(bench, ["register", "archive", "--reads", "bars", "--reads", "ticks"])
                .output.contains("already"))
        #expect(
            try runGroups(bench, ["register", "store", "--json"]).output
                == "{\"group\":\"store\",\"outcome\":\"registered\"}\n")
        let lines = try runGroups(bench, ["list"]).output.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[1].hasPrefix("archive  consumer  -     yes     bars,ticks"))
        #expect(lines.allSatisfy { $0.count <= 100 })
        let json = try JSONValue.parse(try runGroups(bench, ["list", "--json"]).output)
        let groups = try #require(json["groups"]?.array)
        #expect(groups.map { $0["group"]?.string } == ["archive", "store"])
        #expect(groups[0]["told"] == .null && groups[1]["positions"]?.array?.count == 0)
        let removed = try runGroups(bench, ["remove", "archive", "--yes"])
        #expect(removed.code == .success && removed.output.contains("is removed"))
        #expect(
            try runGroups(bench, ["remove", "store", "--yes", "--json"]).output
                == "{\"group\":\"store\",\"outcome\":\"removed\"}\n")
        #expect(throws: ToolError.self) { try runGroups(bench, ["remove", "archive", "--yes"]) }
    }

    @Test("a group of a newer release is listed with that, and is not registered over")
    func newer() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "groups_c")
        _ = try runGroups(bench, ["register", "archive"])
        let bucket = try #require(
            try bench.tape.client.jetStream.bucketAsFound("groups_c_groups"))
        let entry = try #require(try bucket.get("group.archive"))
        let news = Array(#"{"v":1,"registered_ns":5,"reads":["news"]}"#.utf8)
        _ = try bucket.put("group.archive", news, expected: entry.revision)
        let listed = try runGroups(bench, ["list"])
        #expect(listed.output.contains("archive  consumer  -     yes     bars,ticks"))
        #expect(
            listed.errors.contains(
                "all that group archive may read stays on the tape: a newer release wrote it"))
        #expect(
            complaint { try runGroups(bench, ["register", "archive"]) }.contains(
                "the registration of group archive stays"))
        let json = try JSONValue.parse(try runGroups(bench, ["list", "--json"]).output)
        #expect(json["groups"]?.array?.first?["problem"]?.string != nil)
    }

    @Test("a group that is not needed is registered so, and asks for a user of NATS")
    func notNeeded() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "groups_d")
        let said = try runGroups(bench, ["register", "features", "--needed", "no"]).output
        #expect(said.contains("stay on the tape while there is room"))
        #expect(said.contains("the user consumer-features of NATS"))
        _ = try runGroups(bench, ["register", "other", "--needed", "no"])
        #expect(
            try runGroups(bench, ["remove", "other", "--yes"]).output
                .contains("its user consumer-other of NATS stays where NATS has it"))
        func isNeeded() throws -> Bool? {
            let json = try JSONValue.parse(try runGroups(bench, ["list", "--json"]).output)
            return json["groups"]?.array?.first?["needed"]?.bool
        }
        #expect(try isNeeded() == false)
        // What is not said stays.
        _ = try runGroups(bench, ["register", "features", "--reads", "bars"])
        #expect(try isNeeded() == false)
        #expect(
            try runGroups(bench, ["register", "features", "--needed", "yes", "--json"]).output
                == "{\"group\":\"features\",\"outcome\":\"registered\"}\n")
        #expect(try isNeeded() == true)
        #expect(throws: ToolError.self) {
            try runGroups(bench, ["register", "features", "--needed", "maybe"])
        }
    }

    @Test("a running stack makes the user of a group that follows the tape, keeps and removes it")
    func userOfStack() throws {
        let test = try StackUnderTest()
        #expect(try test.up("--servers-only") == .success)
        func run(_ words: [String]) throws -> ExitCode {
            try GroupsRun(command: GroupsCommand.parse(words), terminal: test.stack.terminal)
                .run(Deployment(test.stack, [:]))
        }
        func isTaken(_ password: String) throws -> Bool {
            var configuration = NatsConfiguration(
                urls: ["nats://\(StackPlan.loopback):\(try StackPorts.present(test.home)[.nats])"],
                clientName: "test")
            configuration.user = "consumer-features"
            configuration.password = password
            do throws(NatsError) {
                try NatsConnection(configuration) { _ in }.close()
                return true
            } catch {
                return false
            }
        }
        let file = test.home.secret("nats-consumer-features")
        var password = ""
        // The second one finds all of it. Each has the server read its users again. For a moment it
        // has no JetStream then, and refuses connections.
        for _ in 0..<20 {
            #expect(try run(["register", "features", "--needed", "no"]) == .success)
            password = String(decoding: try #require(try FileSystem.read(file)), as: UTF8.self)
            #expect(try eventually { try isTaken(password) })
        }
        #expect(try test.stack.down() == .success)
        #expect(try test.up("--servers-only") == .success)
        #expect(try isTaken(password))
        #expect(try run(["remove", "features", "--yes"]) == .success)
        #expect(!FileSystem.exists(file))
        #expect(try eventually { try !isTaken(password) })
        // It does not come back, and neither group nor user is in the way of the next one.
        #expect(try test.stack.down() == .success)
        #expect(try test.up("--servers-only") == .success)
        #expect(try !isTaken(password))
        #expect(try run(["register", "features", "--needed", "no"]) == .success)
        let other = String(decoding: try #require(try FileSystem.read(file)), as: UTF8.self)
        #expect(other != password)
        #expect(try eventually { try isTaken(other) })
    }

    @Test("without consent nothing is removed")
    func consent() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "groups_b")
        _ = try runGroups(bench, ["register", "archive"])
        #expect(throws: ToolError.self) { try runGroups(bench, ["remove", "archive"]) }
        #expect(try runGroups(bench, ["list"]).output.contains("archive"))
    }

    @Test("the command is known")
    func parsed() throws {
        let groups = try GroupsCommand.parse(["register", "a", "--nats", "nats://x:1"])
        #expect(
            groups.verb
                == .register(
                    try #require(GroupName("a")), reads: [.ticks], isNeeded: nil))
        #expect(groups.target.natsURL == "nats://x:1")
        #expect(HelpPage.text(of: "groups")?.contains("groups list") == true)
    }
}
