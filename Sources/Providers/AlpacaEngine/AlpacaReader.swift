internal import EngineKit
internal import MarketModel
internal import Primitives

/// Reads the service's messages, which come in arrays. One pass over the bytes, and no allocation
/// for a trade or a quote.
struct AlpacaReader: Sendable {
    /// The fields by their numbers. The last ones are looked up first: they are of trades and
    /// quotes.
    enum Part: Int {
        /// Of a trade of the past: what became of it.
        case update
        case newConditions, newID, newPrice, newSize, oldID, oldPrice, oldSize
        case statusCode, statusText
        case count, average, volume, open, high, low
        case bidExchange, askExchange, bidSize, bidPrice, askPrice, askSize
        case tape, id, price, size, exchange
        /// Of a bar it is the close.
        case conditions
        case time, symbol, type
    }

    private static let names = [
        "u", "cc", "ci", "cp", "cs", "oi", "op", "os", "sc", "sm", "n", "vw", "v", "o", "h", "l",
        "bx", "ax",
        "bs",
        "bp", "ap", "as", "z", "i", "p", "s", "x", "c", "t", "S", "T",
    ]

    var fields = JSONFieldReader(Self.names)
    private(set) var beside = AlpacaBeside.none
    private(set) var control = AlpacaControl.connected
    /// The time in the last message; undefined: it had none.
    private(set) var time = Timestamp.undefined
    /// The flags of all records of the market.
    private let flags: TickFlags
    /// Whether sizes are of coins: they have more digits than the tape.
    private let isOfCoins: Bool

    private let hidden: HiddenTexts

    init(_ feed: AlpacaFeedName, _ hidden: HiddenTexts) {
        flags = feed.delay > 0 ? .delayed : []
        isOfCoins = feed.isCrypto
        self.hidden = hidden
    }

    /// A reader of pages of the past, which have no errors and no flags.
    init(isOfCoins: Bool) {
        flags = []
        self.isOfCoins = isOfCoins
        hidden = HiddenTexts()
    }

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

    subscript(part: Part) -> JSONFieldReader.Field { fields[part.rawValue] }

    private mutating func message(
        _ bytes: RawSpan, _ place: Range<Int>, _ received: Timestamp, _ places: FeedPlaces
    ) -> StreamMessage {
        let type = self[.type]
        guard type.kind == .text else { return .skipped(.unknown) }
        let stamp = self[.time]
        if stamp.kind == .text {
            time = bytes.extracting(stamp.start..<stamp.end).utcTime ?? .undefined
        }
        guard type.end - type.start == 1 else { return word(bytes, type, place) }
        guard let letter = Letter(rawValue: bytes.uint8(at: type.start)) else {
            return .skipped(.unknown)
        }
        guard let channel = letter.channel else { return news(bytes, place, received, places) }
        let name = self[.symbol]
        guard name.kind == .text, !name.hasEscapes,
            let symbol = places.symbol(bytes.extracting(name.start..<name.end)),
            let feed = places.feed(symbol, channel.rawValue)
        else { return .skipped(.stray) }
        guard time.isDefined else { return misfit(feed, received, "a time", bytes, place) }
        let header = TickHeader(
            symbol: 0, flags: flags, resolution: TimeResolution.nanosecond.rawValue,
            providerTime: time, receiveTime: received)
        do throws(FixedPoint.ParseError) {
            switch letter {
            case .trade: return .trade(feed: feed, try trade(bytes, header))
            case .quote: return .quote(feed: feed, try quote(bytes, header))
            case .bar, .updatedBar:
                beside = .bar(
                    feed: feed, try bar(bytes, header, isRevised: letter == .updatedBar))
            case .correction, .cancel:
                beside = .change(
                    try change(bytes, header, feed, isCancel: letter == .cancel))
            case .status, .news: return status(bytes, header, feed)
            }
            return .beside
        } catch {
            return misfit(feed, time, "a number", bytes, place)
        }
    }

