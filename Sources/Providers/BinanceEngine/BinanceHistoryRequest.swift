package import EngineKit
package import Primitives

/// A request of a load.
package enum BinanceHistoryRequest: HistoryRequest, Hashable {
    case lookUp(BinanceTimeLookUp)
    case fetch(BinanceFetch)
    case bars(BinanceBarFetch)
    case latest(BinanceLatest)

    package var number: UInt64 {
        switch self {
        case .lookUp(let question): question.number
        case .fetch(let fetch): fetch.number
        case .bars(let fetch): fetch.number
        case .latest(let question): question.number
        }
    }

    /// How long the next request waits after it, by what it costs.
    package var interval: Int64 {
        let points =
            switch self {
            case .lookUp: BinanceLimits.lookUpPoints
            case .fetch, .latest: BinanceLimits.fetchPoints
            case .bars: BinanceLimits.barPoints
            }
        return points * BinanceLimits.pointInterval
    }
}

/// A request for bars of a symbol.
package struct BinanceBarFetch: Hashable, Sendable {
    package enum Part: Hashable, Sendable {
        /// The first ones that begin at a time or after it.
        case from(Timestamp)
        /// The last one that begins before a time.
        case before(Timestamp)
    }

    package let number: UInt64
    package let symbol: String
    package let length: BarLength
    package let part: Part
    package let count: Int

    package init(
        number: UInt64, symbol: String, _ length: BarLength, _ part: Part, count: Int
    ) {
        self.number = number
        self.symbol = symbol
        self.length = length
        self.part = part
        self.count = count
    }

    /// The key of the time in the request, and the time in milliseconds, as the exchange counts.
    package var time: (key: String, milliseconds: Int64) {
        switch part {
        case .from(let time): ("startTime", time.millisecondsUp)
        // The exchange includes this moment.
        case .before(let time): ("endTime", time.millisecondsUp - 1)
        }
    }

    /// The windows of an answer: of each bar its first moment, and the first one after it.
    package typealias Windows = [(open: Timestamp, close: Timestamp)]

    /// Reads the windows of an answer; `nil`: it is no list of bars.
    package static func windows(_ bytes: [UInt8]) -> Windows? {
        BinanceBar.list(bytes, feed: 0)?.map { ($0.open, $0.close) }
    }
}

extension Timestamp {
    /// The first millisecond that is not before this time.
    fileprivate var millisecondsUp: Int64 {
        nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 > 0 ? 1 : 0)
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
    package var milliseconds: Int64 { at.millisecondsUp }

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

/// A request for the latest trade of a symbol.
package struct BinanceLatest: Hashable, Sendable {
    package let number: UInt64
    package let symbol: String

    package init(number: UInt64, symbol: String) {
        self.number = number
        self.symbol = symbol
    }
}
