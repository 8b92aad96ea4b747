import MarketModel
import PostgresClient
import Primitives
import StreamCore
import TapeCodec

/// A record of a gap on the tape, to be compared with its row.
struct AuditedGap {
    private let gap: GapRecord
    private let symbol: String?

    /// Takes the record with the ordinal from its packet; `nil` if it is no record of a gap.
    init?(_ ordinal: UInt64, _ header: PacketHeader, _ packet: RawSpan) {
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard case .other(let message) = item, walk.ordinal == ordinal else { continue }
            guard let gap = message.gapRecord(in: packet) else { return nil }
            self.gap = gap
            // No symbol means all symbols. An index without a definition means none of them.
            if gap.header.symbol == TickHeader.noSymbol {
                symbol = nil
            } else {
                symbol = walk.symbol(gap.header.symbol, in: packet)?.symbol.text ?? ""
            }
            return
        }
        return nil
    }

    /// Returns what the row of `TapeAudit.gaps` says differently.
    func difference(from rows: PostgresRows, _ row: Int) -> String? {
        func time(_ value: Timestamp) -> Int64? { value.isDefined ? value.nanoseconds : nil }
        func shown(_ value: Timestamp) -> String { value.isDefined ? "\(value)" : "open" }
        guard rows.integer(row, 5) == time(gap.from), rows.integer(row, 6) == time(gap.to) else {
            return "it is from \(shown(gap.from)) to \(shown(gap.to)), its row says otherwise"
        }
        let texts: [(String, Int, String?)] = [
            ("symbol", 3, symbol), ("kind", 4, StoredName.of(DataKind.self, gap.kind)),
            ("state", 7, StoredName.of(GapState.self, gap.state)),
            ("reason", 8, StoredName.of(GapReason.self, gap.reason)), ("detail", 9, gap.detail),
        ]
        if let (name, column, text) = texts.first(where: { rows.text(row, $0.1) != $0.2 }) {
            return "its \(name) is \(text ?? "none"), not \(rows.text(row, column) ?? "none")"
        }
        guard rows.integer(row, 10) == Int64(bitPattern: gap.firstOrdinal),
            rows.integer(row, 11) == Int64(bitPattern: gap.lastOrdinal)
        else { return "it names the ordinals \(gap.firstOrdinal) to \(gap.lastOrdinal)" }
        return nil
    }
}

/// A version of a bar on the tape, to be compared with its row.
struct AuditedVersion {
    private let bar: Bar
    private let symbol: SymbolDefinition
    private let series: SeriesName

    /// What is read of a row after partition, source and revision.
    static let columns = """
        symbol, series, source, open_time_ns, close_time_ns, number, open, high, low, close, vwap,
        volume, notional, trades, excluded_condition, excluded_odd_lot, excluded_filter,
        excluded_undefined, reason, partial, mixed_providers, withdrawn, filled, generation
        """
    static let knownColumn = 27

