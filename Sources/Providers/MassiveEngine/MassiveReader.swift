internal import EngineKit
internal import MarketModel
internal import Primitives

/// Reads the service's messages, which come in arrays. One pass over the bytes, and no allocation
/// for a trade or a quote.
struct MassiveReader: Sendable {
    /// The fields by their numbers. The last ones are looked up first: they are of trades and
    /// quotes.
    private enum Part: Int {
        case status, message
        case volumeText, average, volume, open, high, low
        case bidExchange, bidPrice, bidSize, askExchange, askPrice, askSize
        case exchange, tape, price
        /// Of a bar it is the beginning.
        case size
        case sizeText
        case id
        /// Of a bar it is the close.
        case conditions
        case time, number, symbol, type
    }

    private static let names = [
        "status", "message", "dv", "vw", "v", "o", "h", "l", "bx", "bp", "bs", "ax", "ap", "as",
        "x", "z", "p", "s", "ds", "i", "c", "t", "q", "sym", "ev",
    ]

    private var fields = JSONFieldReader(Self.names)
    private let codes = MassiveCodes()
    private let flags: TickFlags
    private(set) var beside = MassiveBeside.none
    private(set) var control = MassiveControl.connected
    /// The time in the last message; undefined: it had none.
    private(set) var time = Timestamp.undefined

    private let hidden: HiddenTexts

    /// `flags`: those of all records.
    init(flags: TickFlags, hidden: HiddenTexts) { (self.flags, self.hidden) = (flags, hidden) }

    /// Begins a frame. Returns false if it is no array.
    mutating func begin(_ bytes: RawSpan) -> Bool { fields.begin(bytes) == nil }

    /// Reads the next message of the frame; `nil`: there is none. Sets `isBroken` if the rest
    /// cannot be read.
    mutating func next(
        _ bytes: RawSpan, received: Timestamp, _ places: FeedPlaces, isBroken: inout Bool
    ) -> StreamMessage? {
        time = .undefined
        switch fields.next(bytes) {
        case .end: return nil
        case .wrong:
            isBroken = true
            return nil
        case .message(let place): return message(bytes, place, received, places)
        }
    }

    private subscript(part: Part) -> JSONFieldReader.Field { fields[part.rawValue] }

    private mutating func message(
        _ bytes: RawSpan, _ place: Range<Int>, _ received: Timestamp, _ places: FeedPlaces
    ) -> StreamMessage {
        guard let kind = kind(bytes) else { return .skipped(.unknown) }
        guard let channel = kind.channel else { return status(bytes) }
        let name = self[.symbol]
        guard name.kind == .text, !name.hasEscapes,
            let symbol = places.symbol(bytes.extracting(name.start..<name.end)),
            let feed = places.feed(symbol, channel)
        else { return .skipped(.stray) }
        let stamp = milliseconds(kind.length > 0 ? .size : .time, bytes)
        guard stamp.isDefined else { return misfit(feed, received, "a time", bytes, place) }
        if kind.length == 0 { time = stamp }
        let header = TickHeader(
            symbol: 0, flags: flags, resolution: TimeResolution.millisecond.rawValue,
            providerTime: stamp, receiveTime: received)
        do throws(FixedPoint.ParseError) {
            switch kind {
            case .trade: return .trade(feed: feed, try trade(bytes, header))
            case .quote: return .quote(feed: feed, try quote(bytes, header))
            case .minute, .second, .status:
                beside = .bar(feed: feed, try bar(bytes, header, kind.length))
                return .beside
            }
        } catch {
            let time = stamp.advanced(byNanoseconds: kind.length)
            return misfit(feed, time, "a number", bytes, place)
        }
    }

    /// What a message is.
    private enum Kind {
        case trade, quote, minute, second, status

        /// The number of the channel with whose symbols it comes.
        var channel: Int? {
            switch self {
            case .trade: 0
            case .quote: 1
            case .minute: 2
            case .second: 3
            case .status: nil
            }
        }

        /// The length of a bar in nanoseconds; 0: it is none.
        var length: Int64 {
            switch self {
            case .minute: 60_000_000_000
            case .second: 1_000_000_000
            case .trade, .quote, .status: 0
            }
        }
    }

    private func kind(_ bytes: RawSpan) -> Kind? {
        let type = self[.type]
        guard type.kind == .text, type.end > type.start else { return nil }
        let first = bytes.uint8(at: type.start)
        guard type.end - type.start > 1 else {
            if first == UInt8(ascii: "T") { return .trade }
            if first == UInt8(ascii: "Q") { return .quote }
            return first == UInt8(ascii: "A") ? .second : nil
        }
        if type.isText("AM", in: bytes) { return .minute }
        return type.isText("status", in: bytes) ? .status : nil
    }

    private mutating func misfit(
        _ feed: Int, _ time: Timestamp, _ what: String, _ bytes: RawSpan, _ place: Range<Int>
    ) -> StreamMessage {
        beside = .misfit(feed: feed, time: time, text: bytes.misfit(what, at: place))
        return .beside
    }

