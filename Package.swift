// swift-tools-version: 6.2
import PackageDescription

// One set of strict settings for every target. A warning is an error: whoever needs an exception
// changes this list where everybody can see it.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// Simulations use the processor for minutes. `make test` sets the variable, which has what they
/// run optimised in debug builds; assertions stay on. Other debug builds compile sooner and are
/// easier to debug.
let quickTests: [SwiftSetting] =
    Context.environment["TAPELINE_QUICK_TESTS"] == "1"
    ? [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))] : []

/// What waits for a person, or reads a file at a start. To optimise would be four times the time to
/// compile. The tool's loops over ticks and rows are in libraries.
let neverOptimised: Set = ["GraphLanguage", "YAMLFile"]

/// What no simulation runs, and no test runs for long.
let optimisedInRelease: Set = [
    "AlpacaProvider", "BinanceProvider", "Cockpit", "DeadLetters", "DeploymentWatch",
    "IBKRProvider", "MassiveProvider", "PolledProvider", "StoredBars", "StreamKit", "TapeListing",
]

/// To optimise tests takes three times their compilation. A night's worlds win it back, and these.
let optimisedTests: Set = ["TapeProtocolTests", "TidyTests"]
let isNight = Context.environment["TAPELINE_TIER"] == "night"

let unoptimised: [SwiftSetting] = [.unsafeFlags(["-Onone"], .when(configuration: .release))]
func optimisation(of name: String) -> [SwiftSetting] {
    if neverOptimised.contains(name) { return unoptimised }
    return optimisedInRelease.contains(name) ? [] : quickTests
}

/// The commit that the programs name. The build's scripts set it: what a manifest itself reads of
/// git is cached, and a wrong revision is worse than none.
let revision = Context.environment["TAPELINE_REVISION"].flatMap { $0.isEmpty ? nil : $0 }

/// The names of programs, separated by spaces: `make demo` and `make up` set the variable to those
/// that they run. The package is then these programs and what they import, and one build makes all
/// of it, with both processors in use to the end.
let programs = Context.environment["TAPELINE_PROGRAMS"]?.split(separator: " ").map(String.init)

/// What the tests of a target need: nothing, servers and programs, whole stacks, or the time of a
/// night (docs/TESTING.md).
enum Tier: String, CaseIterable { case pure, servers, stacks, night }

/// `TAPELINE_TESTS=pure,servers` names the tiers whose tests are built, or the targets as
/// `TAPELINE_TESTS=IBEngineTests` does. Without it all are.
let wanted = (Context.environment["TAPELINE_TESTS"] ?? "").split(separator: ",").map(String.init)

/// A target of tests with its tier.
struct Tests {
    let target: Target
    let tier: Tier
}

/// What a target needs that reads or writes packets, and what one that reads or writes the tape.
let codec: [Target.Dependency] = ["TapeCodec", "MarketModel", "Primitives"]
let tape: [Target.Dependency] = ["TapeProtocol"] + codec
let model: [Target.Dependency] = ["MarketModel", "Primitives"]
let http: [Target.Dependency] = ["ServiceRuntime", "StoreHTTP"]

/// What a service of the tape needs, and a test that runs one.
let frame: [Target.Dependency] =
    ["Membership", "MembershipTransport", "TapeKeeping", "TapeTransport", "NatsTransport"]
    + ["ServiceRuntime", "TapeTraces"]

/// What a program needs that puts a simulated venue on ports.
let simulatorProgram: [Target.Dependency] = ["SimulatorPorts", "ServiceRuntime", "Primitives"]

/// What a test of a service needs beside it.
let support: [Target.Dependency] = ["ServiceTestSupport", "TestSupport"]

/// What the shell around the engine of a service of the web needs.
let venueShell: [Target.Dependency] =
    ["EngineKit", "HTTPClient", "ProviderKit", "ServiceRuntime", "WebSocketClient"] + model

let venueProvider: [Target.Dependency] = ["StreamKit"] + venueShell

/// What tests of a vendor's engine need.
let engineSupport: [Target.Dependency] = ["EngineKit", "HistoryTestSupport", "TestSupport"]

/// What a test of a simulated venue needs.
let venueSupport: [Target.Dependency] = [
    "VenueTestSupport", "VenueWeb", "TestSupport", "Primitives",
]

/// A library in `Sources/<group>/<name>` or `Equipment/<name>`. Its `README.md` is half a page.
func library(
    _ name: String, in group: String, uses dependencies: [Target.Dependency] = [],
    beside files: [String] = [], settings: [SwiftSetting] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies,
        path: group == "Equipment" ? "Equipment/\(name)" : "Sources/\(group)/\(name)",
        exclude: ["README.md"] + files,
        swiftSettings: strict + optimisation(of: name) + settings)
}

/// A module map for one C library: no code, no `pkgConfig` (none of the libraries needs it).
func clibrary(_ name: String, apt package: String) -> Target {
    .systemLibrary(name: name, path: "Sources/C/\(name)", providers: [.apt([package])])
}

