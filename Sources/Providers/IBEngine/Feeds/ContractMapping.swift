internal import IBProtocol
internal import MarketModel

extension Contract {
    /// An instrument as the provider has to be asked for it.
    init(_ instrument: Instrument) {
        let wanted = instrument.contract
        let kind = SecurityKind(wanted.security)
        let isNumbered = wanted.providerID != 0
        // Each names the contract by itself. Our symbol beside it would have to be the provider's,
        // too: with another one there is no such contract.
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

    /// Where it is asked for when nobody said where.
    var usualExchange: String {
        switch self {
        case .forex: "IDEALPRO"
        case .crypto: "PAXOS"
        default: "SMART"
        }
    }

    /// Its trades are told one by one, by `RTVolume` too.
    var hasTrades: Bool {
        self == .stock || self == .option || self == .future || self == .futureOption
    }

    /// Its last price is told; of the others there are bids and asks alone.
    var hasLast: Bool { ![.forex, .cfd, .commodity].contains(self) }

    /// As what its trades are told by history; nil where there are none.
    var tradeHistory: HistoryKind? {
        guard hasLast else { return nil }
        return self == .crypto ? .aggregatedTrades : .trades
    }

    /// An index is computed: nobody bids for it.
    var hasQuotes: Bool { self != .index }

    /// What its bars are made of.
    var barKind: HistoryKind { hasTrades || self == .index ? .trades : .midpoint }

    /// The further values that a recorder wants of level 1.
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