    /// Returns a time in milliseconds; undefined: there is none, or none that can be.
    private func milliseconds(_ part: Part, _ bytes: RawSpan) -> Timestamp {
        guard let count = self[part].uint64(in: bytes), count > 0,
            let exact = Int64(exactly: count)
        else { return .undefined }
        let (time, overflow) = exact.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .undefined : Timestamp(nanoseconds: time)
    }

    // MARK: trades and quotes

    private func trade(
        _ bytes: RawSpan, _ header: TickHeader
    ) throws(FixedPoint.ParseError) -> Trade {
        let exchange = self[.exchange].uint64(in: bytes) ?? 0
        // The number is cut to whole shares; the text has the fraction.
        var trade = Trade(
            header: header, price: try self[.price].price(in: bytes),
            size: try self[.sizeText].or(self[.size]).quantity(in: bytes),
            exchange: codes.text(ofExchange: exchange),
            conditions: codes.conditions(
                self[.conditions], tape: self[.tape].uint64(in: bytes) ?? 0, in: bytes))
        trade.header.providerID = codes.number(
            self[.number].uint64(in: bytes), mark: codes.mark(self[.id], trade, in: bytes),
            header.providerTime, exchange)
        return trade
    }

    private func quote(
        _ bytes: RawSpan, _ header: TickHeader
    ) throws(FixedPoint.ParseError) -> Quote {
        let (bid, ask) = (
            self[.bidExchange].uint64(in: bytes) ?? 0, self[.askExchange].uint64(in: bytes) ?? 0
        )
        var quote = Quote(
            header: header, bidPrice: .undefined, bidSize: .undefined, askPrice: .undefined,
            askSize: .undefined, bidExchange: codes.text(ofExchange: bid),
            askExchange: codes.text(ofExchange: ask))
        quote.header.providerID = codes.number(
            self[.number].uint64(in: bytes), header.providerTime, 0)
        // A side without anybody has the price 0, or none.
        if self[.bidPrice].kind != .absent {
            let price = try self[.bidPrice].price(in: bytes)
            if price.raw != 0 {
                (quote.bidPrice, quote.bidSize) = (price, try size(.bidSize, bytes))
            }
        }
        if self[.askPrice].kind != .absent {
            let price = try self[.askPrice].price(in: bytes)
            if price.raw != 0 {
                (quote.askPrice, quote.askSize) = (price, try size(.askSize, bytes))
            }
        }
        return quote
    }

    private func size(_ part: Part, _ bytes: RawSpan) throws(FixedPoint.ParseError) -> Quantity {
        guard self[part].kind != .absent else { return .undefined }
        return try self[part].quantity(in: bytes)
    }

    // MARK: what comes beside them

    /// Reads a bar. It ends where a bar of its length does, whatever the service writes.
    private func bar(
        _ bytes: RawSpan, _ header: TickHeader, _ length: Int64
    ) throws(FixedPoint.ParseError) -> ProviderBar {
        var bar = try ProviderBar(
            header, length: length,
            prices: [self[.open], self[.high], self[.low], self[.conditions]],
            volume: try self[.volumeText].or(self[.volume]).volume(in: bytes), in: bytes)
        bar.vwap = self[.average].averagePrice(in: bytes)
        return bar
    }

    private static let subscribed = "subscribed to: "
    private static let unsubscribed = "unsubscribed to: "

    private mutating func status(_ bytes: RawSpan) -> StreamMessage {
        let most = MassiveLimits.statusBytesMax
        guard let word = self[.status].text(in: bytes, bytesMax: 64),
            let whole = self[.message].text(in: bytes, bytesMax: most)
                ?? (self[.message].kind == .absent ? "" : nil)
        else { return .skipped(.unknown) }
        // Before it is cut: a part of a key is one, too.
        let said = hidden.taken(outOf: whole)
        let shown = said.shownOnLine(StreamLimits.textCharactersMax)
        control =
            switch Status(rawValue: word) {
            case .connected: .connected
            case .authenticated: .authenticated
            case .refused: .refusedAccount(shown)
            case .occupied: .occupied(shown)
            case .success: Self.words(said)
            // It may name words that were asked for, which must not be cut.
            case .error: .error(said)
            case nil: .other(hidden.taken(outOf: word).shownOnLine(64), shown)
            }
        return .control
    }

    private enum Status: String {
        case connected, success, error
        case authenticated = "auth_success"
        case refused = "auth_failed"
        case occupied = "max_connections"
    }

    private static func words(_ said: String) -> MassiveControl {
        func list(_ prefix: String) -> [String] {
            said.dropFirst(prefix.count).split(separator: ",").map {
                String($0.drop { $0 == " " })
            }
        }
        if said.hasPrefix(subscribed) { return .subscribed(list(subscribed)) }
        if said.hasPrefix(unsubscribed) { return .unsubscribed(list(unsubscribed)) }
        return .other("success", said.shownOnLine(StreamLimits.textCharactersMax))
    }
}

enum MassiveBeside: Sendable {
    case none
    case bar(feed: Int, ProviderBar)
    /// Something of a symbol that is wanted and that the tape cannot hold, or that lacks a field.
    case misfit(feed: Int, time: Timestamp, text: String)
}

