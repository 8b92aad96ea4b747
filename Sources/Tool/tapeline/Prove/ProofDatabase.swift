import MarketModel
import PostgresClient
import Primitives
import StreamCore
import TapeTransport

/// What a proof reads: the database, and the tape unless it is skipped.
struct StoredProof {
    let database: ProofDatabase
    let client: TapeClient?

    init(_ deployment: Deployment, skipsTape: Bool) throws(ToolError) {
        database = ProofDatabase(
            connection: try deployment.openDatabase(ProofDatabase.configuration))
        do throws(ToolError) {
            client = skipsTape ? nil : try deployment.openTape()
        } catch {
            database.connection.close()
            throw error
        }
    }

    func close() {
        client?.close()
        database.connection.close()
    }
}

/// The stored bars and their ticks. One session, used by one thread.
struct ProofDatabase {
    let connection: PostgresConnection
    /// The time limit of one statement. A scan over the bars of a day takes longest.
    static let timeout = Duration.seconds(600)
    /// Rows per round trip.
    static let page = 20_000
    static let symbolsMax = 100_000

    /// Times in tables have microseconds; exact columns are stored beside them.
    static func bounds(_ from: Int64, _ to: Int64) -> [PostgresValue] {
        [
            .timestamp(Timestamp(nanoseconds: from).advanced(byNanoseconds: -1_000)),
            .timestamp(Timestamp(nanoseconds: to).advanced(byNanoseconds: 1_000)),
            .integer(from), .integer(to),
        ]
    }

    func symbols(_ from: Int64, _ to: Int64) throws(ToolError) -> [Symbol] {
        let query = """
            SELECT symbol FROM bars WHERE ts >= $1 AND ts <= $2 AND open_time_ns >= $3
                AND open_time_ns < $4
            UNION SELECT symbol FROM trades WHERE ts >= $1 AND ts <= $2 AND event_time_ns >= $3
                AND event_time_ns < $4
            UNION SELECT symbol FROM quotes WHERE ts >= $1 AND ts <= $2 AND event_time_ns >= $3
                AND event_time_ns < $4
            UNION SELECT symbol FROM provider_bars WHERE ts >= $1 AND ts <= $2
                AND open_time_ns >= $3 AND open_time_ns < $4
            ORDER BY 1 LIMIT \(Self.symbolsMax + 1)
            """
        let rows = try rows(query, Self.bounds(from, to))
        guard rows.rowCount <= Self.symbolsMax else {
            throw .refused("more than \(Self.symbolsMax) symbols: name those to prove")
        }
        return (0..<rows.rowCount).compactMap { rows.text($0, 0).flatMap { Symbol($0) } }
    }

    func bars(
        _ symbol: Symbol, _ series: [SeriesName], _ from: Int64, _ to: Int64
    ) throws(ToolError) -> [StoredBar] {
        let query = """
            SELECT series, open_time_ns, number, open, high, low, close, vwap, volume, notional,
                trades, excluded_condition, excluded_odd_lot, excluded_filter,
                excluded_undefined, close_time_ns, revision, reason, partial, mixed_providers,
                source
            FROM bars WHERE symbol = $5 AND series = ANY ($6) AND ts >= $1 AND ts <= $2
                AND open_time_ns >= $3 AND open_time_ns < $4
            """
        let rows = try rows(
            query,
            Self.bounds(from, to) + [.text(symbol.text), .textArray(series.map(\.text))])
        return (0..<rows.rowCount).compactMap { Self.bar(rows, $0, symbol) }
    }

