/// A word that must not occur in code, and its replacement.
struct BannedWord: Sendable {
    enum Place: Sendable {
        /// Sources and services.
        case product
        /// Tests as well.
        case everywhere
    }

    let text: String
    let instead: String
    var place = Place.product
    /// True to also find the word as a member. Otherwise `.text(…)` of another type is ignored.
    var alsoAsMember = false

    var name: String { text.hasSuffix("(") ? String(text.dropLast()) : text.trimmed }

    func occurs(in line: String) -> Bool {
        line.ranges(of: text).contains { range in
            let (before, after) = (line[..<range.lowerBound], line[range.upperBound...])
            if let first = text.first, first.isWordCharacter {
                if before.last?.isWordCharacter == true { return false }
                let isMember = before.last == "." && !before.hasSuffix("Swift.")
                if isMember, !alsoAsMember { return false }
            }
            if text.hasSuffix("(") { return isForeignCall(before, after) }
            guard let last = text.last, last.isWordCharacter else { return true }
            return after.first?.isWordCharacter != true
        }
    }

    /// Returns true for a declaration of the same name, or a call with a label, which these
    /// functions do not have.
    private func isForeignCall(_ before: Substring, _ after: Substring) -> Bool {
        if ["case", "func"].contains(where: before.trimmed.hasSuffix) { return false }
        return after.prefixMatch(of: /\w+:/) == nil
    }

    var rule: Rule {
        let line = text.hasSuffix("(") ? "\(text))" : text
        let longer = "mySpecial\(name.filter(\.isWordCharacter))Thing"
        var kept: [Rule.Example] = [
            [
                "Sources/G/A/A.swift":
                    "// \(line)\nlet a = \"\(line)\"\nlet \(longer) = 1\n"
            ],
            ["docs/a.md": line],
        ]
        var broken: [Rule.Example] = [
            ["Sources/G/A/A.swift": "    \(line)\n"],
            ["services/a/Sources/A.swift": "x { \(line) }\n"],
        ]
        switch place {
        case .product: kept.append(["Tests/ATests/A.swift": line])
        case .everywhere: broken.append(["Tests/ATests/A.swift": line])
        }
        return Rule(
            name: "banned: \(name)", fix: instead, broken: broken, kept: kept,
            check: { repository in
                repository.swift.filter { $0.isSource || ($0.isTest && place == .everywhere) }
                    .filter { $0.swift?.code.contains(text) == true }
                    .flatMap { file in
                        file.codeLines.enumerated().compactMap { index, line in
                            occurs(in: line)
                                ? Violation(file.path, index + 1, "'\(name)' is banned.") : nil
                        }
                    }
            })
    }
}

