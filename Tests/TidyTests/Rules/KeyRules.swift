let keyRules: [Rule] = [keyRule, entryRule, keyReadmeRule, keyCatalogueRule]

private let shared = """
    extension ConfigurationKey {
        static let nats = [ConfigurationKey("NATS_URL", .text), ConfigurationKey(name: "NATS_USER")]
        static func other(port: Int) -> [ConfigurationKey] { [ConfigurationKey("OTHER_X")] }
    }

    """
private let natsEntries = "# Where.\nNATS_URL=x\n# Who.\n#NATS_USER=\n"
private let sharedPath = "Sources/G/Runtime/SharedKeys.swift"
private let servicePath = "services/a/Sources/Configuration.swift"
private let listPath = "services/a/default.env"

private let keyRule = Rule(
    name: "every key is in its service's default.env",
    fix: "KEY=default in services/<product>/default.env, under a comment with meaning and unit",
    broken: [
        [servicePath: "ConfigurationKey(name: \"GATEWAY_X\", help: \"Y\")\n", listPath: ""],
        [servicePath: "ConfigurationKey(\n    \"GATEWAY_X\")\n"],
        [
            sharedPath: shared, servicePath: "let keys = ConfigurationKey.nats\n",
            listPath: "# Where.\nNATS_URL=x\n",
        ],
        [
            sharedPath: shared,
            "Sources/G/Runtime/Application.swift": "ConfigurationKey.other(port: 1)",
            servicePath: "", listPath: "",
        ],
    ],
    kept: [
        [
            sharedPath: shared, servicePath: "let keys = ConfigurationKey.nats\n",
            listPath: natsEntries,
        ],
        [
            sharedPath: shared,
            servicePath: "// ConfigurationKey.other ConfigurationKey(\"A_B\")\n",
            "services/a/Sources/Main.swift": "let a = peer.nats\n", listPath: "",
            "Tests/ATests/A.swift": "ConfigurationKey(\"TEST_X\")\n",
        ],
    ],
    check: { repository in
        let use = KeyUse(repository)
        return repository.services.flatMap { service in
            let path = "services/\(service)/default.env"
            let listed = Set(repository.file(path).map { KeyUse.entries(of: $0).map(\.name) } ?? [])
            return use.keys(ofService: service).filter { !listed.contains($0.name) }
                .map { Violation($0.path, $0.line, "\($0.name) is not in \(path).") }
        }
    })

private let entryRule = Rule(
    name: "a default.env holds keys, each once and explained",
    fix: "one comment line above each key; remove what no code reads",
    broken: [
        [servicePath: "", listPath: "# What.\nGATEWAY_X=1\n"],
        [servicePath: "ConfigurationKey(\"GATEWAY_X\")", listPath: "GATEWAY_X=1\n"],
        [servicePath: "ConfigurationKey(\"GATEWAY_X\")", listPath: "# What.\n\nGATEWAY_X=1\n"],
        [
            servicePath: "ConfigurationKey(\"GATEWAY_X\")",
            listPath: "# What.\nGATEWAY_X=1\n# What.\nGATEWAY_X=1\n",
        ],
        [sharedPath: shared, servicePath: "", listPath: natsEntries],
        [servicePath: "ConfigurationKey(\"GATEWAY_X\")", listPath: "# What.\nGATEWAY_X = 1\n"],
    ],
    kept: [
        [sharedPath: shared, servicePath: "keys: ConfigurationKey.nats", listPath: natsEntries],
        [
            servicePath: "ConfigurationKey(\"A_SECRET\")",
            listPath: "# Heading\n\n# What.\n#A_SECRET=\n# From a file.\n#A_SECRET_FILE=\n",
        ],
    ],
    check: { repository in
        let use = KeyUse(repository)
        return repository.services.flatMap { service -> [Violation] in
            guard let file = repository.file("services/\(service)/default.env") else { return [] }
            let known = Set(use.keys(ofService: service).map(\.name))
            var seen: Set<String> = []
            var violations: [Violation] = file.lines.enumerated().compactMap { index, line in
                let isEntry =
                    line.isEmpty || line.hasPrefix("#") || line.contains(/^[A-Z][A-Z0-9_]+=/)
                return isEntry ? nil : Violation(file.path, index + 1, "this is no KEY=value.")
            }
            for entry in KeyUse.entries(of: file) {
                let isFile =
                    entry.name.hasSuffix("_FILE") && known.contains(String(entry.name.dropLast(5)))
                if !known.contains(entry.name), !isFile {
                    violations.append(
                        Violation(file.path, entry.line, "\(service) does not read \(entry.name)."))
                }
                if !entry.isExplained {
                    violations.append(
                        Violation(file.path, entry.line, "\(entry.name) has no comment above."))
                }
                if !seen.insert(entry.name).inserted {
                    violations.append(
                        Violation(file.path, entry.line, "\(entry.name) stands there twice."))
                }
            }
            return violations
        }
    })

