public import MarketModel

/// The kind of an instrument, in the vendor's letters. Kinds that are not listed here can be used
/// as well.
public struct SecurityKind: Hashable, Sendable, CustomStringConvertible {
    public let text: String
    public init(_ text: String) { self.text = text }

    public static let stock = SecurityKind("STK")
    public static let option = SecurityKind("OPT")
    public static let future = SecurityKind("FUT")
    public static let futureOption = SecurityKind("FOP")
    public static let forex = SecurityKind("CASH")
    public static let crypto = SecurityKind("CRYPTO")
    public static let index = SecurityKind("IND")
    public static let cfd = SecurityKind("CFD")
    public static let bond = SecurityKind("BOND")
    public static let commodity = SecurityKind("CMDTY")
    public static let fund = SecurityKind("FUND")
    public static let combination = SecurityKind("BAG")

    public var description: String { text }
}

/// A part of a combination.
public struct ContractLeg: Hashable, Sendable {
    public var contract: Int32
    public var ratio: Int32
    /// `BUY` or `SELL`.
    public var action: String
    public var exchange: String

    public init(contract: Int32, ratio: Int32, action: String, exchange: String) {
        self.contract = contract
        self.ratio = ratio
        self.action = action
        self.exchange = exchange
    }
}

/// The contract whose data are requested. It is identified by the provider's id, or by as many of
/// the other fields as are unique.
public struct Contract: Hashable, Sendable {
    /// 0: unknown.
    public var id: Int32 = 0
    public var symbol = ""
    public var kind = SecurityKind("")
    /// `yyyymmdd` or `yyyymm`.
    public var lastTradeDate = ""
    public var strike = Price.undefined
    /// `C` or `P`.
    public var right = ""
    public var multiplier = ""
    public var exchange = ""
    public var primaryExchange = ""
    public var currency = ""
    public var localSymbol = ""
    public var tradingClass = ""
    /// The parts of a combination.
    public var legs: [ContractLeg] = []

    public init() {}

    public init(
        _ kind: SecurityKind, _ symbol: String, exchange: String = "SMART", currency: String = "USD"
    ) {
        self.kind = kind
        self.symbol = symbol
        self.exchange = exchange
        self.currency = currency
    }
}

/// An option of a request. The vendor defines the tags.
public struct TagValue: Hashable, Sendable {
    public var tag: String
    public var value: String

    public init(_ tag: String, _ value: String) {
        self.tag = tag
        self.value = value
    }
}
