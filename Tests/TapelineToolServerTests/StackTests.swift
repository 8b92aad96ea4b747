import Foundation
import OperatorGraph
import Primitives
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import DeploymentWatch
@testable import TapelineTool
@testable import TapelineToolTests

/// Each of these starts three real servers. They run one after the other to spare a small machine.
@Suite("tapeline up, status, down", .serialized)
struct StackTests {
    @Test("the whole stack comes up, is seen, restarts what dies, and leaves nothing behind")
    func wholeLife() throws {
        let test = try StackUnderTest()
        #expect(try test.stack.status(asJSON: false) == .failure)
        #expect(try test.printed().contains("the stack default is not up"))
        #expect(try test.stack.down() == .success)
        #expect(try test.printed() == "the stack default is not up\n")

        #expect(try test.up() == .success)
        let up = try test.printed()
        #expect(up.contains("the stack default is up"), "\(up)")
        // The page's address comes again with each look.
        let look = try #require(up.split(separator: "\n").first { $0.hasPrefix("look:  http://") })
        #expect(try test.stack.status(asJSON: false) == .success)
        #expect(try test.printed().contains(look))
        #expect(up.contains("postgresql://tapeline_reader@127.0.0.1:"), "\(up)")
        try expectReader(test)
        try expectBundle(test)
        try expectSilentDatabase(test)
        try expectNotReady(test)
        let state = try test.state()
        let address = try #require(try test.stack.cockpitAddress(state))
        #expect(look == "look:  \(address)")
        #expect(state.units.first { $0.name == StackPlan.cockpit }?.address == address)
        #expect(state.phase == .running)
        #expect(state.alive.count == 9)

        #expect(try test.up() == .success)
        #expect(try test.printed().hasPrefix("the stack default is already up\n"))
        #expect(
            complaint { try test.up("--set", "OPERATOR_SERIES=7s") }
                == "the stack default is already up without OPERATOR_SERIES=7s: nothing was "
                + "changed; run 'tapeline down' first, then this again")
        let ports = try FileSystem.read(test.home.ports)
        #expect(complaint { try test.up("PROVIDER=replay") }.contains("nothing was changed"))
        #expect(try FileSystem.read(test.home.ports) == ports)
        _ = try test.printed()
        #expect(try test.process("nats-server") == state.units[0].process)
        try expectGraph(test)

        try kill(test, "store-writer")
        try kill(test, "nats-server")
        try kill(test, "postgres")
        #expect(try test.stack.status(asJSON: true) == .success)
        let json = try JSONValue.parse(try test.printed())
        #expect(json["works"]?.bool == true)
        #expect(json["processes"]?.array?.count == 9)

