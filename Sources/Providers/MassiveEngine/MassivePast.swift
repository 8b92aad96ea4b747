internal import EngineKit
internal import MarketModel
internal import Primitives

/// What has become of a trade, by the indicator of the tapes. Massive lists the numbers; their
/// meaning is that of the daily files of the tapes.
enum MassiveFate: Sendable {
    /// It was cancelled, or was an error.
    case cancelled
    /// It was corrected: the trade has the new price and size.
    case corrected

    /// `nil`: the trade stands, or this is a record about another one (10, 11, 12).
    init?(_ indicator: UInt64) {
        if indicator == 1 {
            self = .corrected
        } else if indicator == 7 || indicator == 8 {
            self = .cancelled
        } else {
            return nil
        }
    }

    var action: TradeAction {
        switch self {
        case .cancelled: .cancel
        case .corrected: .correction
        }
    }
}

/// A trade in an answer.
enum MassivePastTrade: Sendable {
    case standing
    /// It was cancelled or corrected: the record that says so, with the number and the time of the
    /// trade. `header.symbol` is not set.
    case changed(Trade)
    /// It was changed, and the tape cannot say how.
    case unreadable
}

/// An answer about past trades of one symbol.
struct MassivePage: Sendable {
    var changes: [Trade] = []
    /// Trades that were read, and changes that the tape cannot say.
    var trades = 0
    var unreadable = 0
    /// Where the next page begins; empty: this is the last one.
    var cursor = ""
}

/// Reads answers about past trades.
struct MassivePageReader: Sendable {
    private var answer = JSONFieldReader(["results", "next_url"])
    private var rows: MassiveReader

    /// `flags`: those of all records.
    init(flags: TickFlags) { rows = MassiveReader(pastWith: flags) }

    /// Returns the page; `nil`: the answer is none.
    mutating func read(_ bytes: [UInt8], received: Timestamp) -> MassivePage? {
        bytes.withRawSpan { read($0, received) }
    }

    private mutating func read(_ span: RawSpan, _ received: Timestamp) -> MassivePage? {
        guard answer.read(span) == nil else { return nil }
        var page = MassivePage()
        let (list, next) = (answer[0], answer[1])
        if next.kind == .text {
            guard let url = next.text(in: span, bytesMax: MassiveLimits.cursorBytesMax),
                let cursor = Self.cursor(of: url)
            else { return nil }
            page.cursor = cursor
        }
        // An answer about a time without trades has no list.
        guard list.kind != .absent, list.kind != .null else { return page }
        let rowsOnly = span.extracting(list.start..<list.end)
        guard list.kind == .array, rows.begin(rowsOnly) else { return nil }
        var isBroken = false
        while let row = rows.nextPast(
            rowsOnly, received: received, isBroken: &isBroken)
        {
            page.trades += 1
            switch row {
            case .standing: break
            case .changed(let trade): page.changes.append(trade)
            case .unreadable: page.unreadable += 1
            }
        }
        return isBroken ? nil : page
    }

    /// Returns the cursor of a link. The rest of a link is not used: the key goes to the address of
    /// the settings alone.
    private static func cursor(of link: String) -> String? {
        guard let query = link.split(separator: "?", maxSplits: 1).dropFirst().first else {
            return nil
        }
        let found = query.split(separator: "&").first { $0.hasPrefix("cursor=") }
        guard let cursor = found?.dropFirst(7), !cursor.isEmpty,
            cursor.utf8.allSatisfy(isOfCursor)
        else { return nil }
        return String(cursor)
    }

    private static func isOfCursor(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            || (0x61...0x7a).contains(byte) || "-_=%.~".utf8.contains(byte)
    }
}
