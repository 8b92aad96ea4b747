package import EngineKit
package import MarketModel
package import Primitives

/// A load of Massive's past.
package typealias MassiveHistory = HistoryMachine<MassiveHistoryService>

/// How Massive is asked for its past, and what its answers say. A symbol is asked for page by page.
/// Its numbers rise and have holes, so they prove nothing.
package struct MassiveHistoryService: PagedHistory {
    /// Where a symbol is.
    package struct Place: PagePlace {
        /// The address of the next page, without its host; empty: it is asked for by its time.
        package var next = ""
        package var emptyPages = 0

        package init() {}
    }

    package typealias Request = MassivePastRequest
    package typealias Answer = [UInt8]

    package let bars: BarLength
    /// The time between two requests, in nanoseconds.
    private let interval: Int64
    /// Whether the plan gets what is older than a quarter of an hour alone.
    private let isDelayed: Bool

    package init(bars: BarLength, requestsPerMinute: Int, isDelayed: Bool) {
        self.bars = bars
        interval = 60_000_000_000 / Int64(max(1, requestsPerMinute))
        self.isDelayed = isDelayed
    }

    package var limits: RequestLimits {
        var limits = RequestLimits(
            service: "Massive", failedWait: 1_000_000_000, limitedWait: 20_000_000_000)
        limits.unit = interval
        return limits
    }

    package var leastAge: Int64 {
        isDelayed ? MassivePastLimits.delayedAge : HistoryLimits.leastAge
    }

    package func name(of instrument: Instrument) -> String { MassiveEngine.name(of: instrument) }

    package func problem(of instrument: Instrument) -> String? {
        instrument.contract.security == .stock
            ? MassiveEngine.problem(ofName: name(of: instrument))
            : "only stocks come from here: security: stock"
    }

    package func request(_ number: UInt64, for feed: Feed) -> MassivePastRequest {
        guard feed.place.next.isEmpty else {
            return MassivePastRequest(
                number: number, interval: interval, target: feed.place.next)
        }
        let from =
            feed.isOfBars
            ? max(
                feed.range.lowerBound,
                feed.next.advanced(byNanoseconds: -bars.nanoseconds)) : feed.next
        let rows = feed.rows(
            max: feed.isOfBars ? MassivePastLimits.barsMax : MassivePastLimits.tradesMax)
        return request(
            number, of: feed.name, feed.isOfBars ? bars : nil, from..<feed.range.upperBound,
            rows: rows)
    }

    /// `length`: that of bars; `nil`: trades are asked for.
    private func request(
        _ number: UInt64, of symbol: String, _ length: BarLength?,
        _ range: Range<Timestamp>, rows: Int
    ) -> MassivePastRequest {
        let target: String
        if let length {
            let million: Int64 = 1_000_000
            let from = range.lowerBound.nanoseconds / million
            // The service includes the last moment that it gets.
            let to = max(from, (range.upperBound.nanoseconds - 1) / million)
            let limit = min(MassivePastLimits.barsMax, rows * length.parts)
            let name = MassivePastRequest.encoded(symbol)
            target =
                "/v2/aggs/ticker/\(name)/range/\(length.words)/\(from)/\(to)"
                + "?adjusted=false&sort=asc&limit=\(limit)"
        } else {
            target = MassivePastRequest.trades(of: symbol, range, rows: rows)
        }
        return MassivePastRequest(number: number, interval: interval, target: target)
    }

    // MARK: answers

    package static func rank(_ id: UInt64) -> UInt64 { MassiveCodes.place(id) }

    package func page(
        _ bytes: [UInt8], of instrument: UInt32, length: BarLength?, _ now: Timestamp
    ) -> MassivePage? {
        MassivePage(bytes, instrument: instrument, length: length?.nanoseconds, now)
    }

    package func items(
        of page: MassivePage, _ feed: Feed, _ place: inout Place
    ) -> [HistoryItem] {
        page.rows.compactMap { item($0, of: feed) }
    }

    private func item(_ row: MassivePage.Row, of feed: Feed) -> HistoryItem? {
        switch row {
        case .trade(let trade, let fate):
            let header = trade.header
            let record = ProviderRecord.tape(.trade(trade))
            var cancel = trade
            cancel.header.action = TradeAction.cancel.rawValue
            return HistoryItem(
                time: header.providerTime, id: header.providerID,
                fate == .cancelled
                    ? .changed(record, .tape(.trade(cancel))) : .record(record))
        case .bar(let bar): return item(bar, of: feed)
        case .misfit(let time, let text, _): return item(misfit: text, at: time, of: feed)
        }
    }
}