private let keyReadmeRule = Rule(
    name: "every key is in its service's README",
    fix: "a row for `KEY` in the configuration table of services/<product>/README.md",
    broken: [
        [listPath: "# What.\nGATEWAY_X=1\n", "services/a/README.md": "GATEWAY_X\n"],
        [listPath: "# What.\nGATEWAY_X=1\n", "services/a/README.md": "`GATEWAY_XY`\n"],
    ],
    kept: [
        [listPath: "# What.\nGATEWAY_X=1\n", "services/a/README.md": "| `GATEWAY_X` | 1 |\n"],
        [
            listPath: "# What.\n#A_FILE=\n# What.\n#A=\n",
            "services/a/README.md": "| `A` (`A_FILE`) | |\n",
        ],
    ],
    check: { repository in
        repository.services.flatMap { service -> [Violation] in
            guard let list = repository.file("services/\(service)/default.env"),
                let readme = repository.file("services/\(service)/README.md")
            else { return [] }
            return KeyUse.entries(of: list).compactMap { entry in
                if readme.text.contains("`\(entry.name)`") { return nil }
                return Violation(list.path, entry.line, "\(entry.name) is not in \(readme.path).")
            }
        }
    })

private let cataloguePath = "Sources/Edges/ServiceRuntime/Configuration/KeyCatalogue.swift"

private let keyCatalogueRule = Rule(
    name: "KeyCatalogue knows the keys of all services",
    fix: "list the services' own keys in KeyCatalogue.ofServices, so that a typo is told from them",
    broken: [
        [
            servicePath: "ConfigurationKey(\"GATEWAY_X\")",
            cataloguePath: "let ofServices = [\"GATEWAY_Y\"]",
        ],
        [servicePath: "", cataloguePath: "let ofServices = [\n    \"GATEWAY_X\"\n]\n"],
    ],
    kept: [
        [
            servicePath: "ConfigurationKey(\"GATEWAY_X\")",
            cataloguePath:
                "let foreign = [\"Z\"]\nlet ofServices = [\"GATEWAY_X\"]\nlet more = [\"A\"]",
        ],
        [servicePath: "ConfigurationKey(\"GATEWAY_X\")"],
    ],
    check: { repository in
        guard let file = repository.file(cataloguePath), let swift = file.swift else { return [] }
        let code = String(decoding: swift.code, as: UTF8.self)
        guard let list = code.firstMatch(of: /\bofServices\b[^\[=]*=\s*\[[^\]]*\]/) else {
            return [Violation(file.path, 1, "there is no list ofServices.")]
        }
        let start = code.utf8.distance(from: code.startIndex, to: list.range.lowerBound)
        let end = code.utf8.distance(from: code.startIndex, to: list.range.upperBound)
        let listed = swift.literals.filter { $0.offset > start && $0.offset < end }
        let declared = KeyUse(repository).keys.filter { $0.path.hasPrefix("services/") }
        let names = Set(listed.map(\.text))
        return declared.filter { !names.contains($0.name) }
            .map { Violation($0.path, $0.line, "\($0.name) is not in \(file.path).") }
            + listed.filter { literal in !declared.contains { $0.name == literal.text } }
            .map { Violation(file.path, $0.line, "no service declares \($0.text).") }
    })
