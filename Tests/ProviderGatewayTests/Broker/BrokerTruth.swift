import MarketModel
import Primitives
import TestSupport

/// The truth logs, as the values that a recorder has to put on the tape, per lane in the order in
/// which they were sent.
///
/// These are no values: answers to requests for contracts, types of market data, notices (except
/// 316 and 317, which empty a book), what level 1 repeats of a trade (last price and size after
/// `RTVolume`, time of the last trade), texts of level 1 for which there is no record (ratios,
/// dividends), and answers of history, which repeat the past market (`BrokerMarketAudit`).
struct BrokerTruth {
    private(set) var lanes: [BrokerLane: [BrokerValue]] = [:]
    /// Prints that were sent, with how often each kind of feed sent them.
    private(set) var prints: [HistoryPrint: (tickByTick: Int, level1: Int)] = [:]
    private(set) var quotes: [BrokerQuote: Int] = [:]
    /// Bars that history returned, by symbol.
    private(set) var pastBars: [String: Set<String>] = [:]
    /// Headlines of the past that history returned, by symbol.
    private(set) var pastHeadlines: [String: Set<String>] = [:]
    /// Lines of an unknown kind: the simulator sends data that the audit does not support yet.
    private(set) var unknown: [String] = []

    private struct Stream: Hashable {
        let run: Int
        let connection: Int
        let request: Int32
    }

    /// The instruments' names on the tape, by the broker's number.
    private let names: [Int32: String]
    private var symbols: [Stream: String] = [:]
    private var level1: [Stream: BrokerLevel1] = [:]

    init(names: [Int32: String]) { self.names = names }

    /// Reads the log of one start of the simulator. Starts are read in their order.
    mutating func read(_ lines: [SentValue], run: Int) {
        for line in lines { read(line, run) }
    }

    private mutating func read(_ line: SentValue, _ run: Int) {
        let stream = Stream(run: run, connection: line.connection ?? 0, request: line.request)
        if let contract = line.contract { symbols[stream] = names[contract] ?? "?\(contract)" }
        let symbol = symbols[stream] ?? ""
        let sent = Timestamp(nanoseconds: line.time ?? 0)
        let fields = line.fields
        switch line.kind {
        case "tickByTick": addTick(symbol, fields, sent)
        case "realtimeBar": addBar(symbol, fields, sent)
        case "marketDepth", "marketDepthL2": addDepth(symbol, line.kind, fields, sent)
        case "error": addReset(symbol, fields, sent)
        case "tickNews":
            let time = Self.whole(fields[0]) * 1_000_000
            add(
                symbol, .news, BrokerContent.news(time, Array(fields[1...])), sent,
                time..<time + 1_000_000)
        case "newsBulletin":
            add(
                "", .bulletins, BrokerContent.bulletin(Self.whole(fields[0]), Array(fields[1...])),
                sent)
        case "fundamentalData": add(symbol, .fundamentals, fields[0], sent)
        case "tickPrice", "tickSize", "tickGeneric", "tickString", "tickOptionComputation":
            var state = level1[stream] ?? BrokerLevel1(isWithVolume: Self.hasVolume(line))
            for value in state.take(line.kind, fields) {
                if let print = value.print { addPrint(symbol, print, isTickByTick: false) }
                add(symbol, value.lane, value.content, sent, value.event)
            }
            level1[stream] = state
        case "historicalData": addPast(symbol, fields)
        case "historicalNews":
            pastHeadlines[symbol, default: []].insert(
                BrokerContent.headline(Array(fields[1...]) + [""]))
        default: if !Self.noValues.contains(line.kind) { unknown.append(line.kind) }
        }
    }

    /// Returns whether the line's instrument has `RTVolume`. Stocks, options and futures have it.
    /// The simulator's pair, coin, bond and fund, which have special numbers, do not.
    private static func hasVolume(_ line: SentValue) -> Bool {
        !(700_003...700_006).contains(line.contract ?? 0)
    }

    private static let noValues: Set<String> = [
        "nextValidId", "managedAccounts", "currentTime", "tickReqParams", "marketDataType",
        "contractData", "bondContractData", "contractDataEnd", "historicalTicks",
        "historicalTicksBidAsk", "historicalTicksLast", "rerouteMktDataReq", "rerouteMktDepthReq",
        "newsProviders", "historicalNewsEnd", "headTimestamp",
    ]

    // MARK: kinds

