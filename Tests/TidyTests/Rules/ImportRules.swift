/// The folders and modules that a folder of modules may import, beside itself and `Model`. The
/// package manager refuses circles.
private let sights: [String: [String]] = [
    "Model": [],
    "Edges": [],
    "Tape": ["HTTPClient", "NatsTransport", "ServiceRuntime"],
    "Operators": ["TapeCodec", "YAMLFile"],
    "Providers": [
        "Tape", "HTTPClient", "NatsTransport", "ServiceRuntime", "WebSocketClient", "YAMLFile",
    ],
    "Stores": [
        "Tape", "HTTPClient", "NatsTransport", "PostgresClient", "ServiceRuntime", "ValkeyClient",
    ],
    "Desk": ["Recordings", "TapeCodec"],
    "Equipment": ["Operators", "ServiceRuntime", "TapeCodec"],
    "services": ["Edges", "Tape", "Operators", "Providers", "Stores"],
    "Tool": ["Edges", "Tape", "Operators", "Providers", "Stores", "Equipment"],
]

/// The modules of these folders do not see each other.
private let strangers: Set<String> = ["Edges", "services"]

/// The C libraries, each with the one module that wraps it.
private let wrappers = [
    "CCurl": "HTTPClient", "CDecoder": "DecoderLibrary", "CHiredis": "ValkeyClient",
    "CLinux": "ServiceRuntime", "CMicroHTTP": "ServiceRuntime", "COpenSSL": "ServiceRuntime",
    "CNats": "NatsTransport", "CPages": "cockpit", "CPostgres": "PostgresClient",
    "CRevision": "ServiceRuntime",
    "CWebSockets": "WebSocketClient", "CXXHash": "Primitives", "CYAML": "YAMLFile",
    "CZlib": "ServiceRuntime",
]

