internal import Primitives

/// One subscription of reqMktData.
struct Level1Feed: Sendable {
    /// The tick types of live and of delayed data for the same value.
    private struct Types {
        var bid, ask, last, bidSize, askSize, lastSize, high, low, volume, close, open: Int32
        var time, halted: Int32

        static let live = Types(
            bid: 1, ask: 2, last: 4, bidSize: 0, askSize: 3, lastSize: 5, high: 6, low: 7,
            volume: 8, close: 9, open: 14, time: 45, halted: 49)
        static let delayed = Types(
            bid: 66, ask: 67, last: 68, bidSize: 69, askSize: 70, lastSize: 71, high: 72, low: 73,
            volume: 74, close: 75, open: 76, time: 88, halted: 90)
    }

    let request: Int32
    let instrument: Int
    let isDelayed: Bool
    let genericTicks: [String]
    /// True once the client was informed that another session has the data.
    var isToldOfCompetition = false

    /// True if market data are off (`mdoff`) and only headlines are sent.
    var isNewsAlone: Bool { genericTicks.contains("mdoff") }

    private let types: Types
    private var bid: (price: Int64, size: Int64)?
    private var ask: (price: Int64, size: Int64)?
    private var high: Int64 = 0
    private var low: Int64 = 0
    private var volume: Int64 = 0
    private var turnover: Int128 = 0
    private var trades = 0

    init(request: Int32, instrument: Int, isDelayed: Bool, genericTicks: [String]) {
        self.request = request
        self.instrument = instrument
        self.isDelayed = isDelayed
        self.genericTicks = genericTicks
        types = isDelayed ? .delayed : .live
    }

    // MARK: the first ticks

    mutating func begin(_ world: World, _ writer: MessageWriter) -> [ServerMessage] {
        let quoted = world.quoted(instrument)
        let past = world.now.advanced(byNanoseconds: isDelayed ? -delayedNanoseconds : 0)
        let quote = world.market.quote(of: instrument, before: past)
        var messages = [
            writer.marketDataType(request, isDelayed ? 3 : 1),
            writer.tickRequestParameters(
                request, minTick: quoted.minTick, exchangeKey: "9c0001", permissions: 3),
        ]
        add(quote, quoted, writer, into: &messages)
        let level = (quote.bid + quote.ask) / 2
        let open = world.market.level(
            of: instrument, at: world.second / 86_400 * 86_400, nanosecond: 0)
        (high, low) = (max(level, open), min(level, open))
        for (type, price) in [
            (types.high, high), (types.low, low), (types.close, open - 1), (types.open, open),
        ] {
            messages.append(
                writer.tickPrice(
                    request, type: type, price: quoted.priceText(price), size: "0"))
        }
        messages.append(writer.tickGeneric(request, type: types.halted, value: "0"))
        // Reports the volume so far, without a trade.
        let line = ";0;\(past.nanoseconds / 1_000_000);0;0;false"
        volumes(line, isReported: true, writer, into: &messages)
        for number in genericTicks { generic(number, level, quoted, writer, into: &messages) }
        return messages
    }

    private func generic(
        _ number: String, _ level: Int64, _ quoted: SimulatedInstrument, _ writer: MessageWriter,
        into messages: inout [ServerMessage]
    ) {
        func price(_ type: Int32, _ steps: Int64) {
            messages.append(
                writer.tickPrice(
                    request, type: type, price: quoted.priceText(level + steps), size: "0"))
        }
        func size(_ type: Int32, _ value: String) {
            messages.append(writer.tickSize(request, type: type, size: value))
        }
        func number_(_ type: Int32, _ value: String) {
            messages.append(writer.tickGeneric(request, type: type, value: value))
        }
        func text(_ type: Int32, _ value: String) {
            messages.append(writer.tickString(request, type: type, text: value))
        }
        switch number {
        case "100": (29...30).forEach { size($0, "\(1_200 + $0)") }
        case "101": (27...28).forEach { size($0, "\(45_000 + $0)") }
        case "104": number_(23, "0.1734")
        case "105": size(87, "51230")
        case "106": number_(24, "0.1812")
        case "162": number_(31, "0.25")
        case "165":
            for type in Int32(15)...20 { price(type, type % 2 == 0 ? 900 : -900) }
            size(21, "7350000")
        case "221", "232": price(37, 0)
        case "225":
            size(34, "4200")
            price(35, 1)
            size(36, "300")
            size(61, "100")
        case "236":
            number_(46, "3.0")
            size(89, "1250000")
        case "258": text(47, "TTMNPMGN=21.5;NLOW=120.01;PRYTDPCTR=-99999.99;")
        case "293": number_(54, "15021")
        case "294": number_(55, "72.4")
        case "295": number_(56, "10250")
        case "318": price(57, 2)
        case "411": number_(58, "0.2011")
        case "456": text(59, "6.72,6.95,20260220,1.78")
        case "588": size(86, "1830042")
        case "595": (63...65).forEach { size($0, "\(9_000 + $0)") }
        default: break
        }
    }