    private mutating func addTick(_ symbol: String, _ fields: [String], _ sent: Timestamp) {
        let second = Self.whole(fields[1])
        let time = second * 1_000_000_000
        switch fields[0] {
        case "1", "2":
            let (price, size) = (Self.price(fields[2]), Self.size(fields[3]))
            addPrint(
                symbol, HistoryPrint(symbol: symbol, second: second, price: price, size: size),
                isTickByTick: true)
            add(
                symbol, .trades,
                BrokerContent.trade(time, price, size, [fields[5], fields[6], fields[4]]), sent,
                BrokerValue.event(second: second))
        case "3":
            let quote = BrokerQuote(
                symbol: symbol, second: second, bid: Self.price(fields[2]),
                ask: Self.price(fields[3]), bidSize: Self.size(fields[4]),
                askSize: Self.size(fields[5]))
            quotes[quote, default: 0] += 1
            let content = BrokerContent.quote(
                time, quote.bid, quote.ask, (quote.bidSize, quote.askSize))
            add(symbol, .quotes, content, sent, BrokerValue.event(second: second))
        default:
            add(
                symbol, .midpoints, BrokerContent.midpoint(time, Int128(Self.price(fields[2]))),
                sent, BrokerValue.event(second: second))
        }
    }

    private mutating func addPrint(_ symbol: String, _ print: HistoryPrint, isTickByTick: Bool) {
        let named = HistoryPrint(
            symbol: symbol, second: print.second, price: print.price, size: print.size)
        if isTickByTick {
            prints[named, default: (0, 0)].tickByTick += 1
        } else {
            prints[named, default: (0, 0)].level1 += 1
        }
    }

    private mutating func addBar(_ symbol: String, _ fields: [String], _ sent: Timestamp) {
        let second = Self.whole(fields[0])
        add(
            symbol, .bars, Self.bar(second, Array(fields[1...])), sent,
            second * 1_000_000_000..<(second + 5) * 1_000_000_000)
    }

    /// Open, high, low, close, volume, average, count.
    private static func bar(_ second: Int64, _ fields: [String]) -> String {
        // There is no average without a volume.
        let hasVolume = fields[4] != "-1"
        let average = hasVolume ? price(fields[5]) : Price.undefined.raw
        let count = fields[6] == "-1" ? ProviderBar.undefinedCount : whole(fields[6])
        return BrokerContent.bar(
            second * 1_000_000_000, fields[0..<4].map { price($0) } + [average],
            hasVolume ? Int128(size(fields[4])) : ProviderBar.undefinedVolume, count)
    }

    private mutating func addPast(_ symbol: String, _ fields: [String]) {
        var rest = fields.dropFirst(3)
        while rest.count >= 8 {
            let row = Array(rest.prefix(8))
            pastBars[symbol, default: []].insert(Self.bar(Self.whole(row[0]), Array(row[1...])))
            rest = rest.dropFirst(8)
        }
    }

    private mutating func addDepth(
        _ symbol: String, _ kind: String, _ fields: [String], _ sent: Timestamp
    ) {
        let hasMaker = kind == "marketDepthL2"
        let values = hasMaker ? [fields[0]] + fields[2..<6] : Array(fields[0..<5])
        let isDelete = values[1] == "2"
        let content = BrokerContent.depth(
            UInt8(Self.whole(values[1])), side: UInt8(Self.whole(values[2])),
            row: UInt32(Self.whole(values[0])),
            isDelete ? Price.undefined.raw : Self.price(values[3]),
            isDelete ? Quantity.undefined.raw : Self.size(values[4]),
            maker: hasMaker ? fields[1] : "")
        let isSmart = hasMaker && fields[6] == "1"
        add(symbol, isSmart ? .smartDepth : .depth, content, sent)
    }

    /// Adds a reset of a book that the server empties or stops.
    private mutating func addReset(_ symbol: String, _ fields: [String], _ sent: Timestamp) {
        guard fields[0] == "316" || fields[0] == "317" else { return }
        let lane = BrokerLane(symbol: symbol, kind: .smartDepth)
        add(
            symbol, lanes[lane] == nil ? .depth : .smartDepth,
            "book \(fields[0] == "316" ? "halted" : "reset")", sent)
    }

    private mutating func add(
        _ symbol: String, _ kind: BrokerLane.Kind, _ content: String, _ sent: Timestamp,
        _ event: Range<Int64>? = nil
    ) {
        lanes[BrokerLane(symbol: symbol, kind: kind), default: []].append(
            BrokerValue(content: content, time: sent, event: event))
    }

    // MARK: numbers

    /// Parses a whole number. Any other text becomes a value that the tape cannot have.
    static func whole(_ text: String) -> Int64 { Int64(text) ?? Int64.min }

    static func price(_ text: String) -> Int64 { (try? Price(text).raw) ?? Int64.min }

    static func size(_ text: String) -> Int64 { (try? Quantity(text).raw) ?? Int64.min }
}
