import MarketModel

/// The instruments of the long run: all kinds of data and contracts, in both modes and mixed.
enum BrokerInstruments {
    struct Entry {
        /// The symbol on the tape.
        let symbol: String
        /// The broker's number of the contract.
        let contract: Int32
        let feeds: Instrument.Feeds
        /// The entry as it is in the list, without the symbol and the feeds.
        let rest: String

        init(
            _ symbol: String, _ contract: Int32, _ feeds: Instrument.Feeds, _ rest: String = ""
        ) {
            (self.symbol, self.contract) = (symbol, contract)
            (self.feeds, self.rest) = (feeds, rest)
        }
    }

    static let stocks = ["SPY", "QQQ", "IWM", "DIA", "XLK", "XLF", "XLE", "XLV"]
    private static let firstStock: Int32 = 756_733

    static let all: [Entry] = [
        Entry("SPY", firstStock, [.level1, .bars, .news]),
        Entry("QQQ", firstStock + 1, [.bars]),
        Entry("IWM", firstStock + 2, [.allTrades, .quotes, .midpoints]),
        Entry("DIA", firstStock + 3, [.level1, .allTrades]),
        Entry("XLK", firstStock + 4, [.trades, .depth, .fundamentals], ", depth_exchange: ARCA"),
        Entry("XLF", firstStock + 5, [.smartDepth]),
        Entry("XLE", firstStock + 6, [.level1, .quotes]),
        Entry("XLV", firstStock + 7, [.news]),
        Entry(
            "SPY C500", 700_001, [.level1, .computations],
            ", security: option, provider_symbol: SPY, expiry: 20281215, strike: 500, right: call"
        ),
        Entry("ES Z8", 700_002, [.trades], ", security: future, local_symbol: ESZ8, exchange: CME"),
        Entry("EUR/USD", 700_003, [.quotes, .midpoints], ", security: forex, exchange: IDEALPRO"),
        Entry("BTC/USD", 700_004, [.level1], ", security: crypto, exchange: PAXOS"),
    ]

    static var names: [Int32: String] {
        Dictionary(uniqueKeysWithValues: all.map { ($0.contract, $0.symbol) })
    }

    static var feeds: [String: Instrument.Feeds] {
        Dictionary(uniqueKeysWithValues: all.map { ($0.symbol, $0.feeds) })
    }

    private static let feedNames: [(String, Instrument.Feeds)] = [
        ("quotes", .level1), ("bars", .bars), ("trades", .trades), ("all-trades", .allTrades),
        ("bid-ask", .quotes), ("midpoints", .midpoints), ("depth", .depth),
        ("smart-depth", .smartDepth), ("computations", .computations), ("news", .news),
        ("fundamentals", .fundamentals),
    ]

    /// Returns the list as a user writes it, with these symbols only; empty: all.
    static func file(_ symbols: [String] = []) -> String {
        let wanted = all.filter { symbols.isEmpty || symbols.contains($0.symbol) }
        let lines = wanted.map { entry in
            let names = feedNames.filter { entry.feeds.contains($0.1) }.map(\.0)
            let feeds = names.joined(separator: ", ")
            return "  - {symbol: \(entry.symbol)\(entry.rest), feeds: [\(feeds)]}"
        }
        let head = ["version: 1", "defaults: {exchange: SMART, currency: USD}", "instruments:"]
        return (head + lines).joined(separator: "\n") + "\n"
    }
}
