package import EngineKit
package import MarketModel
package import Primitives

/// A load of Alpaca's past.
package typealias AlpacaHistory = HistoryMachine<AlpacaHistoryService>

/// How Alpaca is asked for its past, and what its answers say. A symbol is asked for page by page.
/// Ids name a trade, and prove nothing.
package struct AlpacaHistoryService: PagedHistory {
    /// Where a symbol is.
    package struct Place: PagePlace {
        package var next = ""
        package var emptyPages = 0
        /// The first time of the request that the token continues.
        var from = Timestamp.undefined
        /// The last trade of a page, if it was corrected: the corrected one may begin the next
        /// page.
        var wrong: AlpacaPage.PastTrade?

        package init() {}
    }

    package typealias Request = AlpacaPastRequest
    package typealias Answer = [UInt8]

    /// `nil`: the feed has no past.
    private let feed: AlpacaPastFeed?
    package let bars: BarLength
    /// Whether the account gets the last quarter of an hour of all exchanges.
    private let isDelayed: Bool

    /// `isDelayed`: only what is older than a quarter of an hour is asked for.
    package init(_ feed: AlpacaPastFeed?, bars: BarLength, isDelayed: Bool = false) {
        self.feed = feed
        self.bars = bars
        self.isDelayed = isDelayed
    }

    package var limits: RequestLimits {
        var limits = RequestLimits(
            service: "Alpaca", failedWait: 1_000_000_000, limitedWait: 20_000_000_000)
        limits.unit = AlpacaPastLimits.requestInterval
        return limits
    }

    package var leastAge: Int64 {
        isDelayed ? AlpacaPastLimits.sipAge : HistoryLimits.leastAge
    }

    package func name(of instrument: Instrument) -> String { AlpacaEngine.name(of: instrument) }

    package func problem(of instrument: Instrument) -> String? {
        guard let feed else {
            return "the feed 'test' has no past: set ALPACA_HISTORY_FEED to iex, sip or crypto"
        }
        let isCoin = instrument.contract.security == .crypto
        if (feed == .crypto) != isCoin {
            return isCoin
                ? "a coin is in the past of ALPACA_HISTORY_FEED=crypto alone"
                : "the past of ALPACA_HISTORY_FEED=crypto has coins alone (security: crypto)"
        }
        guard isCoin || instrument.contract.security == .stock else {
            return "only stocks and coins have a past here"
        }
        return AlpacaEngine.problem(ofName: name(of: instrument))
    }

    package func request(_ number: UInt64, for feed: Feed) -> AlpacaPastRequest {
        request(
            number, of: feed.name, feed.isOfBars ? .bars(bars) : .trades,
            (from(feed), feed.range.upperBound),
            page: (feed.rows(max: AlpacaPastLimits.rowsMax), feed.place.next))
    }

    private func from(_ feed: Feed) -> Timestamp {
        guard feed.place.next.isEmpty else { return feed.place.from }
        guard feed.isOfBars else { return feed.next }
        // A bar is asked for by its beginning.
        return max(feed.range.lowerBound, feed.next.advanced(byNanoseconds: -bars.nanoseconds))
    }

    /// `to`: what begins there is not wanted. The service includes the last moment that it gets.
    private func request(
        _ number: UInt64, of symbol: String, _ what: AlpacaPastRequest.What,
        _ span: (from: Timestamp, to: Timestamp), page: (rows: Int, token: String)
    ) -> AlpacaPastRequest {
        AlpacaPastRequest(
            number: number, symbol: symbol, what: what, feed: feed ?? .iex, from: span.from,
            to: max(span.from, span.to.advanced(byNanoseconds: -1)), rows: page.rows,
            token: page.token)
    }

    // MARK: answers

    package func page(
        _ bytes: [UInt8], of instrument: UInt32, length: BarLength?, _ now: Timestamp
    ) -> AlpacaPage? {
        AlpacaPage(
            bytes, instrument: instrument, length: length?.nanoseconds,
            isOfCoins: feed == .crypto, now)
    }

    package func items(
        of page: AlpacaPage, _ feed: Feed, _ place: inout Place
    ) -> [HistoryItem] {
        place.from = from(feed)
        var items: [HistoryItem] = []
        items.reserveCapacity(page.rows.count + 1)
        for row in page.rows {
            let before = place.wrong
            place.wrong = nil
            if let before, case .trade(let next) = row, next.corrects(before) {
                items.append(before.item(correctedBy: next.trade))
                continue
            }
            if let before { items.append(before.item()) }
            switch row {
            case .trade(let trade) where trade.update == .incorrect: place.wrong = trade
            case .trade(let trade): items.append(trade.item())
            case .bar(let bar): if let item = item(bar, of: feed) { items.append(item) }
            case .misfit(let time, let text):
                items.append(item(misfit: text, at: time, of: feed))
            }
        }
        if page.next.isEmpty, let last = place.wrong {
            items.append(last.item())
            place.wrong = nil
        }
        return items
    }
}