/// A service: all of it in `services/<product>/`, its sources in `Sources` there. It is a library,
/// so that other programs can run it with providers and operators of their own.
func service(_ name: String, in product: String, uses dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "services/\(product)/Sources",
        swiftSettings: strict + optimisation(of: name))
}

/// The services of the web, each with the script by which other people's code reads its simulator.
let venues = [
    ("Alpaca", "read_alpaca.py"), ("Binance", "read_clients.py"), ("Massive", "read_massive.py"),
    ("Polled", "read_fred.py"),
]

/// The engine and the provider of such a service. Its simulator: a library, and a program that puts
/// it on ports.
func venue(_ name: String, _: String) -> [Target] {
    [
        library("\(name)Engine", in: "Providers", uses: ["EngineKit"] + model),
        library(
            "\(name)Provider", in: "Providers",
            uses: [.byName(name: "\(name)Engine")] + venueProvider),
        library("\(name)Simulator", in: "Equipment", uses: ["VenueWeb", "Primitives"]),
        program(
            "\(name)SimulatorProgram", at: "Equipment/\(name.lowercased())-simulator",
            uses: [.byName(name: "\(name)Simulator"), "VenueWeb"] + simulatorProgram),
    ]
}

/// The product: a program that runs the service as it is.
func serviceProgram(_ product: String, runs service: String) -> Target {
    .executableTarget(
        name: product, dependencies: [.byName(name: service)],
        path: "services/\(product)/Program", swiftSettings: strict)
}

/// A program of the sample package.
func sample(_ name: String, uses dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: "Sample\(name)", dependencies: dependencies,
        path: "Samples/tapeline-sample/Sources/sample-\(name.lowercased())", swiftSettings: strict)
}

/// Tests of one library or service. `isLong`: they have worlds from seeds, and a night optimises
/// them as it does the libraries.
func tests(
    of name: String, tier: Tier = .pure, uses dependencies: [Target.Dependency] = [],
    beside files: [String] = [], isLong: Bool = false
) -> Tests {
    jointTests(
        "\(name)Tests", tier: tier, uses: [.byName(name: name)] + dependencies, beside: files,
        isLong: isLong)
}

/// The tests of that library or service that need servers or programs of other people. They use
/// the helpers of its other tests: a target of tests may depend on another one.
func serverTests(
    of name: String, tier: Tier = .servers, uses dependencies: [Target.Dependency] = [],
    beside files: [String] = []
) -> Tests {
    jointTests(
        "\(name)ServerTests", tier: tier,
        uses: [.byName(name: name), .byName(name: "\(name)Tests")] + dependencies, beside: files)
}

/// Tests of several parts together. Any test may ask which seeds this run has.
func jointTests(
    _ name: String, tier: Tier = .pure, uses dependencies: [Target.Dependency] = [],
    beside files: [String] = [], isLong: Bool = false
) -> Tests {
    Tests(
        target: .testTarget(
            name: name, dependencies: dependencies + ["Seeds"], exclude: files,
            swiftSettings: strict
                + (isLong && isNight || optimisedTests.contains(name) ? quickTests : [])),
        tier: tier)
}

func benchmark(
    _ name: String, uses dependencies: [Target.Dependency], beside files: [String] = []
) -> Target {
    .executableTarget(
        name: name, dependencies: ["CAllocationCounter", "BenchmarkRows"] + dependencies,
        path: "Benchmarks/\(name)", exclude: files, swiftSettings: strict)
}

/// A benchmark that runs services on real servers.
func serverBenchmark(_ name: String, uses dependencies: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: tape + dependencies
            + ["BenchmarkRows", "NatsTransport", "ServiceRuntime", "TapeTransport", "TestSupport"],
        path: "Benchmarks/\(name)", swiftSettings: strict)
}

/// A program: its target has a name of its own, because `tapeline` is no name for a module.
func program(
    _ name: String, at path: String, uses dependencies: [Target.Dependency]
) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: path, exclude: ["README.md"],
        swiftSettings: strict + unoptimised)
}

/// The tests of such an engine, and of its simulator.
func venueTests(_ name: String, _ script: String) -> [Tests] {
    [
        tests(of: "\(name)Engine", uses: model + engineSupport, isLong: true),
        tests(of: "\(name)Simulator", uses: venueSupport),
        serverTests(
            of: "\(name)Simulator", tier: .night,
            uses: venueSupport + [.byName(name: "\(name)SimulatorProgram")], beside: [script]),
    ]
}

