import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

func testHome(_ root: String, name: String = "default") throws -> StackHome {
    try StackHome(checkout: Checkout(root: root, programs: "\(root)/bin"), name: name)
}

func madeHome(_ folder: TemporaryFolder) throws -> StackHome {
    let home = try testHome(folder.path)
    try home.makeFolders()
    return home
}

func testSettings(_ texts: [String]) throws -> StackSettings {
    try StackSettings(of: texts.flatMap { ["--set", $0] })
}

@Suite("Stack state")
struct StackStateTests {
    private var state: StackState {
        get throws {
            let me = try #require(ProcessIdentity.current)
            return StackState(
                phase: .running, problem: "a \"problem\"", supervisor: me,
                started: Timestamp(nanoseconds: 1_700_000_000_000_000_001),
                units: [
                    StackState.Unit(
                        name: "nats-server", kind: .server, stage: 0, state: "works", process: me,
                        restarts: 2, startNanoseconds: 5, address: "127.0.0.1:1",
                        stopSignal: 2, log: "/a b/c.log"),
                    StackState.Unit(
                        name: "writer", kind: .service, stage: 4, state: "gave up",
                        detail: "exit code 64: line\n", operationsPort: 8_502),
                ])
        }
    }

    @Test("what is written is read again")
    func roundTrip() throws {
        let state = try state
        #expect(StackState.parse(state.json) == state)
        #expect(state.isSupervised)
        #expect(state.alive.map(\.name) == ["nats-server"])
    }

    @Test("another process with the same number is not the one that was noted")
    func successor() throws {
        var state = try state
        let me = try #require(ProcessIdentity.current)
        state.supervisor = ProcessIdentity(id: me.id, startTime: me.startTime + 1)
        state.units[0].process = state.supervisor
        #expect(!state.isSupervised)
        #expect(state.alive.isEmpty)
    }

    @Test(
        "a damaged file is no state",
        arguments: [
            "", "{}", "[]", "{\"version\":1}", "nonsense", "{\"version\":2,\"phase\":\"running\"}",
            """
            {"version":1,"phase":"flying","supervisor":{"id":1,"startTime":2},"started":1,\
            "units":[]}
            """,
            """
            {"version":1,"phase":"running","supervisor":{"id":-1,"startTime":2},"started":1,\
            "units":[]}
            """,
            """
            {"version":1,"phase":"running","supervisor":{"id":99999999999,"startTime":2},\
            "started":1,"units":[]}
            """,
            """
            {"version":1,"phase":"running","supervisor":{"id":1,"startTime":2},"started":1,\
            "units":[{"name":"a"}]}
            """,
            """
            {"version":1,"phase":"running","supervisor":{"id":1,"startTime":2},"started":1,\
            "units":[{"name":"a","kind":"server","stage":0,"state":"works","stopSignal":99}]}
            """,
        ])
    func damaged(_ text: String) {
        #expect(StackState.parse(Array(text.utf8)) == nil)
    }

    @Test("every cut of a state is no state")
    func cut() throws {
        let bytes = try state.json.dropLast()
        for length in 0..<bytes.count {
            #expect(StackState.parse(Array(bytes.prefix(length))) == nil)
        }
    }
}