// What a plan asks.
extension MassiveHistoryService {
    package func page(ofBars: Bool) -> (rows: Int, interval: Int64) {
        let bars = max(1, MassivePastLimits.barsMax / bars.parts)
        return (ofBars ? bars : MassivePastLimits.tradesMax, interval)
    }

    package func question(
        _ number: UInt64, _ question: HistoryQuestion, of instrument: Instrument,
        in range: Range<Timestamp>
    ) -> MassivePastRequest {
        request(
            number, of: name(of: instrument), length(of: question), range,
            rows: question == .firstTrade ? 1 : MassivePastLimits.barsMax)
    }

    package func counted(_ page: MassivePage, length: Int64) -> [HistoryCounts.Row] {
        page.rows.enumerated().map { place, row in
            let time =
                switch row {
                case .trade(let trade, _): trade.header.providerTime
                case .bar(let bar): bar.openTime
                case .misfit(let time, _, _): time
                }
            return HistoryCounts.Row(
                from: time, to: time.advanced(byNanoseconds: length),
                trades: length == 0 ? 1 : page.counts[place])
        }
    }
}

/// A page of the past of one symbol.
package struct MassivePage: PastPage {
    package enum Row: Sendable {
        /// `nil`: it stands.
        case trade(Trade, MassiveFate?)
        case bar(ProviderBar)
        /// Its time, which is its first moment if it is a bar, and what became of it if it is a
        /// trade; `nil`: it stands.
        case misfit(Timestamp, String, MassiveFate?)
    }

    package private(set) var rows: [Row] = []
    /// The path and the query of the next page; empty: this is the last one.
    package private(set) var next = ""
    /// The trades of each bar; `nil`: it does not say.
    private(set) var counts: [UInt64?] = []

    /// Reads a page; `nil`: it is none. `length`: that of its bars; `nil`: it has trades.
    init?(_ bytes: [UInt8], instrument: UInt32, length: Int64?, _ now: Timestamp) {
        var reader = JSONFieldReader(["results", "next_url", "status"])
        let isRead = bytes.withRawSpan { span -> Bool in
            guard reader.read(span) == nil else { return false }
            switch reader[1].kind {
            case .absent, .null: break
            case .text:
                guard
                    let text = reader[1].text(
                        in: span, bytesMax: MassivePastLimits.nextBytesMax),
                    let target = Self.target(text)
                else { return false }
                next = target
            case .number, .bool, .object, .array: return false
            }
            switch reader[0].kind {
            case .array:
                let list = span.extracting(reader[0].start..<reader[0].end)
                return take(list, instrument, length, now)
            // A range without anything has none.
            case .absent, .null:
                return reader[2].isText("OK", in: span) || reader[2].isText("DELAYED", in: span)
            case .text, .number, .bool, .object: return false
            }
        }
        guard isRead else { return nil }
    }

    /// Returns the path and the query of an address; `nil`: it is none of a past. Its host does not
    /// count: the next request goes to the same host as this one, because it has the key.
    private static func target(_ address: String) -> String? {
        guard let scheme = ["https://", "http://"].first(where: { address.hasPrefix($0) })
        else { return nil }
        let target = String(address.dropFirst(scheme.count).drop { $0 != "/" })
        guard ["/v3/trades/", "/v2/aggs/ticker/"].contains(where: { target.hasPrefix($0) }),
            target.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !target.contains("#"),
            !target.contains("..")
        else { return nil }
        return target
    }

    private mutating func take(
        _ list: RawSpan, _ instrument: UInt32, _ length: Int64?, _ now: Timestamp
    ) -> Bool {
        var reader = MassivePageReader()
        guard reader.begin(list) else { return false }
        while true {
            switch reader.next(list) {
            case .end: return true
            case .wrong: return false
            case .message(let place):
                guard let row = reader.row(list, place, instrument, length, now) else {
                    return false
                }
                if let row { rows.append(row) }
                if length != nil { counts.append(reader.count(list)) }
            }
        }
    }
}

