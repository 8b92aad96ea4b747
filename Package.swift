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

/// A library in `Sources/<name>`, with its half-page overview in `README.md` beside the code.
func library(
    _ name: String, uses dependencies: [Target.Dependency] = [], beside files: [String] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, exclude: ["README.md"] + files,
        swiftSettings: strict)
}

/// A module map for one C library: no code, no `pkgConfig` (none of the libraries needs it).
func clibrary(_ name: String, apt package: String) -> Target {
    .systemLibrary(name: name, providers: [.apt([package])])
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

let package = Package(
    name: "tapeline",
    targets: [
        // C libraries. Exactly one Swift module imports each.
        clibrary("CLinux", apt: "libc6-dev"),
        clibrary("CXXHash", apt: "libxxhash-dev"),
        clibrary("CNats", apt: "libnats-dev"),
        clibrary("CPostgres", apt: "libpq-dev"),
        clibrary("CHiredis", apt: "libhiredis-dev"),
        clibrary("CMicroHTTP", apt: "libmicrohttpd-dev"),

        // The pure ring: values, codecs, machines. No I/O, clock, randomness, logger, Foundation.
        library("Primitives", uses: ["CXXHash"]),
        library("MarketModel", uses: ["Primitives"]),
        library("TapeCodec", uses: ["MarketModel", "Primitives"], beside: ["tape.sbe.xml"]),
        library("TapeProtocol", uses: ["TapeCodec", "MarketModel", "Primitives"]),

        // The edge ring: one module per C library; nothing else sees its types.
        library("NatsTransport", uses: ["Primitives", "CNats"]),
        // What every service stands on: logs and metrics, configuration, threads, operations port.
        library("Telemetry", uses: ["Primitives"]),
        library("ServiceRuntime", uses: ["Telemetry", "Primitives", "CMicroHTTP", "CLinux"]),

        // Where the rings meet: the tape's machines, carried out on NATS.
        library(
            "TapeTransport",
            uses: [
                "NatsTransport", "TapeProtocol", "TapeCodec", "MarketModel", "ServiceRuntime",
                "Telemetry", "Primitives",
            ]),
        library("StreamCore", uses: ["MarketModel", "Primitives"]),

        // The edge ring: one module per C library. They know no market and not each other.
        library("PostgresClient", uses: ["Primitives", "CPostgres"]),
        library("ValkeyClient", uses: ["Primitives", "CHiredis"]),

        // The services.
        .target(
            name: "StoreWriter", dependencies: ["PostgresClient", "Primitives"],
            path: "services/store-writer/Sources", swiftSettings: strict),

        // Tests. Servers in tests are the real ones, found and started by TestSupport.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
        tests(of: "Primitives"),
        tests(of: "MarketModel"),
        tests(of: "TapeCodec", uses: ["MarketModel", "Primitives"], beside: ["Golden"]),
        tests(of: "TapeProtocol", uses: ["TapeCodec", "MarketModel", "Primitives"]),
        tests(of: "NatsTransport", uses: ["Primitives", "TestSupport"]),
        tests(of: "Telemetry", uses: ["Primitives", "TestSupport"]),
        tests(of: "ServiceRuntime", uses: ["Telemetry", "Primitives", "TestSupport"]),
        tests(of: "StreamCore", uses: ["MarketModel", "Primitives"]),

        // Benchmarks. They count allocations, too, and fail when there are some where none may be.
        .target(name: "CAllocationCounter", path: "Benchmarks/CAllocationCounter"),
        benchmark("StreamCoreBenchmark", uses: ["StreamCore", "MarketModel", "Primitives"]),
        .testTarget(name: "TidyTests", swiftSettings: strict),
        tests(of: "PostgresClient", uses: ["Primitives", "TestSupport"]),
        tests(of: "ValkeyClient", uses: ["TestSupport"]),
        tests(of: "StoreWriter", uses: ["PostgresClient", "Primitives", "TestSupport"]),
        tests(
            of: "ServiceRuntime",
            uses: ["Telemetry", "Primitives", "TestSupport", "ServiceFixture"]),
        .executableTarget(
            name: "ServiceFixture", dependencies: ["ServiceRuntime", "Primitives"],
            path: "Tests/ServiceFixture",
            swiftSettings: strict),
    ]
)
