internal import EngineKit
internal import MarketModel
internal import Primitives

/// Reads the exchange's messages. One pass over the bytes for a trade, one more for what comes
/// beside trades, and no allocation.
struct BinanceReader: Sendable {
    enum Message: Sendable {
        case trade(DenseTrade)
        /// Something beside trades, in `beside`: it is larger than a trade, and much rarer.
        case beside
        /// The answer to a request; the text is empty when it was accepted.
        case answer(id: UInt64, refusal: String)
        /// The server will end the connection.
        case shutdown
        case skipped(StreamSkip)

        /// Whether it is of the market.
        var isEvent: Bool {
            switch self {
            case .trade, .beside: true
            case .answer, .shutdown, .skipped: false
            }
        }
    }

    /// What comes beside trades.
    enum Beside: Sendable {
        /// The best bid and offer.
        case quote(feed: Int, Quote)
        /// A bar that is over.
        case bar(feed: Int, ProviderBar)
        /// The best rows of a book, in `book`.
        case book(feed: Int, id: UInt64)
        /// A number does not fit the tape.
        case misfit(feed: Int, text: String)
        case skipped(StreamSkip)
        /// A bar that is not over yet.
        case unfinished
    }

    /// The places of the paths in `JSONFieldReader`: of combined streams, and of plain ones.
    private static let plain = 7
    private static let answerID = 14
    private static let names = ["e", "s", "t", "p", "q", "T", "E"]
    private static let answers = ["id", "result", "code", "msg", "error.msg"]
    /// The same of what comes beside trades.
    private static let besidePlain = 15
    private static let barBegin = 6
    private static let besideNames =
        ["u", "s", "b", "B", "a", "A"]
        + ["t", "T", "o", "h", "l", "c", "v", "n", "x"].map { "k.\($0)" }

    private var fields = JSONFieldReader(names.map { "data.\($0)" } + names + answers)
    private var besideFields = JSONFieldReader(besideNames.map { "data.\($0)" } + besideNames)
    private var bookFields = JSONFieldReader([
        "stream", "data.lastUpdateId", "data.bids", "data.asks",
    ])
    private(set) var beside = Beside.unfinished
    private(set) var book = BinanceBook()
    /// The exchange's time in the last message; undefined: it had none.
    private(set) var sent = Timestamp.undefined

    /// Reads a message.
    mutating func read(
        _ bytes: RawSpan, received: Timestamp, _ places: FeedPlaces
    ) -> Message {
        sent = .undefined
        guard fields.read(bytes) == nil else { return .skipped(.malformed) }
        let base = fields[0].kind == .absent ? Self.plain : 0
        let event = fields[base]
        if event.isText("trade", in: bytes) { return trade(bytes, base, received, places) }
        guard event.kind == .absent else {
            if event.isText("kline", in: bytes) {
                noteSent(bytes, base)
                beside = bar(bytes, received, places)
                return .beside
            }
            if event.isText("serverShutdown", in: bytes) { return .shutdown }
            return .skipped(event.isText("blockTrade", in: bytes) ? .block : .unknown)
        }
        if let answer = answer(bytes) { return answer }
        beside = nameless(bytes, received, places)
        return .beside
    }

    private mutating func noteSent(_ bytes: RawSpan, _ base: Int) {
        if let stamp = fields[base + 6].uint64(in: bytes), let time = Self.time(stamp) {
            sent = time.time
        }
    }

    private mutating func trade(
        _ bytes: RawSpan, _ base: Int, _ received: Timestamp, _ places: FeedPlaces
    ) -> Message {
        guard fields[base + 1].kind == .text, !fields[base + 1].hasEscapes,
            let id = fields[base + 2].uint64(in: bytes),
            let stamp = fields[base + 5].uint64(in: bytes), let time = Self.time(stamp)
        else { return .skipped(.fields) }
        noteSent(bytes, base)
        guard let feed = find(fields[base + 1], .trades, bytes, places) else {
            return .skipped(.stray)
        }
        var trade = DenseTrade(feed: feed, Self.trade(id, time, received))
        do throws(FixedPoint.ParseError) {
            trade.trade.price = Price(
                raw: try fields[base + 3].decimal(in: bytes, decimals: Price.decimals))
            trade.trade.size = Quantity(
                raw: try fields[base + 4].decimal(in: bytes, decimals: Quantity.decimals))
        } catch {
            guard error != .notANumber else { return .skipped(.fields) }
            let price = fields[base + 3].text(in: bytes, bytesMax: FixedPoint.textBytesMax)
            let size = fields[base + 4].text(in: bytes, bytesMax: FixedPoint.textBytesMax)
            trade.misfit = "price \(price ?? "?"), size \(size ?? "?")"
        }
        return .trade(trade)
    }

