import MarketModel
import NatsTransport
import Primitives
import ProviderKit
import ServiceRuntime
import TapeProtocol
import TapeTransport
import YAMLFile

/// Carries out `tapeline watchlist`.
struct WatchlistRun {
    private static let work = Deployment.TapeWork(
        failure: "the watchlist cannot be reached", right: "see or change watchlists")

    /// How often a change is tried when others write at the same time.
    private static let triesMax = 16

    let command: WatchlistCommand
    let terminal: Terminal
    var clock = SystemClock()

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        try deployment.onTape(Self.work) { client in
            switch command.verb {
            case .list: return try list(client)
            case .add(let symbols):
                let report = try changeable(client)
                let added = try definitions(of: symbols, report)
                return try change(report, client) { edit, list throws(ToolError) in
                    try edit.add(added, hasFields: !command.fields.isEmpty, to: &list)
                }
            case .remove(let symbols):
                return try change(changeable(client), client) { edit, list throws(ToolError) in
                    try edit.remove(symbols, from: &list)
                }
            }
        }
    }

    // MARK: list

    private func list(_ client: TapeClient) throws -> ExitCode {
        let reports = try reports(client)
        let chosen = try command.source.map { [try report(of: $0, reports)] } ?? reports
        let table = WatchlistTable(
            sources: try chosen.map { report in
                WatchlistTable.Source(
                    report: report, stored: try WatchlistStore(client, report.source).read())
            }, now: clock.now())
        terminal.show(table.lines, json: table.json(), command.asJSON)
        return .success
    }

    // MARK: sources

    private func reports(_ client: TapeClient) throws -> [WatchlistReport] {
        let found = try WatchlistStore.reports(client)
        for line in found.refused { terminal.problem("a gateway's report is left out: \(line)") }
        return found.reports
    }

    private func report(
        of source: SourceName, _ reports: [WatchlistReport]
    ) throws(ToolError) -> WatchlistReport {
        if let report = reports.first(where: { $0.source == source }) { return report }
        let names = reports.map(\.source.text).joined(separator: ", ")
        throw .refused(
            "no gateway of this release has opened source \(source); "
                + (names.isEmpty ? "there is no other one" : "there are \(names)"))
    }

    /// Returns the report of the source that the command is about, if people may change its list.
    private func changeable(_ client: TapeClient) throws -> WatchlistReport {
        let reports = try reports(client)
        if let source = command.source {
            let chosen = try report(of: source, reports)
            guard let reason = chosen.fixed else { return chosen }
            throw ToolError.refused(
                "the instruments of source \(source) cannot be changed: \(reason)")
        }
        let open = reports.filter { $0.fixed == nil }
        guard let first = open.first else {
            let reasons = reports.map { "\($0.source): \($0.fixed ?? "")" }
            throw ToolError.refused(
                reasons.isEmpty
                    ? "no gateway of this release has opened a source of this tape: start one"
                    : "no source has a list that can be changed "
                        + "(\(reasons.joined(separator: "; ")))")
        }
        guard open.count == 1 else {
            throw ToolError.usage(
                "there are the sources \(open.map(\.source.text).joined(separator: ", ")): say "
                    + "which by --source NAME")
        }
        return first
    }

    // MARK: changes

    /// Returns the definitions, which the reader of the files has accepted.
    private func definitions(
        of symbols: [Symbol], _ report: WatchlistReport
    ) throws(ToolError) -> [(symbol: Symbol, definition: String)] {
        if report.isBySymbol {
            guard let key = command.fields.keys.sorted().first else {
                return symbols.map { ($0, "") }
            }
            throw .usage(
                "\(report.providers.joined(separator: ", ")) delivers by symbol alone: leave "
                    + "\(WatchlistCommand.option(key)) out")
        }
        var found: [(symbol: Symbol, definition: String)] = []
        for symbol in symbols {
            let definition = command.definition(of: symbol)
            var problems: [String]
            do throws(FileMistakes) {
                let instrument = try InstrumentFile.instrument(definition: definition)
                problems = [instrument.withoutProvider(of: report.providers)].compactMap { $0 }
            } catch {
                problems = error.all.map(\.what)
            }
            if definition.utf8.count > Watchlist.definitionBytesMax {
                problems.append(
                    "\(symbol): the fields have more than \(Watchlist.definitionBytesMax) bytes")
            }
            guard problems.isEmpty else {
                throw .usage(
                    "\(problems.joined(separator: "; ")); nothing was changed. The options are "
                        + "the keys of the lists of instruments, such as --exchange SMART")
            }
            found.append((symbol, definition))
        }
        return found
    }

    /// Reads the watchlist, changes it, and writes it, again and again while others write.
    private func change(
        _ report: WatchlistReport, _ client: TapeClient,
        _ apply: (WatchlistEdit, inout Watchlist) throws(ToolError) -> [WatchlistEdit.Result]
    ) throws -> ExitCode {
        let store = try WatchlistStore(client, report.source)
        let edit = WatchlistEdit(
            report: report,
            requester: Requester.name(bytesMax: Watchlist.requesterBytesMax), time: clock.now(),
            note: command.note)
        var reason = "others write at the same time"
        // What was sent without an answer: if it stands, it is done.
        var unanswered: (list: Watchlist, results: [WatchlistEdit.Result])?
        for _ in 0..<Self.triesMax {
            let stored = try store.read()
            if let refusal = stored.refusal {
                let advice =
                    refusal.isNewer
                    ? "" : "; 'nats kv del \(client.names.sourceBucket) \(store.key)' removes it"
                throw ToolError.refused(
                    "the watchlist of source \(report.source) cannot be changed: "
                        + "\(refusal)\(advice)")
            }
            if let sent = unanswered, sent.list == stored.value {
                return say(sent.results, report)
            }
            var list = stored.value
            let results = try apply(edit, &list)
            guard list != stored.value else { return say(results, report) }
            list.trim()
            if let problem = list.problem { throw ToolError.refused(problem) }
            switch try store.write(list, after: stored) {
            case .stored: return say(results, report)
            case .conflict: continue
            case .unknown(let problem):
                reason = problem
                unanswered = (list, results)
            }
        }
        throw ToolError.unreachable(
            "the watchlist of source \(report.source) could not be written: \(reason); run it "
                + "again, what is done already stays as it is")
    }

    private func say(_ results: [WatchlistEdit.Result], _ report: WatchlistReport) -> ExitCode {
        guard command.asJSON else {
            for result in results {
                terminal.line(sentence(result, report))
                if result.outcome == .added, let other = report.sameLetters(as: result.symbol) {
                    terminal.line("  (\(other) is another one: capitals count)")
                }
            }
            if results.contains(where: { $0.outcome != .unchanged }) {
                terminal.line(
                    WatchlistTable.silence(report, at: clock.now())
                        ?? "the gateway follows within seconds: 'tapeline watchlist list' shows "
                        + "what its provider says")
            }
            return .success
        }
        terminal.line(
            JSONWriter.made { json in
                json.member("source", report.source.text)
                json.member("symbols", each: results) { result, json in
                    json.member("symbol", result.symbol.text)
                    json.member("outcome", result.outcome.rawValue)
                }
            }.text)
        return .success
    }

    private func sentence(_ result: WatchlistEdit.Result, _ report: WatchlistReport) -> String {
        let (symbol, source) = (result.symbol, report.source)
        return switch result.outcome {
        case .added: "\(symbol) is added to source \(source)"
        case .restored: "\(symbol) of the gateway's own list is wanted again by source \(source)"
        case .removed: "\(symbol) is removed from source \(source)"
        case .unchanged:
            if case .add = command.verb {
                "\(symbol) is wanted by source \(source) already"
            } else {
                "\(symbol) is removed from source \(source) already"
            }
        }
    }
}

extension WatchlistReport {
    /// Returns a symbol of the source that differs from this one in capitals alone.
    func sameLetters(as symbol: Symbol) -> Symbol? {
        let letters = symbol.text.lowercased()
        return instruments.map(\.symbol).first { $0 != symbol && $0.text.lowercased() == letters }
    }
}
