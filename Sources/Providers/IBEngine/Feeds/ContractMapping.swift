internal import IBProtocol
internal import MarketModel

extension Contract {
    /// Describes an instrument in the way in which the provider has to be asked for it.
    init(_ instrument: Instrument) {
        let wanted = instrument.contract
        let kind = SecurityKind(wanted.security)
        let isNumbered = wanted.providerID != 0
        // Each of these names the contract alone. Our symbol beside it would have to be the
        // provider's as well: with another symbol the provider finds no such contract.
        let isNamed = isNumbered || !wanted.localSymbol.isEmpty || !wanted.providerSymbol.isEmpty
        self.init(
            kind, isNamed ? wanted.providerSymbol : instrument.symbol.text,
            exchange: wanted.exchange.isEmpty ? kind.usualExchange : wanted.exchange,
            currency: wanted.currency.isEmpty && !isNumbered ? "USD" : wanted.currency)
        id = wanted.providerID
        primaryExchange = wanted.primaryExchange
        localSymbol = wanted.localSymbol
        tradingClass = wanted.tradingClass
        lastTradeDate = wanted.expiry
        strike = wanted.strike
        multiplier = wanted.multiplier
        right = wanted.right.map { $0 == .call ? "C" : "P" } ?? ""
    }
}

extension SecurityKind {
    init(_ security: Instrument.Security) {
        switch security {
        case .stock: self = .stock
        case .option: self = .option
        case .future: self = .future
        case .futureOption: self = .futureOption
        case .forex: self = .forex
        case .crypto: self = .crypto
        case .index: self = .index
        case .cfd: self = .cfd
        case .bond: self = .bond
        case .commodity: self = .commodity
        }
    }

    /// The exchange of an instrument that names none.
    var usualExchange: String {
        switch self {
        case .forex: "IDEALPRO"
        case .crypto: "PAXOS"
        default: "SMART"
        }
    }

    /// Its trades come tick by tick, and by `RTVolume`.
    var hasTrades: Bool {
        self == .stock || self == .option || self == .future || self == .futureOption
    }

    /// Its last price is reported. The other kinds have bids and asks only.
    var hasLast: Bool { ![.forex, .cfd, .commodity].contains(self) }

    /// The kind of history that has its trades; `nil` where there are none.
    var tradeHistory: HistoryKind? {
        guard hasLast else { return nil }
        return self == .crypto ? .aggregatedTrades : .trades
    }

    /// Whether it has bids and asks. An index is computed and has none.
    var hasQuotes: Bool { self != .index }

    /// The data from which its bars are made.
    var barKind: HistoryKind { hasTrades || self == .index ? .trades : .midpoint }

    /// The further values that a recorder requests with level 1.
    var genericTicks: [String] {
        switch self {
        case .stock:
            ["165", "221", "225", "233", "236", "293", "294", "295", "318", "375", "411", "595"]
        case .option, .futureOption: ["100", "101", "104", "106", "221", "233", "375"]
        case .future: ["221", "225", "233", "375", "588"]
        case .index: ["104", "106", "162"]
        default: []
        }
    }
}