let others: [Tests] = [
    tests(of: "Primitives"), tests(of: "MarketModel"),
    tests(of: "TapeCodec", uses: model, beside: ["Golden", "decode_packet.py"]),
    serverTests(of: "TapeCodec", uses: model, beside: ["second_release.py"]),
    tests(of: "TapeProtocol", uses: codec), tests(of: "ArrowColumns", uses: codec),
    tests(of: "TapeTraces", uses: codec),
    tests(of: "StreamCore", uses: model, beside: ["Golden"], isLong: true),
    tests(of: "YAMLFile", uses: ["Primitives"]), tests(of: "IBSimulator", uses: ["Primitives"]),
    tests(of: "GraphLanguage", uses: model + ["YAMLFile", "OperatorGraph", "StreamCore"]),
    serverTests(
        of: "GraphLanguage", tier: .night, uses: model + ["StreamCore", "YAMLFile"],
        beside: ["nyse_sessions.py"]),
    tests(of: "OperatorGraph", uses: codec + ["SimulationKit", "StreamCore"]),
    tests(of: "ProviderKit", uses: model + ["ServiceRuntime", "YAMLFile"], isLong: true),
    tests(
        of: "IBKRProvider",
        uses: model + ["IBEngine", "IBProtocol", "ProviderKit", "ServiceRuntime"]),
    serverTests(
        of: "IBKRProvider", uses: ["Primitives", "ProviderKit", "ServiceRuntime", "TestSupport"]),
    serverTests(
        of: "IBSimulator", tier: .night, uses: ["IBKRSimulator", "TestSupport"],
        beside: ["read_official.py", "read_ib_async.py", "recorded.py"]),
    tests(of: "VenueWeb", uses: ["VenueTestSupport", "TestSupport", "Primitives"]),
    tests(of: "SimulatorPorts", uses: ["IBKRSimulator", "PolledSimulatorProgram", "Primitives"]),
    tests(
        of: "ReplayProvider",
        uses: frame + tape + support + ["ProviderGateway", "ProviderKit", "Recordings"],
        beside: ["Golden"]),
    serverTests(of: "ReplayProvider", uses: frame + tape + support + ["Recordings"]),
    tests(
        of: "WebSocketClient", tier: .servers, uses: ["Primitives", "TestSupport"],
        beside: ["foreign_server.py"]),
    tests(
        of: "HTTPClient", tier: .servers, uses: ["CCurl", "TestSupport"],
        beside: ["loopback_proxy.py", "web_server.py"]),
    tests(
        of: "EngineKit",
        uses: model + ["AlpacaEngine", "HistoryTestSupport", "MassiveEngine", "TestSupport"]),
    tests(of: "Membership", uses: model, isLong: true), tests(of: "IBProtocol", uses: model),
    tests(of: "IBEngine", uses: model + ["EngineKit", "IBProtocol", "IBSimulator"], isLong: true),
    tests(
        of: "DecoderLibrary",
        uses: codec + ["ArrowColumns", "CDecoder", "Recordings", "ReplayProvider", "TestSupport"]),
    serverTests(
        of: "DecoderLibrary", tier: .night, uses: ["TestSupport"], beside: ["read_columns.py"]),
    tests(of: "TickSpool", uses: codec + ["TestSupport"], isLong: true),
    serverTests(of: "TickSpool", uses: codec + ["SpoolFixture", "TestSupport"]),
    tests(of: "ServiceRuntime", uses: ["Primitives", "TestSupport"]),
    serverTests(
        of: "ServiceRuntime", uses: ["ServiceFixture", "Primitives", "TestSupport"],
        beside: ["Telemetry/read_openmetrics.py"]),
    tests(of: "NatsTransport", tier: .servers, uses: ["Primitives", "TestSupport", "COpenSSL"]),
    tests(
        of: "PostgresClient", tier: .servers,
        uses: ["Primitives", "ServiceRuntime", "TestSupport"]),
    tests(of: "ValkeyClient", tier: .servers, uses: ["Primitives", "TestSupport"]),
    tests(
        of: "TapeTransport", uses: tape + ["ServiceRuntime", "TestSupport"],
        beside: ["DeadLetters/Golden"]),
    serverTests(
        of: "TapeTransport", uses: tape + support + ["NatsTransport", "ServiceRuntime"],
        beside: ["Live/live_subscriber.py"]),
    tests(
        of: "MembershipTransport", tier: .servers,
        uses: tape + support + ["Membership", "NatsTransport", "ServiceRuntime", "TapeTransport"]),
    tests(of: "TapeKeeping", uses: codec + ["Membership", "TapeTransport"]),
    serverTests(
        of: "TapeKeeping",
        uses: tape + support + ["Membership", "MembershipTransport", "NatsTransport"]
            + ["ServiceRuntime", "TapeTransport"]),
    tests(
        of: "ProviderGateway",
        uses: frame + tape + support + ["AlpacaEngine", "AlpacaProvider", "EngineKit"]
            + ["PolledProvider", "ProviderKit", "StreamKit"]),
    serverTests(
        of: "ProviderGateway",
        uses: frame + tape + support + [
            "AlpacaEngine", "IBSimulator", "OperatorGraph", "StreamCore", "StreamKit", "TickSpool",
            "AlpacaProvider", "IBKRProvider", "IBKRSimulator", "MassiveEngine", "WebSocketClient",
            "BinanceProvider", "EngineKit", "MassiveProvider", "PolledProvider", "ProviderKit",
        ], beside: ["binance_exchange.py", "polled_services.py"]),
    tests(
        of: "OperatorWorker",
        uses: frame + tape + support
            + ["GraphLanguage", "OperatorGraph", "SimulationKit", "StreamCore"]),
    serverTests(
        of: "OperatorWorker",
        uses: frame + tape + support + ["GraphLanguage", "OperatorGraph", "StreamCore"]),
    tests(of: "StoreIntents", uses: codec, isLong: true),
    tests(of: "StoreKit", uses: ["Primitives"], isLong: true),
    tests(of: "QuestDBWire", uses: ["Primitives"], beside: ["Golden", "client_bytes.py"]),
    tests(of: "HotState", uses: frame + codec + support + ["ValkeyClient"]),
    serverTests(of: "HotState", uses: frame + tape + support + ["ValkeyClient"]),
    tests(
        of: "StoreWriter",
        uses: frame + tape + support + ["ClickHouseWire", "DeadLetters", "HotState", "StoreKit"]
            + ["PostgresClient", "QuestDBWire", "StoreHTTP", "StoreIntents", "StoreSinks"],
        isLong: true),
    serverTests(
        of: "StoreWriter",
        uses: frame + tape + support + [
            "ClickHouseWire", "HotState", "OperatorGraph", "PostgresClient", "QuestDBAccess",
            "QuestDBWire", "StoreHTTP", "StoreIntents", "StoreKit", "StoreSinks", "StoredBars",
            "DeadLetters", "StreamCore", "ValkeyClient",
        ],
        beside: [
            "Faults/object_store.py", "SecondRelease", "fronts", "data_page.py", "data_page.sql",
            "desk", "desk_exports.py", "desk_follow.py", "desk_latest.py", "desk_notebook.py",
            "desk_package.py", "desk_tape.py",
        ]),
    tests(
        of: "Cockpit",
        uses: model + support + [
            "DeadLetters", "DeploymentWatch", "LatestValues", "Membership", "ServiceRuntime",
            "StoredBars", "StreamCore",
        ]),
    serverTests(
        of: "Cockpit",
        uses: frame + tape + support + ["LatestValues", "ValkeyClient"]
            + ["DeadLetters", "DeploymentWatch", "HTTPClient", "PostgresClient", "StoredBars"],
        beside: ["every.py", "pictures.py", "tables.py", "gzip_client.py", "scripts.mjs"]),
    tests(
        of: "TapelineTool",
        uses: frame + tape + support + ["DeadLetters", "SimulationKit", "StoreHTTP", "YAMLFile"]
            + ["ClickHouseWire", "DeploymentWatch", "LatestValues", "OperatorGraph", "ProviderKit"]
            + ["PostgresClient", "QuestDBWire", "StoreSinks", "StreamCore", "TapeListing"]),
    serverTests(
        of: "TapelineTool",
        uses: frame + tape + support + ["ClickHouseWire", "QuestDBAccess", "QuestDBWire"] + [
            "DeadLetters", "DeploymentWatch", "GraphLanguage", "OperatorGraph", "PostgresClient",
            "StoreSinks", "StoreWriter", "StreamCore", "TapeListing", "TickSpool", "ValkeyClient",
        ], beside: ["live_page.py", "read_ordinals.py"]),
    jointTests(
        "ObservabilityTests", tier: .servers,
        uses: codec + support + ["ServiceRuntime", "TapeTraces", "TapelineTool", "YAMLFile"],
        beside: ["alert_delivery.py", "collect_traces.py"]),
    jointTests(
        "ServicesTests", tier: .servers,
        uses: [
            "ProviderGateway", "OperatorWorker", "StoreWriter", "Cockpit", "ServiceRuntime",
            "ProviderKit", "TestSupport", "YAMLFile",
        ],
        beside: [
            "compose_scripts.py", "kubernetes_scripts.py", "progress_scripts.py",
            "record_scripts.py", "release_scripts.py", "scale_scripts.py", "scaling_scripts.py",
            "validate_sbom.py", "Kubernetes/validate_manifests.py", "Kubernetes/schemas",
        ]),
    jointTests(
        "ServicesNightTests", tier: .night,
        uses: ["ServicesTests", "ObservabilityTests", "TapeBenchmark"] + frame + codec + support,
        beside: ["helm_chart.py", "run_rotel.py"]),
    jointTests(
        "IntegrationTests", tier: .stacks,
        uses: [
            "provider-gateway", "operator-worker", "store-writer", "cockpit", "TestSupport",
            "Primitives", "YAMLFile",
        ]),
    jointTests("SimulationTests", uses: codec + ["SimulationKit", "OperatorGraph", "StreamCore"]),
    jointTests(
        "TapeTransportNightTests", tier: .night,
        uses: ["TapeTransportServerTests", "TapeTransportTests", "TestSupport"]),
    jointTests(
        "StoreWriterNightTests", tier: .night, uses: ["StoreWriterServerTests"] + codec + support),
    jointTests(
        "TapelineToolNightTests", tier: .night,
        uses: ["TapelineTool", "TapelineToolTests", "CockpitServerTests"] + model + support,
        beside: ["browse.py"]),
    jointTests(
        "ForeignEngineTests", tier: .night,
        uses: codec + ["OperatorGraph", "StreamCore", "TestSupport"],
        beside: ["compare_bars.py", "pair_ticks.py"]),
    jointTests("TidyTests"), jointTests("ExampleTests", tier: .servers, uses: ["TestSupport"]),
    jointTests(
        "SampleTests", tier: .servers,
        uses: tape + support
            + ["SampleGateway", "SampleWorker", "SampleWriter", "SQLiteStore", "StoreKit"]),
]

