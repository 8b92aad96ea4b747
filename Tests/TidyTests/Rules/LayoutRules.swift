import Foundation

let layoutRules: [Rule] = [readmeRule, serviceRule, folderRule, testTargetRule, scriptRule]

/// Returns the files of each module by its folder.
private func sourceFolders(_ repository: Repository) -> [String: [SourceFile]] {
    let files = repository.swift.filter { $0.isSource && $0.group != "services" }
    return Dictionary(grouping: files) { file in
        let path = [file.group, file.module].compactMap { $0 }.joined(separator: "/")
        return file.group == "Equipment" ? path : "Sources/\(path)"
    }
}

private let readme = "# A\n\nWhat it is for.\n\nInvariants\n- It never blocks.\n"

private let readmeRule = Rule(
    name: "every library has a README",
    fix:
        "half a page: purpose, main type, invariants, threads, who frees, what it must never do",
    broken: [
        ["Sources/G/A/A.swift": "struct A {}\n"], ["Equipment/A/A.swift": "struct A {}\n"],
        ["Sources/G/A/A.swift": "struct A {}\n", "Sources/G/A/README.md": "# A\n"],
        ["Sources/G/A/A.swift": "struct A {}\n", "Sources/G/A/README.md": "# B\n" + readme],
    ],
    kept: [
        [
            "Sources/G/A/A.swift": "struct A {}\n", "Sources/G/A/README.md": readme,
            "Sources/G/tool/Main.swift": "@main struct Main {}\n", "Sources/C/CNats/shim.h": "",
        ]
    ],
    check: { repository in
        sourceFolders(repository).sorted { $0.key < $1.key }.flatMap {
            folder, files -> [Violation] in
            if files.contains(where: { $0.codeLines.contains { $0.hasPrefix("@main") } }) {
                return []
            }
            let path = "\(folder)/README.md"
            guard let file = repository.file(path) else {
                return [Violation(path, 1, "it is missing.")]
            }
            let title = "# \(folder.split(separator: "/").last ?? "")"
            if file.lines.first != title {
                return [Violation(path, 1, "it does not begin with '\(title)'.")]
            }
            let written = file.lines.count { !$0.trimmed.isEmpty }
            return written < 4 ? [Violation(path, 1, "it says too little.")] : []
        }
    })

/// A service of these files.
private func anatomy(_ files: String...) -> Rule.Example {
    Dictionary(uniqueKeysWithValues: files.map { ("services/a/\($0)", "") })
}

private let serviceRule = Rule(
    name: "every service has the same anatomy",
    fix: "services/<product>/ holds Program/Main.swift, Sources/ServiceMain.swift, default.env"
        + " and README.md",
    broken: [
        anatomy("README.md", "Program/Main.swift", "Sources/ServiceMain.swift"),
        anatomy("README.md", "default.env", "Sources/ServiceMain.swift"),
        anatomy("README.md", "default.env", "Program/Main.swift"),
        anatomy("default.env", "Program/Main.swift", "Sources/ServiceMain.swift"),
    ],
    kept: [
        ["services/README.md": ""],
        anatomy("README.md", "default.env", "Program/Main.swift", "Sources/ServiceMain.swift"),
    ],
    check: { repository in
        repository.services.flatMap { service in
            ["Program/Main.swift", "Sources/ServiceMain.swift", "default.env", "README.md"]
                .map { "services/\(service)/\($0)" }
                .filter { !repository.paths.contains($0) }
                .map { Violation($0, 1, "it is missing.") }
        }
    })

extension Repository {
    /// The folders in `services/`.
    var services: [String] {
        let folders = paths.compactMap { path -> String? in
            let parts = path.split(separator: "/")
            return parts.first == "services" && parts.count > 2 ? String(parts[1]) : nil
        }
        return Set(folders).sorted()
    }
}

private let vague: Set<String> = [
    "utils", "util", "utilities", "helpers", "helper", "common", "extensions", "misc", "shared",
]