    typealias Stamp = (time: Timestamp, resolution: TimeResolution)

    /// A trade without its numbers.
    @inline(__always)
    static func trade(_ id: UInt64, _ stamp: Stamp, _ received: Timestamp) -> Trade {
        Trade(
            header: TickHeader(
                symbol: 0, resolution: stamp.resolution.rawValue, providerTime: stamp.time,
                receiveTime: received, providerID: id), price: .undefined, size: .undefined)
    }

    /// Returns the time of a stamp in milliseconds or microseconds; `nil` when it is neither. A
    /// stamp of microseconds has been above every one of milliseconds since 1973.
    static func time(_ stamp: UInt64) -> Stamp? {
        if stamp < 100_000_000_000_000 {
            guard let value = Int64(exactly: stamp), value <= 9_000_000_000_000 else { return nil }
            return (Timestamp(nanoseconds: value * 1_000_000), .millisecond)
        }
        guard let value = Int64(exactly: stamp), value <= 9_000_000_000_000_000 else { return nil }
        return (Timestamp(nanoseconds: value * 1_000), .microsecond)
    }

    /// Returns the answer to a request; `nil`: it is none.
    private func answer(_ bytes: RawSpan) -> Message? {
        let isRefusal =
            fields[Self.answerID + 2].kind != .absent
            || fields[Self.answerID + 4].kind != .absent
        // A refusal of what the server could not read has no id.
        let id = fields[Self.answerID].uint64(in: bytes)
        guard id != nil || isRefusal else { return nil }
        guard isRefusal else { return .answer(id: id ?? 0, refusal: "") }
        let text =
            fields[Self.answerID + 3].text(in: bytes, bytesMax: 256)
            ?? fields[Self.answerID + 4].text(in: bytes, bytesMax: 256) ?? ""
        return .answer(id: id ?? 0, refusal: text.isEmpty ? "no reason given" : text)
    }

    private func find(
        _ name: JSONFieldReader.Field, _ channel: BinanceChannel, _ bytes: RawSpan,
        _ places: FeedPlaces
    ) -> Int? {
        guard name.kind == .text, !name.hasEscapes,
            let symbol = places.symbol(bytes.extracting(name.start..<name.end))
        else { return nil }
        return places.feed(symbol, channel.rawValue)
    }

    // MARK: beside trades

    /// Reads a bar, which says that it is one.
    private mutating func bar(
        _ bytes: RawSpan, _ received: Timestamp, _ places: FeedPlaces
    ) -> Beside {
        guard besideFields.read(bytes) == nil else { return .skipped(.malformed) }
        let base = besideFields[1].kind == .absent ? Self.besidePlain : 0
        guard let feed = find(besideFields[base + 1], .bars, bytes, places) else {
            return .skipped(.stray)
        }
        let first = base + Self.barBegin
        guard let open = besideFields[first].uint64(in: bytes),
            let last = besideFields[first + 1].uint64(in: bytes),
            let count = besideFields[first + 7].uint64(in: bytes),
            besideFields[first + 8].kind == .bool,
            var bar = Self.bar(from: open, through: last, trades: count, received)
        else { return .skipped(.fields) }
        let isOver = besideFields[first + 8].end - besideFields[first + 8].start
        guard isOver == "true".utf8.count else { return .unfinished }
        do throws(FixedPoint.ParseError) {
            bar.open = try price(first + 2, bytes)
            bar.high = try price(first + 3, bytes)
            bar.low = try price(first + 4, bytes)
            bar.close = try price(first + 5, bytes)
            let volume = besideFields[first + 6]
            guard volume.kind == .text else { return .skipped(.fields) }
            bar.volume = try FixedPoint.parseWide(
                bytes.extracting(volume.start..<volume.end), decimals: Quantity.decimals)
        } catch {
            return misfit(error, feed, Self.barName, besideFields[first + 3], bytes)
        }
        return .bar(feed: feed, bar)
    }

