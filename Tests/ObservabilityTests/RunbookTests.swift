import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

/// Checks that everything that a runbook tells a person to type exists.
@Suite("Runbooks") struct RunbookTests {
    private let runbooks: [Runbook]
    private let compose: ComposeFile

    init() throws {
        runbooks = try Runbook.all()
        compose = try ComposeFile()
    }

    @Test("each alert has a runbook that explains it, and each runbook an alert")
    func pairs() throws {
        let alerts = try RuleFiles().alerts
        #expect(Set(runbooks.map(\.name)) == Set(alerts.map(\.runbook)))
        let index = try CheckoutFiles.text("\(Runbook.folder)/README.md")
        let byName = Dictionary(grouping: alerts, by: \.name)
        for (name, rules) in byName {
            let page = rules[0].runbook
            let severities = Set(rules.compactMap(\.severity)).sorted().joined(separator: ", ")
            let row = "| [\(name)](\(page).md) | \(severities) | "
            #expect(index.contains(row), "\(name) is not in the index")
            #expect(rules.allSatisfy { $0.runbook == page }, "\(name)")
            let others = Set(alerts.lazy.filter { $0.runbook == page }.map(\.name))
            let meaning = runbooks.first { $0.name == page }?.body(of: "Meaning") ?? ""
            #expect(others.count == 1 || meaning.contains("- **\(name)**"), "\(name)")
        }
        #expect(index.split(separator: "\n").count { $0.hasPrefix("| [") } == byName.count)
    }

    @Test("each has its four sections with something in them, and commands to look with")
    func sections() {
        for runbook in runbooks {
            let found = runbook.lines.filter { $0.hasPrefix("## ") }.map { $0.dropFirst(3) }
            #expect(found.map(String.init) == Runbook.sections, "\(runbook.name)")
            #expect(runbook.lines.first == "# \(runbook.name)")
            for section in Runbook.sections {
                #expect(runbook.body(of: section).count > 40, "\(runbook.name), \(section)")
            }
            let diagnosis = runbook.body(of: "Diagnosis").split(separator: "\n")
            #expect(diagnosis.contains { $0.hasPrefix("    ") }, "\(runbook.name)")
            #expect(runbook.body(of: "Mitigation").hasPrefix("- "), "\(runbook.name)")
        }
    }