    private static func bar(_ rows: PostgresRows, _ row: Int, _ symbol: Symbol) -> StoredBar? {
        guard let series = rows.text(row, 0).flatMap({ SeriesName($0) }),
            let openTime = rows.integer(row, 1), let closeTime = rows.integer(row, 15),
            let source = rows.text(row, 20).flatMap({ SourceName($0) })
        else { return nil }
        var bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: openTime),
            closeTime: Timestamp(nanoseconds: closeTime))
        bar.number = rows.integer(row, 2) ?? 0
        bar.open = price(rows, row, 3)
        bar.high = price(rows, row, 4)
        bar.low = price(rows, row, 5)
        bar.close = price(rows, row, 6)
        bar.vwap = price(rows, row, 7)
        bar.volume = rows.numeric(row, 8, scale: Quantity.decimals) ?? 0
        bar.notional = rows.numeric(row, 9, scale: Price.decimals + Quantity.decimals) ?? 0
        bar.trades = UInt64(clamping: rows.integer(row, 10) ?? 0)
        bar.excluded = Bar.Excluded(
            condition: UInt32(clamping: rows.integer(row, 11) ?? 0),
            oddLot: UInt32(clamping: rows.integer(row, 12) ?? 0),
            filter: UInt32(clamping: rows.integer(row, 13) ?? 0),
            undefined: UInt32(clamping: rows.integer(row, 14) ?? 0))
        bar.reason = reason(rows.text(row, 17))
        if rows.bool(row, 18) == true { bar.flags.insert(.partial) }
        if rows.bool(row, 19) == true { bar.flags.insert(.mixedProviders) }
        let key = ProofKey(
            symbol: SourceSymbol(symbol, of: source), series: series, openTime: openTime,
            number: bar.number)
        return StoredBar(
            key: key, bar: bar, revision: UInt64(clamping: rows.integer(row, 16) ?? 0))
    }

    /// An unknown reason is treated as a repair.
    private static func reason(_ text: String?) -> UInt8 {
        let names = ["closed", "late", "bust", "gap", "backfill", "repair"]
        return names.firstIndex { $0 == text }.map { UInt8($0) } ?? BarReason.repair.rawValue
    }

    private static func price(_ rows: PostgresRows, _ row: Int, _ column: Int) -> Price {
        rows.numeric(row, column, scale: Price.decimals).flatMap { Int64(exactly: $0) }
            .map { Price(raw: $0) } ?? .undefined
    }

    /// Returns the configuration of the proof's session, with the statement timeout of the proof.
    static func configuration(_ base: PostgresConfiguration) -> PostgresConfiguration {
        var own = base
        own.applicationName = "tapeline prove"
        own.statementTimeout = timeout
        return own
    }

    /// A source of ticks on one partition.
    struct Feed: Hashable {
        let source: SourceName
        let partition: Partition

        init(_ source: SourceName, _ partition: Partition) {
            self.source = source
            self.partition = partition
        }
    }

    /// Returns a time that the operator of that feed has passed: the close of the last bar in the
    /// range. Bars that open after `until` are only tested for existence, because there may be
    /// months of them.
    func closed(_ feed: Feed, _ from: Int64, _ until: Int64) throws(ToolError) -> Int64 {
        let query = """
            SELECT EXISTS (SELECT FROM bars WHERE source = $5 AND partition = $6 AND ts >= $2
                AND open_time_ns >= $4),
                (SELECT max(close_time_ns) FROM bars WHERE source = $5 AND partition = $6
                    AND ts >= $1 AND ts <= $2 AND open_time_ns >= $3 AND open_time_ns < $4)
            """
        let rows = try rows(
            query,
            Self.bounds(from, until)
                + [.text(feed.source.text), .integer(Int64(feed.partition.number))])
        guard rows.rowCount > 0, rows.bool(0, 0) == false else { return Int64.max }
        return rows.integer(0, 1) ?? Int64.min
    }

    /// Reads the ticks with event time in [from, to] that a series listed as late, or a node as
    /// duplicates.
    func lateTicks(
        _ symbol: Symbol, _ groups: SourceGroups, _ from: Int64, _ to: Int64,
        into records: inout ProofRecords
    ) throws(ToolError) {
        let query = """
            SELECT series, of_source, of_ordinal, open_time_ns, ordinal FROM late_ticks
            WHERE symbol = $5 AND ts >= $1 AND ts <= $2 AND event_time_ns >= $3
                AND event_time_ns <= $4 LIMIT \(ProofRecords.max)
            """
        let rows = try rows(query, Self.bounds(from, to) + [.text(symbol.text)])
        for row in 0..<rows.rowCount {
            guard let series = rows.text(row, 0).flatMap({ SeriesName($0) }),
                let source = rows.text(row, 1).flatMap({ SourceName($0) }),
                let ordinal = rows.integer(row, 2), let openTime = rows.integer(row, 3),
                let output = rows.integer(row, 4)
            else { continue }
            records.add(
                ProofRecords.Late(openTime: openTime, output: UInt64(bitPattern: output)),
                of: ProofRecords.Place(source: source, ordinal: UInt64(bitPattern: ordinal)),
                SourceSymbol(symbol, of: groups.owner(of: source)), series: series)
        }
    }

    /// Reads what changed trades with event time in [from, to) count as now. Those whose changes
    /// were taken back come, too.
    func tradeChanges(
        _ symbol: Symbol, _ groups: SourceGroups, _ from: Int64, _ to: Int64,
        into records: inout ProofRecords
    ) throws(ToolError) {
        let range = """
            symbol = $5 AND ts >= $1 AND ts <= $2 AND event_time_ns >= $3 AND event_time_ns < $4
            """
        let query = """
            SELECT coalesce(of_source, source), ordinal, event_time_ns, change, now_price,
                now_size, now_exchange, now_conditions, source
            FROM trades_standing WHERE change IS NOT NULL AND \(range)
            UNION ALL
            SELECT of_source, of_ordinal, event_time_ns, NULL, NULL, NULL, NULL, NULL, of_source
            FROM trade_changes WHERE source = 'manual' AND change = 'restore' AND \(range)
            LIMIT \(ProofRecords.max)
            """
        let rows = try rows(query, Self.bounds(from, to) + [.text(symbol.text)])
        for row in 0..<rows.rowCount {
            guard let owner = rows.text(row, 0).flatMap({ SourceName($0) }),
                let ordinal = rows.integer(row, 1), let time = rows.integer(row, 2),
                let source = rows.text(row, 8).flatMap({ SourceName($0) })
            else { continue }
            let place = ProofRecords.Place(source: source, ordinal: UInt64(bitPattern: ordinal))
            records.note(
                Self.change(rows, row), of: place,
                SourceSymbol(symbol, of: groups.owner(of: owner)), time)
        }
    }

    private static func change(_ rows: PostgresRows, _ row: Int) -> ProofRecords.Change? {
        switch rows.text(row, 3) {
        case "cancel": .cancel
        case "correct":
            .correct(
                ProofRecords.Change.Values(
                    price: price(rows, row, 4), size: size(rows, row, 5),
                    exchange: ShortText(rows.text(row, 6) ?? "") ?? .empty,
                    conditions: ShortText(rows.text(row, 7) ?? "") ?? .empty))
        case nil, _?: nil
        }
    }

    // MARK: ticks

    private static let tail = """
        flags, provider, provider_id, provider_time IS NOT NULL, receive_time_ns, source, ordinal
        """

    private static func changes(_ kind: DataKind) -> String {
        let orChanged = kind == .trade ? " OR action <> 0" : ""
        return "AND (flags & \(TickFlags.backfilled.rawValue) <> 0\(orChanged))"
    }

    /// Returns the table of a kind, and its columns. The first one is the time by which ticks
    /// belong to windows.
    static func table(_ kind: DataKind) -> (name: String, time: String, columns: String) {
        switch kind {
        case .quote:
            (
                "quotes", "event_time_ns",
                """
                bid_price, bid_size, bid_exchange, ask_exchange, ask_price, ask_size,
                0::smallint
                """
            )
        case .providerBar:
            (
                "provider_bars", "open_time_ns",
                "open, high, made_of, bar_flags::text, low, close, 0::smallint"
            )
        default:
            (
                "trades", "event_time_ns",
                "price, size, exchange, conditions, NULL::numeric, NULL::numeric, action"
            )
        }
    }

    /// Returns the beginning of a statement that reads ticks of a kind, of the symbol `$5`.
    static func selection(_ kind: DataKind) -> String {
        let table = table(kind)
        let more =
            kind == .providerBar
            ? "NULL::text, vwap, volume, trades, event_time_ns" : "of_source"
        return """
            SELECT \(table.time), \(table.columns), \(tail), \(more) FROM \(table.name)
            WHERE symbol = $5 AND ts >= $1 AND ts <= $2 AND \(table.time) >= $3
                AND \(table.time) < $4
            """
    }

    /// Reads ticks in order of arrival, page by page. `onlyChanges` selects those that cause
    /// windows to be computed again.
    func ticks(
        _ symbol: Symbol, _ groups: SourceGroups, _ kind: DataKind, _ from: Int64, _ to: Int64,
        onlyChanges: Bool = false, _ take: (ProofTick) throws(ToolError) -> Void
    ) throws(ToolError) {
        let query = """
            \(Self.selection(kind)) \(onlyChanges ? Self.changes(kind) : "")
                AND (receive_time_ns, source, ordinal) > ($6, $7, $8)
            ORDER BY receive_time_ns, source, ordinal LIMIT \(Self.page)
            """
        var last: [PostgresValue] = [.integer(Int64.min), .text(""), .integer(0)]
        while true {
            let rows = try rows(query, Self.bounds(from, to) + [.text(symbol.text)] + last)
            for row in 0..<rows.rowCount {
                guard let tick = Self.tick(rows, row, symbol, groups, kind) else { continue }
                try take(tick)
            }
            guard rows.rowCount == Self.page else { return }
            let end = rows.rowCount - 1
            last = [
                .integer(rows.integer(end, 12) ?? 0), .text(rows.text(end, 13) ?? ""),
                .integer(rows.integer(end, 14) ?? 0),
            ]
        }
    }

    static func tick(
        _ rows: PostgresRows, _ row: Int, _ symbol: Symbol, _ groups: SourceGroups, _ kind: DataKind
    ) -> ProofTick? {
        guard let time = rows.integer(row, 0), let received = rows.integer(row, 12),
            let source = rows.text(row, 13).flatMap({ SourceName($0) }),
            let ordinal = rows.integer(row, 14)
        else { return nil }
        // The event time of a provider's bar is its end.
        let event = kind == .providerBar ? rows.integer(row, 19) ?? time : time
        let header = TickHeader(
            symbol: 0, flags: TickFlags(rawValue: UInt16(clamping: rows.integer(row, 8) ?? 0)),
            action: UInt8(clamping: rows.integer(row, 7) ?? 0),
            providerTime: rows.bool(row, 11) == true ? Timestamp(nanoseconds: event) : .undefined,
            receiveTime: Timestamp(nanoseconds: received),
            providerID: rows.numeric(row, 10, scale: 0).flatMap { UInt64(exactly: $0) } ?? 0)
        // Set for a tick of the source `manual` that names the source to which it belongs.
        let named = rows.text(row, 15).flatMap { SourceName($0) }
        var tick = ProofTick(
            symbol: SourceSymbol(symbol, of: groups.owner(of: named ?? source)),
            provider: rows.text(row, 9) ?? "", source: source,
            ordinal: UInt64(bitPattern: ordinal))
        let first = ShortText(rows.text(row, 3) ?? "") ?? .empty
        let second = ShortText(rows.text(row, 4) ?? "") ?? .empty
        switch kind {
        case .providerBar: tick.providerBar = providerBar(rows, row, header, from: time, to: event)
        case .quote:
            tick.quote = Quote(
                header: header, bidPrice: price(rows, row, 1), bidSize: size(rows, row, 2),
                askPrice: price(rows, row, 5), askSize: size(rows, row, 6), bidExchange: first,
                askExchange: second)
        default:
            tick.trade = Trade(
                header: header, price: price(rows, row, 1), size: size(rows, row, 2),
                exchange: first, conditions: second)
        }
        return tick
    }

    /// Reads a row of `provider_bars`, which has its data and flags in the places of texts.
    private static func providerBar(
        _ rows: PostgresRows, _ row: Int, _ header: TickHeader, from: Int64, to: Int64
    ) -> ProviderBar {
        let kind = rows.text(row, 3).flatMap { text in
            ProviderBarChoice.choices.first { $0.name == text }?.data
        }
        var bar = ProviderBar(
            header: header, openTime: Timestamp(nanoseconds: from),
            closeTime: Timestamp(nanoseconds: to), kind: kind ?? .unknown)
        bar.flags = ProviderBarFlags(
            rawValue: rows.text(row, 4).flatMap { UInt8($0) } ?? 0)
        bar.open = price(rows, row, 1)
        bar.high = price(rows, row, 2)
        bar.low = price(rows, row, 5)
        bar.close = price(rows, row, 6)
        bar.vwap = price(rows, row, 16)
        bar.volume =
            rows.numeric(row, 17, scale: Quantity.decimals) ?? ProviderBar.undefinedVolume
        bar.trades = rows.integer(row, 18) ?? ProviderBar.undefinedCount
        return bar
    }

    private static func size(_ rows: PostgresRows, _ row: Int, _ column: Int) -> Quantity {
        rows.numeric(row, column, scale: Quantity.decimals).flatMap { Int64(exactly: $0) }
            .map { Quantity(raw: $0) } ?? .undefined
    }

    func rows(
        _ query: String, _ parameters: [PostgresValue]
    ) throws(ToolError) -> PostgresRows {
        do throws(PostgresError) {
            return try connection.rows(query, parameters, timeout: Self.timeout)
        } catch {
            throw Self.failure(error)
        }
    }

    static func failure(_ error: PostgresError) -> ToolError {
        .unreachable("the stored bars and ticks cannot be read: \(error)")
    }
}
