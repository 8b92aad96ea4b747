internal import EngineKit
package import MarketModel
package import Primitives

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