    /// The letter that says what a message is.
    private enum Letter: UInt8 {
        case trade = 0x74
        case quote = 0x71
        case bar = 0x62
        case updatedBar = 0x75
        case correction = 0x63
        case cancel = 0x78
        case status = 0x73
        case news = 0x6e

        /// The channel with whose symbols it comes. News name several symbols.
        var channel: AlpacaChannel? {
            switch self {
            case .trade, .correction, .cancel: .trades
            case .quote: .quotes
            case .bar: .bars
            case .updatedBar: .updatedBars
            case .status: .statuses
            case .news: nil
            }
        }
    }

    private mutating func misfit(
        _ feed: Int, _ time: Timestamp, _ what: String, _ bytes: RawSpan, _ place: Range<Int>
    ) -> StreamMessage {
        beside = .misfit(feed: feed, time: time, text: bytes.misfit(what, at: place))
        return .beside
    }

    // MARK: trades and quotes

    func trade(
        _ bytes: RawSpan, _ header: TickHeader
    ) throws(FixedPoint.ParseError) -> Trade {
        guard let id = self[.id].uint64(in: bytes) else { throw .notANumber }
        let (price, size) = (try self[.price].price(in: bytes), try size(.size, bytes))
        var header = header
        header.providerID = AlpacaNumber.number(
            exchange: letter(self[.exchange], bytes),
            day: TradeNumber.day(of: header.providerTime), id: id,
            content: TradeNumber.content(price, size))
        return Trade(
            header: header, price: price, size: size,
            exchange: text(self[.exchange], bytes), conditions: conditions(self[.conditions], bytes)
        )
    }

    private func quote(
        _ bytes: RawSpan, _ header: TickHeader
    ) throws(FixedPoint.ParseError) -> Quote {
        var quote = Quote(
            header: header, bidPrice: try self[.bidPrice].price(in: bytes),
            bidSize: try size(.bidSize, bytes),
            askPrice: try self[.askPrice].price(in: bytes), askSize: try size(.askSize, bytes),
            bidExchange: text(self[.bidExchange], bytes),
            askExchange: text(self[.askExchange], bytes))
        // A side without anybody has the price 0.
        if quote.bidPrice.raw == 0 { (quote.bidPrice, quote.bidSize) = (.undefined, .undefined) }
        if quote.askPrice.raw == 0 { (quote.askPrice, quote.askSize) = (.undefined, .undefined) }
        return quote
    }

    private func size(
        _ part: Part, _ bytes: RawSpan
    ) throws(FixedPoint.ParseError) -> Quantity {
        do throws(FixedPoint.ParseError) {
            return try self[part].quantity(in: bytes)
        } catch {
            guard isOfCoins, error == .tooPrecise else { throw error }
            let wide = try self[part].rounded(in: bytes, decimals: Quantity.decimals)
            guard let raw = Int64(exactly: wide) else { throw .outOfRange }
            return Quantity(raw: raw)
        }
    }

    /// Returns the letter of an exchange; 0: there is none.
    private func letter(_ field: JSONFieldReader.Field, _ bytes: RawSpan) -> UInt8 {
        field.kind == .text && field.end > field.start ? bytes.uint8(at: field.start) : 0
    }

    private func text(_ field: JSONFieldReader.Field, _ bytes: RawSpan) -> ShortText {
        guard field.kind == .text, !field.hasEscapes else { return .empty }
        var text = ShortText.empty
        for place in field.start..<min(field.end, field.start + ShortText.utf8CountMax) {
            Self.put(bytes.uint8(at: place), place - field.start, into: &text)
        }
        return text
    }

