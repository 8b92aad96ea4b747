package import MarketModel
internal import Primitives
package import ServiceRuntime

/// What a load takes, before it begins.
package struct HistoryPlan: Sendable {
    /// How many trades or bars there are, as far as the service tells it.
    package enum Count: Hashable, Sendable {
        case exactly(UInt64)
        /// Worked out of something else, as of the service's bars.
        case about(UInt64)
        /// There are some, and nothing tells how many.
        case unknown

        /// What no service has of a symbol: so much is said at most, and no sum overflows.
        package static let countMax: UInt64 = 1 << 48

        /// `nil`: nothing is known.
        package var number: UInt64? {
            switch self {
            case .exactly(let number), .about(let number): number
            case .unknown: nil
            }
        }

        package static func + (one: Count, other: Count) -> Count {
            guard let first = one.number, let second = other.number else { return .unknown }
            let sum = min(first, countMax) + min(second, countMax)
            if case .exactly = one, case .exactly = other { return .exactly(sum) }
            return .about(sum)
        }
    }

    package struct Entry: Sendable {
        package var symbol: Symbol
        /// How many trades or bars it has.
        package var count = Count.exactly(0)
        /// Whether these are bars.
        package var isOfBars: Bool
        /// Why it cannot be loaded; empty: it can.
        package var problem = ""

        package init(symbol: Symbol, isOfBars: Bool = false) {
            self.symbol = symbol
            self.isOfBars = isOfBars
        }

        /// What is counted, in messages.
        package var what: String { isOfBars ? "bars" : "trades" }
    }

    package var entries: [Entry]
    /// The requests that the known counts come to.
    package var requests: UInt64
    /// The least time that they take, as the service limits requests.
    package var duration: Duration

    package init(entries: [Entry], requests: UInt64, duration: Duration) {
        self.entries = entries
        self.requests = requests
        self.duration = duration
    }

    package var count: Count { entries.reduce(.exactly(0)) { $0 + $1.count } }

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