/// Reads the rows of a page.
private struct MassivePageReader {
    private enum Part: Int {
        // Of a bar.
        case average, volumeText, volume, open, high, low, close, begin, count
        // Of a trade.
        case conditions, correction, sizeText, exchange, price, number, time, size, tape, id
    }

    private static let names = [
        "vw", "dv", "v", "o", "h", "l", "c", "t", "n", "conditions", "correction", "decimal_size",
        "exchange", "price", "sequence_number", "sip_timestamp", "size", "tape", "id",
    ]

    private var fields = JSONFieldReader(Self.names)
    private let codes = MassiveCodes()

    private subscript(part: Part) -> JSONFieldReader.Field { fields[part.rawValue] }

    mutating func begin(_ list: RawSpan) -> Bool { fields.begin(list) == nil }

    mutating func next(_ list: RawSpan) -> JSONFieldReader.Element { fields.next(list) }

    /// The trades of a bar.
    func count(_ list: RawSpan) -> UInt64? { self[.count].uint64(in: list) }

    /// Returns the row that was read; `nil` inside: it is a record about another row. `nil`: it has
    /// no time.
    func row(
        _ list: RawSpan, _ place: Range<Int>, _ instrument: UInt32, _ length: Int64?,
        _ now: Timestamp
    ) -> MassivePage.Row?? {
        guard let time = time(length == nil ? .time : .begin, list, isBar: length != nil) else {
            return nil
        }
        let header = TickHeader(
            symbol: instrument, resolution: TimeResolution.nanosecond.rawValue,
            providerTime: time, receiveTime: now)
        do throws(FixedPoint.ParseError) {
            if let length { return .some(.bar(try bar(list, header, length))) }
            return .some(try trade(list, header))
        } catch {
            let fate = MassiveFate(self[.correction].uint64(in: list) ?? 0)
            return .some(.misfit(time, list.misfit("a number", at: place), fate))
        }
    }

    /// Trades have nanoseconds, and bars milliseconds.
    private func time(_ part: Part, _ list: RawSpan, isBar: Bool) -> Timestamp? {
        guard let count = self[part].uint64(in: list), count > 0, let exact = Int64(exactly: count)
        else { return nil }
        let (time, overflow) = exact.multipliedReportingOverflow(by: isBar ? 1_000_000 : 1)
        let stamp = Timestamp(nanoseconds: time)
        return overflow || !stamp.isDefined ? nil : stamp
    }

    private func trade(
        _ list: RawSpan, _ given: TickHeader
    ) throws(FixedPoint.ParseError) -> MassivePage.Row? {
        let indicator = self[.correction].uint64(in: list) ?? 0
        if MassiveFate.isOfAnother(indicator) { return nil }
        let exchange = self[.exchange].uint64(in: list) ?? 0
        // Without a number nothing tells it from another one of its time.
        guard let number = self[.number].uint64(in: list), number > 0 else { throw .notANumber }
        // The number is cut to whole shares; the text has the fraction.
        var trade = Trade(
            header: given, price: try self[.price].price(in: list),
            size: try self[.sizeText].or(self[.size]).quantity(in: list),
            exchange: codes.text(ofExchange: exchange),
            conditions: codes.conditions(
                self[.conditions], tape: self[.tape].uint64(in: list) ?? 0, in: list))
        trade.header.providerID = codes.number(
            number, mark: codes.mark(self[.id], trade, in: list), given.providerTime, exchange)
        return .trade(trade, MassiveFate(indicator))
    }

