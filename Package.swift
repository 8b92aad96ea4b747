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

/// What everybody needs who reads or writes the tape.
let tape: [Target.Dependency] = ["TapeProtocol", "TapeCodec", "MarketModel", "Primitives"]

/// What a service that is run inside a test needs.
let frame: [Target.Dependency] = [
    "Membership", "MembershipTransport", "TapeKeeping", "TapeTransport", "NatsTransport",
    "ServiceRuntime", "Telemetry",
]

/// A library in `Sources/<name>`, with its half-page overview in `README.md` beside the code.
func library(
    _ name: String, uses dependencies: [Target.Dependency] = [], beside files: [String] = [],
    settings: [SwiftSetting] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, exclude: ["README.md"] + files,
        swiftSettings: strict + settings)
}

/// A module map for one C library: no code, no `pkgConfig` (none of the libraries needs it).
func clibrary(_ name: String, apt package: String) -> Target {
    .systemLibrary(name: name, providers: [.apt([package])])
}

/// A service: all of it in `services/<product>/`, its sources in `Sources` there.
func service(_ name: String, in product: String, uses dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "services/\(product)/Sources",
        swiftSettings: strict)
}

func tests(
    of name: String, uses dependencies: [Target.Dependency] = [], beside files: [String] = []
) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name)] + dependencies,
        exclude: files, swiftSettings: strict)
}

func benchmark(_ name: String, uses dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: ["CAllocationCounter"] + dependencies,
        path: "Benchmarks/\(name)", swiftSettings: strict)
}

/// A program: its target has a name of its own, because `tapeline` is no name for a module.
func program(
    _ name: String, at path: String, uses dependencies: [Target.Dependency]
) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: path, exclude: ["README.md"],
        swiftSettings: strict)
}