    /// What a bar is called in messages.
    static let barName = "a bar"

    /// Makes a bar without its numbers. `first` and `last` are the exchange's stamps of its first
    /// and its last moment. Returns `nil` when these are no times, or in no order.
    static func bar(
        from first: UInt64, through last: UInt64, trades: UInt64, _ received: Timestamp
    ) -> ProviderBar? {
        guard let (open, _) = time(first), let (end, resolution) = time(last), end >= open,
            let count = Int64(exactly: trades), count < ProviderBar.undefinedCount
        else { return nil }
        let close = end.advanced(byNanoseconds: resolution == .millisecond ? 1_000_000 : 1_000)
        var bar = ProviderBar(
            header: TickHeader(
                symbol: 0, flags: .conflated, resolution: TimeResolution.millisecond.rawValue,
                providerTime: close, receiveTime: received, providerID: 0),
            openTime: open, closeTime: close, kind: .trades)
        bar.trades = count
        return bar
    }

    /// Reads what has no name of its kind: a quote or a book.
    private mutating func nameless(
        _ bytes: RawSpan, _ received: Timestamp, _ places: FeedPlaces
    ) -> Beside {
        guard besideFields.read(bytes) == nil else { return .skipped(.malformed) }
        let base = besideFields[1].kind == .absent ? Self.besidePlain : 0
        guard besideFields[base + 1].kind != .absent else { return readBook(bytes, places) }
        guard let id = besideFields[base].uint64(in: bytes) else { return .skipped(.unknown) }
        guard let feed = find(besideFields[base + 1], .quotes, bytes, places) else {
            return .skipped(.stray)
        }
        do throws(FixedPoint.ParseError) {
            return .quote(
                feed: feed,
                Quote(
                    header: Self.header(id, received), bidPrice: try price(base + 2, bytes),
                    bidSize: try size(base + 3, bytes), askPrice: try price(base + 4, bytes),
                    askSize: try size(base + 5, bytes)))
        } catch {
            return misfit(error, feed, "a quote", besideFields[base + 2], bytes)
        }
    }

    /// The header of an update that has no time of the exchange, and may stand for several events.
    static func header(_ id: UInt64, _ received: Timestamp) -> TickHeader {
        TickHeader(
            symbol: 0, flags: .conflated, resolution: TimeResolution.unknown.rawValue,
            providerTime: .undefined, receiveTime: received, providerID: id)
    }

    private mutating func readBook(_ bytes: RawSpan, _ places: FeedPlaces) -> Beside {
        guard bookFields.read(bytes) == nil else { return .skipped(.malformed) }
        guard let id = bookFields[1].uint64(in: bytes), bookFields[2].kind == .array,
            bookFields[3].kind == .array
        else { return .skipped(.unknown) }
        guard let feed = find(symbol(of: bookFields[0], bytes), .books, bytes, places) else {
            return .skipped(.stray)
        }
        do throws(FixedPoint.ParseError) {
            var bids = BinanceBookReader(bookFields[2])
            var asks = BinanceBookReader(bookFields[3])
            guard try bids.read(bytes, into: &book.bids, { $0 > $1 }),
                try asks.read(bytes, into: &book.asks, { $0 < $1 })
            else { return .skipped(.fields) }
        } catch {
            return misfit(error, feed, "a book", JSONFieldReader.Field(), bytes)
        }
        return .book(feed: feed, id: id)
    }

    /// Returns the part of a stream's name before the first `@`.
    private func symbol(
        of stream: JSONFieldReader.Field, _ bytes: RawSpan
    ) -> JSONFieldReader.Field {
        var name = stream
        guard stream.kind == .text else { return name }
        for place in stream.start..<stream.end where bytes.uint8(at: place) == UInt8(ascii: "@") {
            name.end = place
            break
        }
        return name
    }

    private func price(_ field: Int, _ bytes: RawSpan) throws(FixedPoint.ParseError) -> Price {
        Price(raw: try besideFields[field].decimal(in: bytes, decimals: Price.decimals))
    }

    private func size(_ field: Int, _ bytes: RawSpan) throws(FixedPoint.ParseError) -> Quantity {
        Quantity(raw: try besideFields[field].decimal(in: bytes, decimals: Quantity.decimals))
    }