private let banned: [BannedWord] = [
    BannedWord(text: "try!", instead: "handle the error, or throw it on", place: .everywhere),
    BannedWord(text: "as!", instead: "as? with a guard", place: .everywhere),
    BannedWord(
        text: "try? ", instead: "do and catch, so that the error is counted, logged or thrown on"),
    BannedWord(
        text: "fatalError", instead: "precondition with a sentence for a bug, an error for the rest"
    ),
    BannedWord(text: "print(", instead: "an event of Telemetry, or tapeline's Terminal"),
    BannedWord(text: "debugPrint(", instead: "an event of Telemetry"),
    BannedWord(text: "NSLog", instead: "an event of Telemetry"),
    BannedWord(
        text: "Thread.sleep", instead: "wait for the thing itself, with a deadline",
        place: .everywhere),
    BannedWord(
        text: "Task.sleep", instead: "wait for the thing itself, with a deadline",
        place: .everywhere),
    BannedWord(
        text: "usleep", instead: "wait for the thing itself, with a deadline", place: .everywhere),
    BannedWord(
        text: "nanosleep", instead: "wait for the thing itself, with a deadline", place: .everywhere
    ),
    BannedWord(
        text: "sleep(",
        instead: "wait for the thing itself, with a deadline (in tests: eventually)",
        place: .everywhere),
    BannedWord(text: "DispatchQueue", instead: "ServiceThread and Mailbox of ServiceRuntime"),
    BannedWord(text: "NSLock", instead: "Mutex of Synchronization"),
    BannedWord(text: "UserDefaults", instead: "a ConfigurationKey"),
    BannedWord(text: "system(", instead: "ChildProcess of ServiceRuntime: no shell, no quoting"),
    BannedWord(text: "popen(", instead: "ChildProcess of ServiceRuntime: no shell, no quoting"),
    BannedWord(
        text: "natsSubscription_Fetch",
        instead: "a pull by hand over an own inbox (it stalls and corrupts its heap)",
        alsoAsMember: true),
    BannedWord(text: "PQexec", instead: "PQsendQueryParams, and poll with our own deadline"),
    BannedWord(text: "PQexecParams", instead: "PQsendQueryParams, and poll with our own deadline"),
    BannedWord(
        text: "PQexecPrepared", instead: "PQsendQueryPrepared, and poll with our own deadline"),
    BannedWord(text: "PQprepare", instead: "PQsendPrepare, and poll with our own deadline"),
    BannedWord(
        text: "PQconnectdb",
        instead: "PQconnectStartParams and PQconnectPoll, with our own deadline"),
    BannedWord(
        text: "PQconnectdbParams",
        instead: "PQconnectStartParams and PQconnectPoll, with our own deadline"),
    BannedWord(
        text: "redisConnect(", instead: "redisConnectWithTimeout: every wait has a deadline of ours"
    ),
    BannedWord(text: "PQreset", instead: "a new connection, with our own deadline"),
    BannedWord(
        text: "import Foundation",
        instead: "Glibc and Primitives: it brings 12 to 60 MB into a static program"),
    BannedWord(text: "import Dispatch", instead: "ServiceThread and Mailbox of ServiceRuntime"),
    BannedWord(
        text: "now: Int64",
        instead: "MonotonicTime for a moment, Timestamp for a time of the calendar"),
    BannedWord(text: "monotonic: Int64", instead: "MonotonicTime: a number may be any clock's"),
    BannedWord(
        text: "monotonic().nanoseconds", instead: "MonotonicTime: a number may be any clock's",
        alsoAsMember: true),
    BannedWord(text: ".disabled(", instead: "mend the test, or remove it", place: .everywhere),
    BannedWord(
        text: "withKnownIssue", instead: "mend the fault; the test waits on a branch until then",
        place: .everywhere),
]

let bannedRules: [Rule] =
    banned.map(\.rule) + [unwrapRule, emptyCatchRule, markerRule, killByNameRule]

/// These files have to name the banned words.
private func isAboutRules(_ file: SourceFile) -> Bool {
    file.path.hasPrefix("Tests/TidyTests/") || file.path == "docs/STYLE.md"
}

private let unwrapRule = Rule(
    name: "banned: forced unwrapping",
    fix: "guard let, or an Optional that is one",
    broken: [
        ["Sources/G/A/A.swift": "let a = b!\n"], ["Sources/G/A/A.swift": "var a: String!\n"],
        ["services/a/Sources/A.swift": "f(x)!.y\n"], ["Sources/G/A/A.swift": "d[\"k\"]!\n"],
    ],
    kept: [
        ["Sources/G/A/A.swift": "if !a, a != b, a!=b, f(!c) { g(\"Stop!\") } // now!\n"],
        ["Tests/ATests/A.swift": "a!\n"],
    ],
    check: { repository in
        repository.swift.filter(\.isSource).flatMap { file -> [Violation] in
            let code = file.swift?.code ?? []
            var line = 1
            var violations: [Violation] = []
            for place in code.indices.dropFirst() {
                if code[place - 1] == UInt8(ascii: "\n") { line += 1 }
                guard code[place] == UInt8(ascii: "!"), isOperand(code[..<place]) else { continue }
                let after = place + 1 < code.count ? code[place + 1] : 0
                if after == UInt8(ascii: "=") { continue }
                violations.append(Violation(file.path, line, "something is unwrapped by force."))
            }
            return violations
        }
    })