    init?(_ ordinal: UInt64, _ header: PacketHeader, _ packet: RawSpan) {
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard case .bar(let bar) = item, walk.ordinal == ordinal else { continue }
            guard let symbol = walk.symbol(bar.symbol, in: packet),
                let series = walk.series(bar.series, in: packet)?.name
            else { return nil }
            (self.bar, self.symbol, self.series) = (bar, symbol, series)
            return
        }
        return nil
    }

    static func name(_ rows: PostgresRows, _ row: Int) -> String {
        func text(_ column: Int) -> String { rows.text(row, column) ?? "?" }
        let open = Timestamp(nanoseconds: rows.integer(row, 6) ?? 0)
        return "\(text(3)) \(text(4)) \(open) of \(text(5)), revision \(rows.integer(row, 2) ?? 0)"
    }

    /// Returns what the row of `TapeAudit.versions` says differently.
    func difference(from rows: PostgresRows, _ row: Int) -> String? {
        let texts: [(Int, String)] = [
            (3, symbol.symbol.text), (4, series.text), (5, symbol.source?.text ?? ""),
        ]
        for (column, text) in texts where rows.text(row, column) != text {
            return "the tape has a bar of \(symbol.symbol) \(series) there"
        }
        let prices: [(String, Int, Price)] = [
            ("open", 9, bar.open), ("high", 10, bar.high), ("low", 11, bar.low),
            ("close", 12, bar.close), ("vwap", 13, bar.vwap),
        ]
        for (name, column, price) in prices {
            let wanted = price.isDefined ? Int128(price.raw) : nil
            if rows.numeric(row, column, scale: Price.decimals) != wanted {
                return "its \(name) is \(price) on the tape"
            }
        }
        let numbers: [(String, Int, Int128, Int128?)] = [
            ("open time", 6, Int128(bar.openTime.nanoseconds), nil),
            ("close time", 7, Int128(bar.closeTime.nanoseconds), nil),
            ("number", 8, Int128(bar.number), nil),
            ("volume", 14, bar.volume, rows.numeric(row, 14, scale: Quantity.decimals)),
            (
                "notional", 15, bar.notional,
                rows.numeric(row, 15, scale: Price.decimals + Quantity.decimals)
            ), ("trades", 16, Int128(bar.trades), nil),
            ("excluded_condition", 17, Int128(bar.excluded.condition), nil),
            ("excluded_odd_lot", 18, Int128(bar.excluded.oddLot), nil),
            ("excluded_filter", 19, Int128(bar.excluded.filter), nil),
            ("excluded_undefined", 20, Int128(bar.excluded.undefined), nil),
            ("generation", 26, Int128(bar.generation), nil),
        ]
        for (name, column, number, decimal) in numbers
        where decimal ?? rows.integer(row, column).map({ Int128($0) }) != number {
            return "its \(name) is another one on the tape"
        }
        return flagDifference(from: rows, row)
    }

    private func flagDifference(from rows: PostgresRows, _ row: Int) -> String? {
        let reason = StoredName.of(BarReason.self, bar.reason)
        guard rows.text(row, 21) == reason else { return "its reason is \(reason) on the tape" }
        let flags: [(String, Int, BarFlags)] = [
            ("partial", 22, .partial), ("mixed_providers", 23, .mixedProviders),
            ("withdrawn", 24, .withdrawn), ("filled", 25, .filled),
        ]
        for (name, column, flag) in flags
        where rows.bool(row, column) != bar.flags.contains(flag) {
            return "\(name) is \(bar.flags.contains(flag)) on the tape"
        }
        return nil
    }
}

/// The times at which the versions of a partition became known: that at which the tape took the
/// packet, rounded up to microseconds, or that of an earlier packet where the server's clock went
/// back.
struct KnownClock {
    /// Whether a version was known exactly when the tape took it. Then no packet before it has a
    /// higher time, and those after it have been seen.
    private var isCertain = false

    /// `highest` is the highest time of the packets up to this one that were seen.
    mutating func fault(
        of known: Timestamp?, taken: Timestamp, highest: Timestamp
    ) -> String? {
        // Of replayed letters.
        guard let known else { return nil }
        let own = Self.rounded(taken)
        if known < own { return "known at \(known), the tape took it at \(own)" }
        if known == own { isCertain = true }
        guard isCertain, known > Self.rounded(highest) else { return nil }
        return "known at \(known), the tape took it at \(own)"
    }

    private static func rounded(_ time: Timestamp) -> Timestamp {
        time.advanced(byNanoseconds: 999).floored(toNanoseconds: 1_000)
    }
}

/// The text that a column has for a raw number of the tape: `gatewayLost` is gateway_lost, and a
/// number that this version does not know is its digits.
enum StoredName {
    static func of<Kind: RawRepresentable>(
        _ type: Kind.Type, _ raw: UInt8
    ) -> String where Kind.RawValue == UInt8 {
        guard let kind = Kind(rawValue: raw) else { return String(raw) }
        return "\(kind)".reduce(into: "") { text, character in
            text += character.isUppercase ? "_\(character.lowercased())" : "\(character)"
        }
    }
}
