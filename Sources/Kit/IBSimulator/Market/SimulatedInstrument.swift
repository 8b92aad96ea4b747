internal import Primitives

/// An instrument, and the format of its numbers.
public struct SimulatedInstrument: Equatable, Sendable {
    /// The clients that may see its data.
    public enum Permission: String, Sendable {
        case live
        /// Delayed data, only for clients that request them.
        case delayed
        /// Delayed data, even for clients that request live ones.
        case delayedAnyway = "delayed-anyway"
        case none
    }

    public struct Exchange: Sendable {
        public let name, letter: String
    }

    /// The exchanges of trades and quotes.
    public static let exchanges = [
        Exchange(name: "NYSE", letter: "N"), Exchange(name: "ARCA", letter: "P"),
        Exchange(name: "ISLAND", letter: "Q"), Exchange(name: "BATS", letter: "Z"),
        Exchange(name: "IEX", letter: "V"), Exchange(name: "FINRA", letter: "D"),
    ]

    public var conID: Int32
    public var symbol: String
    public var securityType = "STK"
    public var expiry = ""
    public var strike = "0"
    public var right = ""
    public var multiplier = ""
    public var exchange = "SMART"
    public var primaryExchange = "ARCA"
    public var currency = "USD"
    public var localSymbol: String
    public var tradingClass: String
    public var marketName: String
    public var longName: String
    public var industry = ""
    public var stockType = ""
    public var isin = ""
    public var underlyingSymbol = ""
    public var underlyingConID: Int32 = 0
    public var permission = Permission.live
    /// True if the data come from its underlying (a CFD).
    public var isRerouted = false

    /// Prices are integers in units of `10^-priceDecimals`. The least change is `step` of these
    /// units.
    public var priceDecimals = 2
    public var step: Int64 = 1
    /// In steps.
    public var basePrice: Int64
    public var sizeDecimals = 0

    public init(conID: Int32, symbol: String, basePrice: Int64) {
        self.conID = conID
        self.symbol = symbol
        localSymbol = symbol
        tradingClass = symbol
        marketName = symbol
        longName = "\(symbol) made up"
        self.basePrice = basePrice
    }

    public var validExchanges: String {
        exchange == "SMART" ? "SMART,NYSE,ARCA,ISLAND,BATS,IEX" : exchange
    }

    public var minTick: String { priceText(1) }

    /// Formats a number of steps as a price.
    public func priceText(_ steps: Int64) -> String {
        FixedPoint.text(Int128(steps) * Int128(step), decimals: priceDecimals)
    }

    /// Formats a sum or middle of two prices, given doubled. One decimal more makes it exact.
    func halfPriceText(_ doubled: Int64) -> String {
        FixedPoint.text(Int128(doubled) * Int128(step) * 5, decimals: priceDecimals + 1)
    }

    public func sizeText(_ units: Int64) -> String {
        FixedPoint.text(units, decimals: sizeDecimals)
    }

    /// Formats a size. Old versions counted stocks in hundreds; fractions came with version 163.
    func sizeText(_ units: Int64, version: Int32, isPast: Bool) -> String {
        if securityType == "STK", version < (isPast ? 175 : 159) { return String(units / 100) }
        guard version < 163, sizeDecimals > 0 else { return sizeText(units) }
        return FixedPoint.text(units, decimals: sizeDecimals).split(separator: ".").first
            .map(String.init) ?? "0"
    }

    /// Returns whether a client's contract describes this instrument.
    func matches(_ wanted: RequestedContract) -> Bool {
        if wanted.conID != 0 { return wanted.conID == conID }
        func agrees(_ given: String, _ own: String) -> Bool { given.isEmpty || given == own }
        let isNamed =
            wanted.symbol == symbol
            || (wanted.symbol.isEmpty && !wanted.localSymbol.isEmpty
                && wanted.localSymbol == localSymbol)
        let right = wanted.right == "C" || wanted.right == "CALL" ? "C" : wanted.right
        return isNamed && wanted.securityType == securityType
            && agrees(wanted.currency, currency)
            && (wanted.expiry.isEmpty || expiry.hasPrefix(wanted.expiry))
            && (wanted.strike.map { Double($0) == Double(strike) } ?? true)
            && (agrees(right, self.right) || wanted.right == "PUT" && self.right == "P")
            && agrees(wanted.localSymbol, localSymbol)
            && agrees(wanted.tradingClass, tradingClass)
            && isTraded(on: wanted.exchange)
    }

    private func isTraded(on wanted: String) -> Bool {
        wanted.isEmpty || validExchanges.split(separator: ",").contains { $0 == wanted }
    }
}
