internal import Primitives

/// An instrument, and the format of its numbers.
package struct SimulatedInstrument: Equatable, Sendable {
    /// The clients that may see its data.
    package enum Permission: String, Sendable {
        case live
        /// Delayed data, only for clients that request them.
        case delayed
        /// Delayed data, even for clients that request live ones.
        case delayedAnyway = "delayed-anyway"
        case none
    }

    package struct Exchange: Sendable {
        package let name, letter: String
    }

    /// The exchanges of trades and quotes.
    package static let exchanges = [
        Exchange(name: "NYSE", letter: "N"), Exchange(name: "ARCA", letter: "P"),
        Exchange(name: "ISLAND", letter: "Q"), Exchange(name: "BATS", letter: "Z"),
        Exchange(name: "IEX", letter: "V"), Exchange(name: "FINRA", letter: "D"),
    ]

    package var conID: Int32
    package var symbol: String
    package var securityType = "STK"
    package var expiry = ""
    package var strike = "0"
    package var right = ""
    package var multiplier = ""
    package var exchange = "SMART"
    package var primaryExchange = "ARCA"
    package var currency = "USD"
    package var localSymbol: String
    package var tradingClass: String
    package var marketName: String
    package var longName: String
    package var industry = ""
    package var stockType = ""
    package var isin = ""
    package var underlyingSymbol = ""
    package var underlyingConID: Int32 = 0
    package var permission = Permission.live
    /// True if the data come from its underlying (a CFD).
    package var isRerouted = false

    /// Prices are integers in units of `10^-priceDecimals`. The least change is `step` of these
    /// units.
    package var priceDecimals = 2
    package var step: Int64 = 1
    /// In steps.
    package var basePrice: Int64
    package var sizeDecimals = 0
    /// Live sizes are sent in lots.
    var countsLots = false

    package init(conID: Int32, symbol: String, basePrice: Int64) {
        self.conID = conID
        self.symbol = symbol
        localSymbol = symbol
        tradingClass = symbol
        marketName = symbol
        longName = "\(symbol) made up"
        self.basePrice = basePrice
    }

    package var validExchanges: String {
        exchange == "SMART" ? "SMART,NYSE,ARCA,ISLAND,BATS,IEX" : exchange
    }

    package var minTick: String { priceText(1) }

    /// Formats a number of steps as a price.
    package func priceText(_ steps: Int64) -> String {
        FixedPoint.text(Int128(steps) * Int128(step), decimals: priceDecimals)
    }

    /// Formats a sum or middle of two prices, given doubled. One decimal more makes it exact.
    func halfPriceText(_ doubled: Int64) -> String {
        FixedPoint.text(Int128(doubled) * Int128(step) * 5, decimals: priceDecimals + 1)
    }

    package func sizeText(_ units: Int64) -> String {
        FixedPoint.text(units, decimals: sizeDecimals)
    }

    /// Formats a size. Old versions counted stocks in hundreds; fractions came with version 163.
    func sizeText(_ units: Int64, version: Int32, isPast: Bool) -> String {
        let isInLots = version < (isPast ? 175 : 159) || !isPast && countsLots
        if securityType == "STK", isInLots { return String(units / 100) }
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