    private func bar(
        _ list: RawSpan, _ given: TickHeader, _ length: Int64
    ) throws(FixedPoint.ParseError) -> ProviderBar {
        var header = given
        header.resolution = TimeResolution.millisecond.rawValue
        var bar = try ProviderBar(
            header, length: length,
            prices: [self[.open], self[.high], self[.low], self[.close]],
            volume: try self[.volumeText].or(self[.volume]).volume(in: list), in: list)
        if let count = count(list) { bar.trades = Int64(clamping: count) }
        bar.vwap = self[.average].averagePrice(in: list)
        return bar
    }
}

/// What has become of a trade, by the indicator in the service's past. Massive lists the numbers;
/// their meaning is that of the daily files of the tapes.
package enum MassiveFate: Sendable {
    /// It was cancelled, or was an error.
    case cancelled
    /// It was corrected: the row has the new price and size.
    case corrected

    /// `nil`: the trade stands.
    init?(_ indicator: UInt64) {
        if indicator == 1 {
            self = .corrected
        } else if indicator == 7 || indicator == 8 {
            self = .cancelled
        } else {
            return nil
        }
    }

    /// Whether a row is no trade, but the report of a cancel, of an error, or of the values that
    /// were corrected. It says nothing new of the other row.
    static func isOfAnother(_ indicator: UInt64) -> Bool { (10...12).contains(indicator) }

    var action: TradeAction {
        switch self {
        case .cancelled: .cancel
        case .corrected: .correction
        }
    }
}

// The lengths of the service's bars that are asked for.
extension BarLength {
    package static let ofMassive: [BarLength] = [
        .second, .minute, .fiveMinutes, .fifteenMinutes, .halfHour, .hour, .fourHours, .day,
    ]

    /// The service's words for it, with a slash between.
    var words: String { "\(count)/\(unit)" }

    /// Of how many of the service's own bars it is made: of minutes, but for seconds and days. So
    /// many count against the limit of a page.
    var parts: Int {
        unit == .minute || unit == .hour ? Int(nanoseconds / BarLength.minute.nanoseconds) : 1
    }
}

/// Bounds of requests that are no settings.
package enum MassivePastLimits {
    /// The trades of one page. The service allows five times as many, and an answer has a limit.
    package static let tradesMax = 10_000
    /// The service's own bars of one page.
    static let barsMax = 50_000
    /// The longest address of a next page, in bytes.
    static let nextBytesMax = 4_096
    /// A plan that is delayed by a quarter of an hour gets what is older, and a minute more for
    /// clocks that differ.
    static let delayedAge: Int64 = 960_000_000_000
}

/// A request for a page.
package struct MassivePastRequest: PastRequest, Hashable {
    package let number: UInt64
    package let interval: Int64
    /// The path of its address, and its query, encoded. The service's own where a page named it.
    package let target: String

    /// The target for trades by the times of their reports, the earliest first.
    static func trades(of symbol: String, _ range: Range<Timestamp>, rows: Int) -> String {
        "/v3/trades/\(encoded(symbol))?timestamp.gte=\(range.lowerBound.nanoseconds)"
            + "&timestamp.lt=\(range.upperBound.nanoseconds)&order=asc&sort=timestamp"
            + "&limit=\(rows)"
    }

    static func encoded(_ symbol: String) -> String {
        symbol.split(separator: "/", omittingEmptySubsequences: false).joined(separator: "%2F")
    }
}
