import MarketModel
import Primitives
import ServiceRuntime

/// One symbol's book, as rows edit it: levels by position, best first, bids and asks.
struct RowBook: Hashable {
    struct Level: Hashable {
        let price: Int64
        let size: Int64
    }

    private(set) var sides: [[Level]] = [[], []]

    /// Applies a row. Returns false when there is no such row to edit.
    mutating func apply(_ row: DepthUpdate) -> Bool {
        let (side, place) = (Int(row.side), Int(row.position))
        let level = Level(price: row.price.raw, size: row.size.raw)
        switch DepthOperation(rawValue: row.operation) {
        case .insert:
            guard place <= sides[side].count else { return false }
            sides[side].insert(level, at: place)
        case .update:
            guard place < sides[side].count else { return false }
            sides[side][place] = level
        case .delete:
            guard place < sides[side].count else { return false }
            sides[side].remove(at: place)
        case nil: return false
        }
        return true
    }
}

/// A vendor's book of about five levels per side, sent as rows that each have a number. The book
/// after each row is known.
struct BookScript {
    private static let levels = 5

    private(set) var after: [UInt64: RowBook] = [:]
    /// The time of each row.
    private(set) var times: [UInt64: Timestamp] = [:]
    private(set) var last: UInt64 = 0
    private(set) var lastTime = Timestamp.undefined
    private let instrument: UInt32
    private var book = RowBook()
    private var random = SeededRandom(seed: 11)

    init(instrument: UInt32 = 0) { self.instrument = instrument }

    /// Returns the records of a book that begins again, because the subscription begins or the
    /// vendor empties it: a reset, then all levels.
    mutating func beginAnew() -> [ProviderRecord] {
        let market = book
        var records = [reset()]
        for side in [BookSide.bid, .ask] {
            let standing = market.sides[Int(side.rawValue)]
            for place in 0..<max(Self.levels, standing.count) {
                records.append(
                    row(
                        .insert, side, place,
                        place < standing.count ? standing[place] : newLevel()))
            }
        }
        return records
    }

    mutating func reset() -> ProviderRecord {
        book = RowBook()
        return .tape(.depthReset(DepthReset(header: header(), reason: .reset)))
    }

    /// Returns the begin of a gap of rows.
    mutating func gap() -> ProviderRecord {
        let header = header()
        return .tape(
            .gap(
                GapRecord(
                    header: header, from: header.eventTime, to: .undefined, kind: .depth,
                    reason: .disconnected, state: .open)))
    }

    /// Returns `count` edits, with stamps that are `ahead` of the time.
    mutating func rows(_ count: Int, ahead: Duration = .zero) -> [ProviderRecord] {
        (0..<count).map { _ in
            let side = random.next() % 2 == 0 ? BookSide.bid : .ask
            let standing = book.sides[Int(side.rawValue)].count
            let place = Int(random.next() % UInt64(max(1, standing)))
            switch random.next() % 3 {
            case 0 where standing > Self.levels - 2:
                return row(.delete, side, place, RowBook.Level(price: 0, size: 0), ahead)
            case 1 where standing > 0: return row(.update, side, place, newLevel(), ahead)
            default: return row(.insert, side, place, newLevel(), ahead)
            }
        }
    }

    private mutating func newLevel() -> RowBook.Level {
        RowBook.Level(price: Int64(random.next() % 1_000), size: Int64(random.next() % 1_000) + 1)
    }

    private mutating func row(
        _ operation: DepthOperation, _ side: BookSide, _ place: Int, _ level: RowBook.Level,
        _ ahead: Duration = .zero
    ) -> ProviderRecord {
        last += 1
        var header = header(id: last)
        header.receiveTime = header.receiveTime.advanced(byNanoseconds: ahead.clampedNanoseconds)
        let row = DepthUpdate(
            header: header, position: UInt32(place), side: side, operation: operation,
            price: Price(raw: level.price), size: Quantity(raw: level.size))
        precondition(book.apply(row), "the script edits a row that there is")
        after[last] = book
        times[last] = header.eventTime
        return .tape(.depth(row))
    }

    private mutating func header(id: UInt64 = 0) -> TickHeader {
        let now = SystemClock().now()
        lastTime = lastTime.isDefined ? max(now, lastTime.advanced(byNanoseconds: 1)) : now
        return TickHeader(
            symbol: instrument, providerTime: .undefined, receiveTime: lastTime, providerID: id)
    }
}
