import Foundation
import Membership
import Primitives
import TestSupport
import Testing

@testable import TapelineTool

/// Returns a plan in its own folder, with free ports and fresh secrets.
func testPlan(
    _ folder: TemporaryFolder, settings: [String] = [], withServices: Bool = true,
    withSimulator: Bool = false, further: [StackSource] = [], stores: [GroupName] = [],
    name: String = "default"
) throws -> StackPlan {
    let checkout = Checkout(root: ServerPrograms.checkout, programs: folder.file("bin"))
    let home = try testHome(folder.path, name: name)
    try home.makeFolders()
    let chosen = try testSettings(settings)
    return StackPlan(
        checkout: checkout, home: home,
        ports: try StackPorts.open(home, gatewaysOf: further.map(\.name), writersOf: stores),
        secrets: try StackSecrets.open(home, stores: stores), settings: chosen,
        sources: [StackSource(chosen, isSimulated: withSimulator)] + further,
        stores: stores, withServices: withServices,
        simulators: [StackSource(chosen, isSimulated: withSimulator)].flatMap(\.simulators))
}

@Suite("StackPlan")
struct StackPlanTests {
    @Test("servers come before their users, services last")
    func order() throws {
        let folder = try TemporaryFolder()
        let units = try testPlan(folder).units
        #expect(
            units.map(\.name) == [
                "nats-server", "valkey", "postgres-files", "postgres", "setup", "database",
                "migrate", "provider-gateway", "operator-worker-a", "operator-worker-b",
                "store-writer", "actions", "cockpit",
            ])
        #expect(units.map(\.stage) == units.map(\.stage).sorted())
        #expect(try testPlan(folder, withServices: false).units.count == 6)
    }

    @Test(
        "nats-server has room for the five streams that were asked for",
        arguments: [
            (nil, "8589934592"), ("1GiB", "8589934592"), ("4GiB", "23622320128"),
            ("9223372036854775807", "9223372036854775807"), ("much", "8589934592"),
        ] as [(String?, String)])
    func natsRoom(_ streamBytes: String?, _ room: String) throws {
        let folder = try TemporaryFolder()
        let settings = streamBytes.map { ["MDS_STREAM_BYTES=\($0)"] } ?? []
        let nats = try #require(testPlan(folder, settings: settings).units.first)
        #expect(nats.environment["NATS_STORE_BYTES_MAX"] == room)
    }

    @Test("the cockpit is where its pages are, and not where its status is")
    func cockpitAddress() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder, settings: ["COCKPIT_PORT=29999"])
        let cockpit = try #require(plan.units.last)
        #expect(cockpit.address == "http://127.0.0.1:29999/")
        #expect(cockpit.address == plan.cockpitAddress && cockpit.operationsPort != 29_999)
    }

    @Test("no secret stands on a command line")
    func secretsStayHidden() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder)
        let secrets = StackSecrets.Name.allCases.map { plan.secrets[$0] }
        for unit in plan.units {
            for text in unit.arguments + [unit.executable, unit.address] {
                #expect(!secrets.contains { text.contains($0) })
            }
            if case .command(_, let arguments) = unit.check {
                #expect(!arguments.contains { secrets.contains($0) })
            }
        }
        for unit in plan.units where unit.kind == .service {
            #expect(!unit.environment.values.contains { secrets.contains($0) })
        }
    }

    @Test("every process carries the stack's marker")
    func marker() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder)
        for unit in plan.units {
            #expect(unit.environment["TAPELINE_STACK"] == plan.home.path)
        }
    }

    @Test("a member of a group is started in its supervisor's place; a server is no member")
    func places() throws {
        for unit in try testPlan(TemporaryFolder()).units {
            let isMember = unit.environment["MDS_MEMBER"] != nil
            #expect(unit.environment["MDS_PLACE"] == nil)
            #expect(unit.started(in: "x").environment["MDS_PLACE"] == (isMember ? "x" : nil))
            #expect(isMember || unit.started(in: "x") == unit)
        }
    }

    @Test("every service has a member's name and a port of its own")
    func members() throws {
        let folder = try TemporaryFolder()
        let units = try testPlan(folder).units
        let names = units.compactMap { $0.environment["MDS_MEMBER"] }
        #expect(
            names == [
                "provider-gateway", "operator-worker-a", "operator-worker-b", "store-writer",
                "cockpit",
            ])
        let ports = units.compactMap { $0.environment["OPS_PORT"] }
        #expect(Set(ports).count == 5)
    }

    @Test("a further store has a database, a migration, a writer and a user of its own")
    func stores() throws {
        let other = try #require(GroupName("store-b"))
        // The hot state is of the usual store, whatever was set.
        let plan = try testPlan(
            TemporaryFolder(), settings: ["WRITER_HOT_STATE=true"], stores: [other])
        let units = plan.units
        #expect(Set(units.map(\.name)).isSuperset(of: ["database-b", "migrate-b"]))
        let writers = units.filter { $0.name.hasPrefix("store-writer") }.map(\.environment)
        let own = ["STORE_NAME", "POSTGRES_DB", "NATS_USER", "MDS_MEMBER", "WRITER_HOT_STATE"]
        #expect(
            writers.map { writer in own.map { writer[$0] ?? "" } } == [
                ["", "tapeline", "writer", "store-writer", "true"],
                ["store-b", "tapeline-b", "writer-b", "store-writer-b", "false"],
            ])
        for key in ["OPS_PORT", "NATS_PASSWORD_FILE", "WRITER_DEAD_LETTERS"] {
            #expect(Set(writers.compactMap { $0[key] }).count == 2, "\(key)")
        }
        let port = try #require(writers[1]["OPS_PORT"])
        #expect(StackPorts.parse(plan.ports.json) == plan.ports && port != "0")
        let cockpit = try #require(units.first { $0.name == StackPlan.cockpit })
        #expect(cockpit.environment["COCKPIT_SERVICES"]?.hasSuffix(":\(port)") == true)
        #expect(plan.secrets[writerOf: other] != plan.secrets[.natsWriter])
    }

    @Test("a store may be given with the URL of its server, without a password, and keeps its kind")
    func storeURLs() throws {
        let clickhouse = "store-c=http://me@db:8123/ticks"
        var stores = Stack.UpOptions()
        try stores.add(store: "store-c=http://me@db:8123/ticks")
        #expect(stores.arguments == ["--store", clickhouse])
        #expect(
            stores.urls.values.first?.environment == [
                "STORE_KIND": "clickhouse", "CLICKHOUSE_URL": "http://db:8123",
                "CLICKHOUSE_USER": "me", "CLICKHOUSE_DATABASE": "ticks",
            ])
        // A store keeps its kind.
        var later = try UpCommand.parse(["--store", "store-c"]).options
        try later.add(storeBefore: clickhouse)
        #expect(later.arguments == ["--store", clickhouse])
        later = try UpCommand.parse(["--store", clickhouse]).options
        #expect(throws: ToolError.self) { try later.add(storeBefore: "store-c") }
        try stores.add(store: "store-q=questdb+https://db:9000")
        let questdb = try #require(GroupName("store-q"))
        #expect(
            stores.urls[questdb]?.environment == [
                "STORE_KIND": "questdb", "QUESTDB_URL": "https://db:9000",
            ])
        #expect(stores.arguments.last == "store-q=questdb+https://db:9000")
        for wrong in [
            "ftp://db", "http://", "http://me:secret@db", "http://db/a/b", "db:8123",
            "questdb+ftp://db", "questdb+http://me:secret@db", "questdb+http://db/a",
        ] {
            let refused = complaint { try UpCommand.parse(["--store", "store-c=\(wrong)"]) }
            #expect(refused.hasPrefix("--store wants"), "\(refused)")
            #expect(!refused.contains("secret"))
        }
        for key in ["CLICKHOUSE_PASSWORD", "QUESTDB_PASSWORD"] {
            #expect(throws: ToolError.self) { try UpCommand.parse(["--set", "\(key)=secret"]) }
        }
    }

    @Test("a store with a URL has a migration and a writer, and no database of the stack")
    func storeElsewhere() throws {
        let other = try #require(GroupName("store-c"))
        var plan = try testPlan(
            TemporaryFolder(), settings: ["CLICKHOUSE_PASSWORD_FILE=/p"], stores: [other])
        plan.storeURLs = [other: try StoreURL("https://db:8443/ticks")]
        #expect(!plan.units.contains { $0.name == "database-c" })
        for name in ["migrate-c", "store-writer-c"] {
            let unit = try #require(plan.units.first { $0.name == name })
            #expect(!unit.environment.keys.contains { $0.hasPrefix("POSTGRES_") }, "\(name)")
            #expect(
                [
                    "STORE_NAME", "STORE_KIND", "CLICKHOUSE_URL", "CLICKHOUSE_USER",
                    "CLICKHOUSE_DATABASE", "CLICKHOUSE_PASSWORD_FILE",
                ].map { unit.environment[$0] }
                    == ["store-c", "clickhouse", "https://db:8443", "default", "ticks", "/p"])
        }
        let usual = try #require(plan.units.first { $0.name == "store-writer" })
        #expect(usual.environment["STORE_KIND"] == nil)
        #expect(usual.environment["POSTGRES_DB"] == "tapeline")
    }

    @Test(
        "the cockpit's commands name the stack, unless it is the one that is meant without a name")
    func cockpitCommands() throws {
        for (name, shown) in [("default", ""), ("tws", "tws")] {
            let plan = try testPlan(TemporaryFolder(), name: name)
            let cockpit = try #require(plan.units.first { $0.name == StackPlan.cockpit })
            #expect(cockpit.environment["COCKPIT_STACK"] == shown)
            #expect(cockpit.environment["COCKPIT_SIMULATED"] == "")
        }
        let plan = try testPlan(TemporaryFolder(), withSimulator: true)
        let cockpit = try #require(plan.units.first { $0.name == StackPlan.cockpit })
        #expect(cockpit.environment["COCKPIT_SIMULATED"] == "ibkr")
    }

    @Test("each service gets its own user, its password by file, and the settings meant for it")
    func environment() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(
            folder, settings: ["SYNTHETIC_RATE=7", "LOG_FORMAT=text", "WRITER_BATCH_ROWS=3"])
        func environment(_ name: String) throws -> [String: String] {
            try #require(plan.units.first { $0.name == name }).environment
        }
        let gateway = try environment("provider-gateway")
        #expect(gateway["NATS_URL"] == "nats://127.0.0.1:\(plan.ports[.nats])")
        #expect(
            gateway["NATS_MONITOR_URL"] == "http://127.0.0.1:\(plan.ports[.natsMonitor])")
        #expect(gateway["NATS_USER"] == "gateway")
        #expect(gateway["NATS_PASSWORD_FILE"] == plan.home.secret("nats-gateway"))
        #expect(gateway["SYNTHETIC_RATE"] == "7")
        #expect(gateway["LOG_FORMAT"] == "text")
        #expect(gateway["POSTGRES_USER"] == nil)
        let writer = try environment("store-writer")
        #expect(writer["POSTGRES_USER"] == "tapeline_writer")
        #expect(writer["POSTGRES_MIGRATOR_USER"] == nil)
        #expect(writer["WRITER_BATCH_ROWS"] == "3")
        #expect(writer["SYNTHETIC_RATE"] == nil)
        let migrate = try environment("migrate")
        #expect(migrate["POSTGRES_MIGRATOR_USER"] == "tapeline_migrator")
        #expect(migrate["POSTGRES_READER"] == "tapeline_reader")
        // A stack may be started from any folder.
        #expect(migrate["WRITER_MIGRATIONS"] == plan.checkout.deploy("postgres"))
        #expect(try environment("operator-worker-a")["NATS_USER"] == "operator")
        #expect(try environment("setup")["NATS_USER"] == "tool")
    }

    @Test("a simulated broker is a process of its own, and the gateway is led to it")
    func simulator() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(
            folder, settings: ["SIMULATOR_SEED=9", "SIMULATOR_SYMBOLS=SPY"], withSimulator: true)
        let unit = try #require(plan.units.first { $0.name == "ibkr-simulator" })
        #expect(unit.stage == 0)
        let arguments = unit.arguments.joined(separator: " ")
        #expect(arguments.contains("--address 127.0.0.1 --port \(plan.ports[.simulator]) "))
        #expect(arguments.contains("--seed 9 --symbols SPY --stocks-only"))
        #expect(!arguments.contains("--truth"))
        #expect(unit.check == .line(port: plan.ports[.simulatorControl], question: "status"))
        let gateway = try #require(plan.units.first { $0.name == "provider-gateway" }).environment
        #expect(gateway["GATEWAY_PROVIDER"] == "ibkr" && gateway["GATEWAY_SOURCE"] == "ibkr")
        #expect(gateway["IBKR_PORT"] == "\(plan.ports[.simulator])")
        #expect(gateway["SIMULATOR_SEED"] == nil)
        let list = try #require(gateway["GATEWAY_INSTRUMENTS"])
        #expect(FileManager.default.fileExists(atPath: list))
    }

    @Test(
        "a provider that polls has its own shipped list",
        arguments: ["fred", "coingecko", "alternative-me"])
    func polled(_ provider: String) throws {
        let plan = try testPlan(TemporaryFolder(), settings: ["GATEWAY_PROVIDER=\(provider)"])
        let gateway = try #require(plan.units.first { $0.name == "provider-gateway" })
        let list = try #require(gateway.environment["GATEWAY_INSTRUMENTS"])
        #expect(list.hasSuffix("/\(provider).yaml"))
        #expect(FileManager.default.fileExists(atPath: list))
    }

    @Test("a simulated exchange is a process of its own, with settings of its own")
    func simulatedExchange() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(
            folder, settings: ["GATEWAY_PROVIDER=binance", "SIMULATOR_SYMBOLS=BTCUSDT"],
            withSimulator: true,
            further: [try stackSource(["SIMULATOR_SYMBOLS=SPY"], isSimulated: true)])
        let unit = try #require(plan.units.first { $0.name == "binance-simulator" })
        let (port, control) = (plan.ports[.binanceSimulator], plan.ports[.binanceSimulatorControl])
        #expect(
            unit.arguments == [
                "--address", "127.0.0.1", "--port", "\(port)", "--control-port", "\(control)",
                "--symbols", "BTCUSDT",
            ])
        #expect(unit.check == .line(port: control, question: "status"))
        let gateways = plan.units.filter { $0.name.hasPrefix("provider-gateway") }
        try #require(gateways.count == 2)
        #expect(gateways[0].environment["BINANCE_URL"] == "ws://127.0.0.1:\(port)/stream")
        #expect(gateways[0].environment["GATEWAY_INSTRUMENTS"]?.hasSuffix("coins.yaml") == true)
        #expect(gateways[1].environment["BINANCE_URL"] == nil)
        #expect(gateways[1].environment["IBKR_PORT"] == "\(plan.ports[.simulator])")
        #expect(plan.units.filter { $0.name.hasSuffix("-simulator") }.count == 1)
    }

    @Test(
        "a simulated exchange has a gateway with its address, and with the key that it knows",
        arguments: [
            ("alpaca", .alpacaSimulator, .alpacaSimulatorControl, "us-stocks.yaml"),
            ("massive", .massiveSimulator, .massiveSimulatorControl, "massive-stocks.yaml"),
        ] as [(String, StackPorts.Name, StackPorts.Name, String)])
    func exchangeWithKey(
        _ provider: String, _ port: StackPorts.Name, _ control: StackPorts.Name, _ list: String
    ) throws {
        let plan = try testPlan(
            TemporaryFolder(), settings: ["GATEWAY_PROVIDER=\(provider)"], withSimulator: true)
        let unit = try #require(plan.units.first { $0.name == "\(provider)-simulator" })
        #expect(unit.check == .line(port: plan.ports[control], question: "status"))
        let gateway = try #require(plan.units.first { $0.name == "provider-gateway" }).environment
        let prefix = provider.uppercased()
        #expect(gateway["\(prefix)_URL"] == "ws://127.0.0.1:\(plan.ports[port])")
        #expect(gateway["\(prefix)_API_KEY"] == "test-key")
        #expect(gateway["GATEWAY_INSTRUMENTS"]?.hasSuffix(list) == true)
    }

    @Test(
        "the source is called like the provider, unless somebody names it",
        arguments: [
            ([], "synthetic", "synthetic", false),
            (["GATEWAY_PROVIDER=ibkr", "IBKR_HOST=tws.example"], "ibkr", "ibkr", true),
            (["GATEWAY_PROVIDER=ibkr,replay"], "ibkr,replay", "ibkr", true),
            (["GATEWAY_PROVIDER=ibkr", "GATEWAY_SOURCE=main"], "ibkr", "main", true),
        ])
    func source(
        _ settings: [String], _ provider: String, _ source: String, _ hasList: Bool
    ) throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder, settings: settings)
        let gateway = try #require(plan.units.first { $0.name == "provider-gateway" }).environment
        #expect(gateway["GATEWAY_PROVIDER"] == provider)
        #expect(gateway["GATEWAY_SOURCE"] == source)
        #expect((gateway["GATEWAY_INSTRUMENTS"] != nil) == hasList)
        #expect(
            gateway["IBKR_HOST"]
                == (settings.contains("IBKR_HOST=tws.example") ? "tws.example" : nil))
        #expect(plan.units.allSatisfy { $0.name != "ibkr-simulator" })
    }

    @Test("a further source has a gateway with a name, a port and settings of its own")
    func furtherSource() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(
            folder,
            settings: ["SYNTHETIC_RATE=7", "GATEWAY_LIVE=false", "LOG_LEVEL=debug"],
            further: [try stackSource(["SIMULATOR_SEED=9", "IBKR_CLIENT_ID=4"], isSimulated: true)])
        let gateways = plan.units.filter { $0.name.hasPrefix("provider-gateway") }
        #expect(gateways.map(\.name) == ["provider-gateway", "provider-gateway-ibkr"])
        try #require(gateways.count == 2)
        let (first, second) = (gateways[0].environment, gateways[1].environment)
        #expect(first["GATEWAY_SOURCE"] == "synthetic" && second["GATEWAY_SOURCE"] == "ibkr")
        #expect(second["GATEWAY_PROVIDER"] == "ibkr")
        #expect(second["MDS_MEMBER"] == "provider-gateway-ibkr")
        // What a person sets for one source is not for the other. The rest is for both.
        #expect(first["SYNTHETIC_RATE"] == "7" && first["GATEWAY_LIVE"] == "false")
        #expect(second["SYNTHETIC_RATE"] == nil && second["GATEWAY_LIVE"] == nil)
        #expect(second["IBKR_CLIENT_ID"] == "4" && first["IBKR_PORT"] == nil)
        #expect(second["IBKR_PORT"] == "\(plan.ports[.simulator])")
        #expect([first, second].allSatisfy { $0["LOG_LEVEL"] == "debug" })
        for key in ["OPS_PORT", "GATEWAY_DEAD_LETTERS", "MDS_MEMBER"] {
            #expect(first[key] != second[key], "\(key)")
        }
        #expect(gateways[0].logPath != gateways[1].logPath)
        #expect(second["OPS_PORT"] == "\(plan.ports[gateway: "ibkr"])")
        // It keeps its port.
        #expect(try testPlan(folder).ports[gateway: "ibkr"] == plan.ports[gateway: "ibkr"])
    }
}

