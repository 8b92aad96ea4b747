import DeploymentWatch
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec

/// What the database knows of a tick.
struct TraceBooks {
    /// The transaction of the tick's row.
    enum Row: Equatable {
        /// The tool does not know the table of its kind.
        case notLooked
        /// The database has no row of it.
        case missing
        /// It has one. `nil`: it does not say when it was committed.
        case committed(Timestamp?)
    }

    var row = Row.notLooked
    var bars: [TradeBar] = []
    var clock: ClockOffset?
    /// Why the database says nothing; `nil` where it answered.
    var problem: String?

    static func look(up tick: TracedTick, _ deployment: Deployment) -> TraceBooks {
        var books = TraceBooks()
        guard deployment.postgres != nil else {
            books.problem = "no database is named (POSTGRES_HOST)"
            return books
        }
        do throws(ToolError) {
            let tables = try TradeTables(deployment)
            books.clock = try tables.clock()
            books.row = try tables.row(of: tick)
            if let symbol = tick.symbol?.symbol, tick.header.eventTime.isDefined {
                books.bars = try tables.bars(of: symbol, at: tick.header.eventTime, tick.owner)
            }
        } catch {
            books.problem = "\(error)"
        }
        return books
    }
}

extension TradeTables {
    func clock() throws(ToolError) -> ClockOffset? {
        let clock = SystemClock()
        let asked = clock.now()
        let rows = try session.rows(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return Timestamp(microseconds: rows.first?[0]).map {
            ClockOffset(asked: asked, answered: clock.now(), theirs: $0)
        }
    }

    /// Looks for the row of a trade or a quote. A server says when a transaction was committed only
    /// with track_commit_timestamp, and not for ever.
    func row(of tick: TracedTick) throws(ToolError) -> TraceBooks.Row {
        let table: String
        switch tick.values {
        case .trade: table = "trade_rows"
        case .quote: table = "quote_rows"
        case .other: return .notLooked
        }
        guard let symbol = tick.symbol?.symbol else { return .missing }
        let rows = try session.rows(
            """
            SELECT CASE WHEN current_setting('track_commit_timestamp')::boolean THEN
                (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint END
            FROM "\(session.namespace)".\(table)
            WHERE symbol = $1 AND ts = $2 AND source = $3 AND partition = $4 AND ordinal = $5
            """,
            [
                .text(symbol.text), .timestamp(tick.header.eventTime),
                .text(tick.packet.header.source.text),
                .integer(Int64(tick.packet.header.partition.number)),
                .integer(Int64(bitPattern: tick.ordinal)),
            ])
        return rows.first.map { .committed(Timestamp(microseconds: $0[0])) } ?? .missing
    }
}
