package import MarketModel
internal import Primitives
package import ServiceRuntime

/// What a load takes, before it begins.
package struct HistoryPlan: Sendable {
    package struct Entry: Sendable {
        package var symbol: Symbol
        /// How many trades or bars it has.
        package var count: UInt64
        /// Whether these are bars.
        package var isOfBars: Bool
        /// Why it cannot be loaded; empty: it can.
        package var problem: String

        package init(symbol: Symbol, isOfBars: Bool = false) {
            self.symbol = symbol
            self.isOfBars = isOfBars
            count = 0
            problem = ""
        }

        /// What is counted, in messages.
        package var what: String { isOfBars ? "bars" : "trades" }
    }

    package var entries: [Entry]
    package var requests: UInt64
    /// The least time that they take, as the service limits requests.
    package var duration: Duration

    package init(entries: [Entry], requests: UInt64, duration: Duration) {
        self.entries = entries
        self.requests = requests
        self.duration = duration
    }

    package var count: UInt64 { entries.reduce(0) { $0 + $1.count } }

    /// What stands against the load; empty: nothing.
    package var problem: String {
        entries.filter { !$0.problem.isEmpty }.map { "\($0.symbol): \($0.problem)" }
            .joined(separator: "; ")
    }
}

extension ProviderKind {
    /// Asks a service what a load takes. Blocks until the answers are there, or a stop is wanted.
    package typealias HistoryPlanning =
        @Sendable (Context, [Instrument], ShutdownSignal) throws -> HistoryPlan

    /// Returns the same kind as one that loads a past: into a source that is named for that.
    package func loadingPast(_ plan: @escaping HistoryPlanning) -> ProviderKind {
        var kind = self
        kind.historyPlan = plan
        return kind
    }
}