extension AlpacaPage.PastTrade {
    /// Whether it has the corrected values of another trade.
    fileprivate func corrects(_ other: AlpacaPage.PastTrade) -> Bool {
        update == .corrected && trade.exchange == other.trade.exchange
            && trade.header.providerTime == other.trade.header.providerTime
    }

    /// As the stream would have brought it: the trade, and what became of it.
    fileprivate func item(correctedBy other: Trade? = nil) -> HistoryItem {
        let header = trade.header
        let record = ProviderRecord.tape(.trade(trade))
        var later = other ?? trade
        later.header = header
        let isWrong = update == .incorrect || update == .canceled
        later.header.action = (other == nil ? TradeAction.cancel : .correction).rawValue
        return HistoryItem(
            time: header.providerTime, id: header.providerID,
            isWrong ? .changed(record, .tape(.trade(later))) : .record(record))
    }
}

// What a plan asks.
extension AlpacaHistoryService {
    package func page(ofBars: Bool) -> (rows: Int, interval: Int64) {
        (AlpacaPastLimits.rowsMax, AlpacaPastLimits.requestInterval)
    }

    package func question(
        _ number: UInt64, _ question: HistoryQuestion, of instrument: Instrument,
        in range: Range<Timestamp>
    ) -> AlpacaPastRequest {
        let length = length(of: question)
        let isCounted = question == .minutes || question == .days
        return request(
            number, of: name(of: instrument), length.map { .bars($0) } ?? .trades,
            (
                isCounted
                    ? range.lowerBound.advanced(byNanoseconds: -(length?.nanoseconds ?? 0))
                    : range.lowerBound, range.upperBound
            ), page: (question == .firstTrade ? 1 : AlpacaPastLimits.rowsMax, ""))
    }

    package func counted(_ page: AlpacaPage, length: Int64) -> [HistoryCounts.Row] {
        page.rows.map { row in
            switch row {
            case .trade(let past):
                let time = past.trade.header.providerTime
                return HistoryCounts.Row(from: time, to: time, trades: 1)
            case .bar(let bar):
                let isCounted = bar.trades != ProviderBar.undefinedCount
                return HistoryCounts.Row(
                    from: bar.openTime, to: bar.closeTime,
                    trades: isCounted ? UInt64(clamping: bar.trades) : nil)
            case .misfit(let time, _):
                return HistoryCounts.Row(
                    from: time, to: time.advanced(byNanoseconds: length), trades: nil)
            }
        }
    }
}

/// A page of the past of one symbol.
package struct AlpacaPage: PastPage {
    /// A trade as the service has it now.
    package struct PastTrade: Sendable {
        /// What became of it.
        enum Update: String {
            /// It was cancelled.
            case canceled
            /// It was corrected, and this is how it was.
            case incorrect
            /// This is a trade with its corrected values.
            case corrected
        }

        var trade: Trade
        var update: Update?
    }

    package enum Row: Sendable {
        case trade(PastTrade)
        case bar(ProviderBar)
        case misfit(Timestamp, String)
    }

    package private(set) var rows: [Row] = []
    package private(set) var next = ""

    /// Reads a page; `nil`: it is none. `length`: that of its bars; `nil`: it has trades.
    init?(
        _ bytes: [UInt8], instrument: UInt32, length: Int64?, isOfCoins: Bool, _ now: Timestamp
    ) {
        let list = length == nil ? "trades" : "bars"
        var reader = JSONFieldReader([list, "next_page_token"])
        let isRead = bytes.withRawSpan { span -> Bool in
            guard reader.read(span) == nil else { return false }
            switch reader[1].kind {
            case .absent, .null: break
            case .text:
                guard
                    let text = reader[1].text(
                        in: span, bytesMax: AlpacaPastLimits.tokenBytesMax)
                else { return false }
                next = text
            case .number, .bool, .object, .array: return false
            }
            switch reader[0].kind {
            case .null: return true
            case .object: break
            case .absent, .text, .number, .bool, .array: return false
            }
            let object = span.extracting(reader[0].start..<reader[0].end)
            guard let list = Self.list(in: object) else { return true }
            var reader = AlpacaReader(isOfCoins: isOfCoins)
            return take(object.extracting(list), instrument, length, now, &reader)
        }
        guard isRead else { return nil }
    }

    /// Returns where the list of the only symbol is in an object that is JSON; `nil`: it has none.
    /// If there is another symbol, the list does not end there.
    private static func list(in object: RawSpan) -> Range<Int>? {
        var place = 0
        func skip(while isSkipped: (UInt8) -> Bool) {
            while place < object.byteCount, isSkipped(object.uint8(at: place)) { place += 1 }
        }
        let quote = UInt8(ascii: "\"")
        skip { $0 != quote }
        place += 1
        skip { $0 != quote }
        place += 1
        skip { $0 <= 0x20 || $0 == UInt8(ascii: ":") }
        guard place < object.byteCount, object.uint8(at: place) == UInt8(ascii: "[") else {
            return nil
        }
        return place..<object.byteCount - 1
    }

    /// Reads the rows. Returns false if they cannot be read.
    private mutating func take(
        _ bytes: RawSpan, _ instrument: UInt32, _ length: Int64?, _ now: Timestamp,
        _ reader: inout AlpacaReader
    ) -> Bool {
        guard reader.begin(bytes) else { return false }
        while true {
            switch reader.fields.next(bytes) {
            case .end: return true
            case .wrong: return false
            case .message(let place):
                guard let row = reader.row(bytes, place, instrument, length, now) else {
                    return false
                }
                rows.append(row)
            }
        }
    }
}

