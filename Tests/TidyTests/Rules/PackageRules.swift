private let strict = [
    ".swiftLanguageMode(.v6)", "ExistentialAny", "InternalImportsByDefault",
    "MemberImportVisibility", "NonisolatedNonsendingByDefault", ".strictMemorySafety()",
    ".treatAllWarnings(as: .error)",
]

private let settings =
    "let strict: [SwiftSetting] = [\n"
    + strict.map { $0.hasPrefix(".") ? "    \($0),\n" : "    .enableUpcomingFeature(\"\($0)\"),\n" }
    .joined() + "]\n"

/// The exceptions: simulations run optimised code with all its checks, and what waits for a person
/// is not optimised.
private let optimised = [
    #".unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))"#,
    #".unsafeFlags(["-Onone"], .when(configuration: .release))"#,
]

let packageRules: [Rule] = [
    Rule(
        name: "every target is strict",
        fix: "pass swiftSettings: strict, and leave the list of settings whole",
        broken: [
            ["Package.swift": "\(settings).target(name: \"A\")\n"],
            [
                "Package.swift":
                    "\(settings).testTarget(\n    name: \"A\",\n    dependencies: [f()])\n"
            ],
            ["Package.swift": "\(settings).executableTarget(name: \"A\", swiftSettings: [])\n"],
            ["Package.swift": settings.replacing(".strictMemorySafety(),", with: "")],
            ["Package.swift": settings + "unsafeFlags([\"-Ounchecked\"])\n"],
        ],
        kept: [
            ["Package.swift": settings + ".target(name: \"CShim\", path: \"x\")\n"],
            ["Package.swift": settings + "let a = [\(optimised[0])]\nlet b = [\(optimised[1])]\n"],
            [
                "Package.swift": settings
                    + ".target(\n    name: \"A\", dependencies: [.target(name: \"B\")],\n"
                    + "    swiftSettings: strict)\n"
            ],
        ],
        check: { repository in
            guard let file = repository.file("Package.swift") else { return [] }
            var violations = strict.filter { !file.text.contains($0) }
                .map { Violation(file.path, 1, "the setting \($0) is missing.") }
            // The names are kept; only comments are left out.
            let code = zip(file.lines, file.commentLines).map { line, comment in
                comment.trimmed.isEmpty ? line : ""
            }.joined(separator: "\n")
            for match in code.matches(of: /\.(?:target|testTarget|executableTarget)\(/) {
                let call = argumentList(code[match.range.upperBound...])
                // A dependency by name is not a target.
                let isDependency =
                    !call.contains("\n") && !call.contains(",")
                    && code[..<match.range.lowerBound].reversed().drop { $0.isWhitespace }.first
                        == "["
                // Settings for Swift do not apply to C.
                let isC = call.contains(/name:\s*"C[A-Z]/)
                if isDependency || isC || call.contains("swiftSettings: strict") { continue }
                let line = code[..<match.range.lowerBound].count { $0 == "\n" } + 1
                violations.append(
                    Violation(file.path, line, "a target without the strict settings."))
            }
            for (index, line) in file.codeLines.enumerated()
            where line.contains("unsafeFlags")
                && !optimised.contains(where: file.lines[index].contains)
            {
                violations.append(Violation(file.path, index + 1, "unsafeFlags are banned."))
            }
            return violations
        })
]

/// What stands before the parenthesis that closes the call.
private func argumentList(_ code: Substring) -> Substring {
    var depth = 1
    for place in code.indices {
        if code[place] == "(" { depth += 1 }
        if code[place] == ")" { depth -= 1 }
        if depth == 0 { return code[..<place] }
    }
    return code
}
