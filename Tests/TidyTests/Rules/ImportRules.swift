/// The floors, from the ground up: a module imports only modules of lower floors. Every module is
/// listed here once; docs/ARCHITECTURE.md shows the same table.
private let floors: [[String]] = [
    ["Primitives"],
    ["MarketModel", "NatsTransport", "PostgresClient", "Telemetry", "ValkeyClient", "YAMLFile"],
    ["IBProtocol", "Membership", "ProviderModel", "ServiceRuntime", "StreamCore", "TapeCodec"],
    [
        "IBEngine", "IBSimulator", "InstrumentFile", "OperatorGraph", "ProviderKit", "StoreSinks",
        "TapeProtocol", "TickSpool",
    ],
    ["GraphLanguage", "IBKRProvider", "Operators", "SimulationKit", "TapeTransport"],
    ["DeadLetters", "HotState", "LiveFanOut", "MembershipTransport", "ReplayProvider"],
    ["TapeKeeping"],
    ["ibkr-simulator", "operator-worker", "provider-gateway", "store-writer", "tapeline"],
]

/// The sides, and the other sides that each of them may import. All may import the model.
private let sides: [(modules: Set<String>, seen: Set<String>)] = [
    (model, []),
    (runtime, []),
    (["YAMLFile"], []),
    (tape, runtime),
    (stores, runtime.union(tape)),
    (
        ["GraphLanguage", "OperatorGraph", "Operators", "SimulationKit", "StreamCore"],
        ["YAMLFile"]
    ),
    (
        [
            "IBEngine", "IBKRProvider", "IBProtocol", "InstrumentFile", "ProviderKit",
            "ReplayProvider",
        ], runtime.union(tape).union(["YAMLFile"])
    ),
    (["IBSimulator"], []),
    (["ibkr-simulator"], runtime.union(["IBSimulator"])),
    (
        ["operator-worker", "provider-gateway", "store-writer"],
        everything.subtracting(["IBSimulator"])
    ),
    (["tapeline"], everything),
]

private let model: Set<String> = [
    "MarketModel", "Membership", "Primitives", "ProviderModel", "TapeCodec", "TapeProtocol",
]
private let runtime: Set<String> = ["ServiceRuntime", "Telemetry"]
private let tape: Set<String> = [
    "DeadLetters", "LiveFanOut", "MembershipTransport", "NatsTransport", "TapeKeeping",
    "TapeTransport", "TickSpool",
]
private let stores: Set<String> = ["HotState", "PostgresClient", "StoreSinks", "ValkeyClient"]
private let everything = Set(floors.joined())

/// The C libraries, each with the one module that wraps it.
private let wrappers = [
    "CHiredis": "ValkeyClient", "CLinux": "ServiceRuntime", "CMicroHTTP": "ServiceRuntime",
    "CNats": "NatsTransport", "CPostgres": "PostgresClient", "CXXHash": "Primitives",
    "CYAML": "YAMLFile",
]

/// Returns our modules that a module may import. `nil` if the module is not listed.
private func allowedImports(of module: String) -> Set<String>? {
    guard let floor = floors.firstIndex(where: { $0.contains(module) }),
        let side = sides.first(where: { $0.modules.contains(module) })
    else { return nil }
    let seen = model.union(side.modules).union(side.seen)
    return Set(floors[..<floor].joined()).intersection(seen)
        .union(wrappers.filter { $0.value == module }.keys)
}

/// Values, codecs and machines: the same input gives the same bytes, on any machine, at any time.
private let pureModules: Set<String> = [
    "Primitives", "MarketModel", "TapeCodec", "TapeProtocol", "StreamCore",
    "Membership", "OperatorGraph", "GraphLanguage", "SimulationKit", "Operators", "IBProtocol",
    "ProviderModel", "IBEngine", "IBSimulator", "InstrumentFile",
]

private let systemModules: Set<String> = ["Glibc", "Synchronization"]

struct Import {
    let module: String
    let line: Int
    let isInternal: Bool