extension AlpacaReader {
    /// Reads a row of a page; `nil`: it has no time.
    fileprivate func row(
        _ bytes: RawSpan, _ place: Range<Int>, _ instrument: UInt32, _ length: Int64?,
        _ now: Timestamp
    ) -> AlpacaPage.Row? {
        let stamp = self[.time]
        guard stamp.kind == .text,
            let time = bytes.extracting(stamp.start..<stamp.end).utcTime
        else { return nil }
        let header = TickHeader(
            symbol: instrument, resolution: TimeResolution.nanosecond.rawValue,
            providerTime: time, receiveTime: now)
        do throws(FixedPoint.ParseError) {
            if let length { return .bar(try bar(bytes, header, length: length)) }
            let update = self[.update].text(in: bytes, bytesMax: 16)
            return .trade(
                AlpacaPage.PastTrade(
                    trade: try trade(bytes, header),
                    update: update.flatMap(AlpacaPage.PastTrade.Update.init)))
        } catch {
            return .misfit(time, bytes.misfit("a number", at: place))
        }
    }
}

/// Whose past is loaded.
package enum AlpacaPastFeed: String, CaseIterable, Sendable {
    /// US stocks, the exchange IEX alone.
    case iex
    /// US stocks, all exchanges. Without a paid account the last quarter of an hour is refused.
    case sip
    case crypto

    /// The past of what a stream has; `nil`: it has none.
    package init?(_ feed: AlpacaFeedName) {
        switch feed {
        case .iex: self = .iex
        case .sip, .delayedSip: self = .sip
        case .crypto: self = .crypto
        case .test: return nil
        }
    }
}

// The lengths of the service's bars that are asked for.
extension BarLength {
    package static let ofAlpaca: [BarLength] = [
        .minute, .fiveMinutes, .fifteenMinutes, .halfHour, .hour, .fourHours, .day,
    ]

    /// The service's word for it, as `5Min`.
    fileprivate var word: String {
        switch unit {
        case .second, .minute: "\(count)Min"
        case .hour: "\(count)Hour"
        case .day, .week: "\(count)Day"
        }
    }
}

/// Bounds of requests that are no settings.
package enum AlpacaPastLimits {
    /// The rows that one page has, as the service allows.
    package static let rowsMax = 10_000
    /// The time between two requests. A free account has 200 of them a minute; a quarter is left
    /// to others of the account.
    package static let requestInterval: Int64 = 400_000_000
    /// The longest token of a page that is sent back, in bytes.
    static let tokenBytesMax = 2_048
    /// A free account gets trades of all exchanges after a quarter of an hour, and a minute more
    /// for clocks that differ.
    static let sipAge: Int64 = 960_000_000_000
}

/// A request for a page.
package struct AlpacaPastRequest: PastRequest, Hashable {
    /// What the page has: trades, or bars of a length.
    package enum What: Hashable, Sendable {
        case trades
        case bars(BarLength)
    }

    package let number: UInt64
    package let symbol: String
    package let what: What
    let feed: AlpacaPastFeed
    /// The first and the last time that a row may have.
    package let from: Timestamp
    package let to: Timestamp
    package let rows: Int
    /// Where the page begins; empty: at the first time.
    package let token: String

    package var interval: Int64 { AlpacaPastLimits.requestInterval }

    package var target: String {
        let folder = feed == .crypto ? "/v1beta3/crypto/us" : "/v2/stocks"
        let pairs = query.map { "\($0)=\($1.percentEncoded())" }
        return "\(folder)/\(what == .trades ? "trades" : "bars")?\(pairs.joined(separator: "&"))"
    }

    private var query: [(name: String, value: String)] {
        var query = [
            ("symbols", symbol), ("start", "\(from)"), ("end", "\(to)"), ("limit", "\(rows)"),
            ("sort", "asc"),
        ]
        if case .bars(let length) = what {
            query.append(("timeframe", length.word))
        }
        if feed != .crypto {
            query.append(("feed", feed.rawValue))
            if what != .trades { query.append(("adjustment", "raw")) }
        }
        if !token.isEmpty { query.append(("page_token", token)) }
        return query
    }
}