/// Returns whether an operand that can be unwrapped ends here. (`try!` and `as!` have separate
/// rules.)
private func isOperand(_ before: ArraySlice<UInt8>) -> Bool {
    guard let last = before.last else { return false }
    if ")]>?\"".utf8.contains(last) { return true }
    let word = String(decoding: before.suffix(4), as: UTF8.self)
    return (word.last?.isWordCharacter ?? false) && !word.hasSuffix("try") && !word.hasSuffix(" as")
}

private let emptyCatchRule = Rule(
    name: "banned: empty catch",
    fix: "count it, log it, throw it on, or say in code what happens instead",
    broken: [
        ["Sources/G/A/A.swift": "do { try f() } catch {}\n"],
        [
            "Sources/G/A/A.swift":
                "do {\n    try f()\n} catch let error as A {\n    // never mind\n}\n"
        ],
    ],
    kept: [["Sources/G/A/A.swift": "do { try f() } catch { g() }\nfunc catchAll() {}\n"]],
    check: { repository in
        repository.swift.filter { $0.isSource || $0.isTest }.flatMap { file in
            let code = file.codeLines.joined(separator: "\n")
            return code.matches(of: /\bcatch\b[^{}]*\{\s*\}/).map { match in
                let line = code[..<match.range.lowerBound].count { $0 == "\n" } + 1
                return Violation(file.path, line, "an error is caught and forgotten.")
            }
        }
    })

private let markerRule = Rule(
    name: "left-over markers",
    fix: "finish it, or write down why it is right as it is",
    broken: [
        ["Sources/G/A/A.swift": "// TODO: more\n"], ["Makefile": "# FIXME\n"],
        ["services/a/default.env": "# a placeholder\n"], ["deploy/a.sh": "echo XXX\n"],
        ["Tests/ATests/A.swift": "// for now this\n"],
        ["Sources/G/A/A.swift": "let a = \"TODO\"\n"],
        ["docs/a.md": "This is not implemented yet.\n"], ["Sources/G/A/A.swift": "/* a HACK */\n"],
    ],
    kept: [
        ["Sources/G/A/A.swift": "// waits for nowhere, mktemp XXXXXX, HACKING.md, todo list\n"],
        ["Sources/G/A/A.swift": "let placeholder = \"failed for now\"\n"],
    ],
    check: { repository in
        let marker = /\b(?:TODO|FIXME|XXX|HACK)\b/
        let phrase = /\b[Pp]laceholder|\b[Nn]ot implemented|\b[Ff]or now\b/
        let signs = ["TODO", "FIXME", "XXX", "HACK", "laceholder", "ot implemented", "or now"]
        return repository.files.filter { file in
            !isAboutRules(file) && signs.contains(where: file.bytes.contains)
        }.flatMap { file in
            file.lines.enumerated().compactMap { index, line in
                // In Swift code, a keyword may be one of these words, so only comments are checked.
                let prose = file.swift == nil ? line : file.commentLines[index]
                let found =
                    line.firstMatch(of: marker)?.output ?? prose.firstMatch(of: phrase)?.output
                return found.map { Violation(file.path, index + 1, "'\($0)' was left.") }
            }
        }
    })

private let killByNameRule = Rule(
    name: "banned: killing by name",
    fix: "kill the process id that was noted at its start, after a look at its start time",
    broken: [
        ["deploy/a.sh": "pkill nats\n"], ["Sources/G/A/A.swift": "run(\"killall\")\n"],
        ["Makefile": "\tkill $(pgrep x)\n"],
    ],
    kept: [["deploy/a.sh": "kill \"$pid\"  # our own, skillfully\n"]],
    check: { repository in
        repository.files.filter { !isAboutRules($0) }
            .filter { file in
                ["pkill", "killall", "pgrep", "pidof"].contains { file.bytes.contains($0) }
            }
            .flatMap { file in
                file.lines.enumerated().compactMap { index, line in
                    guard line.contains(/\b(?:pkill|killall|pgrep|pidof)\b/) else { return nil }
                    return Violation(file.path, index + 1, "processes are found by name.")
                }
            }
    })