let package = Package(
    name: "tapeline",
    products: [
        .executable(name: "provider-gateway", targets: ["ProviderGateway"]),
        .executable(name: "operator-worker", targets: ["OperatorWorker"]),
        .executable(name: "store-writer", targets: ["StoreWriter"]),
        .executable(name: "tapeline", targets: ["TapelineTool"]),
        .executable(name: "ibkr-simulator", targets: ["IBKRSimulator"]),
    ],
    targets: [
        // C libraries. Exactly one Swift module imports each.
        clibrary("CLinux", apt: "libc6-dev"),
        // A header of libxxhash-dev, compiled here.
        .target(name: "CXXHash", publicHeadersPath: "."),
        clibrary("CNats", apt: "libnats-dev"),
        clibrary("CPostgres", apt: "libpq-dev"),
        // What the two above bring with them. Nobody calls it: it does its work before `main`.
        .target(
            name: "COpenSSL", publicHeadersPath: ".", linkerSettings: [.linkedLibrary("crypto")]),
        clibrary("CHiredis", apt: "libhiredis-dev"),
        clibrary("CMicroHTTP", apt: "libmicrohttpd-dev"),
        clibrary("CYAML", apt: "libyaml-dev"),

        // The pure ring: values, codecs, machines. No I/O, clock, randomness, logger, Foundation.
        library("Primitives", uses: ["CXXHash"]),
        library("MarketModel", uses: ["Primitives"]),
        library("TapeCodec", uses: ["MarketModel", "Primitives"], beside: ["tape.sbe.xml"]),
        library("TapeProtocol", uses: ["TapeCodec", "MarketModel", "Primitives"]),
        library("StreamCore", uses: ["MarketModel", "Primitives"]),
        library(
            "OperatorGraph", uses: ["StreamCore", "TapeCodec", "MarketModel", "Primitives"]),
        // Custom operators, for all programs that compute a graph.
        library(
            "Operators", uses: ["OperatorGraph", "StreamCore", "MarketModel", "Primitives"]),
        // Markets from seeds and an oracle, for tests.
        library(
            "SimulationKit",
            uses: ["OperatorGraph", "StreamCore", "TapeCodec", "MarketModel", "Primitives"]),
        library("Membership", uses: ["MarketModel", "Primitives"]),
        // The broker's protocol, client side. Its cursors are views of a message.
        library(
            "IBProtocol", uses: ["MarketModel", "Primitives"],
            settings: [.enableExperimentalFeature("Lifetimes")]),

        // Files for people: YAML, and the graphs, calendars and tables that are written in it.
        library("YAMLFile", uses: ["Primitives", "CYAML"]),
        library(
            "GraphLanguage",
            uses: ["YAMLFile", "OperatorGraph", "StreamCore", "MarketModel", "Primitives"]),

        library(
            "InstrumentFile", uses: ["YAMLFile", "ProviderModel", "MarketModel", "Primitives"]),

        // Disk for what the tape cannot take at the moment.
        library("TickSpool", uses: ["TapeCodec", "MarketModel", "Primitives"]),

        // What every service stands on: logs and metrics, configuration, threads, operations port.
        library("Telemetry", uses: ["Primitives"]),
        library("ServiceRuntime", uses: ["Telemetry", "Primitives", "CMicroHTTP", "CLinux"]),

        // What a provider of market data is to a gateway.
        library("ProviderModel", uses: ["MarketModel", "Primitives"]),
        library(
            "IBEngine", uses: ["IBProtocol", "ProviderModel", "MarketModel", "Primitives"]),
        library(
            "ProviderKit",
            uses: ["ProviderModel", "ServiceRuntime", "Telemetry", "MarketModel", "Primitives"]),
        library(
            "IBKRProvider",
            uses: [
                "IBEngine", "IBProtocol", "ProviderKit", "ProviderModel",
                "ServiceRuntime", "Telemetry", "MarketModel", "Primitives",
            ]),

        // Recordings of a tape, and the provider that delivers them again.
        library(
            "ReplayProvider",
            uses: [
                "ProviderKit", "ProviderModel", "TapeTransport", "NatsTransport", "ServiceRuntime",
                "Telemetry",
            ] + tape),
        // The other side of Interactive Brokers' socket, for tests and demonstrations.
        library("IBSimulator", uses: ["Primitives"]),

        // The edge ring: one module per C library. They know no market and not each other.
        library("NatsTransport", uses: ["Primitives", "CNats", "COpenSSL"]),
        library("PostgresClient", uses: ["Primitives", "CPostgres", "COpenSSL"]),
        library("ValkeyClient", uses: ["Primitives", "CHiredis"]),

        // The tape's records as rows.
        library("StoreSinks", uses: ["PostgresClient", "TapeCodec", "MarketModel", "Primitives"]),

        // Where the rings meet: the tape's machines, carried out on NATS.
        library("TapeTransport", uses: ["NatsTransport", "ServiceRuntime", "Telemetry"] + tape),

        // What the database or a gateway refused, for a person.
        library(
            "DeadLetters",
            uses: ["TapeTransport", "NatsTransport", "ServiceRuntime", "Telemetry"] + tape),

        library(
            "LiveFanOut",
            uses: ["TapeTransport", "NatsTransport", "ServiceRuntime", "Telemetry"] + tape),
        library(
            "MembershipTransport",
            uses: ["Membership", "TapeTransport", "NatsTransport", "ServiceRuntime", "Telemetry"]
                + tape),

        library(
            "TapeKeeping",
            uses: [
                "Membership", "MembershipTransport", "TapeTransport", "NatsTransport",
                "ServiceRuntime", "Telemetry",
            ] + tape),

        // The latest of each symbol in Valkey.
        library(
            "HotState",
            uses: ["TapeTransport", "NatsTransport", "ServiceRuntime", "Telemetry", "ValkeyClient"]
                + tape),

        // The services.
        service(
            "ProviderGateway", in: "provider-gateway",
            uses: [
                "DeadLetters", "IBKRProvider", "InstrumentFile", "Membership",
                "MembershipTransport", "LiveFanOut", "NatsTransport", "ProviderKit",
                "ProviderModel", "ReplayProvider", "TapeKeeping", "TapeTransport", "TickSpool",
                "ServiceRuntime", "Telemetry", "YAMLFile",
            ] + tape),
        service(
            "OperatorWorker", in: "operator-worker",
            uses: [
                "GraphLanguage", "Membership", "MembershipTransport", "LiveFanOut", "OperatorGraph",
                "Operators", "StreamCore", "TapeKeeping", "TapeTransport", "NatsTransport",
                "ServiceRuntime", "Telemetry", "YAMLFile",
            ] + tape),
        service(
            "StoreWriter", in: "store-writer",
            uses: [
                "DeadLetters", "HotState", "Membership", "MembershipTransport",
                "PostgresClient", "StoreSinks",
                "TapeKeeping", "TapeTransport", "NatsTransport", "ServiceRuntime", "Telemetry",
                "ValkeyClient",
            ] + tape),

        // Tools.
        program(
            "TapelineTool", at: "Sources/tapeline",
            uses: [
                "DeadLetters", "Membership", "MembershipTransport", "StoreSinks", "TapeKeeping",
                "TickSpool", "TapeTransport", "NatsTransport", "PostgresClient", "ValkeyClient",
                "ServiceRuntime", "Telemetry", "GraphLanguage", "OperatorGraph", "Operators",
                "ReplayProvider", "StreamCore", "YAMLFile", "IBSimulator",
            ] + tape),

        program(
            "IBKRSimulator", at: "Sources/ibkr-simulator",
            uses: ["IBSimulator", "ServiceRuntime", "Primitives"]),

        // Tests. Servers in tests are the real ones, found and started by TestSupport.
        .target(
            name: "TestSupport", dependencies: ["ServiceRuntime"], path: "Tests/TestSupport",
            swiftSettings: strict),
        .target(
            name: "ServiceTestSupport", dependencies: frame + ["TestSupport"] + tape,
            path: "Tests/ServiceTestSupport", swiftSettings: strict),
        .executableTarget(
            name: "ServiceFixture", dependencies: ["ServiceRuntime", "Primitives"],
            path: "Tests/ServiceFixture", swiftSettings: strict),
        .executableTarget(
            name: "SpoolFixture",
            dependencies: ["TickSpool", "TapeCodec", "MarketModel", "Primitives"],
            path: "Tests/SpoolFixture", swiftSettings: strict),
        tests(of: "Primitives"),
        tests(of: "MarketModel"),
        tests(
            of: "TapeCodec", uses: ["MarketModel", "Primitives"],
            beside: ["Golden", "decode_packet.py"]),
        tests(of: "TapeProtocol", uses: ["TapeCodec", "MarketModel", "Primitives"]),
        tests(of: "StreamCore", uses: ["MarketModel", "Primitives"], beside: ["Golden"]),
        tests(of: "YAMLFile", uses: ["Primitives"]),
        tests(
            of: "GraphLanguage",
            uses: ["YAMLFile", "OperatorGraph", "StreamCore", "MarketModel", "Primitives"],
            beside: ["nyse_sessions.py"]),
        tests(
            of: "OperatorGraph", uses: ["StreamCore", "TapeCodec", "MarketModel", "Primitives"]),
        tests(
            of: "Operators",
            uses: ["OperatorGraph", "StreamCore", "TapeCodec", "MarketModel", "Primitives"]),
        tests(
            of: "InstrumentFile", uses: ["YAMLFile", "ProviderModel", "MarketModel", "Primitives"]),
        tests(of: "ProviderKit", uses: ["ProviderModel", "MarketModel", "Primitives"]),
        tests(
            of: "IBKRProvider",
            uses: [
                "IBEngine", "IBProtocol", "ProviderKit", "ProviderModel", "ServiceRuntime",
                "ServiceTestSupport", "Telemetry", "TestSupport", "MarketModel", "Primitives",
            ]),
        tests(
            of: "IBSimulator", uses: ["IBKRSimulator", "Primitives", "TestSupport"],
            beside: ["read_official.py", "read_ib_async.py", "recorded.py"]),
        tests(
            of: "ReplayProvider",
            uses: frame + tape
                + [
                    "OperatorWorker", "ProviderGateway", "ProviderKit", "ProviderModel",
                    "ServiceTestSupport", "TapelineTool", "TestSupport",
                ]),
        tests(of: "Membership", uses: ["MarketModel", "Primitives"]),
        tests(of: "IBProtocol", uses: ["MarketModel", "Primitives"]),
        tests(
            of: "IBEngine", uses: ["IBProtocol", "ProviderModel", "MarketModel", "Primitives"]),
        tests(
            of: "TickSpool",
            uses: ["TapeCodec", "MarketModel", "Primitives", "TestSupport", "SpoolFixture"]),
        tests(
            of: "DeadLetters", uses: ["TapeCodec", "MarketModel", "Primitives", "TestSupport"],
            beside: ["Golden"]),
        tests(
            of: "Telemetry", uses: ["Primitives", "TestSupport"],
            beside: ["read_openmetrics.py"]),
        tests(
            of: "ServiceRuntime",
            uses: ["Telemetry", "Primitives", "TestSupport", "ServiceFixture"]),
        tests(of: "NatsTransport", uses: ["Primitives", "TestSupport", "COpenSSL"]),
        tests(of: "PostgresClient", uses: ["Primitives", "ServiceRuntime", "TestSupport"]),
        tests(of: "ValkeyClient", uses: ["TestSupport"]),
        tests(
            of: "TapeTransport",
            uses: ["NatsTransport", "ServiceRuntime", "Telemetry", "TestSupport"] + tape),
        tests(
            of: "LiveFanOut", uses: frame + tape + ["ServiceTestSupport", "TestSupport"],
            beside: ["live_subscriber.py"]),
        tests(
            of: "MembershipTransport",
            uses: ["Membership", "NatsTransport", "ServiceRuntime", "Telemetry"]
                + ["TapeTransport", "ServiceTestSupport", "TestSupport"] + tape),
        tests(
            of: "TapeKeeping",
            uses: ["Membership", "MembershipTransport", "TapeTransport", "NatsTransport"]
                + ["ServiceRuntime", "Telemetry", "ServiceTestSupport", "TestSupport"] + tape),
        tests(
            of: "ProviderGateway",
            uses: frame + tape
                + [
                    "DeadLetters", "IBKRProvider", "IBKRSimulator", "IBSimulator",
                    "LiveFanOut", "OperatorGraph", "ProviderKit", "ProviderModel", "StreamCore",
                    "TickSpool", "ServiceTestSupport", "TestSupport",
                ]),
        tests(
            of: "OperatorWorker",
            uses: frame + tape
                + [
                    "LiveFanOut", "OperatorGraph", "StreamCore", "SimulationKit",
                    "ServiceTestSupport", "TestSupport",
                ]),
        tests(
            of: "HotState",
            uses: frame + tape + ["ValkeyClient", "ServiceTestSupport", "TestSupport"]),
        tests(
            of: "StoreWriter",
            uses: frame + tape
                + ["DeadLetters", "HotState", "PostgresClient", "StoreSinks"]
                + ["ValkeyClient", "ServiceTestSupport", "TestSupport"],
            beside: ["data_page.py", "data_page.sql"]),
        tests(
            of: "TapelineTool",
            uses: frame + tape
                + [
                    "DeadLetters", "LiveFanOut", "PostgresClient", "ServiceTestSupport",
                    "StoreSinks", "StoreWriter", "TestSupport", "TickSpool",
                    "OperatorGraph", "StreamCore",
                ]),
        .testTarget(
            name: "ObservabilityTests",
            dependencies: ["TapelineTool", "ServiceRuntime", "YAMLFile", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "ServicesTests",
            dependencies: [
                "ProviderGateway", "OperatorWorker", "StoreWriter", "ServiceRuntime", "TestSupport",
                "YAMLFile",
            ],
            exclude: [
                "compose_scripts.py", "validate_sbom.py", "Kubernetes/validate_manifests.py",
                "Kubernetes/schemas",
            ], swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "ProviderGateway", "OperatorWorker", "StoreWriter", "TestSupport", "Primitives",
                "YAMLFile",
            ], swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["SimulationKit", "OperatorGraph", "StreamCore"]
                + ["TapeCodec", "MarketModel", "Primitives"],
            swiftSettings: strict),
        .testTarget(
            name: "ForeignEngineTests",
            dependencies: ["OperatorGraph", "StreamCore", "TestSupport", "TapeCodec"]
                + ["MarketModel", "Primitives"],
            exclude: ["compare_bars.py"], swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),

        // Benchmarks. They count allocations, too, and fail when there are some where none may be.
        .target(name: "CAllocationCounter", path: "Benchmarks/CAllocationCounter"),
        benchmark("StreamCoreBenchmark", uses: ["StreamCore", "MarketModel", "Primitives"]),
        .target(name: "CBareBars", path: "Benchmarks/CBareBars"),
        .executableTarget(
            name: "OperatorBenchmark",
            dependencies: ["CAllocationCounter", "CBareBars", "OperatorGraph", "StreamCore"]
                + ["TapeCodec", "MarketModel", "Primitives", "TestSupport"],
            path: "Benchmarks/OperatorBenchmark", exclude: ["foreign_engines.py"],
            swiftSettings: strict),
        benchmark("TapeCodecBenchmark", uses: ["TapeCodec", "MarketModel", "Primitives"]),
        // A C program on libnats alone, and our own against it.
        .executableTarget(
            name: "CBareTape", path: "Benchmarks/CBareTape",
            linkerSettings: [.linkedLibrary("nats")]),
        .executableTarget(
            name: "TapeBenchmark",
            dependencies: ["CBareTape", "Membership", "MembershipTransport", "NatsTransport"]
                + ["ServiceRuntime", "TapeKeeping", "TapeTransport", "Telemetry", "TestSupport"]
                + tape,
            path: "Benchmarks/TapeBenchmark", swiftSettings: strict),
        .executableTarget(
            name: "CBareHot", path: "Benchmarks/CBareHot",
            linkerSettings: [.linkedLibrary("nats"), .linkedLibrary("hiredis")]),
        .executableTarget(
            name: "HotStateBenchmark",
            dependencies: [
                "CAllocationCounter", "CBareHot", "HotState", "NatsTransport", "ServiceRuntime",
            ]
                + ["ServiceTestSupport", "TapeTransport", "Telemetry", "TestSupport"]
                + ["ValkeyClient"] + tape,
            path: "Benchmarks/HotStateBenchmark", swiftSettings: strict),
        .executableTarget(
            name: "TakeoverBenchmark",
            dependencies: ["NatsTransport", "ServiceRuntime", "Telemetry", "TapeTransport"]
                + ["TestSupport"] + tape,
            path: "Benchmarks/TakeoverBenchmark", swiftSettings: strict),
        .executableTarget(
            name: "StoreBenchmark",
            dependencies: ["CAllocationCounter", "PostgresClient", "StoreSinks", "TestSupport"]
                + ["TapeCodec", "MarketModel", "Primitives"],
            path: "Benchmarks/StoreBenchmark", swiftSettings: strict),
        .executableTarget(
            name: "WriterBenchmark",
            dependencies: ["NatsTransport", "ServiceRuntime", "Telemetry", "TapeTransport"]
                + ["TestSupport"] + tape,
            path: "Benchmarks/WriterBenchmark", swiftSettings: strict),
        .executableTarget(
            name: "RepairBenchmark",
            dependencies: ["NatsTransport", "ServiceRuntime", "Telemetry", "TapeTransport"]
                + ["TestSupport"] + tape,
            path: "Benchmarks/RepairBenchmark", swiftSettings: strict),
        .executableTarget(
            name: "IBKRBenchmark",
            dependencies: [
                "CAllocationCounter", "CBareTape", "IBEngine", "IBKRProvider", "IBSimulator",
            ]
                + ["NatsTransport", "ProviderKit", "ProviderModel", "ServiceRuntime"]
                + ["TapeTransport", "Telemetry", "TestSupport"] + tape,
            path: "Benchmarks/IBKRBenchmark", swiftSettings: strict),
        .executableTarget(
            name: "IBProtocolBenchmark",
            dependencies: ["CAllocationCounter", "IBProtocol", "MarketModel", "Primitives"]
                + ["TestSupport"],
            path: "Benchmarks/IBProtocolBenchmark", exclude: ["decode_ib_async.py"],
            swiftSettings: strict),
        benchmark("TapeCodecFuzz", uses: ["TapeCodec", "MarketModel", "Primitives"]),
    ]
)
