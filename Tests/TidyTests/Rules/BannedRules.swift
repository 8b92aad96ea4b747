/// A word that does not occur in code, and what stands there instead.
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
    /// A `.text(…)` of another type is another thing.
    var alsoAsMember = false

    var name: String { text.hasSuffix("(") ? String(text.dropLast()) : text.trimmed }

    func occurs(in line: String) -> Bool {
        line.ranges(of: text).contains { range in
            if let first = text.first, first.isWordCharacter {
                let before = line[..<range.lowerBound].last
                if before?.isWordCharacter == true { return false }
                let isMember = before == "." && !line[..<range.lowerBound].hasSuffix("Swift.")
                if isMember, !alsoAsMember { return false }
            }
            guard let last = text.last, last.isWordCharacter else { return true }
            return line[range.upperBound...].first?.isWordCharacter != true
        }
    }

    var rule: Rule {
        let line = text.hasSuffix("(") ? "\(text))" : text
        let longer = "mySpecial\(name.filter(\.isWordCharacter))Thing"
        var kept: [Rule.Example] = [
            [
                "Sources/A/A.swift":
                    "// \(line)\nlet a = \"\(line)\"\nlet \(longer) = 1\n"
            ],
            ["docs/a.md": line],
        ]
        var broken: [Rule.Example] = [
            ["Sources/A/A.swift": "    \(line)\n"],
            ["services/a/Sources/A.swift": "x { \(line) }\n"],
        ]
        switch place {
        case .product: kept.append(["Tests/ATests/A.swift": line])
        case .everywhere: broken.append(["Tests/ATests/A.swift": line])
        }
        return Rule(
            name: "banned: \(name)", fix: instead, broken: broken, kept: kept,
            check: { repository in
                repository.swift.filter { $0.isProduct || ($0.isTest && place == .everywhere) }
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
    BannedWord(text: "PQreset", instead: "a new connection, with our own deadline"),
    BannedWord(
        text: "import Foundation",
        instead: "Glibc and Primitives: it brings 12 to 60 MB into a static program"),
    BannedWord(text: "import Dispatch", instead: "ServiceThread and Mailbox of ServiceRuntime"),
    BannedWord(text: ".disabled(", instead: "mend the test, or remove it", place: .everywhere),
    BannedWord(
        text: "withKnownIssue", instead: "mend the fault; the test waits on a branch until then",
        place: .everywhere),
]

let bannedRules: [Rule] =
    banned.map(\.rule) + [unwrapRule, emptyCatchRule, markerRule, killByNameRule]

/// These files name what is forbidden.
private func isAboutRules(_ file: SourceFile) -> Bool {
    file.path.hasPrefix("Tests/TidyTests/") || file.path == "docs/STYLE.md"
}

private let unwrapRule = Rule(
    name: "banned: forced unwrapping",
    fix: "guard let, or an Optional that is one",
    broken: [
        ["Sources/A/A.swift": "let a = b!\n"], ["Sources/A/A.swift": "var a: String!\n"],
        ["services/a/Sources/A.swift": "f(x)!.y\n"], ["Sources/A/A.swift": "d[\"k\"]!\n"],
    ],
    kept: [
        ["Sources/A/A.swift": "if !a, a != b, a!=b, f(!c) { g(\"Stop!\") } // now!\n"],
        ["Tests/ATests/A.swift": "a!\n"],
    ],
    check: { repository in
        repository.swift.filter(\.isProduct).flatMap { file in
            file.codeLines.enumerated().compactMap { index, line in
                let characters = Array(line)
                let found = characters.indices.dropFirst().contains { place in
                    let before = characters[place - 1]
                    let after = place + 1 < characters.count ? characters[place + 1] : " "
                    let isForced = characters[place] == "!" && after != "="
                    let keyword = line.contains("try!") || line.contains("as!")
                    return isForced && !keyword
                        && (before.isWordCharacter || ")]>?".contains(before))
                }
                return found
                    ? Violation(file.path, index + 1, "something is unwrapped by force.") : nil
            }
        }
    })

private let emptyCatchRule = Rule(
    name: "banned: empty catch",
    fix: "count it, log it, throw it on, or say in code what happens instead",
    broken: [
        ["Sources/A/A.swift": "do { try f() } catch {}\n"],
        [
            "Sources/A/A.swift":
                "do {\n    try f()\n} catch let error as A {\n    // never mind\n}\n"
        ],
    ],
    kept: [["Sources/A/A.swift": "do { try f() } catch { g() }\nfunc catchAll() {}\n"]],
    check: { repository in
        repository.swift.filter { $0.isProduct || $0.isTest }.flatMap { file in
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
        ["Sources/A/A.swift": "// TODO: more\n"], ["Makefile": "# FIXME\n"],
        ["services/a/default.env": "# a placeholder\n"], ["deploy/a.sh": "echo XXX\n"],
        ["Tests/ATests/A.swift": "// for now this\n"], ["Sources/A/A.swift": "// a HACK\n"],
        ["docs/a.md": "This is not implemented yet.\n"],
    ],
    kept: [["Sources/A/A.swift": "// waits for nowhere, mktemp XXXXXX, HACKING.md, todo list\n"]],
    check: { repository in
        let leftOver =
            /\b(?:TODO|FIXME|XXX|HACK)\b|\b[Pp]laceholder|\b[Nn]ot implemented|\b[Ff]or now\b/
        return repository.files.filter { !isAboutRules($0) }.flatMap { file in
            file.lines.enumerated().compactMap { index, line in
                guard let match = line.firstMatch(of: leftOver) else { return nil }
                return Violation(file.path, index + 1, "'\(match.output)' was left.")
            }
        }
    })

private let killByNameRule = Rule(
    name: "banned: killing by name",
    fix: "kill the process id that was noted at its start, after a look at its start time",
    broken: [
        ["deploy/a.sh": "pkill nats\n"], ["Sources/A/A.swift": "run(\"killall\")\n"],
        ["Makefile": "\tkill $(pgrep x)\n"],
    ],
    kept: [["deploy/a.sh": "kill \"$pid\"  # our own, skillfully\n"]],
    check: { repository in
        repository.files.filter { !isAboutRules($0) }
            .flatMap { file in
                file.lines.enumerated().compactMap { index, line in
                    guard line.contains(/\b(?:pkill|killall|pgrep|pidof)\b/) else { return nil }
                    return Violation(file.path, index + 1, "processes are found by name.")
                }
            }
    })