    @Test("each says when it is over and how much time there is, and begins at a process")
    func time() throws {
        for runbook in runbooks {
            for words in ["\n**Over when** ", "\n**Time you have**: "] {
                #expect(runbook.body(of: "Impact").contains(words), "\(runbook.name)")
            }
            // It is about Prometheus, which has no such page.
            guard runbook.name != "Watchdog" else { continue }
            let first = try #require(
                runbook.body(of: "Diagnosis").split(separator: "\n")
                    .first { $0.hasPrefix("    ") })
            // Without NATS each process is asked itself.
            let beginning =
                runbook.name == "Nats"
                ? "exec store-writer store-writer --probe-ready" : "run --rm tapeline page "
            #expect(first.hasPrefix("    docker compose \(beginning)"), "\(runbook.name)")
        }
    }

    @Test("a name of a service in such a command is that of a service")
    func pages() {
        let services = ["cockpit", "operator-worker", "provider-gateway", "store-writer"]
        for (runbook, words) in commands(beginning: "tapeline") where words.first == "page" {
            #expect(services.contains(words.dropFirst().first ?? ""), "\(runbook): \(words)")
        }
    }

    @Test("the tool takes every command that they name")
    func toolCommands() {
        var seen = 0
        for (runbook, words) in commands(beginning: "tapeline") {
            seen += 1
            do {
                _ = try Commands.parse(words)
            } catch {
                Issue.record("\(runbook): tapeline \(words.joined(separator: " ")): \(error)")
            }
            #expect(Commands.page(of: words.first ?? "") != nil, "\(runbook): \(words)")
        }
        #expect(seen >= 60)
    }

    @Test("compose has the services and the verbs that they name")
    func composeCommands() {
        var seen = 0
        for runbook in runbooks {
            for command in runbook.quoted where command.hasPrefix("docker compose ") {
                seen += 1
                let problem = composeProblem(Array(Runbook.words(command).dropFirst(2)))
                #expect(problem == nil, "\(runbook.name): \(command)")
            }
        }
        #expect(seen >= 80)
    }

    @Test("a mistake in a command is noticed")
    func mistakes() {
        #expect(composeProblem(["run", "--rm", "tapeline", "watch"]) == nil)
        #expect(composeProblem(["restrat", "nats"]) != nil)
        #expect(composeProblem(["logs", "--sinec", "1h", "nats"]) != nil)
        #expect(composeProblem(["logs", "--since", "1h", "nuts"]) != nil)
        #expect(throws: ToolError.self) { try Commands.parse(["dlq", "lits"]) }
    }

    @Test("settings, events and metrics that they name are there")
    func names() throws {
        let settings = KeyCatalogue.product.names
        let server = try CheckoutFiles.text("deploy/nats/server.conf")
        let catalogue = try MetricCatalogue()
        let events = try Set(eventNames())
        let roots = Set(events.compactMap { $0.split(separator: ".").first.map(String.init) })
        for runbook in runbooks {
            for quote in runbook.quoted {
                if let key = quote.prefixMatch(of: /([A-Z]+_[A-Z_]+)(?:=.*)?/)?.output.1 {
                    let isKnown =
                        settings.contains(String(key)) || server.contains("$\(key)")
                        || compose.text.contains("${\(key):-")
                    #expect(isKnown || key == "MD_DLQ", "\(runbook.name): \(quote)")
                } else if let name = quote.wholeMatch(of: /(?:mds|sink)_[a-z0-9_]+/) {
                    #expect(
                        catalogue.metric(String(name.output)) != nil, "\(runbook.name): \(quote)")
                } else if let name = quote.wholeMatch(of: /([a-z]+)\.[a-z._]*/),
                    roots.contains(String(name.output.1))
                {
                    let isKnown =
                        events.contains(quote)
                        || quote.hasSuffix(".") && events.contains { $0.hasPrefix(quote) }
                    #expect(isKnown, "\(runbook.name): no event \(quote)")
                }
            }
        }
    }

    // MARK: parts

    /// Returns the arguments of a program in the runbooks, whether run by compose or directly.
    private func commands(beginning program: String) -> [(String, [String])] {
        runbooks.flatMap { runbook in
            runbook.quoted.compactMap { command in
                let words = Runbook.words(command)
                guard words.first == program || command.hasPrefix("docker compose run "),
                    let place = words.firstIndex(of: program), words.count > place + 1
                else { return nil }
                return (runbook.name, Array(words[(place + 1)...]))
            }
        }
    }

    /// The flags of these verbs, with the number of values that each takes.
    private static let verbs: [String: [String: Int]] = [
        "ps": ["--all": 0], "logs": ["--since": 1], "restart": [:], "config": ["--services": 0],
        "exec": [:], "kill": ["--signal": 1], "start": [:],
        "run": ["--rm": 0, "--volume": 1, "--env": 1, "--no-TTY": 0],
        "up": ["--detach": 0, "--no-recreate": 0, "--scale": 1],
    ]

    private func composeProblem(_ words: [String]) -> String? {
        guard let verb = words.first, let flags = Self.verbs[verb] else {
            return "compose has no such verb"
        }
        var rest = words.dropFirst()
        while let word = rest.first, word.hasPrefix("--") {
            guard let values = flags[word] else { return "no flag \(word)" }
            if word == "--scale", let name = rest.dropFirst().first?.split(separator: "=").first,
                !compose.services.contains(String(name))
            {
                return "no service \(name)"
            }
            rest = rest.dropFirst(1 + values)
        }
        guard let service = rest.first else { return nil }
        if !compose.services.contains(service) { return "no service \(service)" }
        let runsCommand = ["exec", "run"].contains(verb)
        return runsCommand || rest.count == 1 ? nil : "too many words"
    }

    /// Returns the names of all events, from `.info, "gateway.started"`, `level, "ibkr.notice"`,
    /// `providerTrouble("…"`, `events: ("alpaca.state", …)` and `static let name = "…"`.
    private func eventNames() throws -> [String] {
        let single =
            /(?:let name = |\.[a-z]+, |level, |providerTrouble\(\s*)"([a-z_]+\.[a-z_.]+)"/
        var names: [String] = []
        for folder in ["Sources", "services"] {
            let files = FileManager.default.enumerator(
                atPath: "\(ServerPrograms.checkout)/\(folder)")
            while let path = files?.nextObject() as? String {
                guard path.hasSuffix(".swift") else { continue }
                let text = try CheckoutFiles.text("\(folder)/\(path)")
                names += text.matches(of: single).map { String($0.output.1) }
                for list in text.matches(of: /events: \(([^)]+)\)/) {
                    names += list.output.1.matches(of: /"([a-z_.]+)"/).map { String($0.output.1) }
                }
            }
        }
        return names
    }
}