        let last = try test.state()
        #expect(try test.stack.down() == .success)
        #expect(last.alive.isEmpty)
        #expect(!last.isSupervised)
        #expect(Leftovers(home: test.home, state: nil).isEmpty)
        #expect(try test.stack.down() == .success)
        #expect(try test.stack.down(removing: true) == .success)
        #expect(!FileSystem.exists(test.checkout.stacks))
    }

    /// By the program, as a person calls it.
    private func expectReader(_ test: StackUnderTest) throws {
        let tool = test.checkout.program("tapeline")
        let question = "SELECT current_user, current_setting('search_path'), 1 + 1"
        let answer = "tapeline_reader|md_market|2"
        let place = ["--home", test.folder.path, "--name", "default"]
        #expect(try run(tool, ["psql"] + place + ["-Atc", question]) == answer)
        let psql = test.checkout.databaseProgram("psql")
        for flags in [[], ["--with-password"]] {
            let url = try run(tool, ["url"] + place + flags)
            let secret = try StackSecrets.open(test.home)[.postgresReader]
            #expect(url.contains(secret) == !flags.isEmpty)
            #expect(try run(psql, [url, "-Atc", question]) == answer)
            let exports = try run(tool, ["env"] + place + flags)
            let script = "\(exports)\n'\(psql)' -Atc \"\(question)\""
            #expect(try run("/bin/sh", ["-c", script]) == answer)
        }
        let service = "PGSERVICEFILE=\(test.home.serviceFile) '\(psql)' service=tapeline"
        #expect(try run("/bin/sh", ["-c", "\(service) -Atc \"\(question)\""]) == answer)
        for file in [test.home.serviceFile, test.home.readerPasswordFile] {
            #expect(try run("/usr/bin/stat", ["-c", "%a", file]) == "600")
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(!text.contains("postgres:") && !text.contains("tapeline_writer"))
        }
        for flags in [[], ["--with-password"]] {
            let url = try run(tool, ["url", "nats"] + place + flags)
            let secret = try StackSecrets.open(test.home)[.natsConsumer]
            #expect(url.hasPrefix("nats://consumer") && url.contains(secret) == !flags.isEmpty)
        }
        for forbidden in ["CREATE TABLE public.mine (i integer)", "CREATE SCHEMA mine"] {
            let failure = #expect(throws: ProgramFailure.self) {
                try run(tool, ["psql"] + place + ["-c", forbidden])
            }
            #expect(failure?.message.contains("permission denied") == true, "\(forbidden)")
        }
    }

    /// A bundle has the stack's settings and logs, and none of its secrets.
    private func expectBundle(_ test: StackUnderTest) throws {
        let secrets = try StackSecrets.open(test.home)
        let planted = StackSecrets.Name.allCases.map { secrets[$0] }
        try FileSystem.write(
            Array("before \(planted.joined(separator: " and ")) after\n".utf8),
            to: test.home.log("planted"))
        let output = test.folder.file("bundle.tar.gz")
        try run(
            test.checkout.program("tapeline"),
            ["support-bundle", "-o", output, "--home", test.folder.path, "--name", "default"])
        try run("/bin/tar", ["-xzf", output, "-C", test.folder.path])
        let found = try run(
            "/bin/sh", ["-c", "cat $(find \"$0\" -type f)", test.folder.file("bundle")])
        for inside in ["# store-writer", "NATS_PASSWORD_FILE=", "before [secret] and", "startTime"]
        {
            #expect(found.contains(inside), "\(inside)")
        }
        for secret in planted { #expect(!found.contains(secret)) }
    }

    private func kill(_ test: StackUnderTest, _ name: String) throws {
        let before = try test.process(name)
        #expect(before.signal(SIGKILL))
        let isBack = try eventually {
            let unit = try test.state().units.first { $0.name == name }
            return unit?.state == "works" && unit?.process != before
        }
        #expect(isBack, "\(name) did not come back")
    }

    /// Workers start again with another graph, and nothing else does.
    private func expectGraph(_ test: StackUnderTest) throws {
        let text = """
            version: 1
            name: desk
            nodes:
              bars: {operator: bars, input: trades, series: [1s, 5m]}

            """
        let path = try test.folder.write(text, to: "g.yaml")
        let before = try test.state()
        let command = GraphCommand(path: path, isConfirmed: true)
        try expectRefused(test, path, before)
        try runs(path, test)
        #expect(try test.stack.apply(command, shutdown: ShutdownSignal()) == .success)
        let told = try test.printed()
        #expect(told.contains("\n  new        5m\n  gone       1m\n  as before  1s\n"), "\(told)")
        #expect(told.contains("the workers make bars by it ("), "\(told)")
        let after = try test.state()
        let restarted = zip(before.units, after.units).filter { $0.process != $1.process }
        #expect(restarted.map(\.0.name) == ["operator-worker-a", "operator-worker-b"])
        for (_, unit) in restarted {
            let id = try #require(unit.process?.id)
            let environment = try FileSystem.read("/proc/\(id)/environ") ?? []
            let values = Set(
                environment.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
            let copy = test.home.graphFiles("md", 2) + path
            #expect(values.isSuperset(of: ["OPERATOR_GRAPH=\(copy)", "OPERATOR_GENERATION=2"]))
            #expect(try FileSystem.read(copy) == Array(text.utf8))
        }
        // A later start has them, too.
        #expect(
            try StackSettings().following(after.arguments)["OPERATOR_GENERATION"] == "2")
        #expect(try test.stack.apply(command, shutdown: ShutdownSignal()) == .success)
        #expect(try test.printed().contains("nothing was changed"))

        // The same file, edited in place, is another graph than the one that runs.
        try test.folder.write(text.replacing("5m", with: "10m"), to: "g.yaml")
        try runs(path, test)
        #expect(try test.stack.apply(command, shutdown: ShutdownSignal()) == .success)
        let edited = try test.printed()
        #expect(edited.contains("\n  new        10m\n  gone       5m\n"), "\(edited)")
        #expect(
            try StackSettings().following(test.state().arguments)["OPERATOR_GENERATION"] == "3")
    }

    /// Has workers that start from now on say that they make bars by this file.
    private func runs(_ path: String, _ test: StackUnderTest) throws {
        let hash = try ProofGraph.find([ProofGraph.graphKey: path]).hash
        try test.folder.write(String(hash, radix: 16), to: "bin/graph")
    }

    /// A bad file is refused before anything is stopped, by each command that names one.
    private func expectRefused(
        _ test: StackUnderTest, _ good: String, _ before: StackState
    ) throws {
        let bad = try test.folder.write("version: 1\nname: desk\nnodes: 7\n", to: "bad.yaml")
        let command = GraphCommand(path: bad, isConfirmed: true)
        let setting = "OPERATOR_GRAPH=\(bad)"
        let attempts: [() throws -> Void] = [
            { _ = try test.stack.apply(command, shutdown: ShutdownSignal()) },
            { _ = try test.up("--set", setting) },
        ]
        for attempt in attempts {
            let said = complaint(attempt)
            #expect(said.hasSuffix("in the configuration: nothing was changed"), "\(said)")
            let told = try test.printed()
            #expect(told.contains("tapeline: OPERATOR_GRAPH: "), "\(told)")
        }
        let said = complaint { try test.up("--set", "OPERATOR_GRAPH=\(good)") }
        #expect(said.hasSuffix("'tapeline graph apply \(good)' gives its workers that graph"))
        // A worker has the last word.
        try test.folder.write("", to: "bin/refuses")
        let refused = GraphCommand(path: good, isConfirmed: true)
        #expect(
            complaint { _ = try test.stack.apply(refused, shutdown: ShutdownSignal()) }
                == "1 problem in the configuration: nothing was changed")
        #expect(try test.printed() == "tapeline: operator-worker: OPERATOR_GRAPH: no\n")
        try FileManager.default.removeItem(atPath: test.folder.file("bin/refuses"))
        #expect(try test.state() == before)
    }

    @Test("what a service would refuse is said in its words before anything is started")
    func wrongConfiguration() throws {
        let test = try StackUnderTest()
        #expect(
            throws: ToolError.usage("1 problem in the configuration: nothing was started")
        ) { try test.up("--set", "SYNTHETIC_RATE=wrong") }
        #expect(
            try test.printed()
                == "tapeline: provider-gateway: SYNTHETIC_RATE: 'wrong' is no number\n")
        #expect(try StackState.read(test.home) == nil)
        // A refusal leaves nothing of a stack behind.
        #expect(!FileSystem.exists(test.checkout.stacks))
    }

    @Test("what is refused takes nothing away from the start that waited for it")
    func refusedBeside() throws {
        let test = try StackUnderTest()
        let hold = test.folder.file("bin/hold")
        try #require(unsafe mkfifo(hold, 0o600) == 0)
        let stack = try test.stack
        let options = try UpCommand.parse(["--set", "SYNTHETIC_RATE=wrong"]).options
        let refused = Mutex<String?>(nil)
        let first = try ServiceThread(name: "refused") {
            do {
                _ = try stack.up(options, shutdown: ShutdownSignal())
            } catch {
                refused.withLock { $0 = "\(error)" }
            }
        }
        let second = Mutex<ExitCode?>(nil)
        // Opens when the first one reads it: then that has the lock.
        let pipe = try #require(FileHandle(forWritingAtPath: hold))
        let waiting = try ServiceThread(name: "waiting") {
            do {
                let servers = try UpCommand.parse(["--servers-only"]).options
                let code = try stack.up(servers, shutdown: ShutdownSignal())
                second.withLock { $0 = code }
            } catch {
                print("the second start: \(error)")
            }
        }
        #expect(try eventually { try test.printed().contains("waiting for another command") })
        try FileManager.default.removeItem(atPath: hold)
        try pipe.close()
        #expect(first.join(timeout: patience) && waiting.join(timeout: patience))
        #expect(refused.withLock { $0 } == "1 problem in the configuration: nothing was started")
        #expect(second.withLock { $0 } == .success)
        #expect(try test.state().phase == .running)
    }

    /// A database that does not answer is seen by status, and named in its verdict.
    private func expectSilentDatabase(_ test: StackUnderTest) throws {
        let postgres = try test.process("postgres")
        #expect(postgres.signal(SIGSTOP))
        #expect(try test.stack.status(asJSON: false) == .failure)
        let said = try test.printed()
        #expect(said.contains("it does not answer"), "\(said)")
        #expect(said.hasSuffix("not everything works: postgres is silent\n"), "\(said)")
        #expect(postgres.signal(SIGCONT))
        #expect(try test.stack.status(asJSON: false) == .success)
        #expect(try test.printed().hasSuffix("everything works\n"))
    }

    /// A service that is not ready shows, with its reason.
    private func expectNotReady(_ test: StackUnderTest) throws {
        try test.folder.write("", to: "bin/red")
        #expect(try test.stack.status(asJSON: false) == .failure)
        #expect(try test.printed().contains("not ready: no database"))
        try expectWatched(test, "IS NOT READY: no database")
        let paused = try test.process("provider-gateway")
        #expect(paused.signal(SIGSTOP))
        #expect(try test.stack.status(asJSON: false) == .failure)
        #expect(try test.printed().contains("provider-gateway is silent"))
        #expect(paused.signal(SIGCONT))
        try FileManager.default.removeItem(atPath: test.folder.file("bin/red"))
    }

    /// The verdict of `watch` sees the pages, as status does.
    private func expectWatched(_ test: StackUnderTest, _ words: String) throws {
        let feed = try WatchFeed(Deployment(test.stack, [:]))
        defer { feed.close() }
        var told: [String] = []
        let areTold = try eventually {
            let view = WatchView(title: "", try feed.sample(), before: nil)
            var judge = WatchVerdict()
            told = judge.judge(WatchSight(view)).map(\.text)
            return [
                "provider-gateway", "operator-worker-a", "operator-worker-b", "store-writer",
            ].allSatisfy { told.contains("\($0) \(words)") }
        }
        #expect(areTold, "\(told)")
    }

    @Test("down and up find what a killed supervisor left running")
    func killedSupervisor() throws {
        let test = try StackUnderTest()
        _ = try test.up("--servers-only")
        let first = try test.state()
        #expect(first.supervisor.signal(SIGKILL))
        #expect(first.supervisor.waitUntilGone(timeout: patience))
        _ = try test.printed()
        #expect(try test.stack.status(asJSON: false) == .failure)
        #expect(try test.printed().contains("the supervisor has died"))

        #expect(try test.up("--servers-only") == .success)
        #expect(first.alive.isEmpty)
        let second = try test.state()
        #expect(second.supervisor.signal(SIGKILL))
        // Even without its state file.
        try FileManager.default.removeItem(atPath: test.home.state)
        _ = try test.printed()
        #expect(try test.stack.down() == .success)
        #expect(try test.printed().contains("more of its processes are stopped"))
        #expect(second.alive.isEmpty)
    }

    @Test("a stack that cannot start says why in one line and leaves nothing running")
    func failedStart() throws {
        let test = try StackUnderTest()
        try test.refuseMigration()
        let text = complaint { try test.up() }
        #expect(text.contains("migrate failed: exit code 1: permission denied for schema"))
        #expect(!text.contains("\n"))
        #expect(eventually { Leftovers(home: test.home, state: nil).isEmpty })
    }

    @Test("ticks of another source get into no stack, unless that source is added beside the other")
    func otherSource() throws {
        let test = try StackUnderTest()
        let rate = "SYNTHETIC_RATE=7"
        #expect(try test.up("--set", rate) == .success)
        #expect(try test.stack.down() == .success)
        #expect(
            complaint { try test.up("PROVIDER=replay") }
                == "the stack default has ticks of synthetic, not of replay: nothing was changed. "
                + "Go on with 'tapeline up --set SYNTHETIC_RATE=7'; use another stack (--name "
                + "NAME), or add the source beside it (--add-source)")
        #expect(try test.state().alive.isEmpty)
        // What is wrong with the other source itself is the nearer reason.
        #expect(
            complaint { try test.up("PROVIDER=replay", "--set", "SYNTHETIC_RATE=wrong") }
                == "1 problem in the configuration: nothing was started")

        #expect(try test.up("PROVIDER=replay", "--add-source") == .success)
        let state = try test.state()
        let gateways = state.alive.filter { $0.name.hasPrefix("provider-gateway") }
        #expect(gateways.map(\.name) == ["provider-gateway", "provider-gateway-replay"])
        #expect(Set(gateways.compactMap(\.operationsPort)).count == 2)
        // The first source has the settings with which it came.
        let environment = try String(
            contentsOfFile: "/proc/\(try #require(gateways[0].process).id)/environ",
            encoding: .utf8)
        #expect(environment.contains(rate))
        // Both belong to the stack that is up.
        for words in [["--set", rate], ["PROVIDER=replay"], []] {
            _ = try test.printed()
            #expect(try test.up(words) == .success)
            #expect(try test.printed().hasPrefix("the stack default is already up\n"))
        }
        try FileManager.default.copyItem(
            atPath: "/bin/true", toPath: test.folder.file("bin/ibkr-simulator"))
        #expect(
            complaint { try test.up("--simulator") }.contains("--add-source"))
        // And both come up again.
        #expect(try test.stack.down() == .success)
        #expect(try test.up("--set", rate) == .success)
        #expect(
            try test.state().alive.count { $0.name.hasPrefix("provider-gateway") } == 2)
    }

    @Test("a simulated broker that is missing, or cannot start, is named in one line")
    func failedSimulator() throws {
        let test = try StackUnderTest()
        #expect(
            complaint { try test.up("--simulator") }.contains(
                "bin/ibkr-simulator is missing: run 'make programs'"))
        try test.replace(
            "ibkr-simulator",
            by: "#!/bin/sh\necho 'ibkr-simulator: --rate wants a number' >&2\nexit 64\n")
        let text = complaint { try test.up("--simulator") }
        #expect(text.contains("ibkr-simulator"), "\(text)")
        #expect(text.contains("--rate wants a number"), "\(text)")
        #expect(!text.contains("\n"))
        #expect(eventually { Leftovers(home: test.home, state: nil).isEmpty })
    }

    @Test("an interrupted start ends what was started")
    func interrupted() throws {
        let test = try StackUnderTest()
        let shutdown = ShutdownSignal()
        shutdown.request("test")
        #expect(try test.stack.up(.init(), shutdown: shutdown) == .interrupted)
        #expect(eventually { Leftovers(home: test.home, state: nil).isEmpty })
    }
}
