internal import EngineKit
internal import MarketModel
internal import Primitives

/// What comes beside trades. It has no ids without holes, so nothing proves that all of it came.
enum BinanceSideMessage: Sendable {
    /// The best bid and offer.
    case quote(feed: Int, id: UInt64, bid: BinanceBookRow, ask: BinanceBookRow)
    case bar(BinanceBar)
    /// The best rows of a book, in `BinanceSideReader.book`.
    case book(feed: Int, id: UInt64)
    /// A number does not fit the tape.
    case misfit(feed: Int, text: String)
    /// A bar that is not over yet, or something that nobody asked for.
    case skipped(BinanceSkip)
    case unfinished
}

/// Reads messages about the best bid and offer, bars and books. One pass over the bytes more than
/// for a trade, and no allocation.
struct BinanceSideReader: Sendable {
    /// The places of the paths: of combined streams, and of plain ones.
    private static let paths = [
        "data.u", "data.s", "data.b", "data.B", "data.a", "data.A",
        "data.k.t", "data.k.T", "data.k.o", "data.k.h", "data.k.l", "data.k.c", "data.k.v",
        "data.k.n", "data.k.x", "u", "s", "b", "B", "a", "A",
        "k.t", "k.T", "k.o", "k.h", "k.l", "k.c", "k.v", "k.n", "k.x",
    ]
    private static let plain = 15
    private static let bar = 6

    private var fields = JSONFieldReader(Self.paths)
    private var bookFields = JSONFieldReader([
        "stream", "data.lastUpdateId", "data.bids", "data.asks",
    ])
    /// The book of the last message about one.
    private(set) var book = BinanceBook()

    /// Reads a bar, which says that it is one.
    mutating func bar(_ bytes: RawSpan, _ places: BinanceFeedPlaces) -> BinanceSideMessage {
        guard fields.read(bytes) == nil else { return .skipped(.malformed) }
        let base = fields[1].kind == .absent ? Self.plain : 0
        guard let feed = find(fields[base + 1], bytes, places.bars) else {
            return .skipped(.stray)
        }
        let first = base + Self.bar
        guard let open = fields[first].uint64(in: bytes),
            let last = fields[first + 1].uint64(in: bytes),
            let count = fields[first + 7].uint64(in: bytes), fields[first + 8].kind == .bool,
            var bar = BinanceBar(feed: feed, from: open, through: last, trades: count)
        else { return .skipped(.fields) }
        let isOver = fields[first + 8].end - fields[first + 8].start == "true".utf8.count
        guard isOver else { return .unfinished }
        do throws(FixedPoint.ParseError) {
            bar.prices = (
                try price(first + 2, bytes), try price(first + 3, bytes),
                try price(first + 4, bytes), try price(first + 5, bytes)
            )
            let volume = fields[first + 6]
            guard volume.kind == .text else { return .skipped(.fields) }
            bar.volume = try FixedPoint.parseWide(
                bytes.extracting(volume.start..<volume.end), decimals: Quantity.decimals)
        } catch {
            return misfit(error, feed, BinanceBar.name, fields[first + 3], bytes)
        }
        return .bar(bar)
    }

    /// Reads what has no name of its kind: a quote or a book.
    mutating func nameless(_ bytes: RawSpan, _ places: BinanceFeedPlaces) -> BinanceSideMessage {
        guard fields.read(bytes) == nil else { return .skipped(.malformed) }
        let base = fields[1].kind == .absent ? Self.plain : 0
        guard fields[base + 1].kind != .absent else { return readBook(bytes, places) }
        guard let id = fields[base].uint64(in: bytes) else { return .skipped(.unknown) }
        guard let feed = find(fields[base + 1], bytes, places.quotes) else {
            return .skipped(.stray)
        }
        do throws(FixedPoint.ParseError) {
            return .quote(
                feed: feed, id: id,
                bid: BinanceBookRow(
                    price: try price(base + 2, bytes), size: try size(base + 3, bytes)),
                ask: BinanceBookRow(
                    price: try price(base + 4, bytes), size: try size(base + 5, bytes)))
        } catch {
            return misfit(error, feed, "a quote", fields[base + 2], bytes)
        }
    }

    private mutating func readBook(
        _ bytes: RawSpan, _ places: BinanceFeedPlaces
    ) -> BinanceSideMessage {
        guard bookFields.read(bytes) == nil else { return .skipped(.malformed) }
        guard let id = bookFields[1].uint64(in: bytes), bookFields[2].kind == .array,
            bookFields[3].kind == .array
        else { return .skipped(.unknown) }
        guard let feed = find(symbol(of: bookFields[0], bytes), bytes, places.books) else {
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

    private func find(
        _ name: JSONFieldReader.Field, _ bytes: RawSpan, _ symbols: NamePlaces
    ) -> Int? {
        guard name.kind == .text, !name.hasEscapes else { return nil }
        return symbols.find(bytes.extracting(name.start..<name.end))
    }

    private func price(_ field: Int, _ bytes: RawSpan) throws(FixedPoint.ParseError) -> Price {
        Price(raw: try fields[field].decimal(in: bytes, decimals: Price.decimals))
    }

    private func size(_ field: Int, _ bytes: RawSpan) throws(FixedPoint.ParseError) -> Quantity {
        Quantity(raw: try fields[field].decimal(in: bytes, decimals: Quantity.decimals))
    }

    private func misfit(
        _ error: FixedPoint.ParseError, _ feed: Int, _ what: String,
        _ sample: JSONFieldReader.Field, _ bytes: RawSpan
    ) -> BinanceSideMessage {
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
