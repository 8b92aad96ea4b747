import Primitives

/// The messages of a server, written by hand.
struct ServerMessages {
    let version: Int
    var isDelayed = false

    /// A size of a hundred: old servers count stocks in hundreds.
    var hundred: String { version < 159 ? "1" : "100" }
    private var hundredOfHistory: String { version < 175 ? "1" : "100" }

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

    var greeting: [UInt8] { Self.frame(["\(version)", "20260105 09:30:00 EST"]) }

    func notice(_ request: Int32, _ code: Int, _ text: String) -> [UInt8] {
        Self.frame(["4", "2", "\(request)", "\(code)", text] + (version < 166 ? [] : [""]))
    }

    // MARK: events, by the subscription that reports them

    func trade(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        Self.frame([
            "99", "\(request)", "1", "\(trade.time / second)", trade.priceText, hundred, "0",
            "ARCA", "T",
        ])
    }

    func quote(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        let bid = trade.number + 1
        return Self.frame([
            "99", "\(request)", "3", "\(trade.time / second)", "\(bid)", "\(bid + 1)", "300",
            "400", "0",
        ])
    }

    func midpoint(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        Self.frame(["99", "\(request)", "4", "\(trade.time / second)", "\(trade.number + 1)"])
    }

    /// `isReported`: as the value that has reported prints only.
    func volume(
        _ request: Int32, _ trade: WorldTrade, isReported: Bool = false
    ) -> [UInt8] {
        let time = trade.time / 1_000_000
        return Self.frame([
            "46", "6", "\(request)", isReported ? "77" : "48",
            "\(trade.priceText);\(hundred);\(time);5000;10.5;true",
        ])
    }

    /// The trade in both values, in one order or the other.
    func volumes(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        let isFirst = trade.number % 2 == 0
        return volume(request, trade, isReported: isFirst)
            + volume(request, trade, isReported: !isFirst)
    }

    /// A bid, with its size, which a server reports a second time.
    func bid(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        let (price, size) = isDelayed ? ("66", "69") : ("1", "0")
        return Self.frame(["1", "6", "\(request)", price, "\(trade.number + 1)", hundred, "0"])
            + Self.frame(["2", "6", "\(request)", size, hundred])
    }

    func last(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        let (price, size) = isDelayed ? ("68", "71") : ("4", "5")
        return Self.frame(["1", "6", "\(request)", price, trade.priceText, hundred, "0"])
            + Self.frame(["2", "6", "\(request)", size, hundred])
    }

    /// The day's volume; old servers report it in hundreds.
    func dayVolume(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        Self.frame(["2", "6", "\(request)", "8", "\(trade.number + 1)"])
    }

    func computation(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        Self.frame([
            "21", "\(request)", "13", "0", "0.2", "0.5", "1.5", "0", "0.1", "0.1", "-0.1",
            "\(trade.number + 1)",
        ])
    }

    func news(_ request: Int32, _ trade: WorldTrade) -> [UInt8] {
        Self.frame([
            "84", "\(request)", "\(trade.time / 1_000_000)", "BRFG", "N\(trade.number)", "Words",
            "",
        ])
    }

    /// The same headline, as history reports it.
    func headline(_ request: String, _ trade: WorldTrade) -> [UInt8] {
        let clock = [Int64(3_600), 60, 1].map { unit in
            let value = (trade.time / second - World.dayStart) / unit % (unit == 3_600 ? 24 : 60)
            return value < 10 ? "0\(value)" : "\(value)"
        }
        return Self.frame([
            "86", request, "2026-01-05 \(clock.joined(separator: ":")).0", "BRFG",
            "N\(trade.number)", "Words",
        ])
    }

    func row(
        _ request: Int32, _ row: MarketBook.Row, operation: Int, isSmart: Bool
    ) -> [UInt8] {
        let tail = ["\(operation)", "\(row.side)", "10", "\(row.number + 1)"]
        return isSmart
            ? Self.frame(["13", "1", "\(request)", "\(row.position)", "ARCA"] + tail + ["1"])
            : Self.frame(["12", "1", "\(request)", "\(row.position)"] + tail)
    }

    func bar(_ request: Int32, _ bar: WorldTrade) -> [UInt8] {
        let open = "\(bar.number * 5)"
        return Self.frame([
            "50", "3", "\(request)", open, "10", "11", "9", "10", hundred, "10", "3",
        ])
    }