let suites = venues.flatMap(venueTests) + others

let package = Package(
    name: "tapeline",
    products: ["provider-gateway", "operator-worker", "store-writer", "cockpit"].map {
        .executable(name: $0, targets: [$0])
    } + [
        .executable(name: "tapeline", targets: ["TapelineTool"]),
        .executable(name: "ibkr-simulator", targets: ["IBKRSimulator"]),
        .executable(name: "binance-simulator", targets: ["BinanceSimulatorProgram"]),
        .executable(name: "alpaca-simulator", targets: ["AlpacaSimulatorProgram"]),
        .executable(name: "massive-simulator", targets: ["MassiveSimulatorProgram"]),
        .executable(name: "polled-simulator", targets: ["PolledSimulatorProgram"]),
        // For programs of others (`Samples/tapeline-sample`): services with parts of theirs.
        .library(
            name: "TapelineProviders",
            targets: [
                "ProviderGateway", "ProviderKit", "ServiceRuntime", "MarketModel", "Primitives",
            ]),
        .library(
            name: "TapelineOperators",
            targets: [
                "OperatorWorker", "OperatorGraph", "StreamCore", "MarketModel", "Primitives",
            ]),
        .library(
            name: "TapelineStores",
            targets: ["StoreWriter", "StoreKit", "ServiceRuntime", "Primitives"]),
        // `deploy/local/decoder.sh` makes libtapeline_decoder.so of it.
        .library(name: "tapeline_decoder", type: .static, targets: ["DecoderLibrary"]),
    ],
    targets: [
        // C libraries. Exactly one Swift module imports each.
        clibrary("CLinux", apt: "libc6-dev"),
        // A header of libxxhash-dev, compiled here.
        .target(name: "CXXHash", path: "Sources/C/CXXHash", publicHeadersPath: "."),
        // The commit alone, so that another one compiles this and nothing else.
        .target(
            name: "CRevision", path: "Sources/C/CRevision", publicHeadersPath: ".",
            cSettings: [.define("TAPELINE_REVISION", to: "\"\(revision ?? "unknown")\"")]),
        clibrary("CNats", apt: "libnats-dev"), clibrary("CPostgres", apt: "libpq-dev"),
        // What the two above bring with them. It works before `main`, and ServiceRuntime calls it.
        .target(
            name: "COpenSSL", path: "Sources/C/COpenSSL", publicHeadersPath: ".",
            linkerSettings: [.linkedLibrary("crypto"), .linkedLibrary("ssl")]),
        clibrary("CHiredis", apt: "libhiredis-dev"),
        clibrary("CMicroHTTP", apt: "libmicrohttpd-dev"),
        clibrary("CYAML", apt: "libyaml-dev"), clibrary("CZlib", apt: "zlib1g-dev"),
        clibrary("CWebSockets", apt: "libwebsockets-dev"),
        clibrary("CCurl", apt: "libcurl4-openssl-dev"),
        // Headers alone: what a program of another language calls.
        .systemLibrary(name: "CDecoder", path: "Sources/C/CDecoder"),

        // The model: values of the market, and who owns which partition. It is pure, as the codecs
        // and machines below are: no I/O, clock, randomness, logger, Foundation.
        library("Primitives", in: "Model", uses: ["CXXHash"]),
        library("MarketModel", in: "Model", uses: ["Primitives"], beside: ["Providers/README.md"]),
        library("Membership", in: "Model", uses: model),

        // The edges: one module per C library. They know no market and not each other.
        library("NatsTransport", in: "Edges", uses: ["Primitives", "CNats", "COpenSSL"]),
        library("PostgresClient", in: "Edges", uses: ["Primitives", "CPostgres", "COpenSSL"]),
        library("ValkeyClient", in: "Edges", uses: ["Primitives", "CHiredis"]),
        library("YAMLFile", in: "Edges", uses: ["Primitives", "CYAML"]),
        library("WebSocketClient", in: "Edges", uses: ["Primitives", "CWebSockets", "COpenSSL"]),
        library("HTTPClient", in: "Edges", uses: ["Primitives", "CCurl", "COpenSSL"]),
        // Every service stands on it: logs, metrics, settings, threads, the operations port.
        library(
            "ServiceRuntime", in: "Edges",
            uses: ["Primitives", "CMicroHTTP", "CLinux", "CRevision", "COpenSSL", "CZlib"],
            beside: ["Telemetry/README.md"]),

        // The tape: packets, the machines that write and read them, and both carried out on NATS.
        library("TapeCodec", in: "Tape", uses: model, beside: ["tape.sbe.xml"]),
        library("TapeProtocol", in: "Tape", uses: codec),
        library(
            "TapeTransport", in: "Tape", uses: ["NatsTransport", "ServiceRuntime"] + tape,
            beside: ["DeadLetters/README.md", "Live/README.md"]),
        library(
            "MembershipTransport", in: "Tape",
            uses: ["Membership", "TapeTransport", "NatsTransport", "ServiceRuntime"] + tape),
        // What the tool and the cockpit say of a deployment.
        library("DeploymentWatch", in: "Tape", uses: ["Membership", "TapeTransport"] + model),
        // Packets as people see them.
        library("TapeListing", in: "Tape", uses: ["TapeTransport", "NatsTransport"] + codec),
        library(
            "TapeKeeping", in: "Tape",
            uses: ["Membership", "MembershipTransport", "TapeTransport", "NatsTransport"]
                + ["ServiceRuntime"] + tape),
        library("TapeTraces", in: "Tape", uses: ["HTTPClient", "ServiceRuntime"] + codec),
        // Disk for what the tape cannot take at the moment.
        library("TickSpool", in: "Tape", uses: codec),
        // Files of packets.
        library("Recordings", in: "Tape", uses: tape),

        // Operators: the machines that make bars of ticks, and the files that say which.
        library("StreamCore", in: "Operators", uses: model),
        library(
            "OperatorGraph", in: "Operators", uses: ["StreamCore"] + codec,
            beside: ["Shipped/README.md"]),
        library(
            "GraphLanguage", in: "Operators",
            uses: ["YAMLFile", "OperatorGraph", "StreamCore", "MarketModel", "Primitives"]),

        // Providers of market data. The broker's cursors are views of a message.
        library(
            "ProviderKit", in: "Providers",
            uses: ["ServiceRuntime", "YAMLFile", "MarketModel", "Primitives"],
            beside: ["Instruments/README.md"]),
        library(
            "IBProtocol", in: "Providers", uses: model,
            settings: [.enableExperimentalFeature("Lifetimes")]),
        library("IBEngine", in: "Providers", uses: ["EngineKit", "IBProtocol"] + model),
        library(
            "IBKRProvider", in: "Providers",
            uses: ["EngineKit", "IBEngine", "IBProtocol", "ProviderKit", "ServiceRuntime"]
                + ["StreamKit"] + model),
        library("EngineKit", in: "Providers", uses: model),
        library("StreamKit", in: "Providers", uses: venueShell),
        library(
            "ReplayProvider", in: "Providers",
            uses: ["ProviderKit", "Recordings", "TapeTransport", "NatsTransport"]
                + ["ServiceRuntime"] + tape),

        // Stores: the tape's records as rows, and the latest of each symbol in Valkey.
        library(
            "StoreSinks", in: "Stores",
            uses: ["PostgresClient", "QuestDBWire", "StoreKit"] + codec),
        library("StoreKit", in: "Stores", uses: ["ServiceRuntime", "Primitives"]),
        library("StoreIntents", in: "Stores", uses: codec),
        library("StoreHTTP", in: "Stores", uses: ["HTTPClient", "ServiceRuntime"]),
        library("ClickHouseWire", in: "Stores", uses: http + ["StoreSinks"]),
        library("QuestDBWire", in: "Stores", uses: ["Primitives"]),
        library("QuestDBAccess", in: "Stores", uses: http + ["QuestDBWire"]),
        library("StoredBars", in: "Stores", uses: ["PostgresClient"] + model),
        library(
            "DeadLetters", in: "Stores",
            uses: ["StoreSinks", "TapeTransport", "NatsTransport", "PostgresClient"] + tape),
        library(
            "LatestValues", in: "Stores",
            uses: ["PostgresClient", "TapeTransport", "ValkeyClient"] + tape),
        library(
            "HotState", in: "Stores",
            uses: ["NatsTransport", "ServiceRuntime", "ValkeyClient"] + codec),

        // The desk: columns for programs of other languages, as a library of C.
        library("ArrowColumns", in: "Desk", uses: codec),
        library(
            "DecoderLibrary", in: "Desk", uses: ["ArrowColumns", "CDecoder", "Recordings"] + codec,
            beside: ["exports.map"]),

        // Equipment for tests and demonstrations: markets from seeds with an oracle, and venues.
        library("SimulationKit", in: "Equipment", uses: ["OperatorGraph", "StreamCore"] + codec),
        library("IBSimulator", in: "Equipment", uses: ["Primitives"]),
        library("VenueWeb", in: "Equipment", uses: ["Primitives"]),
        library(
            "SimulatorPorts", in: "Equipment", uses: ["VenueWeb", "ServiceRuntime", "Primitives"]),
        // The services. A changed file of the cockpit's pages compiles these two parts again.
        .target(
            name: "CPages", path: "services/cockpit/CPages", exclude: ["files", "jsconfig.json"],
            publicHeadersPath: "."),
        .target(
            name: "PageFiles", dependencies: ["CPages"], path: "services/cockpit/PageFiles",
            swiftSettings: strict),
        service(
            "ProviderGateway", in: "provider-gateway",
            uses: tape + frame + [
                "AlpacaProvider", "BinanceProvider", "IBKRProvider", "MassiveProvider",
                "PolledProvider", "ProviderKit", "ReplayProvider", "TickSpool", "YAMLFile",
            ]),
        service(
            "OperatorWorker", in: "operator-worker",
            uses: tape + frame + ["GraphLanguage", "OperatorGraph", "StreamCore", "YAMLFile"]),
        service(
            "StoreWriter", in: "store-writer",
            uses: tape + frame + ["ClickHouseWire", "DeadLetters", "HotState", "PostgresClient"]
                + ["QuestDBAccess", "QuestDBWire", "StoreHTTP", "StoreIntents", "StoreKit"]
                + ["StoreSinks", "ValkeyClient"]),
        service(
            "Cockpit", in: "cockpit",
            uses: model + [
                "DeadLetters", "DeploymentWatch", "GraphLanguage", "HTTPClient", "LatestValues",
                "Membership", "NatsTransport", "PageFiles", "PostgresClient", "ServiceRuntime",
                "StoredBars", "StreamCore", "TapeCodec", "TapeKeeping", "TapeListing",
                "TapeProtocol", "TapeTransport", "ValkeyClient", "YAMLFile",
            ]),
        serviceProgram("provider-gateway", runs: "ProviderGateway"),
        serviceProgram("operator-worker", runs: "OperatorWorker"),
        serviceProgram("store-writer", runs: "StoreWriter"),
        serviceProgram("cockpit", runs: "Cockpit"),

        // Tools.
        program(
            "TapelineTool", at: "Sources/Tool/tapeline",
            uses: tape + ["ClickHouseWire", "QuestDBAccess", "QuestDBWire", "StoreHTTP"] + [
                "TapeTransport", "DeploymentWatch", "Membership", "MembershipTransport",
                "DeadLetters", "StoreSinks", "TapeKeeping", "TapeListing", "TickSpool",
                "NatsTransport", "PostgresClient", "ValkeyClient", "ServiceRuntime", "TapeTraces",
                "GraphLanguage", "OperatorGraph", "ReplayProvider", "StreamCore", "YAMLFile",
                "IBSimulator", "LatestValues", "ProviderKit", "Recordings", "StoredBars",
            ]),
        program(
            "IBKRSimulator", at: "Equipment/ibkr-simulator",
            uses: ["IBSimulator"] + simulatorProgram),

        // Tests. Servers in tests are the real ones, found and started by TestSupport.
        // Which worlds the simulations of a run are.
        .target(name: "Seeds", path: "Tests/Seeds", swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["PostgresClient", "ServiceRuntime"],
            path: "Tests/TestSupport", swiftSettings: strict),
        .target(
            name: "ServiceTestSupport", dependencies: frame + ["TestSupport"] + tape,
            path: "Tests/ServiceTestSupport", swiftSettings: strict),
        .target(
            name: "HistoryTestSupport",
            dependencies: ["AlpacaEngine", "EngineKit", "MassiveEngine"] + model,
            path: "Tests/HistoryTestSupport", swiftSettings: strict),
        .target(
            name: "VenueTestSupport", dependencies: ["VenueWeb", "Primitives"],
            path: "Tests/VenueTestSupport", swiftSettings: strict),
        .executableTarget(
            name: "ServiceFixture", dependencies: ["ServiceRuntime", "Primitives"],
            path: "Tests/ServiceFixture", swiftSettings: strict),
        .executableTarget(
            name: "SpoolFixture", dependencies: ["TickSpool"] + codec,
            path: "Tests/SpoolFixture", swiftSettings: strict),

        // The sample package, built here, too, so that a test runs its programs.
        sample("Gateway", uses: ["ProviderGateway", "ProviderKit", "ServiceRuntime"] + model),
        sample("Worker", uses: ["OperatorWorker", "OperatorGraph", "StreamCore"] + model),
        sample("Writer", uses: ["SQLiteStore", "StoreWriter"]),
        .systemLibrary(name: "CSQLite", path: "Samples/tapeline-sample/Sources/CSQLite"),
        .target(
            name: "SQLiteStore", dependencies: ["CSQLite", "ServiceRuntime", "StoreKit"],
            path: "Samples/tapeline-sample/Sources/SQLiteStore", swiftSettings: strict),

        // Benchmarks. They count allocations, too, and fail when there are some where none may be.
        .target(name: "CAllocationCounter", path: "Benchmarks/CAllocationCounter"),
        // The figures for the record of `make bench` (Benchmarks/record).
        .target(
            name: "BenchmarkRows", dependencies: ["Primitives"], path: "Benchmarks/BenchmarkRows",
            swiftSettings: strict),
        benchmark("StreamCoreBenchmark", uses: ["StreamCore", "MarketModel", "Primitives"]),
        .target(name: "CBareBars", path: "Benchmarks/CBareBars"),
        benchmark(
            "OperatorBenchmark",
            uses: ["CBareBars", "OperatorGraph", "StreamCore", "TestSupport"] + codec,
            beside: ["foreign_engines.py"]),
        benchmark("TapeCodecBenchmark", uses: codec),
        // For `.ci/packet-instructions.py`: few modules, so that its build is quick.
        .executableTarget(
            name: "PacketInstructions",
            dependencies: tape + ["OperatorGraph", "ServiceRuntime", "StreamCore", "TapeTraces"],
            path: "Benchmarks/PacketInstructions", exclude: ["bounds.json"],
            swiftSettings: strict),
        // A C program on libnats alone, and our own against it.
        .executableTarget(
            name: "CBareTape", path: "Benchmarks/CBareTape",
            cSettings: [.headerSearchPath("../../Sources/C/CDecoder")],
            linkerSettings: [.linkedLibrary("nats"), .linkedLibrary("dl")]),
        serverBenchmark(
            "TapeBenchmark",
            uses: ["CBareTape", "Membership", "MembershipTransport", "TapeKeeping"]),
        .executableTarget(
            name: "CBareHot", path: "Benchmarks/CBareHot",
            linkerSettings: [.linkedLibrary("nats"), .linkedLibrary("hiredis")]),
        serverBenchmark(
            "HotStateBenchmark",
            uses: [
                "CAllocationCounter", "CBareHot", "HotState", "ServiceTestSupport", "ValkeyClient",
            ]),
        serverBenchmark(
            "WorkersBenchmark", uses: ["OperatorGraph", "OperatorWorker", "StreamCore"]),
        benchmark(
            "StoreBenchmark",
            uses: codec + http + ["ClickHouseWire", "PostgresClient", "QuestDBAccess"]
                + ["QuestDBWire", "StoreSinks", "TestSupport"],
            beside: ["copy_psycopg.py", "discard_rows.py", "insert_rows.py", "read_frames.py"]),
        serverBenchmark("WriterBenchmark"),
        .target(name: "CBareColumns", dependencies: ["CXXHash"], path: "Benchmarks/CBareColumns"),
        serverBenchmark(
            "ColumnBenchmark",
            uses: ["CBareColumns", "CBareTape", "CDecoder", "DecoderLibrary", "Recordings"]
                + ["ReplayProvider"]),
        serverBenchmark("RepairBenchmark"),
        serverBenchmark(
            "GatewayBenchmark",
            uses: [
                "BinanceSimulator", "CAllocationCounter", "CBareTape", "IBEngine", "IBKRProvider",
                "IBSimulator", "ProviderKit", "VenueWeb",
            ]),
        benchmark(
            "IBProtocolBenchmark", uses: ["IBProtocol", "TestSupport"] + model,
            beside: ["decode_ib_async.py"]),
        benchmark("TapeCodecFuzz", uses: ["TapeCodec", "MarketModel", "Primitives"]),
        benchmark(
            "FeedBenchmark",
            uses: [
                "AlpacaEngine", "BinanceEngine", "BinanceProvider", "EngineKit", "MarketModel",
                "Primitives", "ProviderKit", "ServiceRuntime", "TestSupport",
            ], beside: ["parse_orjson.py", "read_binance.py", "serve_trades.py"]),
    ]
)

