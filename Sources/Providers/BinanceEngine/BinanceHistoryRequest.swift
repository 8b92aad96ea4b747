package import Primitives

/// A request of a load.
package enum BinanceHistoryRequest: Hashable, Sendable {
    case lookUp(BinanceTimeLookUp)
    case fetch(BinanceFetch)

    package var number: UInt64 {
        switch self {
        case .lookUp(let question): question.number
        case .fetch(let fetch): fetch.number
        }
    }
}

/// A request for the first trade of a symbol at a time or after it.
package struct BinanceTimeLookUp: Hashable, Sendable {
    package let number: UInt64
    package let symbol: String
    package let at: Timestamp

    package init(number: UInt64, symbol: String, at: Timestamp) {
        self.number = number
        self.symbol = symbol
        self.at = at
    }

    /// The time in milliseconds, as the exchange counts: the first one that is not before `at`.
    package var milliseconds: Int64 { at.nanoseconds / 1_000_000 + (isBetween ? 1 : 0) }

    private var isBetween: Bool { at.nanoseconds % 1_000_000 > 0 }

    package enum Answer: Hashable, Sendable {
        case first(id: UInt64)
        /// There is no such trade.
        case none
        case unreadable
    }

    /// Reads the exchange's list of aggregates: each says which trades it is made of.
    package static func read(_ bytes: [UInt8]) -> Answer {
        guard let list = BinancePage.parsed(bytes)?.array else { return .unreadable }
        guard let first = list.first else { return .none }
        return first["f"]?.uint64.map { .first(id: $0) } ?? .unreadable
    }
}