@Suite("Stack settings, names and arguments")
struct StackArgumentTests {
    @Test("keys reach the service that their prefix names")
    func receivers() throws {
        let settings = try testSettings([
            "SYNTHETIC_RATE=1", "LOG_LEVEL=debug", "WRITER_BATCH_ROWS=9", "MDS_NAMESPACE=",
            "SYNTHETIC_RATE=2=3",
        ])
        #expect(
            settings.environment(for: .gateway) == [
                "SYNTHETIC_RATE": "2=3", "LOG_LEVEL": "debug", "MDS_NAMESPACE": "",
            ])
        #expect(settings.environment(for: .writer)["WRITER_BATCH_ROWS"] == "9")
        #expect(
            settings.environment(for: .operators).keys.sorted() == ["LOG_LEVEL", "MDS_NAMESPACE"])
        #expect(settings.arguments.count == 8)
        #expect(settings.namespace == "")
        #expect(StackSettings().namespace == "md")
    }

    @Test(
        "what the stack itself gives cannot be set",
        arguments: [
            "", "=", "A", "PATH=/tmp", "NATS_PASSWORD=x", "MDS_MEMBER=a", "MDS_PLACE=a",
            "GATEWAY_SPOOL=/tmp",
            "POSTGRES_HOST=example", "SIMULATOR_PORT=1",
            String(repeating: "LOG_", count: 2_000) + "=1",
        ])
    func refused(_ text: String) {
        #expect(throws: ToolError.self) { try testSettings([text]) }
    }

    @Test("a number of settings is the limit")
    func settingsLimit() throws {
        var settings = StackSettings()
        for index in 0..<StackSettings.countMax { try settings.add("LOG_\(index)=1") }
        #expect(throws: ToolError.self) { try settings.add("LOG_X=1") }
    }

    @Test(
        "a name is a plain folder name",
        arguments: [
            "", "A", "1a", "-a", "a/b", "..", "a b", "ä", "a_", String(repeating: "a", count: 33),
        ])
    func names(_ name: String) {
        #expect(throws: ToolError.self) { try testHome("/x", name: name) }
    }

    @Test("arguments become commands")
    func commands() throws {
        var options = Stack.UpOptions()
        #expect(try Commands.parse([]) is StartCommand)
        #expect(try Commands.parse(["up", "--help"]) as? HelpCommand == HelpCommand(word: "up"))
        #expect(try Commands.parse(["version"]) is VersionCommand)
        #expect(try Commands.parse(["--version"]) is VersionCommand)
        #expect(try Commands.parse(["up"]) as? UpCommand == UpCommand())
        try options.settings.add("LOG_LEVEL=debug")
        options.withServices = false
        #expect(
            try UpCommand.parse([
                "--name=demo", "--set", "LOG_LEVEL=debug", "--servers-only", "--home", "/x",
            ]) == UpCommand(target: .init(home: "/x", name: "demo"), options: options))
        var simulated = Stack.UpOptions()
        simulated.withSimulator = true
        #expect(try UpCommand.parse(["--simulator"]) == UpCommand(options: simulated))
        var stores = Stack.UpOptions()
        try stores.add(store: "store-b")
        #expect(try UpCommand.parse(["--store", "store-b"]) == UpCommand(options: stores))
        #expect(stores.arguments == ["--store", "store-b"])
        #expect(stores.arguments(missingFrom: ["--store", "store-c"]) == ["store-b"])
        for wrong in ["store", "archive", "store-\(String(repeating: "a", count: 55))"] {
            #expect(throws: ToolError.self) { try UpCommand.parse(["--store", wrong]) }
        }
        #expect(try Commands.parse(["status", "--json"]) as? StatusCommand == .init(asJSON: true))
        #expect(try Commands.parse(["down"]) as? DownCommand == DownCommand())
        #expect(
            try Commands.parse(["supervise", "--name", "a"]) as? SuperviseCommand
                == SuperviseCommand(target: .init(home: nil, name: "a")))
    }

    @Test(
        "a wrong argument is named",
        arguments: [
            (["fly"], "'fly' is no command"),
            (["fly", "--json"], "'fly' is no command"),
            (["down", "--json"], "'tapeline down' does not take '--json'"),
            (["up", "extra"], "'tapeline up' does not take 'extra'"),
            (
                ["up", "PROVIDR=binance"],
                "'tapeline up' does not take 'PROVIDR=binance': did you mean PROVIDER=NAME?"
            ),
            (["up", "--simulator=yes"], "--simulator takes no value"),
            (["up", "--name"], "--name wants a value"),
            (["up", "--name="], "--name wants a value"),
            (["up", "--servers-only=yes"], "--servers-only takes no value"),
            (["status", "--json=1"], "--json takes no value"),
            (["up", "--set", "A=1"], "--set: 'A' is no setting of a service"),
            (
                ["up", "--set", "OPERTOR_SERIES=1s"],
                "--set: 'OPERTOR_SERIES' is no setting of a service: did you mean OPERATOR_SERIES?"
            ),
            (
                ["up", "--set", "NATS_URL=x"],
                "--set cannot change 'NATS_URL' of a local stack: it sets that itself"
            ),
        ])
    func wrong(_ arguments: [String], _ problem: String) {
        let error = #expect(throws: ToolError.self) { try Commands.parse(arguments) }
        #expect(error?.description == problem)
        #expect(error?.exitCode == .usage)
    }

    @Test(
        "settings that need a simulated broker, or contradict one, are refused",
        arguments: [
            (["SIMULATOR_RATE=1"], false, false), (["SIMULATOR_RATE=1"], true, true),
            (["GATEWAY_PROVIDER=synthetic"], true, false), (["GATEWAY_PROVIDER=ibkr"], true, true),
            (["GATEWAY_PROVIDER=synthetic"], false, true),
        ])
    func simulatorSettings(_ settings: [String], _ isSimulated: Bool, _ isRight: Bool) throws {
        var options = Stack.UpOptions()
        options.settings = try testSettings(settings)
        options.withSimulator = isSimulated
        if isRight {
            try options.check()
        } else {
            #expect(throws: ToolError.self) { try options.check() }
        }
    }

    @Test("every message is one line and says what to do")
    func messages() {
        let errors: [ToolError] = [
            .usage("x"), .noCheckout(lookedFrom: "/a"), .missing(path: "/a", remedy: "run b"),
            .file(operation: "write", path: "/a", SystemErrorCode(rawValue: 28)),
            .diskNearlyFull(path: "/a", freeMegabytes: 1, neededMegabytes: 2),
            .damaged(path: "/a", problem: "b"), .busy(stack: "a"), .noFreePort,
            .startFailed("a", logs: "/l"), .stillRunning(["process 1"]),
            .runtime(.badAddress("x")),
        ]
        for error in errors {
            #expect(!error.description.contains("\n"))
            #expect(error.exitCode != .success)
        }
        #expect(errors[3].description.contains("No space left on device"))
    }
}