    /// Returns the letters of an array of texts. Those beyond the eighth are left out.
    private func conditions(_ field: JSONFieldReader.Field, _ bytes: RawSpan) -> ShortText {
        guard field.kind == .array else { return .empty }
        var text = ShortText.empty
        var count = 0
        var isInside = false
        for place in field.start..<field.end where count < ShortText.utf8CountMax {
            let byte = bytes.uint8(at: place)
            if byte == UInt8(ascii: "\"") {
                isInside.toggle()
            } else if isInside {
                Self.put(byte, count, into: &text)
                count += 1
            }
        }
        return text
    }

    private static func put(_ byte: UInt8, _ place: Int, into text: inout ShortText) {
        let shown = byte >= 0x20 && byte < 0x7f ? byte : UInt8(ascii: "?")
        text.raw |= UInt64(shown) << (8 * UInt64(place))
    }
}

// What comes beside trades and quotes.
extension AlpacaReader {
    /// `length`: that of the bar, which names only its first moment.
    func bar(
        _ bytes: RawSpan, _ header: TickHeader, isRevised: Bool = false,
        length: Int64 = 60_000_000_000
    ) throws(FixedPoint.ParseError) -> ProviderBar {
        var header = header
        header.resolution = TimeResolution.minute.rawValue
        var bar = try ProviderBar(
            header, length: length,
            prices: [self[.open], self[.high], self[.low], self[.conditions]],
            volume: isOfCoins
                ? try self[.volume].rounded(in: bytes, decimals: Quantity.decimals)
                : try self[.volume].volume(in: bytes), in: bytes)
        if let count = self[.count].uint64(in: bytes) { bar.trades = Int64(clamping: count) }
        bar.vwap = self[.average].averagePrice(in: bytes)
        if isRevised { bar.flags.insert(.revised) }
        return bar
    }

    private func change(
        _ bytes: RawSpan, _ header: TickHeader, _ feed: Int, isCancel: Bool
    ) throws(FixedPoint.ParseError) -> AlpacaChange {
        var header = header
        header.action = (isCancel ? TradeAction.cancel : .correction).rawValue
        guard let id = self[isCancel ? .id : .oldID].uint64(in: bytes) else { throw .notANumber }
        var change = AlpacaChange(
            feed: feed, action: isCancel ? .cancel : .correction,
            exchange: letter(self[.exchange], bytes), id: id, time: header.providerTime,
            trade: Trade(
                header: header, price: try self[isCancel ? .price : .newPrice].price(in: bytes),
                size: try size(isCancel ? .size : .newSize, bytes),
                exchange: text(self[.exchange], bytes),
                conditions: conditions(self[isCancel ? .conditions : .newConditions], bytes)))
        if isCancel {
            change.content = TradeNumber.content(change.trade.price, change.trade.size)
        } else {
            guard let newID = self[.newID].uint64(in: bytes) else { throw .notANumber }
            change.newID = newID
            if self[.oldPrice].kind != .absent, self[.oldSize].kind != .absent {
                change.content = TradeNumber.content(
                    try self[.oldPrice].price(in: bytes), try size(.oldSize, bytes))
            }
        }
        return change
    }

    /// The codes of both tapes that say whether a symbol is halted.
    private static let halts = ["H": true, "2": true, "P": true, "Q": true, "T": false, "3": false]

    private mutating func status(
        _ bytes: RawSpan, _ header: TickHeader, _ feed: Int
    ) -> StreamMessage {
        guard let code = self[.statusCode].text(in: bytes, bytesMax: 8),
            let isHalt = Self.halts[code]
        else { return .skipped(.status) }
        let said = self[.statusText].text(in: bytes, bytesMax: IndicatorValue.unitBytesMax) ?? ""
        beside = .status(
            feed: feed,
            IndicatorValue(
                header: header, name: "alpaca.halted", unit: said,
                value: isHalt ? 1_000_000_000 : 0, periodStart: .undefined,
                periodEnd: .undefined))
        return .beside
    }