    func bulletin(_ number: Int) -> [UInt8] {
        Self.frame(["14", "1", "\(number)", "1", "Bulletin \(number)", "NYSE"])
    }

    // MARK: answers

    func mode(_ request: Int32) -> [UInt8] { mode(request, isDelayed: isDelayed) }

    func mode(_ request: Int32, isDelayed: Bool) -> [UInt8] {
        mode(request, isDelayed ? "3" : "1")
    }

    func mode(_ request: Int32, _ mode: String) -> [UInt8] {
        Self.frame(["58", "1", "\(request)", mode])
    }

    func reroute(_ request: Int32, isDepth: Bool, to contract: Int) -> [UInt8] {
        Self.frame([isDepth ? "92" : "91", "\(request)", "\(contract)", "SMART"])
    }

    func details(_ request: Int32, _ symbol: String, contract: Int) -> [UInt8] {
        let isOld = version < 164
        let sizes = isOld ? (version == 163 ? ["1"] : []) : ["1", "1", "100"]
        return Self.frame(
            ["10"] + (isOld ? ["8"] : []) + ["\(request)", symbol, "STK", ""]
                + (version < 182 ? [] : [""]) + [
                    "0", "", "SMART", "USD", symbol, "NMS", "NMS", "\(contract)", "0.01",
                ] + (isOld ? ["100"] : []) + [
                    "", "ACTIVETIM", "SMART,ARCA", "1", "0", "A fund", "ARCA", "", "", "", "", "",
                    "", "", "", "0", "0", "1", "", "", "26", "", "ETF",
                ] + sizes + (version < 186 ? [] : ["0"]))
    }

    func detailsEnd(_ request: Int32) -> [UInt8] { Self.frame(["52", "1", "\(request)"]) }

    func fundamentals(_ request: Int32) -> [UInt8] {
        Self.frame(["51", "1", "\(request)", "<Report>\(request)</Report>"])
    }

    func history(_ request: Int32, _ trades: [WorldTrade]) -> [UInt8] {
        Self.frame(
            ["98", "\(request)", "\(trades.count)"]
                + trades.flatMap {
                    ["\($0.time / second)", "0", $0.priceText, hundredOfHistory, "ARCA", "T"]
                } + ["1"])
    }

    /// The same quotes as those that come tick by tick.
    func quoteHistory(_ request: Int32, _ trades: [WorldTrade]) -> [UInt8] {
        let hundreds = version < 159 || version >= 175 ? "00" : ""
        return Self.frame(
            ["97", "\(request)", "\(trades.count)"]
                + trades.flatMap {
                    [
                        "\($0.time / second)", "0", "\($0.number + 1)", "\($0.number + 2)",
                        "3\(hundreds)", "4\(hundreds)",
                    ]
                } + ["1"])
    }

    /// `dates` are days, or seconds since 1970.
    func bars(_ request: Int32, _ dates: [String]) -> [UInt8] {
        Self.frame(
            ["17", "\(request)", "", "", "\(dates.count)"]
                + dates.flatMap {
                    [$0, "10", "11", "9", "10", hundredOfHistory, "10", "3"]
                })
    }
}

let second: Int64 = 1_000_000_000

/// An event of the market, with a number that no other event has. A bar of five seconds is one as
/// well: its number counts such bars since 1970, and its time is its close.
struct WorldTrade: Hashable {
    var instrument: Int
    var number: Int
    /// Nanoseconds since 1970.
    var time: Int64

    /// The price: 1.00 and a cent for each number.
    var priceText: String {
        let cents = String(number % 100)
        return "\(1 + number / 100).\(cents.utf8.count < 2 ? "0" : "")\(cents)"
    }

    static func number(ofPrice raw: Int64) -> Int { Int(raw / 10_000_000) - 100 }

    /// Every fifth event is news.
    var isNews: Bool { number % 5 == 0 }
}

/// A book of three rows on each side. An event changes one row.
struct MarketBook {
    struct Row: Hashable {
        var side: Int
        var position: Int
        /// The number of the event that changed it last.
        var number: Int
    }

    private(set) var rows: [Row] = (0..<6).map { Row(side: $0 % 2, position: $0 / 2, number: 0) }

    mutating func happened(_ trade: WorldTrade) -> Row {
        rows[trade.number % 6].number = trade.number
        return rows[trade.number % 6]
    }
}

/// Reads requests as fields of text.
struct RequestFieldReader {
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
