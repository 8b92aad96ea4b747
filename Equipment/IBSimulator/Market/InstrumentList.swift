/// The instruments of a market: stocks by name, synthetic stocks by number, and one of every other
/// kind.
package enum InstrumentList {
    package static let defaultSymbols = [
        "SPY", "QQQ", "IWM", "DIA", "XLK", "XLV", "XLF", "XLY", "XLI", "XLP", "XLE", "XLB",
        "XLRE", "XLU", "XLC",
    ]

    /// The first contract id. Those of stocks follow from their index.
    private static let firstConID: Int32 = 756_733

    /// `others` adds an option, a future, a currency pair, a coin, a bond, a fund and a CFD.
    package static func make(
        symbols: [String], madeUp: Int = 0, others: Bool = true
    ) -> [SimulatedInstrument] {
        let names = symbols + (0..<madeUp).map { "SIM\($0)" }
        var list = names.enumerated().map { index, name in
            stock(name, conID: firstConID + Int32(index))
        }
        if others, let first = list.first { list += otherKinds(underlying: first) }
        return list
    }

    private static func stock(_ symbol: String, conID: Int32) -> SimulatedInstrument {
        let base = 2_000 + Int64(symbol.utf8.reduce(7) { ($0 &* 31 &+ UInt32($1)) % 48_000 })
        var stock = SimulatedInstrument(conID: conID, symbol: symbol, basePrice: base)
        stock.stockType = "ETF"
        stock.industry = "Funds"
        stock.isin = "US\(conID)0007"
        stock.longName = "\(symbol) made up"
        return stock
    }

    private static func otherKinds(
        underlying: SimulatedInstrument
    ) -> [SimulatedInstrument] {
        [
            option(on: underlying), future(), pair(), coin(), bond(), fund(),
            difference(underlying),
        ]
    }

    private static func option(on stock: SimulatedInstrument) -> SimulatedInstrument {
        var option = SimulatedInstrument(conID: 700_001, symbol: stock.symbol, basePrice: 1_250)
        option.securityType = "OPT"
        option.expiry = "20281215"
        option.strike = "500"
        option.right = "C"
        option.multiplier = "100"
        option.localSymbol = "\(stock.symbol)   281215C00500000"
        option.underlyingSymbol = stock.symbol
        option.underlyingConID = stock.conID
        option.longName = stock.longName
        return option
    }

    private static func future() -> SimulatedInstrument {
        var future = SimulatedInstrument(conID: 700_002, symbol: "ES", basePrice: 24_000)
        future.securityType = "FUT"
        future.expiry = "20281215"
        future.multiplier = "50"
        future.exchange = "CME"
        future.primaryExchange = ""
        future.localSymbol = "ESZ8"
        future.step = 25
        future.longName = "E-mini made up"
        return future
    }

    private static func pair() -> SimulatedInstrument {
        var pair = SimulatedInstrument(conID: 700_003, symbol: "EUR", basePrice: 22_000)
        pair.securityType = "CASH"
        pair.exchange = "IDEALPRO"
        pair.primaryExchange = ""
        pair.localSymbol = "EUR.USD"
        pair.tradingClass = "EUR.USD"
        pair.priceDecimals = 5
        pair.step = 5
        pair.longName = "Européan euro"
        return pair
    }

    private static func coin() -> SimulatedInstrument {
        var coin = SimulatedInstrument(conID: 700_004, symbol: "BTC", basePrice: 260_000)
        coin.securityType = "CRYPTO"
        coin.exchange = "PAXOS"
        coin.primaryExchange = ""
        coin.localSymbol = "BTC.USD"
        coin.step = 25
        coin.sizeDecimals = 8
        coin.longName = "Bitcoin made up"
        return coin
    }

    private static func bond() -> SimulatedInstrument {
        var bond = SimulatedInstrument(conID: 700_005, symbol: "IBCID", basePrice: 99_125)
        bond.securityType = "BOND"
        bond.expiry = "20281115"
        bond.priceDecimals = 3
        bond.longName = "A bond made up"
        return bond
    }

    private static func fund() -> SimulatedInstrument {
        var fund = SimulatedInstrument(conID: 700_006, symbol: "SIMFX", basePrice: 3_210)
        fund.securityType = "FUND"
        fund.exchange = "FUNDSERV"
        fund.primaryExchange = ""
        return fund
    }

    private static func difference(_ stock: SimulatedInstrument) -> SimulatedInstrument {
        var difference = SimulatedInstrument(
            conID: 700_007, symbol: stock.symbol, basePrice: stock.basePrice)
        difference.securityType = "CFD"
        difference.underlyingConID = stock.conID
        difference.underlyingSymbol = stock.symbol
        difference.isRerouted = true
        return difference
    }
}
