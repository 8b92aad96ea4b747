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
                        file.violations(in: file.codeLines) {
                            occurs(in: $0) ? "'\(name)' is banned." : nil
                        }
                    }
            })
    }
}

/// Returns the words that have one replacement.
private func words(
    _ texts: String..., in place: BannedWord.Place = .product, alsoAsMember: Bool = false,
    instead: String
) -> [BannedWord] {
    texts.map {
        BannedWord(text: $0, instead: instead, place: place, alsoAsMember: alsoAsMember)
    }
}

private let banned: [BannedWord] = [
    words("try!", in: .everywhere, instead: "handle the error, or throw it on"),
    words("as!", in: .everywhere, instead: "as? with a guard"),
    words("try? ", instead: "do and catch, so that the error is counted, logged or thrown on"),
    words("fatalError", instead: "precondition with a sentence for a bug, an error for the rest"),
    words("print(", instead: "an event of Telemetry, or tapeline's Terminal"),
    words("debugPrint(", "NSLog", instead: "an event of Telemetry"),
    words(
        "Thread.sleep", "Task.sleep", "usleep", "nanosleep", "sleep(", in: .everywhere,
        instead: "wait for the thing itself, with a deadline (in tests: eventually)"),
    words(
        "DispatchQueue", "import Dispatch", instead: "ServiceThread and Mailbox of ServiceRuntime"),
    words("NSLock", instead: "Mutex of Synchronization"),
    words("UserDefaults", instead: "a ConfigurationKey"),
    words("system(", "popen(", instead: "ChildProcess of ServiceRuntime: no shell, no quoting"),
    words(
        "natsSubscription_Fetch", alsoAsMember: true,
        instead: "a pull by hand over an own inbox (it stalls and corrupts its heap)"),
    words(
        "PQexec", "PQexecParams", instead: "PQsendQueryParams, and poll with our own deadline"),
    words("PQexecPrepared", instead: "PQsendQueryPrepared, and poll with our own deadline"),
    words("PQprepare", instead: "PQsendPrepare, and poll with our own deadline"),
    words(
        "PQconnectdb", "PQconnectdbParams",
        instead: "PQconnectStartParams and PQconnectPoll, with our own deadline"),
    words("redisConnect(", instead: "redisConnectWithTimeout: every wait has a deadline of ours"),
    words("PQreset", instead: "a new connection, with our own deadline"),
    words(
        "import Foundation",
        instead: "Glibc and Primitives: it brings 12 to 60 MB into a static program"),
    words(
        "now: Int64", instead: "MonotonicTime for a moment, Timestamp for a time of the calendar"),
    words("monotonic: Int64", instead: "MonotonicTime: a number may be any clock's"),
    words(
        "monotonic().nanoseconds", alsoAsMember: true,
        instead: "MonotonicTime: a number may be any clock's"),
    words(".disabled(", in: .everywhere, instead: "mend the test, or remove it"),
    words(
        "withKnownIssue", in: .everywhere,
        instead: "mend the fault; the test waits on a branch until then"),
].flatMap(\.self)

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
                file.violations(in: file.lines) {
                    $0.contains(/\b(?:pkill|killall|pgrep|pidof)\b/)
                        ? "processes are found by name." : nil
                }
            }
    })