/// Values, codecs and machines: the same input gives the same bytes, on any machine, at any time.
private let pureModules: Set<String> = [
    "Primitives", "MarketModel", "Membership", "TapeCodec", "TapeProtocol", "StreamCore",
    "OperatorGraph", "GraphLanguage", "SimulationKit", "IBProtocol", "IBEngine", "IBSimulator",
    "ArrowColumns", "EngineKit", "AlpacaEngine", "BinanceEngine", "MassiveEngine",
    "PolledEngine", "QuestDBWire", "StoreIntents",
    "BinanceSimulator", "AlpacaSimulator", "MassiveSimulator", "PolledSimulator", "VenueWeb",
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

let importRules: [Rule] = [
    moduleRule, floorsRule, pureRule, kindRule, cLibraryRule, testingRule,
]

private let moduleRule = Rule(
    name: "imports between modules",
    fix: "move the code to the folder where it belongs, or change the table in ImportRules.swift",
    broken: [
        house(["Sources/Model/Primitives/A.swift": "internal import TapeCodec\n"]),
        house(["Sources/Model/MarketModel/A.swift": "import Glibc\n"]),
        house(["Sources/Tape/TapeCodec/A.swift": "public import struct Synchronization.Mutex\n"]),
        house(["Sources/Edges/NatsTransport/A.swift": "internal import ServiceRuntime\n"]),
        house(["Sources/Edges/ValkeyClient/A.swift": "internal import NatsTransport\n"]),
        house(["Sources/Operators/OperatorGraph/A.swift": "internal import NatsTransport\n"]),
        house(["Sources/Unheard/A/A.swift": "let a = 1\n"]),
        house(["Equipment/Venue/A.swift": "internal import NatsTransport\n"]),
        house([
            "services/a/Sources/A.swift": "internal import b\n", "services/b/Sources/B.swift": "",
        ]),
        house([
            "services/a/Sources/A.swift": "import Part\n", "services/b/Part/B.swift": "",
        ]),
    ],
    kept: [
        house([
            "Sources/Model/MarketModel/A.swift": "public import Primitives // import Glibc\n",
            "Equipment/Venue/A.swift": "internal import TapeCodec\n",
            "Sources/Edges/NatsTransport/A.swift":
                "internal import CNats\nimport Glibc\nimport Primitives\n",
            "services/a/Sources/A.swift":
                "import NatsTransport\nimport Part\nimport Synchronization\n",
            "services/a/Part/A.swift": "internal import NatsTransport\n",
            "Tests/ATests/A.swift": "@testable import Primitives\nimport Foundation\n",
        ])
    ],
    check: { repository in
        let groups = repository.groups
        return repository.swift.flatMap { file -> [Violation] in
            guard let module = file.module, let group = file.group else { return [] }
            guard let seen = sights[group] else {
                return [Violation(file.path, 1, "no table says what the folder \(group) sees.")]
            }
            return Import.all(in: file).compactMap {
                let name = $0.module
                let other = groups[name]
                let allowed =
                    switch other {
                    case nil where isC(name): wrappers[name] == module
                    case nil:
                        isOfSystem(name, for: module)
                            || repository.exists("services/\(module)/\(name)")
                    case group: !strangers.contains(group)
                    case "Model": true
                    case let other?: seen.contains(other) || seen.contains(name)
                    }
                return allowed
                    ? nil : Violation(file.path, $0.line, "\(module) must not import \(name).")
            }
        }
    })

private func isOfSystem(_ name: String, for module: String) -> Bool {
    systemModules.contains(name) && !pureModules.contains(module)
}

/// A few modules, for the rules' examples.
private func house(_ files: [String: String]) -> [String: String] {
    let modules = [
        "Sources/Model/Primitives/P.swift": "", "Sources/Model/MarketModel/M.swift": "",
        "Sources/Edges/NatsTransport/N.swift": "", "Sources/Edges/ServiceRuntime/S.swift": "",
        "Sources/Tape/TapeCodec/T.swift": "",
    ]
    return files.merging(modules) { file, _ in file }
}

extension Repository {
    /// The folder of each module.
    fileprivate var groups: [String: String] {
        let pairs = swift.compactMap { file in
            file.module.flatMap { module in file.group.map { (module, $0) } }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// The picture of the house: a column per folder. A module stands one row above the highest
    /// module that it imports.
    fileprivate var drawing: [String] {
        let groups = groups
        var imports: [String: Set<String>] = [:]
        for file in swift {
            guard let module = file.module else { continue }
            imports[module, default: []].formUnion(Import.all(in: file).map(\.module))
        }
        var floors: [String: Int] = [:]
        // Each pass settles at least the floor above the last one.
        for _ in groups {
            for (module, imported) in imports {
                floors[module] = 1 + (imported.compactMap { floors[$0] }.max() ?? 0)
            }
        }
        return (1...(floors.values.max() ?? 1)).reversed().map { floor in
            let cells = columns.map { column in
                floors.filter { $0.value == floor && column.contains(groups[$0.key] ?? "") }
                    .keys.sorted().map { "`\($0)`" }.joined(separator: " ")
            }
            return "| \(floor) | \(cells.joined(separator: " | ")) |"
        }
    }
}

private let columns = [
    ["Model"], ["Edges"], ["Tape"], ["Operators"], ["Providers"], ["Stores", "Desk"],
    ["Equipment", "Tool", "services"],
]

private let architecture = "docs/ARCHITECTURE.md"

private let floorsRule = Rule(
    name: "the house is drawn",
    fix: "write the line into the table of \(architecture)",
    broken: [
        house([architecture: ""]),
        house([
            architecture: "| 1 | `MarketModel` `Primitives` | `NatsTransport` | | | | | |\n"
        ]),
    ],
    kept: [
        house([
            architecture: """
            | 2 |  |  | `TapeCodec` |  |  |  |  |
            | 1 | `MarketModel` `Primitives` | `NatsTransport` `ServiceRuntime` |  |  |  |  |  |
            """,
            "Sources/Tape/TapeCodec/T.swift": "import MarketModel\n",
        ]), ["docs/a.md": "text\n"],
    ],
    check: { repository in
        guard let page = repository.file(architecture) else { return [] }
        return repository.drawing.filter { !page.lines.contains($0) }.map {
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
        ["Sources/Operators/StreamCore/A.swift": "func f() async {}\n"],
        ["Sources/Tape/TapeCodec/A.swift": "let now = Date()\n"],
        ["Sources/Model/MarketModel/A.swift": "let a = Int.random(in: 0..<5)\n"],
        ["Sources/Tape/TapeProtocol/A.swift": "let a = list.shuffled()\n"],
        ["Sources/Model/Primitives/A.swift": "let now = ContinuousClock.now\n"],
    ],
    kept: [
        [
            "Sources/Operators/StreamCore/A.swift":
                "// async\nlet a = Int.random(in: f(0)..<5, using: &random)\nstruct CivilDate {}\n",
            "Sources/Edges/NatsTransport/A.swift": "let now = ContinuousClock.now\n",
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

private let kindRule = Rule(
    name: "the writer knows no database",
    fix: "put what is PostgreSQL's into services/store-writer/Sources/Postgres",
    broken: [["services/store-writer/Sources/A.swift": "import PostgresClient\n"]],
    kept: [["services/store-writer/Sources/Postgres/A.swift": "import PostgresClient\n"]],
    check: { repository in
        let folder = "services/store-writer/Sources/"
        let files = repository.swift.filter {
            $0.path.hasPrefix(folder) && !$0.path.hasPrefix(folder + "Postgres/")
        }
        return files.flatMap { file in
            Import.all(in: file).filter { $0.module == "PostgresClient" }.map {
                Violation(file.path, $0.line, "a kind of store is known outside of its folder.")
            }
        }
    })

private let cLibraryRule = Rule(
    name: "one module per C library",
    fix: "write `internal import` in the one module that wraps the library, and use that module",
    broken: [
        ["Sources/C/CNats/module.modulemap": "", "Sources/G/A/A.swift": "import CNats\n"],
        ["Sources/C/CNats/module.modulemap": "", "Sources/G/A/A.swift": "public import CNats\n"],
        [
            "Sources/C/CNats/module.modulemap": "",
            "Sources/G/A/A.swift": "internal import CNats\n",
            "services/b/Sources/B.swift": "internal import CNats\n",
        ],
        ["Sources/C/CNats/module.modulemap": "", "Sources/G/A/A.swift": "let a = 1\n"],
        ["Sources/G/A/A.swift": "internal import CUnknown\n"],
    ],
    kept: [
        [
            "Sources/C/CNats/module.modulemap": "",
            "Sources/G/A/A.swift": "internal import CNats\n",
            "Sources/G/A/B.swift": "@preconcurrency internal import CNats\n",
            "Tests/ATests/A.swift": "import CNats\n",
            "Samples/a/Sources/CMine/module.modulemap": "",
        ]
    ],
    check: { repository in
        // The packages of samples are their users'.
        let declared = repository.paths
            .filter { $0.hasSuffix("/module.modulemap") && !$0.hasPrefix("Samples/") }
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
        ["Sources/Model/Primitives/A.swift": "internal import Testing\n"],
    ],
    kept: [
        ["Tests/ATests/B/A.swift": "import Testing\n"],
        ["Tests/XCTMain.swift": "internal import Testing\n"],
        ["Samples/a/Tests/ATests/A.swift": "import Testing\n"],
    ],
    check: { repository in
        repository.swift.filter { file in
            let all = file.path.split(separator: "/")
            let folders = (all.first == "Samples" ? all.dropFirst(2) : all[...]).prefix(2)
            return file.path != "Tests/XCTMain.swift"
                && (folders.first != "Tests" || folders.last?.hasSuffix("Tests") != true)
        }.flatMap { file in
            Import.all(in: file).filter { $0.module == "Testing" }.map {
                Violation(file.path, $0.line, "Testing is imported outside of a suite.")
            }
        }
    })
