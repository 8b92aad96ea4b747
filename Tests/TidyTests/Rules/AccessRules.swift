/// The modules that may declare something `public`: those of the products for other packages, and
/// those whose code the hot path inlines. The compiler inlines no `package` declaration of another
/// module.
private let publicModules: Set<String> = [
    "ServiceRuntime", "ProviderKit", "OperatorGraph", "provider-gateway", "operator-worker",
    "store-writer",
    "Primitives", "MarketModel", "TapeCodec", "StreamCore", "PostgresClient", "StoreSinks",
    "StoreKit",
]

let accessRules = [
    Rule(
        name: "public is for other packages",
        fix: "write `package`, or list the module in AccessRules.swift",
        broken: [
            ["Sources/Tape/TickSpool/A.swift": "public struct A {}\n"],
            ["services/cockpit/Sources/A.swift": "public import TapeCodec\n"],
            ["Sources/Tape/TickSpool/A.swift": "struct A {\n    @inlinable public init() {}\n}\n"],
            ["Tests/TestSupport/A.swift": "public func f() {}\n"],
        ],
        kept: [
            [
                "Sources/Model/Primitives/A.swift": "public struct A {}\n",
                "Sources/Tape/TickSpool/A.swift":
                    "// public struct\npackage let public1 = \"public\"\n"
                    + "package let a = b.public\n",
            ]
        ],
        check: { repository in
            repository.swift.filter { file in
                (file.isSource || file.isTest)
                    && file.module.map(publicModules.contains) != true
                    && file.swift?.code.contains("public") == true
            }.flatMap { file in
                // Only attributes and modifiers stand before it.
                file.violations(in: file.codeLines) {
                    $0.split(separator: " ").contains("public") ? "no other package needs it." : nil
                }
            }
        })
]