@Suite("LogFile")
struct LogFileTests {
    private func words(_ text: String, from start: Int = 0) throws -> String? {
        let folder = try TemporaryFolder()
        return LogFile(path: try folder.write(text, to: "log")).lastMessages(from: start)
    }

    @Test("the last line that says something is what counts")
    func lastMessages() throws {
        #expect(try words("") == nil)
        #expect(try words("\n\n") == nil)
        #expect(try words("one\ntwo\n\n") == "two")
        #expect(try words("one\n  two") == "two")
        #expect(
            try words("initdb: error: no space\ninitdb: removing\n") == "initdb: error: no space")
        #expect(try words("{\"level\":\"error\",\"message\":\"no NATS\"}\n") == "no NATS")
        #expect(try words("{\"level\":\"error\"}\n") == "{\"level\":\"error\"}")
        #expect(try words("{broken\n") == "{broken")
        #expect(try words("a\u{1b}[31mred\n") == "a[31mred")
        #expect(try words(String(repeating: "x", count: 20_000))?.count == 300)
        #expect(LogFile(path: "/nonexistent/log").lastMessages() == nil)
    }

    @Test("what a predecessor said is not said again")
    func fromStart() throws {
        #expect(try words("old words\n", from: 10) == nil)
        #expect(try words("old words\nnew\n", from: 10) == "new")
        // Truncated in between, so everything is new.
        #expect(try words("new\n", from: 1_000) == "new")
    }

    @Test("a long log is set aside, and its writer goes on at its start")
    func bounded() throws {
        let folder = try TemporaryFolder()
        let log = LogFile(path: try folder.write(String(repeating: "a", count: 100), to: "log"))
        try log.keepBounded(bytesMax: 100)
        #expect(log.end == 100)
        let writer = try #require(FileHandle(forUpdatingAtPath: log.path))
        try writer.seekToEnd()
        try log.keepBounded(bytesMax: 60)
        #expect(log.end == 0)
        #expect(FileSystem.byteCount(of: "\(log.path).1") == 60)
        try LogFile(path: folder.file("none")).keepBounded()
    }
}
