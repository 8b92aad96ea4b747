// swift-tools-version: 6.2
import PackageDescription

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
    ]
)