    private mutating func news(
        _ bytes: RawSpan, _ place: Range<Int>, _ received: Timestamp, _ places: FeedPlaces
    ) -> StreamMessage {
        guard let value = Self.parse(bytes, place), let headline = value["headline"]?.string,
            let id = value["id"]?.int,
            let created = value["created_at"]?.string.flatMap(ISOTime.parse)
        else { return .skipped(.unknown) }
        time = created
        let names = value["symbols"]?.array?.prefix(AlpacaLimits.symbolsPerArticle) ?? []
        let feeds = names.compactMap {
            $0.string.flatMap { places.feed($0, AlpacaChannel.news.rawValue) }
        }
        guard !feeds.isEmpty else { return .skipped(.stray) }
        let publisher = value["source"]?.string ?? ""
        beside = .news(
            AlpacaArticle(
                feeds: feeds,
                record: NewsHeadline(
                    header: TickHeader(
                        symbol: 0, resolution: TimeResolution.second.rawValue,
                        providerTime: created, receiveTime: received,
                        providerID: UInt64(max(0, id))),
                    provider: publisher.cut(toUTF8: NewsHeadline.providerBytesMax),
                    article: "\(id)", headline: headline.cut(toUTF8: NewsHeadline.headlineBytesMax))
            ))
        return .beside
    }

    /// Reads a message with a word for its type.
    private mutating func word(
        _ bytes: RawSpan, _ type: JSONFieldReader.Field, _ place: Range<Int>
    ) -> StreamMessage {
        guard let value = Self.parse(bytes, place),
            let word = value["T"]?.string.flatMap(Word.init)
        else { return .skipped(.unknown) }
        let text = value["msg"]?.string ?? ""
        switch word {
        case .success:
            guard let success = Success(rawValue: text) else { return .skipped(.unknown) }
            control = success == .connected ? .connected : .authenticated
        case .error:
            // Before it is cut: a part of a key is one, too.
            let shown = hidden.taken(outOf: text).shownOnLine(StreamLimits.textCharactersMax)
            control = .error(code: value["code"]?.int ?? 0, text: shown)
        case .subscription:
            var lists: [AlpacaChannel: Set<String>] = [:]
            for channel in AlpacaChannel.allCases {
                lists[channel] = Set(value[channel.name]?.array?.compactMap(\.string) ?? [])
            }
            control = .subscribed(lists)
        }
        return .control
    }

    private enum Word: String {
        case success, error, subscription
    }

    private enum Success: String {
        case connected, authenticated
    }

    private static func parse(_ bytes: RawSpan, _ place: Range<Int>) -> JSONValue? {
        do throws(JSONError) {
            return try JSONValue.parse(bytes.extracting(place).array)
        } catch {
            // The reader of fields has found no mistake in it.
            return nil
        }
    }
}

enum AlpacaBeside: Sendable {
    case none
    case bar(feed: Int, ProviderBar)
    case change(AlpacaChange)
    case status(feed: Int, IndicatorValue)
    case news(AlpacaArticle)
    /// Something of a symbol that is wanted and that the tape cannot hold, or that lacks a field.
    case misfit(feed: Int, time: Timestamp, text: String)
}

/// What became of a trade.
struct AlpacaChange: Sendable {
    var feed: Int
    var action: TradeAction
    var exchange: UInt8
    /// The service's id of the trade.
    var id: UInt64
    /// Its id from now on, if it is corrected.
    var newID: UInt64 = 0
    /// What it was until now, as `TradeNumber.content` has it; 0: the service does not say it.
    var content: UInt32 = 0
    /// When it was changed.
    var time: Timestamp
    /// The values that count now, or that no longer count.
    var trade: Trade
}

struct AlpacaArticle: Sendable {
    var feeds: [Int]
    var record: NewsHeadline
}

enum AlpacaControl: Sendable {
    case connected
    case authenticated
    case error(code: Int, text: String)
    /// The whole list of what is subscribed to, by channel.
    case subscribed([AlpacaChannel: Set<String>])
}