/// A status message.
enum MassiveControl: Hashable, Sendable {
    case connected
    case authenticated
    /// The key is not taken, or the account's plan lacks what is needed.
    case refusedAccount(String)
    /// Another session of the account is there.
    case occupied(String)
    /// What was asked for, by words as `T.AAPL`, is subscribed to; or no longer is.
    case subscribed([String])
    case unsubscribed([String])
    /// Something that was asked for is refused.
    case error(String)
    /// Another status, and its text.
    case other(String, String)
}

/// The service's numbers of exchanges and of sale conditions, as the letters of the tapes. With
/// these letters tables of conditions and queries are the same for each vendor of US stocks.
///
/// Exchanges are those of `/v3/reference/exchanges` (`participant_id`), conditions those of
/// `/v3/reference/conditions` (`sip_mapping`).
struct MassiveCodes: Sendable {
    /// By the number of the exchange; a blank: there is no letter.
    private let exchanges = Array(" ABCDEIJKMNPTSLVWXYZHU".utf8)

    /// By the number of the condition; `?`: it has no letter, or one that means something else in
    /// the other plan: 4 (bunched trade) has the `B` of an average price, and 6 (CAP election) the
    /// `I` of an odd lot. Both allow everything, as a letter that no table lists.
    private let conditions = Array("@AWE?G?C6X4DTUFMQO56NHPKKO?15RL2Z3S?YI9?????????????V7".utf8)

    /// Returns the letter of an exchange; 0: it has none.
    func exchange(_ number: UInt64) -> UInt8 {
        number > 0 && number < UInt64(exchanges.count) ? exchanges[Int(number)] : 0
    }

    /// Returns the letter of a condition. `tape`: 1 and 2 are of CTA, 3 is of UTP.
    func condition(_ number: UInt64, tape: UInt64) -> UInt8 {
        guard number < UInt64(conditions.count) else { return UInt8(ascii: "?") }
        if number == 2, tape != 3 { return UInt8(ascii: "B") }
        return conditions[Int(number)]
    }

    /// Returns the letter of an exchange, or its number if it has none.
    func text(ofExchange number: UInt64) -> ShortText {
        let letter = exchange(number)
        guard letter == 0, number > 0 else { return ShortText(raw: UInt64(letter)) }
        var (raw, rest) = (UInt64(0), number % 100_000_000)
        while rest > 0 {
            raw = raw << 8 | (UInt64(UInt8(ascii: "0")) + rest % 10)
            rest /= 10
        }
        return ShortText(raw: raw)
    }

    /// Returns the letters of a list of sale conditions. Those beyond the eighth are left out.
    func conditions(
        _ field: JSONFieldReader.Field, tape: UInt64, in bytes: RawSpan
    ) -> ShortText {
        guard field.kind == .array else { return .empty }
        var (raw, count, number, hasDigit) = (UInt64(0), UInt64(0), UInt64(0), false)
        for place in field.start..<field.end where count < UInt64(ShortText.utf8CountMax) {
            let digit = bytes.uint8(at: place) &- 0x30
            if digit <= 9 {
                number = min(number, 1_000) * 10 + UInt64(digit)
                hasDigit = true
            } else if hasDigit {
                raw |= UInt64(condition(number, tape: tape)) << (8 * count)
                (count, number, hasDigit) = (count + 1, 0, false)
            }
        }
        return ShortText(raw: raw)
    }

    /// Returns the number on the tape: the service's number rises by symbol and day; 0: it has
    /// none. `mark`: a byte that tells apart trades of one number.
    func number(
        _ number: UInt64?, mark: UInt64 = 0, _ time: Timestamp, _ exchange: UInt64
    ) -> UInt64 {
        guard let number, number != 0 else { return 0 }
        return TradeNumber.number(
            exchange: self.exchange(exchange), day: TradeNumber.day(of: time),
            id: TradeNumber.id(number, mark: mark, bits: Self.idBits - Self.numberBits))
    }

    /// The bits of the service's number in an id of `TradeNumber`.
    private static let numberBits: UInt64 = 38
    private static let idBits: UInt64 = 46
    private static let dayBits: UInt64 = 12

    /// Returns the day and the service's number, without the mark and the exchange.
    static func place(_ number: UInt64) -> UInt64 {
        let day = number >> idBits & (1 << dayBits - 1)
        return day << numberBits | number & (1 << numberBits - 1)
    }

    /// Returns the mark of a trade: two trades of one exchange may have one number in one
    /// millisecond, and then their own ids differ, by their last digits. Without one, price, size
    /// and conditions do.
    func mark(_ id: JSONFieldReader.Field, _ trade: Trade, in bytes: RawSpan) -> UInt64 {
        var sum: UInt64 = 0
        if id.kind == .text || id.kind == .number, id.end > id.start {
            for place in id.start..<id.end { sum = sum &* 10 &+ UInt64(bytes.uint8(at: place)) }
        } else {
            let content = UInt64(TradeNumber.content(trade.price, trade.size))
            sum = ((content ^ trade.conditions.raw) &* 0x9e37_79b9_7f4a_7c15) >> 40
        }
        return sum & 0xff
    }
}
