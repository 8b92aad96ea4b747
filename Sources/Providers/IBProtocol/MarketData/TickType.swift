internal import MarketModel

/// The vendor's numbers for the values of a subscription.
package enum TickType {
    package static let bidSize: Int32 = 0
    package static let bid: Int32 = 1
    package static let ask: Int32 = 2
    package static let askSize: Int32 = 3
    package static let last: Int32 = 4
    package static let lastSize: Int32 = 5
    package static let volume: Int32 = 8
    package static let bidExchange: Int32 = 32
    package static let askExchange: Int32 = 33
    package static let lastTimestamp: Int32 = 45
    package static let realTimeVolume: Int32 = 48
    package static let halted: Int32 = 49
    package static let delayedBid: Int32 = 66
    package static let delayedAsk: Int32 = 67
    package static let delayedLast: Int32 = 68
    package static let delayedBidSize: Int32 = 69
    package static let delayedAskSize: Int32 = 70
    package static let delayedLastSize: Int32 = 71
    package static let realTimeTradeVolume: Int32 = 77
    package static let lastExchange: Int32 = 84
    package static let delayedLastTimestamp: Int32 = 88
    package static let delayedHalted: Int32 = 90

    /// Returns whether the size field of a price belongs to the price.
    @inline(__always)
    static func hasSize(_ type: Int32) -> Bool {
        type == bid || type == ask || type == last || (delayedBid...delayedLast).contains(type)
    }

    /// Returns whether this is a live price: bid, ask or last.
    package static func isLive(_ type: Int32) -> Bool { type == bid || type == ask || type == last }

    @inline(__always)
    static func isLast(_ type: Int32) -> Bool { type == last || type == delayedLast }

    /// Returns whether a bid or an ask of -1 with the size 0 means that there is none.
    @inline(__always)
    static func isQuote(_ type: Int32) -> Bool {
        type == bid || type == ask || type == delayedBid || type == delayedAsk
    }

    package static func isDelayed(_ type: Int32) -> Bool {
        switch type {
        case 66...76, 80...83, 88, 90: true
        default: false
        }
    }

    /// Returns whether the value is a number of contracts that were or are to be traded.
    package static func isVolume(_ type: Int32) -> Bool {
        switch type {
        case 8, 21, 34, 36, 61, 63...65, 74: true
        default: false
        }
    }

    /// Returns the name on the tape of a value that is no quote and no trade; delayed values have
    /// the name of the live ones. `nil`: the type is not known, or its value is no number.
    static func name(_ type: Int32) -> String? {
        priceName(type) ?? sizeName(type) ?? numberName(type)
    }

    private static func priceName(_ type: Int32) -> String? {
        switch type {
        case 6, 72: "ib.high"
        case 7, 73: "ib.low"
        case 9, 75: "ib.close"
        case 14, 76: "ib.open"
        case 15: "ib.low-13-weeks"
        case 16: "ib.high-13-weeks"
        case 17: "ib.low-26-weeks"
        case 18: "ib.high-26-weeks"
        case 19: "ib.low-52-weeks"
        case 20: "ib.high-52-weeks"
        case 35: "ib.auction-price"
        case 37: "ib.mark-price"
        case 57: "ib.last-regular-trade"
        default: nil
        }
    }

    private static func sizeName(_ type: Int32) -> String? {
        switch type {
        case 8, 74: "ib.volume"
        case 21: "ib.average-volume"
        case 27: "ib.call-open-interest"
        case 28: "ib.put-open-interest"
        case 29: "ib.call-volume"
        case 30: "ib.put-volume"
        case 34: "ib.auction-volume"
        case 36: "ib.auction-imbalance"
        case 61: "ib.regulatory-imbalance"
        case 63: "ib.volume-3-minutes"
        case 64: "ib.volume-5-minutes"
        case 65: "ib.volume-10-minutes"
        case 86: "ib.futures-open-interest"
        case 87: "ib.average-option-volume"
        case 89: "ib.shortable-shares"
        default: nil
        }
    }

    private static func numberName(_ type: Int32) -> String? {
        switch type {
        case 23: "ib.option-historical-volatility"
        case 24: "ib.option-implied-volatility"
        case 31: "ib.index-future-premium"
        case 46: "ib.shortable"
        case 49, 90: "ib.halted"
        case 54: "ib.trade-count"
        case 55: "ib.trade-rate"
        case 56: "ib.volume-rate"
        case 58: "ib.real-time-volatility"
        default: nil
        }
    }

    /// Returns what an option's computation is based on.
    static func optionKind(_ type: Int32) -> OptionComputationKind {
        switch type {
        case 10, 80: .bid
        case 11, 81: .ask
        case 12, 82: .last
        case 13, 83: .model
        case 53: .custom
        default: .unknown
        }
    }
}
