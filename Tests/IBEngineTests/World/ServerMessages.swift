import Primitives

/// Messages of a server of version 176, written by hand.
enum ServerMessages {
    static let version = "176"

    static func frame(_ fields: [String]) -> [UInt8] {
        var body: [UInt8] = []
        for field in fields {
            body += Array(field.utf8)
            body.append(0)
        }
        return prefix(body.count) + body
    }

    private static func prefix(_ count: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
    }

    static let greeting = frame([version, "20260105 09:30:00 EST"])

    static func notice(_ request: Int32, _ code: Int, _ text: String) -> [UInt8] {
        frame(["4", "2", "\(request)", "\(code)", text, ""])
    }

    static func trade(_ request: Int32, _ trade: MarketTrade) -> [UInt8] {
        frame([
            "99", "\(request)", "1", "\(trade.time / second)", trade.priceText, "100", "0", "ARCA",
            "T",
        ])
    }

    static func quote(_ request: Int32, at time: Int64, bid: Int) -> [UInt8] {
        frame([
            "99", "\(request)", "3", "\(time / second)", "\(bid)", "\(bid + 1)", "300", "400",
            "0",
        ])
    }

    static func volume(_ request: Int32, _ trade: MarketTrade) -> [UInt8] {
        let time = trade.time / 1_000_000
        return frame([
            "46", "6", "\(request)", "48", "\(trade.priceText);100;\(time);5000;10.5;true",
        ])
    }

    static func bid(_ request: Int32, _ price: Int) -> [UInt8] {
        frame(["1", "6", "\(request)", "1", "\(price)", "100", "0"])
    }

    static func mode(_ request: Int32, _ mode: Int) -> [UInt8] {
        frame(["58", "1", "\(request)", "\(mode)"])
    }

    static func details(_ request: Int32, _ symbol: String, zone: String, hours: String)
        -> [UInt8]
    {
        frame([
            "10", "\(request)", symbol, "STK", "", "0", "", "SMART", "USD", symbol, "NMS", "NMS",
            "7\(symbol.utf8.count)", "0.01", "", "ACTIVETIM", "SMART,ARCA", "1", "0", "A fund",
            "ARCA", "", "", "", "", zone, hours, hours, "", "0", "0", "1", "", "", "26", "", "ETF",
            "1", "1", "100",
        ])
    }

    static func detailsEnd(_ request: Int32) -> [UInt8] { frame(["52", "1", "\(request)"]) }

    static func history(_ request: Int32, _ trades: [MarketTrade]) -> [UInt8] {
        frame(
            ["98", "\(request)", "\(trades.count)"]
                + trades.flatMap {
                    ["\($0.time / second)", "0", $0.priceText, "100", "ARCA", "T"]
                } + ["1"])
    }
}

let second: Int64 = 1_000_000_000

/// Something that happened, with a price that no other one has.
struct MarketTrade: Hashable {
    var instrument: Int
    var number: Int
    /// Nanoseconds since 1970.
    var time: Int64

    /// From 1.00 on, by cents.
    var priceText: String {
        let cents = String(number % 100)
        return "\(1 + number / 100).\(cents.utf8.count < 2 ? "0" : "")\(cents)"
    }

    static func number(ofPrice raw: Int64) -> Int { Int(raw / 10_000_000) - 100 }
}

/// Requests as fields of text.
struct RequestReader {
    private var bytes: [UInt8] = []
    private var hasOpening = false

    mutating func append(_ more: [UInt8]) { bytes += more }

    mutating func next() -> [String]? {
        if !hasOpening {
            guard bytes.count >= 4 else { return nil }
            bytes.removeFirst(4)
            hasOpening = true
        }
        guard bytes.count >= 4 else { return nil }
        let count = bytes[0..<4].reduce(0) { $0 << 8 | Int($1) }
        guard bytes.count >= 4 + count else { return nil }
        let body = bytes[4..<4 + count]
        bytes.removeFirst(4 + count)
        return body.split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
