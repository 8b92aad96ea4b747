package import MarketModel

/// The kind of an instrument, in the vendor's letters. Kinds that are not listed here can be used
/// as well.
package struct SecurityKind: Hashable, Sendable, CustomStringConvertible {
    package let text: String
    package init(_ text: String) { self.text = text }

    package static let stock = SecurityKind("STK")
    package static let option = SecurityKind("OPT")
    package static let future = SecurityKind("FUT")
    package static let futureOption = SecurityKind("FOP")
    package static let forex = SecurityKind("CASH")
    package static let crypto = SecurityKind("CRYPTO")
    package static let index = SecurityKind("IND")
    package static let cfd = SecurityKind("CFD")
    package static let bond = SecurityKind("BOND")
    package static let commodity = SecurityKind("CMDTY")
    package static let fund = SecurityKind("FUND")
    package static let combination = SecurityKind("BAG")

    package var description: String { text }
}

/// A part of a combination.
package struct ContractLeg: Hashable, Sendable {
    package var contract: Int32
    package var ratio: Int32
    /// `BUY` or `SELL`.
    package var action: String
    package var exchange: String

    package init(contract: Int32, ratio: Int32, action: String, exchange: String) {
        self.contract = contract
        self.ratio = ratio
        self.action = action
        self.exchange = exchange
    }
}

/// The contract whose data are requested. It is identified by the provider's id, or by as many of
/// the other fields as are unique.
package struct Contract: Hashable, Sendable {
    /// 0: unknown.
    package var id: Int32 = 0
    package var symbol = ""
    package var kind = SecurityKind("")
    /// `yyyymmdd` or `yyyymm`.
    package var lastTradeDate = ""
    package var strike = Price.undefined
    /// `C` or `P`.
    package var right = ""
    package var multiplier = ""
    package var exchange = ""
    package var primaryExchange = ""
    package var currency = ""
    package var localSymbol = ""
    package var tradingClass = ""
    /// The parts of a combination.
    package var legs: [ContractLeg] = []

    package init() {}

    package init(
        _ kind: SecurityKind, _ symbol: String, exchange: String = "SMART", currency: String = "USD"
    ) {
        self.kind = kind
        self.symbol = symbol
        self.exchange = exchange
        self.currency = currency
    }
}

/// An option of a request. The vendor defines the tags.
package struct TagValue: Hashable, Sendable {
    package var tag: String
    package var value: String

    package init(_ tag: String, _ value: String) {
        self.tag = tag
        self.value = value
    }
}