    private func misfit(
        _ error: FixedPoint.ParseError, _ feed: Int, _ what: String,
        _ sample: JSONFieldReader.Field, _ bytes: RawSpan
    ) -> Beside {
        guard error != .notANumber else { return .skipped(.fields) }
        let text = sample.text(in: bytes, bytesMax: FixedPoint.textBytesMax)
        return .misfit(feed: feed, text: Self.misfit(what, at: text))
    }

    /// Says that something does not fit the tape, at one of its numbers.
    static func misfit(_ what: String, at number: String?) -> String {
        number.map { "\(what) does not fit the tape, at \($0)" }
            ?? "\(what) does not fit the tape"
    }
}

/// A row of a book.
struct BinanceBookRow: Hashable, Sendable {
    var price = Price.undefined
    var size = Quantity.undefined
}

/// The best rows of both sides, as the tape has them, or as a message says.
struct BinanceBook: Sendable {
    var bids: [BinanceBookRow] = []
    var asks: [BinanceBookRow] = []

    /// Changes this book into another one, and reports each change of a row. Both sides are sorted,
    /// best row first.
    mutating func become(
        _ next: BinanceBook, _ change: (BookSide, DepthOperation, Int, BinanceBookRow) -> Void
    ) {
        Self.change(&bids, next.bids, { $0 > $1 }) { change(.bid, $0, $1, $2) }
        Self.change(&asks, next.asks, { $0 < $1 }) { change(.ask, $0, $1, $2) }
    }

    private static func change(
        _ rows: inout [BinanceBookRow], _ next: [BinanceBookRow],
        _ isBetter: (Price, Price) -> Bool,
        _ change: (DepthOperation, Int, BinanceBookRow) -> Void
    ) {
        for place in next.indices {
            let row = next[place]
            while place < rows.count, isBetter(rows[place].price, row.price) {
                rows.remove(at: place)
                change(.delete, place, BinanceBookRow())
            }
            if place < rows.count, rows[place].price == row.price {
                guard rows[place].size != row.size else { continue }
                rows[place] = row
                change(.update, place, row)
            } else {
                rows.insert(row, at: place)
                change(.insert, place, row)
            }
        }
        while rows.count > next.count {
            rows.removeLast()
            change(.delete, rows.count, BinanceBookRow())
        }
    }
}

/// Reads the rows of one side: `[["0.0024","10"],…]`, within a message that is right as JSON.
struct BinanceBookReader {
    private var place: Int
    private let end: Int

    /// `field`: the array in the message.
    init(_ field: JSONFieldReader.Field) {
        place = field.start
        end = field.end
    }

    /// Reads all rows. Returns false when they are no rows, or too many. `isBetter`: the order of
    /// the side, which is checked.
    mutating func read(
        _ bytes: RawSpan, into rows: inout [BinanceBookRow], _ isBetter: (Price, Price) -> Bool
    ) throws(FixedPoint.ParseError) -> Bool {
        rows.removeAll(keepingCapacity: true)
        guard take("[", bytes) else { return false }
        if take("]", bytes) { return true }
        while true {
            guard take("[", bytes), let price = text(bytes), take(",", bytes),
                let size = text(bytes), take("]", bytes), rows.count < BinanceLimits.bookRows
            else { return false }
            let row = BinanceBookRow(
                price: Price(
                    raw: try FixedPoint.parse(
                        bytes.extracting(price), decimals: Price.decimals)),
                size: Quantity(
                    raw: try FixedPoint.parse(
                        bytes.extracting(size), decimals: Quantity.decimals)))
            if let last = rows.last, !isBetter(last.price, row.price) { return false }
            rows.append(row)
            if take("]", bytes) { return true }
            guard take(",", bytes) else { return false }
        }
    }

    private mutating func take(_ character: Unicode.Scalar, _ bytes: RawSpan) -> Bool {
        skipSpace(bytes)
        guard place < end, bytes.uint8(at: place) == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func skipSpace(_ bytes: RawSpan) {
        while place < end, bytes.uint8(at: place) <= 0x20 { place += 1 }
    }

    /// Returns the place of a text without its quotes. A number has no escapes.
    private mutating func text(_ bytes: RawSpan) -> Range<Int>? {
        guard take("\"", bytes) else { return nil }
        let start = place
        while place < end, bytes.uint8(at: place) != UInt8(ascii: "\"") { place += 1 }
        guard place < end else { return nil }
        defer { place += 1 }
        return start..<place
    }
}