@Suite("Stack files")
struct StackFileTests {
    @Test("secrets are made once, are different, and only their user can read them")
    func secrets() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        let first = try StackSecrets.open(home)
        #expect(try StackSecrets.open(home) == first)
        let values = StackSecrets.Name.allCases.map { first[$0] }
        #expect(Set(values).count == values.count)
        for value in values { #expect(value.first == "p" && value.count == 49) }
        let attributes = try FileManager.default.attributesOfItem(
            atPath: home.secret("postgres-owner"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let folderAttributes = try FileManager.default.attributesOfItem(atPath: home.secrets)
        #expect(folderAttributes[.posixPermissions] as? Int == 0o700)
    }

    @Test(
        "a damaged secret is named",
        arguments: [
            "", "1234567890123456789012345678", "p1", "pabc'; DROP TABLE x; --aaaaaaaaaaaaaaa",
        ])
    func damagedSecret(_ text: String) throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        try FileSystem.write(Array(text.utf8), to: home.secret("valkey"))
        let error = #expect(throws: ToolError.self) { try StackSecrets.open(home) }
        #expect(error?.exitCode == .dataError)
    }

    @Test(
        "ports that cannot be are no ports",
        arguments: [
            "", "[]", "{\"nats\":1}", "{\"nats\":70000}", "{\"nats\":-1}", "{\"nats\":\"x\"}",
        ])
    func wrongPorts(_ text: String) {
        #expect(StackPorts.parse(Array(text.utf8)) == nil)
    }

    @Test("ports given twice are no ports")
    func doubledPorts() {
        let same = Dictionary(
            uniqueKeysWithValues: StackPorts.Name.allCases.map { ($0, UInt16(20_000)) })
        #expect(StackPorts.parse(StackPorts(same).json) == nil)
    }

    private struct InUse: Error {}

    private func taken(_ path: String) throws -> FileLock {
        guard let lock = try FileLock(path, timeout: .zero) else { throw InUse() }
        return lock
    }

    @Test("a lock is held by one, and free again when its holder is gone")
    func lock() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("lock")
        func isFree() throws -> Bool {
            if let lock = try FileLock(path, timeout: .milliseconds(30)) {
                withExtendedLifetime(lock) {}
                return true
            }
            return false
        }
        let held = try taken(path)
        #expect(try !isFree())
        let child = try ChildsDescriptor(of: path)
        _ = consume held
        // Also if a child has not run its program yet.
        #expect(try isFree())
        _ = consume child
        #expect(throws: ToolError.self) {
            if let lock = try FileLock(folder.file("lock/no"), timeout: .zero) {
                withExtendedLifetime(lock) {}
            }
        }
    }

    @Test("a lock makes its folder again, which whoever held it may have removed")
    func lockFolder() throws {
        let folder = try TemporaryFolder()
        let held = try taken(folder.file("stacks/lock"))
        #expect(FileSystem.isFolder(folder.file("stacks")))
        _ = consume held
    }

    @Test("files are written whole or not at all")
    func files() throws {
        let folder = try TemporaryFolder()
        #expect(try FileSystem.read(folder.file("none")) == nil)
        try FileSystem.makeFolder(folder.file("a/b/c"))
        try FileSystem.write([1, 2], to: folder.file("a/b/c/d"))
        try FileSystem.write([3], to: folder.file("a/b/c/d"))
        #expect(try FileSystem.read(folder.file("a/b/c/d")) == [3])
        #expect(FileSystem.names(in: folder.file("a/b/c")) == ["d"])
        #expect(FileSystem.names(in: folder.file("none")) == [])
        #expect(throws: ToolError.self) { try FileSystem.write([1], to: folder.file("x/y")) }
        #expect(throws: ToolError.self) { try FileSystem.makeFolder(folder.file("a/b/c/d/e")) }
        #expect(throws: ToolError.self) { try FileSystem.read(folder.path) }
        #expect(throws: ToolError.self) { try FileSystem.freeMegabytes(at: folder.file("none")) }
        #expect(try FileSystem.freeMegabytes(at: folder.path) > 0)
        #expect(FileSystem.folder(of: "/a") == "/")
        #expect(FileSystem.folder(of: "a") == ".")
    }

    @Test("a full disk is a clear error")
    func fullDisk() throws {
        #expect(throws: ToolError.self) { try FileSystem.write([1], to: "/proc/none") }
        let descriptor = unsafe open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        #expect(!FileSystem.writeAll([1], to: descriptor))
        #expect(FileSystem.failure("write", "/a").description.contains("No space left on device"))
    }

    @Test("a checkout is found around the program, or named")
    func checkout() throws {
        let folder = try TemporaryFolder()
        let executable = folder.file(".build/debug/tapeline")
        #expect(throws: ToolError.self) { try Checkout.find(home: nil, executable: executable) }
        #expect(throws: ToolError.self) {
            try Checkout.find(home: folder.path, executable: executable)
        }
        try linkCheckout(at: folder)
        let found = try Checkout.find(home: nil, executable: executable)
        #expect(found == Checkout(root: folder.path, programs: folder.file(".build/debug")))
        let named = try Checkout.find(home: folder.path, executable: "/usr/bin/tapeline")
        #expect(named.program("store-writer") == "/usr/bin/store-writer")
        #expect(
            complaint { try found.requirePrograms(services: true) }.hasSuffix(
                "is missing: run 'make programs'"))
        #expect(
            complaint { try Checkout.require(found.program("provider-gateway")) }.hasSuffix(
                "is missing: run 'make programs'"))
        #expect(
            complaint { try Checkout.require(folder.file("bin/provider-gateway")) }.hasSuffix(
                "is missing: install the package 'tapeline-provider-gateway', "
                    + "or copy the program there"))
        try FileManager.default.removeItem(atPath: folder.file(".local/servers"))
        #expect(
            complaint { try found.requirePrograms(services: false) }.hasSuffix(
                "is missing: run 'make servers'"))
    }

    @Test("a package of Python says where its servers are; its stacks are the person's")
    func package() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        try FileManager.default.removeItem(atPath: folder.file("deploy"))
        try FileSystem.makeFolder(folder.file("deploy/nats"))
        _ = try folder.write("", to: "deploy/nats/server.conf")
        let file = try folder.write(
            "nats-server=../bin/nats-server\ndatabase=../pg/bin\nvalkey-server=../valkey-server\n",
            to: ServerPlaces.file)
        let found = try Checkout.find(home: nil, executable: folder.file("bin/tapeline"))
        #expect(found.places.isPackage)
        #expect(found.natsServer == "\(folder.path)/../bin/nats-server")
        #expect(found.databaseProgram("psql") == "\(folder.path)/../pg/bin/psql")
        #expect(found.valkeyServer == "\(folder.path)/../valkey-server")
        #expect(
            complaint { try found.requirePrograms(services: false) }.hasSuffix(
                "is missing: run pip install --force-reinstall 'tapeline[stack]'"))
        #expect(
            complaint { try Checkout.require(folder.file("bin/provider-gateway")) }.hasSuffix(
                "is missing: run pip install --force-reinstall 'tapeline[stack]'"))
        let places = try ServerPlaces.read(folder.path, environment: ["HOME": "/people/a"])
        #expect(places?.stacks == "/people/a/.tapeline")
        #expect(
            complaint { _ = try ServerPlaces.read(folder.path, environment: [:]) }
                == "HOME is not the path of a folder, and stacks are kept in its folder "
                + ".tapeline: set it, as in 'env HOME=/root tapeline up'")
        _ = try folder.write("nats-server=x\n", to: ServerPlaces.file)
        #expect(
            complaint { _ = try ServerPlaces.read(folder.path, environment: ["HOME": "/people/a"]) }
                .hasPrefix("\(file) is damaged (it does not name nats-server, "))
    }

    @Test("with the last stack its folder goes, and the locks of stacks that are gone")
    func lastStack() throws {
        let folder = try TemporaryFolder()
        let checkout = Checkout(root: folder.path, programs: folder.path)
        let output = try OpenFile(folder.file("output"))
        func remove(_ name: String) throws {
            let stack = try Stack(
                checkout: checkout, name: name,
                terminal: Terminal(output: output.descriptor, errors: output.descriptor))
            try stack.home.makeFolders()
            _ = try StackPorts.open(stack.home)
            #expect(try stack.down(removing: true) == .success)
        }
        let other = try testHome(folder.path, name: "other")
        try other.makeFolders()
        for lock in [other.commandLock, "\(checkout.stacks)/gone.lock"] {
            try FileSystem.write([], to: lock)
        }
        try remove("demo")
        let left = FileSystem.names(in: checkout.stacks).filter { !$0.hasPrefix(".") }
        #expect(left.sorted() == ["other", "other.lock"])
        try FileSystem.removeFolder(other.path)
        try remove("demo")
        #expect(!FileSystem.exists(checkout.stacks))
    }

    @Test("without a name, the only stack that is up is meant, whatever it is called")
    func meantStack() throws {
        let folder = try TemporaryFolder()
        let checkout = Checkout(root: folder.path, programs: folder.path)
        let me = try #require(ProcessIdentity.current)
        func meant(_ name: String, isUp: Bool = true) throws -> String? {
            let home = try testHome(folder.path, name: name)
            try home.makeFolders()
            let supervisor =
                isUp ? me : ProcessIdentity(id: me.id, startTime: me.startTime + 1)
            let state = StackState(
                phase: .running, supervisor: supervisor, started: Timestamp(nanoseconds: 1),
                units: [])
            try FileSystem.write(state.json, to: home.state)
            return try Stack.up(in: checkout, Terminal())?.home.name
        }
        #expect(try meant("default", isUp: false) == nil)
        #expect(try meant("demo") == "demo")
        #expect(
            complaint { _ = try meant("default") }
                == "several stacks are up (default, demo): name one with --name")
        #expect(try meant("demo", isUp: false) == "default")
    }
}

/// Makes a folder look like this checkout, with its scripts and servers.
func linkCheckout(at folder: TemporaryFolder) throws {
    let files = FileManager.default
    try files.createDirectory(
        atPath: folder.file(".local"), withIntermediateDirectories: true)
    try files.createSymbolicLink(
        atPath: folder.file("deploy"), withDestinationPath: "\(ServerPrograms.checkout)/deploy")
    try files.createSymbolicLink(
        atPath: folder.file("services"), withDestinationPath: "\(ServerPrograms.checkout)/services")
    try files.createSymbolicLink(
        atPath: folder.file(".local/servers"), withDestinationPath: ServerPrograms.root)
}