private let folderRule = Rule(
    name: "no drawer for everything",
    fix: "name the folder or file after what is in it, or put it beside its only user",
    broken: [
        ["Sources/G/A/Utils/B.swift": ""], ["Sources/G/Common/B.swift": ""],
        ["Tests/ATests/Helpers.swift": ""], ["services/a/Sources/Extensions/X.swift": ""],
    ],
    kept: [
        ["Sources/G/A/Routing/B.swift": "", "Sources/G/A/CommonPrefix.swift": "", "docs/a.md": ""]
    ],
    check: { repository in
        repository.paths.sorted().compactMap { path in
            let parts = path.split(separator: "/").map {
                $0.lowercased().split(separator: ".").first.map(String.init) ?? ""
            }
            guard let part = parts.first(where: vague.contains) else { return nil }
            return Violation(path, 1, "'\(part)' says nothing.")
        }
    })

/// Returns whether a call for several names makes the target: `tests(of: "\(name)Engine")`.
private func isOneOfSeveral(_ module: String, _ call: String, _ code: String) -> Bool {
    let head = "\(call)(of: \"\\(name)"
    return code.ranges(of: head).contains { range in
        let ending = code[range.upperBound...].prefix { $0 != "\"" }
        return module.hasSuffix(ending) && code.contains("\"\(module.dropLast(ending.count))\"")
    }
}

private let testTargetRule = Rule(
    name: "every folder of tests is a target",
    fix: "add tests(of: \"<Module>\") or serverTests to Package.swift, or they never run",
    broken: [
        ["Package.swift": "tests(of: \"A\")", "Tests/BTests/B.swift": ""],
        ["Package.swift": "tests(of: \"A\")", "Tests/AServerTests/A.swift": ""],
        ["Package.swift": "\"B\", tests(of: \"\\(name)Kit\")", "Tests/AKitTests/A.swift": ""],
    ],
    kept: [
        [
            "Package.swift":
                "tests(of: \"A\")\nserverTests(\n of: \"A\")\n.testTarget(name: \"CTests\")",
            "Tests/ATests/A.swift": "", "Tests/CTests/Fixtures/C.swift": "",
            "Tests/AServerTests/A.swift": "",
            "Tests/TestSupport/D.swift": "",
        ],
        ["Package.swift": "\"A\", tests(of: \"\\(name)Kit\")", "Tests/AKitTests/A.swift": ""],
    ],
    check: { repository in
        guard let package = repository.file("Package.swift") else { return [] }
        let folders = Set(
            repository.swift.filter(\.isTest).compactMap {
                $0.path.split(separator: "/").dropFirst().first
            })
        let code = package.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            .replacing("( ", with: "(")
        return folders.filter { $0.hasSuffix("Tests") }.sorted().compactMap { folder in
            let suffix = folder.hasSuffix("ServerTests") ? "ServerTests" : "Tests"
            let call = suffix == "Tests" ? " tests" : "serverTests"
            let module = String(folder.dropLast(suffix.count))
            let named = "\(call)(of: \"\(module)\""
            let isTarget =
                " \(code)".contains(named) || code.contains("\"\(folder)\"")
                || isOneOfSeveral(module, call, code)
            return isTarget ? nil : Violation("Package.swift", 1, "Tests/\(folder) is no target.")
        }
    })

private let scriptRule = Rule(
    name: "a script with an interpreter line can be run",
    fix: "chmod +x, or remove its first line",
    broken: [["deploy/none.py": "#!/usr/bin/env python3\n"]],
    kept: [
        [
            "deploy/local/servers.sh": "#!/usr/bin/env bash\n",
            "deploy/none.sh": "# read by others with '.'\n",
        ]
    ],
    check: { repository in
        repository.files.compactMap { file in
            let path = "\(Repository.root)/\(file.path)"
            return !file.text.hasPrefix("#!") || FileManager.default.isExecutableFile(atPath: path)
                ? nil : Violation(file.path, 1, "it is not executable.")
        }
    })
