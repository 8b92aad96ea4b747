let writingRules: [Rule] = [safetyRule, machinePathRule, knownHostRule, linkRule, wordsRule]

private let safetyMarks = ["@unchecked Sendable", "nonisolated(unsafe)", "@safe", "Unmanaged"]
/// The most lines between a reason and the line it is about.
private let safetyReach = 8

private let safetyRule = Rule(
    name: "safety is explained",
    fix:
        "a comment `// Safety:` right above that says why: who owns, who frees, which thread",
    broken: [
        ["Sources/G/A/A.swift": "final class A: @unchecked Sendable {}\n"],
        ["Sources/G/A/A.swift": "// Safety: this one.\n@safe struct A {}\n\n@safe struct B {}\n"],
        ["services/a/Sources/A.swift": "// It is safe.\nlet box = Unmanaged.passRetained(x)\n"],
        ["Tests/ATests/A.swift": "nonisolated(unsafe) var a = 1\n"],
    ],
    kept: [
        [
            "Sources/G/A/A.swift":
                "// Safety: one thread.\n@safe\nfinal class A: @unchecked Sendable {}\n",
            "Sources/G/A/B.swift": "let a = 1  // @safe Unmanaged\nlet safe = a\n",
            "Sources/G/A/C.swift":
                "/// What it is.\n///\n// Safety: released in the last callback.\n"
                + "unsafe f(\n    Unmanaged.passRetained(x))\n",
            "Sources/G/A/D.swift":
                "@safe\nstruct D {\n    // Safety: freed in deinit.\n    let a = b\n}\n",
        ]
    ],
    check: { repository in
        repository.swift.filter { file in
            (file.isSource || file.isTest)
                && safetyMarks.contains { file.swift?.code.contains($0) == true }
        }.flatMap { file in
            file.codeLines.enumerated().compactMap { index, line in
                let words = safetyMarks.filter { mark in
                    line.ranges(of: mark).contains { range in
                        line[range.upperBound...].first?.isWordCharacter != true
                    }
                }
                guard let mark = words.first else { return nil }
                for above in stride(from: index, through: max(0, index - safetyReach), by: -1) {
                    if file.lines[above].trimmed.isEmpty { break }
                    if file.commentLines[above].contains("// Safety:") { return nil }
                }
                // The reason may also be the first words of the body.
                let below = file.commentLines.dropFirst(index + 1).prefix(3)
                if below.contains(where: { $0.contains("// Safety:") }) { return nil }
                return Violation(file.path, index + 1, "'\(mark)' without a reason.")
            }
        }
    })

private let machinePathRule = Rule(
    name: "no machine paths",
    fix: "a path relative to the checkout, a setting, or mktemp",
    broken: [
        ["docs/a.md": "see /home/somebody/tapeline\n"], ["Makefile": "x:\n\tcd /root/x\n"],
        ["Sources/G/A/A.swift": "let a = \"/work/x\"\n"], ["deploy/a.sh": "cd /mnt/disk/x\n"],
        ["docs/a.md": "C:\\Users\\x, /Users/somebody/x\n"],
    ],
    kept: [
        ["deploy/a.sh": "cd ./work/x; cd \"$HOME/work\"; d=$(mktemp -d /tmp/tapeline.XXXXXX)\n"]
    ],
    check: { repository in
        let path = #/(?:^|[^\w.\-})])/(?:work|mnt|root|home|Users)/[\w.]/#
        return repository.files.filter { !$0.path.hasPrefix("Tests/TidyTests/") }.flatMap { file in
            file.violations(in: file.lines) { line in
                line.utf8.contains(UInt8(ascii: "/")) && line.contains(path)
                    ? "a path of one machine." : nil
            }
        }
    })

/// The hosts whose addresses may be in the repository, with their subdomains. A mirror or a proxy
/// belongs to one machine, and tools get it by their own settings.
private let knownHosts = [
    "127.0.0.1", "0.0.0.0", "localhost", "example.com", "example.org", "example", "invalid", "test",
    "debian.org", "pypi.org", "pythonhosted.org", "swift.org", "github.com", "postgresql.org",
    "nats.io", "valkey.io", "redis.io", "timescale.com", "prometheus.io", "grafana.com",
    "kubernetes.io", "k8s.io", "json-schema.org", "fixprotocol.io", "fixprotocol.org",
    "fixtrading.org", "w3.org", "binance.vision", "binance.com", "stlouisfed.org",
    "coingecko.com", "forms.gle", "alternative.me", "alpaca.markets", "massive.com",
    "ietf.org", "rfc-editor.org", "interactivebrokers.com", "gnu.org", "wikipedia.org",
    "keepachangelog.com", "docker.io", "ghcr.io", "apache.org",
    // Services in a Kubernetes cluster.
    "svc",
]

