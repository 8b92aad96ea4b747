// swift-tools-version: 6.2
import PackageDescription

let stores: Target.Dependency = .product(name: "TapelineStores", package: "tapeline")

let package = Package(
    name: "tapeline-sample",
    dependencies: [.package(name: "tapeline", path: "../..")],
    targets: [
        .executableTarget(
            name: "sample-gateway",
            dependencies: [.product(name: "TapelineProviders", package: "tapeline")]),
        .executableTarget(
            name: "sample-worker",
            dependencies: [.product(name: "TapelineOperators", package: "tapeline")]),
        .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "SQLiteStore", dependencies: ["CSQLite", stores]),
        .executableTarget(name: "sample-writer", dependencies: ["SQLiteStore", stores]),
        .testTarget(name: "SQLiteStoreTests", dependencies: ["SQLiteStore", stores]),
    ]
)
