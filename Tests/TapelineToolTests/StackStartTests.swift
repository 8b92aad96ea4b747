import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("What the start of a stack remembers and says") struct StackStartTests {
    private func settings(_ texts: String...) throws -> StackSettings { try testSettings(texts) }

    @Test("a stack keeps the settings that its data were made with, until others are given")
    func remembered() throws {
        let before = [
            "--simulator", "--set", "OPERATOR_GRAPH=my.yaml", "--set", "OPERATOR_GENERATION=2",
            "--set", "GATEWAY_PROVIDER=binance", "--set", "MDS_NAMESPACE=x",
        ]
        // What a gateway has stays with its source, and a namespace is named each time.
        #expect(
            try settings().following(before)
                == settings("OPERATOR_GRAPH=my.yaml", "OPERATOR_GENERATION=2"))
        #expect(
            try settings("OPERATOR_GENERATION=3", "LOG_LEVEL=debug").following(before)
                == settings("OPERATOR_GRAPH=my.yaml", "OPERATOR_GENERATION=3", "LOG_LEVEL=debug"))
        #expect(
            try settings("OPERATOR_GRAPH=").following(before) == settings("OPERATOR_GENERATION=2"))
        #expect(try settings("OPERATOR_GRAPH=a").following([]) == settings("OPERATOR_GRAPH=a"))
        // Without a person nobody names it.
        #expect(
            try settings("OPERATOR_GENERATION=3").following(before, all: true)
                == settings("OPERATOR_GRAPH=my.yaml", "MDS_NAMESPACE=x", "OPERATOR_GENERATION=3"))
    }

    @Test("a service that gives no verdict on its configuration may give one at the next try")
    func verdicts() throws {
        let folder = try TemporaryFolder("verdicts")
        func problems(_ script: String, timeout: Duration = ConfigurationCheck.timeout) throws
            -> [String]
        {
            let path = try folder.write("#!/bin/sh\n\(script)\n", to: "service")
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            let unit = UnitPlan(
                name: "w", kind: .service, stage: 0, executable: path, logPath: folder.file("w"))
            return try ConfigurationCheck(unit, logPath: folder.file("log"), timeout: timeout)
                .outcome().problems
        }
        #expect(try problems("exit 0") == [])
        #expect(try problems("echo 'w: no' >&2; exit 64") == ["w: no"])
        for (script, timeout, end) in [
            ("kill -9 $$", ConfigurationCheck.timeout, "ended with killed by SIGKILL"),
            ("exit 127", ConfigurationCheck.timeout, "ended with exit code 127"),
            ("exec sleep 600", .milliseconds(20), "had no end within "),
        ] as [(String, Duration, String)] {
            let error = #expect(throws: ToolError.self) { try problems(script, timeout: timeout) }
            #expect(error?.exitCode == .temporary, "\(script)")
            #expect(error?.description.hasPrefix("w: --check-config \(end)") == true, "\(script)")
        }
    }

    @Test("what a local stack lacks is refused in one line, and what Python's packages lack")
    func lacking() throws {
        for key in ["NATS_TLS_CA", "POSTGRES_SSLMODE", "POSTGRES_SSLROOTCERT"] {
            #expect(
                complaint { try settings("\(key)=x") }
                    == "--set cannot change '\(key)': the servers of a local stack are on this "
                    + "machine alone, without TLS; a cluster has it (docs/cluster.md)")
        }
        for isPackage in [true, false] {
            #expect(
                complaint { try settings("MDS_REPLICAS=3").check(isPackage: isPackage) }
                    == "MDS_REPLICAS=3 wants three servers of NATS, and a local stack has one: a "
                    + "cluster has three (docs/copies.md)")
            try settings("MDS_REPLICAS=1", "WRITER_DAILY_BARS=false").check(isPackage: isPackage)
            // Never, and the default. What is no time the writer refuses.
            for age in ["0s", "0m", "0h", "7d", "168h", "soon", ""] {
                try settings("WRITER_COMPRESS_AFTER=\(age)").check(isPackage: isPackage)
            }
        }
        for (key, value) in [
            ("WRITER_COMPRESS_AFTER", "8d"), ("WRITER_DAILY_BARS", "true"),
            ("WRITER_DAILY_BARS", "on"),
        ] {
            let wanted = try settings("\(key)=\(value)")
            #expect(
                complaint { try wanted.check(isPackage: true) }
                    == "\(key) wants TimescaleDB, and PostgreSQL of Python's packages has none: "
                    + "leave it out, or use a database of a cluster (docs/cluster.md)")
            try wanted.check(isPackage: false)
        }
        for key in ["ALERTS_WEBHOOK_FILE", "ALERTS_WATCHDOG_FILE", "ALERTS_RECEIVER"] {
            #expect(
                complaint { try settings("\(key)=/x").check(isPackage: true) }
                    == "\(key) wants Prometheus and Alertmanager, which Python's packages lack: a "
                    + "stack of a checkout sends alerts (docs/operate.md)")
            try settings("\(key)=/x").check(isPackage: false)
            try settings("\(key)=").check(isPackage: true)
        }
    }

    @Test("a reason that many partitions have comes once")
    func reasons() {
        let reason = "its bars are made by another definition than this worker's"
        let lines = (0..<32).map { "partition \($0): \(reason)" }
        #expect(UnitPlan.reasons(lines) == "partitions 0-31: \(reason)")
        #expect(
            UnitPlan.reasons(["NATS is away"] + lines.suffix(1) + ["partition 4: it is locked"])
                == "NATS is away; partition 31: \(reason); partition 4: it is locked")
        #expect(UnitPlan.reasons([]) == "")
        #expect(UnitPlan.reasons(["partition table is full"]) == "partition table is full")
    }

    @Test("a problem that several services have comes once, with the names of all")
    func problems() {
        let level = "LOG_LEVEL is \"loud\""
        #expect(
            ConfigurationCheck.joined([
                "provider-gateway: \(level)", "operator-worker: OPERATOR_SERIES: 7m",
                "operator-worker: \(level)", "cockpit: \(level)", "provider-gateway: \(level)",
            ]) == [
                "provider-gateway, operator-worker, cockpit: \(level)",
                "operator-worker: OPERATOR_SERIES: 7m",
            ])
        #expect(ConfigurationCheck.joined(["all is lost"]) == ["all is lost"])
    }

    @Test("a problem of a gateway names its unit: gateways of several sources are one program")
    func problemsOfGateways() throws {
        let folder = try TemporaryFolder("gateways")
        let second = StackSource(
            try settings("GATEWAY_SOURCE=second", "GATEWAY_PROVIDER=binance"), isSimulated: false)
        let units = try testPlan(folder, further: [second]).units
        let said = "provider-gateway: BINANCE_X: 'a' is no number\nx: nothing was started, see x\n"
        let lines = units.filter { $0.environment["GATEWAY_SOURCE"] != nil }.flatMap {
            ConfigurationCheck.problems(in: said, of: $0) ?? []
        }
        #expect(
            ConfigurationCheck.joined(lines) == [
                "provider-gateway, provider-gateway-second: BINANCE_X: 'a' is no number"
            ])
        let worker = try #require(units.first { $0.name == "operator-worker-a" })
        #expect(
            ConfigurationCheck.problems(in: "operator-worker: no\n", of: worker)
                == ["operator-worker: no"])
        #expect(ConfigurationCheck.problems(in: "x: nothing was started, see x", of: worker) == nil)
    }

    @Test("a command that a person is shown names the stack that the person named")
    func commands() throws {
        #expect(NamedCommands.name(in: ["gaps", "--name", "a"]) == "a")
        #expect(NamedCommands.name(in: ["gaps", "--name=a", "X"]) == "a")
        #expect(NamedCommands.name(in: ["gaps", "--json"]) == nil)
        func named(_ text: String) -> String { NamedCommands.named(text, "a") }
        #expect(
            named("'tapeline dlq list', 'tapeline logs actions', 'make up'")
                == "'tapeline dlq list --name a', 'tapeline logs actions --name a', 'make up'")
        #expect(
            named("'tapeline psql -c \"TABLE x\"'") == "'tapeline psql --name a -c \"TABLE x\"'")
        for text in [
            "'tapeline down --name b'", "'tapeline up --help'", "'tapeline completions bash'",
            "it's", "'tapeline ",
        ] {
            #expect(named(text) == text)
        }
        let checkout = Checkout(root: "/x", programs: "/x/bin")
        #expect(checkout.pathHint("/nowhere:/y") == "tool:  export PATH=\"$PATH:/x/bin\"")
        let folder = try TemporaryFolder("path")
        let tool = try folder.write("", to: "tapeline")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: tool)
        #expect(checkout.pathHint("/nowhere:\(folder.path)") == nil)
    }

    @Test("the first look says what is up, and which commands follow from it")
    func firstLook() throws {
        func sight(_ name: String, _ verdict: String? = nil) throws -> StackSight {
            let address = verdict.map { _ in "http://127.0.0.1:2/" }
            return StackSight(
                home: try testHome("/x", name: name), verdict: verdict, address: address)
        }
        let none = StackSight.lines([])
        #expect(none.first == "no stack is up on this machine")
        #expect(none.contains { $0.hasPrefix("  tapeline demo  ") })
        let down = try StackSight.lines([sight("b"), sight("c")])
        #expect(down.prefix(2).last == "down, with their data: b, c")
        #expect(down.contains { $0.hasPrefix("  tapeline up --name b  ") })
        #expect(down.contains { $0.hasPrefix("  tapeline up  ") })
        let usual = try StackSight.lines([sight("b"), sight("default")])
        #expect(usual.count { $0.hasPrefix("  tapeline up  ") } == 1)
        let up = try StackSight.lines([sight("a", "everything works"), sight("b")])
        #expect(up.first == "the stack a is up, http://127.0.0.1:2/: everything works")
        #expect(up.contains { $0.hasPrefix("  tapeline psql --name a -c 'TABLE symbols'  ") })
        #expect(!up.contains { $0.contains("demo") })
        #expect(up.allSatisfy { $0.count <= 100 })
    }

    @Test("beside another stack the usual one is named in what is proposed, too")
    func namedSteps() throws {
        let folder = try TemporaryFolder("stacks")
        let home = try madeHome(folder)
        #expect(home.command("open") == "tapeline open")
        try testHome(folder.path, name: "binance").makeFolders()
        #expect(home.command("open") == "tapeline open --name default")
        let lines = StackSight.lines([StackSight(home: home, verdict: "everything works")])
        let steps = lines.filter { $0.hasPrefix("  tapeline ") }
        #expect(steps.count > 5 && steps.allSatisfy { $0.contains(" --name default ") })
    }

    @Test("a browser is opened on a desktop alone")
    func opener() throws {
        let folder = try TemporaryFolder("desktop")
        let program = try folder.write("", to: "xdg-open")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        let path = "/nowhere:\(folder.path)"
        #expect(OpenCommand.opener(["PATH": path, "DISPLAY": ":0"]) == program)
        #expect(OpenCommand.opener(["PATH": path, "WAYLAND_DISPLAY": "w"]) == program)
        #expect(OpenCommand.opener(["PATH": path, "DISPLAY": ""]) == nil)
        #expect(OpenCommand.opener(["PATH": "/nowhere", "DISPLAY": ":0"]) == nil)
    }

    @Test("a service that answers runs; that it works shows later")
    func progress() throws {
        func unit(_ name: String, _ kind: UnitPlan.Kind, _ state: String) -> StackState.Unit {
            StackState.Unit(name: name, kind: kind, stage: 0, state: state)
        }
        var progress = UpProgress()
        let lines = progress.lines(
            for: StackState(
                phase: .starting, supervisor: try #require(ProcessIdentity.current),
                started: .undefined,
                units: [
                    unit("nats-server", .server, "works"),
                    unit("operator-worker-a", .service, "works"),
                    unit("store-writer", .service, "gave up"),
                ]))
        #expect(
            lines.map { $0.split(separator: " ").dropFirst().joined(separator: " ") }
                == ["works", "runs", "gave up"])
    }
}
