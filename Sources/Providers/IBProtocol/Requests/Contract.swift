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

    package var description: String { text }
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