    static func all(in file: SourceFile) -> [Import] {
        file.codeLines.enumerated().compactMap { index, line in
            let words = line.split(separator: " ").map(String.init)
            guard let place = words.firstIndex(of: "import"), place + 1 < words.count,
                words[..<place].allSatisfy({ $0.hasPrefix("@") || accessLevels.contains($0) })
            else { return nil }
            // In `import struct Glibc.stat` the module comes after the kind.
            let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let"]
            let named = kinds.contains(words[place + 1]) ? words.last : words[place + 1]
            let module = named?.split(separator: ".").first.map(String.init) ?? ""
            return Import(
                module: module, line: index + 1, isInternal: words[..<place].contains("internal"))
        }
    }

    private static let accessLevels: Set<String> = [
        "public", "package", "internal", "fileprivate", "private",
    ]
}

private func isC(_ module: String) -> Bool {
    module.hasPrefix("C") && module.dropFirst().first?.isUppercase == true
}

let importRules: [Rule] = [moduleRule, floorsRule, pureRule, cLibraryRule, testingRule]

private let moduleRule = Rule(
    name: "imports between modules",
    fix: "move the code to the floor where it belongs, or change the table in ImportRules.swift",
    broken: [
        ["Sources/Primitives/A.swift": "internal import MarketModel\n"],
        ["Sources/MarketModel/A.swift": "import Glibc\n"],
        ["Sources/TapeCodec/A.swift": "public import struct Synchronization.Mutex\n"],
        ["Sources/NatsTransport/A.swift": "internal import Telemetry\n"],
        ["Sources/ValkeyClient/A.swift": "internal import PostgresClient\n"],
        ["Sources/Unheard/A.swift": "let a = 1\n"],
        ["services/store-writer/Sources/A.swift": "internal import OperatorWorker\n"],
    ],
    kept: [
        [
            "Sources/MarketModel/A.swift": "public import Primitives // import Glibc\n",
            "Sources/NatsTransport/A.swift":
                "internal import CNats\nimport Glibc\nimport Primitives\n",
            "services/store-writer/Sources/A.swift":
                "import NatsTransport\nimport Synchronization\n",
            "Tests/ATests/A.swift": "@testable import Primitives\nimport Foundation\n",
        ]
    ],
    check: { repository in
        repository.swift.flatMap { file -> [Violation] in
            guard let module = file.module else { return [] }
            guard let ours = allowedImports(of: module) else {
                return [Violation(file.path, 1, "module \(module) is on no floor.")]
            }
            let allowed = pureModules.contains(module) ? ours : ours.union(systemModules)
            return Import.all(in: file).compactMap {
                guard !allowed.contains($0.module) else { return nil }
                return Violation(file.path, $0.line, "\(module) must not import \($0.module).")
            }
        }
    })

/// From the top floor down, as in the page.
private let drawnFloors = floors.enumerated().reversed().map { number, modules in
    "| \(number) | \(modules.map { "`\($0)`" }.joined(separator: " ")) |"
}

private let architecture = "docs/ARCHITECTURE.md"

private let floorsRule = Rule(
    name: "the floors are drawn",
    fix: "write the line into the table of \(architecture)",
    broken: [[architecture: drawnFloors.dropLast().joined(separator: "\n")]],
    kept: [[architecture: drawnFloors.joined(separator: "\n")], ["docs/a.md": "text\n"]],
    check: { repository in
        guard let page = repository.file(architecture) else { return [] }
        return drawnFloors.filter { !page.lines.contains($0) }.map {
            Violation(architecture, 1, "the line '\($0)' is missing.")
        }
    })

private let impurities: [BannedWord] = [
    "async", "await", "Task", "Date", "Date(", "ContinuousClock", "SuspendingClock", "getenv",
    "CommandLine", "ProcessInfo", "SystemRandomNumberGenerator", "Hasher(", "randomElement()",
    "shuffled()", "Mutex", "Atomic",
].map { BannedWord(text: $0, instead: "", alsoAsMember: $0.hasSuffix("()")) }

