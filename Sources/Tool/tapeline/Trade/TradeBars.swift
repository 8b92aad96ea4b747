import MarketModel
import PostgresClient
import Primitives

/// A stored bar that holds the time of a trade.
struct TradeBar: Equatable {
    let series: String
    let source: String
    let from: String
    let to: String
    let version: String
    let trades: String
    /// When the operator sent this version, and when the tape took it, as far as it is recorded.
    var sent: Timestamp?
    var taken: Timestamp?
}

/// What the database knows of a trade and of its bars.
struct TradeTables: ~Copyable {
    let session: MarketSession

    init(_ deployment: Deployment) throws(ToolError) {
        session = try MarketSession(deployment)
    }

    /// Returns what the provider's records say of a trade that no person has changed. Refuses while
    /// the tables still apply a change that the tape took back.
    func word(of found: TradeOnTape) throws(ToolError) -> TradeOnTape.ProviderWord {
        // Rows of `trades_effective` with a person's change do not show what the provider said.
        guard found.change == nil else { return .nothing }
        let time = found.trade.header.eventTime
        let rows = try session.rows(
            """
            SELECT e.price::text, e.size::text, e.is_corrected, EXISTS (
                SELECT FROM trade_changes c WHERE c.is_in_force
                    AND (c.symbol, c.tick_id, c.event_time_ns)
                        = (t.symbol, t.tick_id, t.event_time_ns))
            FROM trades t LEFT JOIN trades_effective e
                ON (e.symbol, e.ts, e.tick_id) = (t.symbol, t.ts, t.tick_id)
            WHERE t.symbol = $1 AND t.ts = $2 AND t.tick_id = $3
            """,
            [.text(found.symbol.text), .timestamp(time), .text("\(found.address)")])
        // The writer may not have stored it yet.
        guard let row = rows.first else { return .nothing }
        guard row[3] != "t" else {
            throw .refused(
                "the tables do not have the last change of \(found.address) yet: try again")
        }
        guard row[2] != nil else { return .cancelled }
        guard row[2] == "t", let price = row[0], let size = row[1] else { return .nothing }
        do throws(FixedPoint.ParseError) {
            return .corrected(try Price(price), try Quantity(size))
        } catch {
            throw .unreadable("the stored trade \(found.address) has the price \(price)")
        }
    }

    /// Returns the bars that hold a time, those of short windows first. `owner` is the source of
    /// the tick; `nil`: not known. A source of bars that has no trade near is a group of sources,
    /// whose bars may hold the tick, too. Only bars that began within a day before the time are
    /// looked for, and within 40 days where windows are long.
    func bars(
        of symbol: Symbol, at time: Timestamp, _ owner: SourceName?
    ) throws(ToolError) -> [TradeBar] {
        let long = try session.rows(
            "SELECT series FROM \"\(session.namespace)\".bar_series WHERE is_long")
        let bars = """
            SELECT series, source, ts, close_time, replaced + 1 AS version, trades, number,
                sent_at, taken_at FROM "\(session.namespace)".bars
            WHERE NOT withdrawn AND symbol = $1
            """
        let rows = try session.rows(
            """
            SELECT series, source, ts, close_time, version, trades,
                (extract(epoch FROM sent_at) * 1000000)::bigint,
                (extract(epoch FROM taken_at) * 1000000)::bigint
            FROM (
                \(bars) AND ts > $2::timestamptz - interval '1 day' AND ts <= $2
                UNION ALL
                \(bars) AND series = ANY ($4::text[])
                    AND ts > $2::timestamptz - interval '40 days'
                    AND ts <= $2::timestamptz - interval '1 day') AS near
            WHERE close_time > $2
                AND ($3 = '' OR source = $3 OR source NOT IN (
                    SELECT t.source FROM trades t WHERE t.symbol = $1
                        AND t.ts BETWEEN $2::timestamptz - interval '1 day'
                            AND $2::timestamptz + interval '1 day'))
            ORDER BY close_time - ts, series, source, number
            """,
            [
                .text(symbol.text), .timestamp(time), .text(owner?.text ?? ""),
                .textArray(long.compactMap { $0[0] }),
            ])
        return rows.map { row in
            let cells = row.map { $0 ?? "-" }
            return TradeBar(
                series: cells[0], source: cells[1], from: cells[2], to: cells[3],
                version: cells[4], trades: cells[5], sent: Timestamp(microseconds: row[6]),
                taken: Timestamp(microseconds: row[7]))
        }
    }
}

extension Timestamp {
    /// Reads the database's microseconds since 1970; `nil` where it has no time.
    init?(microseconds text: String?) {
        guard let text, let number = Int64(text) else { return nil }
        let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: 1_000)
        guard !overflow else { return nil }
        self.init(nanoseconds: nanoseconds)
    }
}
