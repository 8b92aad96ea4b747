import MarketModel

/// One request for level 1, read as its protocol is described: prices and sizes come separately,
/// and the size of a price comes twice. A price with both sizes is one value.
struct BrokerLevel1 {
    struct Value {
        var lane: BrokerLane.Kind
        var content: String
        var event: Range<Int64>?
        /// The print, without its symbol.
        var print: HistoryPrint?
    }

    private struct Side: Equatable {
        var price: String?
        var size = ""
    }

    /// Whether trades come as `RTVolume`. If not, they come as the last price.
    let isWithVolume: Bool
    private var bid = Side()
    private var ask = Side()
    private var last = Side()
    /// Whether the next size was already in the price.
    private var isLastSizeTold = false
    private var exchange = ""

    init(isWithVolume: Bool) { self.isWithVolume = isWithVolume }

    mutating func take(_ kind: String, _ fields: [String]) -> [Value] {
        switch kind {
        case "tickPrice": price(fields[0], fields[1], fields[2])
        case "tickSize": size(fields[0], fields[1])
        case "tickGeneric": number(fields[0], BrokerTruth.price(fields[1]))
        case "tickString": text(fields[0], fields[1])
        default: [Self.option(fields)]
        }
    }

    // MARK: prices and sizes

    private mutating func price(_ type: String, _ price: String, _ size: String) -> [Value] {
        let new = Side(price: price, size: size)
        switch type {
        case "1":
            guard bid != new else { return [] }
            bid = new
            return [quote]
        case "2":
            guard ask != new else { return [] }
            ask = new
            return [quote]
        case "4":
            let isFirst = last.price == nil
            last = new
            isLastSizeTold = true
            // The first trade is the last one before the request, in either mode.
            return isWithVolume && !isFirst ? [] : [trade(isState: isFirst)]
        default: return number(type, BrokerTruth.price(price))
        }
    }

    private mutating func size(_ type: String, _ size: String) -> [Value] {
        switch type {
        case "0":
            guard bid.size != size else { return [] }
            bid.size = size
            return bid.price == nil ? [] : [quote]
        case "3":
            guard ask.size != size else { return [] }
            ask.size = size
            return ask.price == nil ? [] : [quote]
        case "5":
            let isTold = isLastSizeTold && last.size == size
            last.size = size
            isLastSizeTold = false
            guard !isTold, !isWithVolume, last.price != nil else { return [] }
            return [trade(isState: false)]
        default:
            return number(type, BrokerTruth.size(size)).map { value in
                var value = value
                value.content = BrokerContent.number(
                    Self.names[type] ?? "?\(type)", Int128(BrokerTruth.size(size)) * 10)
                return value
            }
        }
    }

    private var quote: Value {
        func price(_ side: Side) -> Int64 {
            side.price.map { BrokerTruth.price($0) } ?? Price.undefined.raw
        }
        func size(_ side: Side) -> Int64 {
            side.price == nil ? Quantity.undefined.raw : BrokerTruth.size(side.size)
        }
        return Value(
            lane: .topOfBook,
            content: BrokerContent.quote(0, price(bid), price(ask), (size(bid), size(ask))))
    }

    private func trade(isState: Bool) -> Value {
        Value(
            lane: .printed,
            content: BrokerContent.trade(
                0, BrokerTruth.price(last.price ?? ""), BrokerTruth.size(last.size),
                [exchange, isState ? "state" : ""]))
    }

    // MARK: texts and numbers

    private mutating func text(_ type: String, _ text: String) -> [Value] {
        switch type {
        case "84":
            exchange = text
            return []
        case "48" where isWithVolume:
            let parts = text.split(separator: ";", omittingEmptySubsequences: false).map(
                String.init)
            // The volume of the day without a print.
            guard !parts[0].isEmpty else { return [] }
            let milliseconds = BrokerTruth.whole(parts[2])
            let time = milliseconds * 1_000_000
            let (price, size) = (BrokerTruth.price(parts[0]), BrokerTruth.size(parts[1]))
            return [
                Value(
                    lane: .printed,
                    content: BrokerContent.trade(time, price, size, ["", ""]),
                    event: time..<time + 1_000_000,
                    print: HistoryPrint(
                        symbol: "", second: milliseconds / 1_000, price: price, size: size))
            ]
        default: return []
        }
    }

    private func number(_ type: String, _ value: Int64) -> [Value] {
        [
            Value(
                lane: .indicators,
                content: BrokerContent.number(Self.names[type] ?? "?\(type)", Int128(value)))
        ]
    }

    /// Type, basis, volatility, delta, price, dividend, gamma, vega, theta, underlying.
    private static func option(_ fields: [String]) -> Value {
        let kinds = ["10": 1, "11": 2, "12": 3, "13": 4, "53": 5]
        func known(_ text: String, none: String) -> Int64 {
            text == none ? Price.undefined.raw : BrokerTruth.price(text)
        }
        let numbers = [
            known(fields[2], none: "-1"), known(fields[3], none: "-2"),
            known(fields[4], none: "-1"), known(fields[5], none: "-1"),
            known(fields[6], none: "-2"), known(fields[7], none: "-2"),
            known(fields[8], none: "-2"), known(fields[9], none: "-1"),
        ]
        return Value(
            lane: .options,
            content: BrokerContent.option(
                UInt8(kinds[fields[0]] ?? 0), fields[1] == "1" ? 2 : 1, numbers))
    }

    /// The tape's names of the numbers that the simulator sends.
    private static let names = [
        "6": "ib.high", "7": "ib.low", "8": "ib.volume", "9": "ib.close", "14": "ib.open",
        "15": "ib.low-13-weeks", "16": "ib.high-13-weeks", "17": "ib.low-26-weeks",
        "18": "ib.high-26-weeks", "19": "ib.low-52-weeks", "20": "ib.high-52-weeks",
        "21": "ib.average-volume", "23": "ib.option-historical-volatility",
        "24": "ib.option-implied-volatility", "27": "ib.call-open-interest",
        "28": "ib.put-open-interest", "29": "ib.call-volume", "30": "ib.put-volume",
        "31": "ib.index-future-premium", "34": "ib.auction-volume", "35": "ib.auction-price",
        "36": "ib.auction-imbalance", "37": "ib.mark-price", "46": "ib.shortable",
        "49": "ib.halted", "54": "ib.trade-count", "55": "ib.trade-rate",
        "56": "ib.volume-rate", "57": "ib.last-regular-trade",
        "58": "ib.real-time-volatility", "61": "ib.regulatory-imbalance",
        "63": "ib.volume-3-minutes", "64": "ib.volume-5-minutes", "65": "ib.volume-10-minutes",
        "86": "ib.futures-open-interest", "87": "ib.average-option-volume",
        "89": "ib.shortable-shares",
    ]
}