private let pureRule = Rule(
    name: "the pure ring is pure",
    fix: "take time, randomness and settings as parameters; give effects back as values",
    broken: [
        ["Sources/StreamCore/A.swift": "func f() async {}\n"],
        ["Sources/TapeCodec/A.swift": "let now = Date()\n"],
        ["Sources/MarketModel/A.swift": "let a = Int.random(in: 0..<5)\n"],
        ["Sources/TapeProtocol/A.swift": "let a = list.shuffled()\n"],
        ["Sources/Primitives/A.swift": "let now = ContinuousClock.now\n"],
    ],
    kept: [
        [
            "Sources/StreamCore/A.swift":
                "// async\nlet a = Int.random(in: f(0)..<5, using: &random)\nstruct CivilDate {}\n",
            "Sources/NatsTransport/A.swift": "let now = ContinuousClock.now\n",
        ]
    ],
    check: { repository in
        let files = repository.swift.filter { $0.module.map(pureModules.contains) == true }
        return files.flatMap { file in
            let suspects = impurities.filter { file.swift?.code.contains($0.text) == true }
            return file.codeLines.enumerated().compactMap { index, line in
                if let word = suspects.first(where: { $0.occurs(in: line) }) {
                    return Violation(file.path, index + 1, "'\(word.name)' has no place here.")
                }
                let call = ([line] + file.codeLines.dropFirst(index + 1).prefix(2)).joined()
                guard line.contains(".random(in:"), !call.contains("using:") else { return nil }
                return Violation(file.path, index + 1, "randomness that no seed decides.")
            }
        }
    })

private let cLibraryRule = Rule(
    name: "one module per C library",
    fix: "write `internal import` in the one module that wraps the library, and use that module",
    broken: [
        ["Sources/CNats/module.modulemap": "", "Sources/A/A.swift": "import CNats\n"],
        ["Sources/CNats/module.modulemap": "", "Sources/A/A.swift": "public import CNats\n"],
        [
            "Sources/CNats/module.modulemap": "", "Sources/A/A.swift": "internal import CNats\n",
            "services/b/Sources/B.swift": "internal import CNats\n",
        ],
        ["Sources/CNats/module.modulemap": "", "Sources/A/A.swift": "let a = 1\n"],
        ["Sources/A/A.swift": "internal import CUnknown\n"],
    ],
    kept: [
        [
            "Sources/CNats/module.modulemap": "", "Sources/A/A.swift": "internal import CNats\n",
            "Sources/A/B.swift": "@preconcurrency internal import CNats\n",
            "Tests/ATests/A.swift": "import CNats\n",
        ]
    ],
    check: { repository in
        let declared = repository.paths.filter { $0.hasSuffix("/module.modulemap") }
            .compactMap { $0.split(separator: "/").dropLast().last.map(String.init) }
        var importers: [String: Set<String>] = [:]
        var violations: [Violation] = []
        for file in repository.swift {
            guard let module = file.module else { continue }
            for found in Import.all(in: file) where isC(found.module) {
                importers[found.module, default: []].insert(module)
                if !found.isInternal {
                    violations.append(
                        Violation(file.path, found.line, "\(found.module) is imported visibly."))
                }
                if !declared.contains(found.module) {
                    violations.append(
                        Violation(file.path, found.line, "\(found.module) has no module map."))
                }
            }
        }
        for library in declared {
            let users = importers[library, default: []].sorted()
            if users.count == 1 { continue }
            let who = users.isEmpty ? "nobody" : users.joined(separator: " and ")
            violations.append(
                Violation(
                    "Sources/\(library)/module.modulemap", 1, "\(library) is imported by \(who)."))
        }
        return violations
    })

private let testingRule = Rule(
    name: "the testing library is for tests alone",
    fix: "throw an error: what tests share is built with the products, also for release",
    broken: [
        ["Tests/TestSupport/A.swift": "import Testing\n"],
        ["Sources/Primitives/A.swift": "internal import Testing\n"],
    ],
    kept: [["Tests/ATests/B/A.swift": "import Testing\n"]],
    check: { repository in
        repository.swift.filter { file in
            let folders = file.path.split(separator: "/").prefix(2)
            return folders.first != "Tests" || folders.last?.hasSuffix("Tests") != true
        }.flatMap { file in
            Import.all(in: file).filter { $0.module == "Testing" }.map {
                Violation(file.path, $0.line, "Testing is imported outside of a suite.")
            }
        }
    })