private let knownHostRule = Rule(
    name: "known hosts only",
    fix: "name the original, or add its host to knownHosts in WritingRules.swift",
    broken: [
        ["deploy/a.sh": "curl https://mirror.corp.internal/debian\n"],
        ["docs/a.md": "[x](http://10.1.2.3:8080/x)\n"],
        ["deploy/a.sh": "curl https://debian.org.evil.net/\n"],
    ],
    kept: [
        [
            "deploy/a.sh":
                "curl https://deb.debian.org/debian http://127.0.0.1:1/ \"http://$host:1/\"\n",
            "Sources/G/A/A.swift": "let a = \"nats://\\(host):4222\", b = \"nats://nats:4222\"\n",
        ]
    ],
    check: { repository in
        repository.files.filter { !$0.path.hasPrefix("Tests/TidyTests/") }.flatMap {
            file -> [Violation] in
            guard file.bytes.contains("://") else { return [] }
            return file.lines.enumerated().filter { $1.contains("://") }.flatMap { index, line in
                line.matches(of: #/[a-z]://(?:[^/@\s"]*@)?([A-Za-z0-9.\-]+)/#).compactMap { match in
                    let host = match.output.1.lowercased()
                    // 192.0.2.x is reserved for documentation, and 10.0.0.x is a common example.
                    let isExample = host.hasPrefix("192.0.2.") || host.hasPrefix("10.0.0.")
                    let isName = host.contains(".") && host.last != "." && !isExample
                    let known = knownHosts.contains { host == $0 || host.hasSuffix(".\($0)") }
                    guard isName, !known else { return nil }
                    return Violation(file.path, index + 1, "\(host) is no host that we know.")
                }
            }
        }
    })

private let linkRule = Rule(
    name: "links lead somewhere",
    fix: "correct the path; it is relative to the file that holds the link",
    broken: [
        ["docs/a.md": "[b](b.md)\n"], ["README.md": "![picture](docs/p.svg)\n"],
        ["docs/a.md": "[up](../b.md#part)\n"], ["docs/a.md": "[out](../../b.md)\n", "b.md": ""],
    ],
    kept: [
        [
            "README.md":
                "[a](docs/a.md#part) [docs](docs/) [site](https://swift.org) [here](#part)\n",
            "docs/a.md":
                "[r](../README.md) `[no](link.md)`\n```\n[no](link.md)\n```\n[b](./b.md \"B\")\n",
            "docs/b.md": "mail [x](mailto:x@example.com)\n",
        ]
    ],
    check: { repository in
        repository.files.filter { $0.path.hasSuffix(".md") }.flatMap { file in
            markdownLinks(in: file).compactMap { link in
                let target =
                    link.target.split(separator: "#", maxSplits: 1).first.map(String.init) ?? ""
                guard !target.isEmpty, !link.target.hasPrefix("#"), !target.contains(":") else {
                    return nil
                }
                let folder = file.path.split(separator: "/").dropLast().map(String.init)
                if let path = resolved(target, in: folder), repository.exists(path) { return nil }
                return Violation(file.path, link.line, "\(link.target) does not exist.")
            }
        }
    })

private func markdownLinks(in file: SourceFile) -> [(target: String, line: Int)] {
    var fenced = false
    var links: [(target: String, line: Int)] = []
    for (index, line) in file.lines.enumerated() {
        if line.trimmed.hasPrefix("```") { fenced.toggle() }
        if fenced { continue }
        let text = line.replacing(/`[^`]*`/, with: "")
        for match in text.matches(of: /\]\(([^)\s]+)(?:\s+"[^"]*")?\)/) {
            links.append((target: String(match.output.1), line: index + 1))
        }
    }
    return links
}

/// The path from the root; nil when it leads out of the repository.
private func resolved(_ target: String, in folder: [String]) -> String? {
    var parts = target.hasPrefix("/") ? [] : folder
    for part in target.split(separator: "/") where part != "." {
        if part == ".." {
            guard parts.popLast() != nil else { return nil }
        } else {
            parts.append(String(part))
        }
    }
    return parts.joined(separator: "/")
}

/// So many lines of comments still have a word that docs/STYLE.md replaces. The number may only
/// fall: a change that mends some lowers it.
private let replacedWordsMax = 246

private let wordsRule = Rule(
    name: "plain words in comments",
    fix: "a short main clause, its subject first: the table of words in docs/STYLE.md",
    broken: [
        [
            "Sources/G/A/A.swift":
                String(repeating: "/// Of nobody.\n", count: replacedWordsMax + 1)
        ]
    ],
    kept: [
        ["Sources/G/A/A.swift": String(repeating: "/// Of nobody.\n", count: replacedWordsMax)],
        [
            "Sources/G/A/A.swift":
                String(repeating: "let nobody = 1  // Plain.\n", count: replacedWordsMax + 1)
        ],
    ],
    check: { repository in
        let begin = #/^\s*///? Of /#
        let word = #/\b(?:[Nn]obody|[Ww]hoever|[Ss]omebody|anew)\b/#
        let phrase = #/\b(?:tells? of|is told|go(?:es)? on|at once)\b/#
        let places = repository.swift.filter(\.isProduct).flatMap { file in
            file.violations(in: file.commentLines) { line in
                let isComment = line.utf8.contains(UInt8(ascii: "/"))
                return isComment
                    && (line.contains(begin) || line.contains(word) || line.contains(phrase))
                    ? "a word that has a plainer one." : nil
            }
        }
        return places.count > replacedWordsMax ? places : []
    })
