import MarketModel
import Primitives
import TapeTransport

/// Decides what a person's command changes of a watchlist. Pure: it is repeated when another person
/// has written meanwhile.
struct WatchlistEdit {
    enum Outcome: String, Sendable {
        case added
        /// It was removed from the gateway's own list, and counts again as that list has it.
        case restored
        case removed
        /// It is as asked for already.
        case unchanged
    }

    struct Result: Equatable, Sendable {
        let symbol: Symbol
        let outcome: Outcome
    }

    /// What the gateway of the source has reported.
    let report: WatchlistReport
    let requester: String
    let time: Timestamp
    let note: String

    /// Adds symbols with their definitions. `hasFields`: a person gave fields of a contract.
    func add(
        _ added: [(symbol: Symbol, definition: String)], hasFields: Bool,
        to list: inout Watchlist
    ) throws(ToolError) -> [Result] {
        let listed = report.listed
        var results: [Result] = []
        for (symbol, definition) in added {
            let outcome: Outcome
            if listed.contains(symbol) {
                guard !hasFields else {
                    throw .refused(
                        "\(symbol) is in the gateway's own list, whose fields count: change them "
                            + "there, or add it without them; nothing was changed")
                }
                outcome = list[symbol]?.hasEffect == true ? .restored : .unchanged
                list.set(symbol, nil)
            } else if list[symbol]?.change == .added(definition: definition) {
                outcome = .unchanged
            } else {
                outcome = .added
                list.set(symbol, entry(.added(definition: definition)))
            }
            results.append(Result(symbol: symbol, outcome: outcome))
        }
        return results
    }

    func remove(
        _ symbols: [Symbol], from list: inout Watchlist
    ) throws(ToolError) -> [Result] {
        let listed = report.listed
        var results: [Result] = []
        for symbol in symbols {
            // A report without room for all symbols does not show what the list has.
            let isShown = report.instruments.contains { $0.symbol == symbol }
            let isListed = listed.contains(symbol) || (report.leftOut > 0 && !isShown)
            let standing = list[symbol]?.change
            if standing == .removed(hidesListed: isListed) {
                results.append(Result(symbol: symbol, outcome: .unchanged))
                continue
            }
            guard isListed || standing != nil else { throw unknown(symbol, listed, list) }
            list.set(symbol, entry(.removed(hidesListed: isListed)))
            results.append(Result(symbol: symbol, outcome: .removed))
        }
        guard report.leftOut > 0 || isAnyLeft(listed, list) else {
            throw .refused(
                "source \(report.source) would have no instrument left: stop its gateway "
                    + "instead; nothing was changed")
        }
        return results
    }

    private func entry(_ change: Watchlist.Change) -> Watchlist.Entry {
        Watchlist.Entry(change, by: requester, at: time, note: note)
    }

    private func isAnyLeft(_ listed: Set<Symbol>, _ list: Watchlist) -> Bool {
        let isAnyListed = listed.contains {
            list[$0]?.change != .removed(hidesListed: true)
        }
        return isAnyListed
            || list.entries.values.contains { entry in
                if case .added = entry.change { true } else { false }
            }
    }

    private func unknown(
        _ symbol: Symbol, _ listed: Set<Symbol>, _ list: Watchlist
    ) -> ToolError {
        let known = (Array(listed) + Array(list.entries.keys)).map(\.text).sorted()
        let near = NearestName.of(symbol.text, in: known).map { "did you mean \($0)?" }
        return .refused(
            "\(symbol) is no instrument of source \(report.source); nothing was changed; "
                + (near ?? "'tapeline watchlist list' shows those that are"))
    }
}
