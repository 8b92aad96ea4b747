internal import MarketModel
internal import Primitives

/// A question which of some symbols the exchange has, and what it says of them.
package struct BinanceLookUp: Hashable, Sendable {
    /// The most symbols of one question.
    package static let countMax = 100

    package let number: UInt64
    package let symbols: [String]
}

/// What the exchange says of a symbol.
struct BinanceSymbolFacts: Equatable, Sendable {
    /// `TRADING`, or another word while nothing trades.
    var status: String
    /// The largest numbers of its trades that do not fit the tape, in words; empty: all fit.
    var misfit: String
}

/// Reads the exchange's list of symbols.
enum BinanceSymbolList {
    /// Returns the facts by symbol; `nil`: it is no such list.
    static func read(_ bytes: [UInt8]) -> [String: BinanceSymbolFacts]? {
        let list: [JSONValue]?
        do throws(JSONError) {
            list = try JSONValue.parse(bytes)["symbols"]?.array
        } catch {
            return nil
        }
        guard let list else { return nil }
        var facts: [String: BinanceSymbolFacts] = [:]
        for item in list {
            guard let name = item["symbol"]?.string, let status = item["status"]?.string
            else { return nil }
            facts[name] = BinanceSymbolFacts(
                status: String(status.prefix(32)), misfit: misfit(item["filters"]?.array ?? []))
        }
        return facts
    }

    /// The limits say which numbers may come: the largest ones, and the steps between them.
    private static func misfit(_ filters: [JSONValue]) -> String {
        func number(_ filter: String, _ key: String) -> String? {
            filters.first { $0["filterType"]?.string == filter }?[key]?.string
        }
        let sizes = ["maxQty", "stepSize"].compactMap { number("LOT_SIZE", $0) }
            .filter { !fits($0, decimals: Quantity.decimals) }
        let prices = ["maxPrice", "tickSize"].compactMap { number("PRICE_FILTER", $0) }
            .filter { !fits($0, decimals: Price.decimals) }
        return
            (sizes.map { "a size of \($0.prefix(40))" }
            + prices.map { "a price of \($0.prefix(40))" })
            .joined(separator: ", ")
    }

    private static func fits(_ text: String, decimals: Int) -> Bool {
        do throws(FixedPoint.ParseError) {
            _ = try FixedPoint.parse(text, decimals: decimals)
            return true
        } catch {
            // What is no number says nothing.
            return error == .notANumber
        }
    }
}