package.targets += venues.flatMap(venue) + suites.map(\.target)

/// Removes all targets but these and those that they import.
@MainActor func keep(_ names: [String]) {
    var kept: Set<String> = []
    var waiting = names
    while let name = waiting.popLast() {
        guard kept.insert(name).inserted,
            let target = package.targets.first(where: { $0.name == name })
        else { continue }
        for case .byNameItem(let name, _) in target.dependencies { waiting.append(name) }
    }
    package.targets.removeAll { !kept.contains($0.name) }
}

if let programs {
    let products = package.products.compactMap { $0 as? Product.Executable }
        .filter { programs.contains($0.name) }
    precondition(products.count == programs.count, "TAPELINE_PROGRAMS names what is no program")
    package.products = products
    keep(products.flatMap(\.targets))
} else if !wanted.isEmpty {
    let names = suites.flatMap { [$0.target.name, $0.tier.rawValue] }
    if let word = wanted.first(where: { !names.contains($0) }) {
        preconditionFailure(
            "TAPELINE_TESTS: '\(word)' is neither a target of tests nor one of the tiers "
                + Tier.allCases.map(\.rawValue).joined(separator: ", "))
    }
    let chosen = suites.filter {
        wanted.contains($0.tier.rawValue) || wanted.contains($0.target.name)
    }
    // Pure tests start no program.
    let isPure = chosen.allSatisfy { $0.tier == .pure }
    if isPure { package.products = [] }
    let parts = package.targets.filter { target in
        ["Sources", "Equipment", "services"].contains(target.path?.split(separator: "/").first)
    }
    keep(chosen.map(\.target.name) + (isPure ? [] : parts.map(\.name)))
}