    // MARK: what follows

    mutating func add(
        _ quote: MarketQuote, _ quoted: SimulatedInstrument, _ writer: MessageWriter,
        into messages: inout [ServerMessage]
    ) {
        let texts = quoted.texts(quote, version: writer.serverVersion, isPast: false)
        if bid.map({ $0 != (quote.bid, quote.bidSize) }) ?? true {
            if bid?.price != quote.bid {
                messages.append(
                    writer.tickPrice(
                        request, type: types.bid, price: texts.bid, size: texts.bidSize, mask: 1))
            }
            // Servers repeat the size, so this does, too.
            messages.append(
                writer.tickSize(request, type: types.bidSize, size: texts.bidSize))
            bid = (quote.bid, quote.bidSize)
        }
        if ask.map({ $0 != (quote.ask, quote.askSize) }) ?? true {
            if ask?.price != quote.ask {
                messages.append(
                    writer.tickPrice(
                        request, type: types.ask, price: texts.ask, size: texts.askSize, mask: 1))
            }
            messages.append(
                writer.tickSize(request, type: types.askSize, size: texts.askSize))
            ask = (quote.ask, quote.askSize)
        }
    }

    mutating func add(
        _ trade: MarketTrade, at time: Timestamp, _ quoted: SimulatedInstrument,
        _ writer: MessageWriter, into messages: inout [ServerMessage]
    ) {
        let texts = quoted.texts(trade, version: writer.serverVersion, isPast: false)
        volume += trade.size
        turnover += Int128(trade.price) * Int128(trade.size)
        trades += 1
        let milliseconds = time.nanoseconds / 1_000_000
        var counted = quoted
        counted.countsLots = false
        let total = counted.sizeText(volume, version: writer.serverVersion, isPast: false)
        let line = [
            texts.price, texts.size, String(milliseconds), total,
            quoted.averageText(turnover, volume), trade.exchange == 0 ? "true" : "false",
        ].joined(separator: ";")
        volumes(line, isReported: !trade.isUnreported, writer, into: &messages)
        guard !trade.isUnreported else { return }
        messages.append(
            writer.tickString(
                request, type: types.time, text: String(milliseconds / 1_000)))
        messages.append(
            writer.tickPrice(request, type: types.last, price: texts.price, size: texts.size))
        messages.append(writer.tickSize(request, type: types.lastSize, size: texts.size))
        messages.append(writer.tickSize(request, type: types.volume, size: total))
        messages.append(
            writer.tickString(
                request, type: 84,
                text: SimulatedInstrument.exchanges[trade.exchange].letter))
        extremes(trade.price, texts.price, writer, into: &messages)
    }

    /// Appends the volumes of all trades (233) and of the reported ones (375).
    private func volumes(
        _ line: String, isReported: Bool, _ writer: MessageWriter,
        into messages: inout [ServerMessage]
    ) {
        if genericTicks.contains("233") {
            messages.append(writer.tickString(request, type: 48, text: line))
        }
        if isReported, genericTicks.contains("375") {
            messages.append(writer.tickString(request, type: 77, text: line))
        }
    }

    private mutating func extremes(
        _ price: Int64, _ text: String, _ writer: MessageWriter,
        into messages: inout [ServerMessage]
    ) {
        if price > high {
            high = price
            messages.append(writer.tickPrice(request, type: types.high, price: text, size: "0"))
        }
        if price < low {
            low = price
            messages.append(writer.tickPrice(request, type: types.low, price: text, size: "0"))
        }
    }
}

/// The age of delayed data in nanoseconds.
let delayedNanoseconds: Int64 = 900_000_000_000
