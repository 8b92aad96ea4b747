import MarketModel
import PostgresClient
import Primitives
import ServiceTestSupport
import StoreKit
import StoreSinks
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

extension Sink {
    /// Writes the rows of a packet.
    func write(_ packet: SealedPacket, to row: inout BinaryCopyWriter) throws(PostgresError) {
        let catalogue = SinkCatalogue([name])
        var context = PacketContext(packet.header)
        try packet.withBytes { bytes throws(PostgresError) in
            try context.walk(bytes) { context, record, ordinal throws(PostgresError) in
                guard catalogue.index(of: record) != nil else { return }
                let isRow = try write(record, context, bytes, ordinal, &row)
                #expect(isRow)
            }
        }
    }
}

/// Rows of the tables beside trades, quotes and bars, as text.
struct SinkBench {
    static let time: Int64 = 1_700_000_000_123_456_789
    /// Symbols with every character that a row, a COPY or a CSV might take for its own.
    static let names = ["AAPL", "日経\\225 'x'|", "BTC/USD", "O'Neil \"x\"|y", "^GSPC"]

    let bench: WriterBench

    init(_ name: String) throws { bench = try WriterBench(name) }

    /// Returns a source of partition 1 that has all symbols, or the operator's with one series.
    func source(_ kind: PacketKind = .ticks) throws -> TestSource {
        let name = kind == .bars ? SourceName.operator : try #require(SourceName("desk-1"))
        var source = TestSource(bench.tape, Partition(1), source: name, kind: kind)
        source.epoch = 7
        for name in Self.names {
            try source.define(name, provider: "ib", of: kind == .bars ? "desk-1" : nil)
        }
        if kind == .bars {
            try source.define(series: "1s", nanoseconds: 1)
        }
        return source
    }

    /// Returns a header with every field set, or with as few as possible.
    static func header(_ symbol: UInt32, isFull: Bool = true) -> TickHeader {
        guard isFull else {
            return TickHeader(
                symbol: symbol, providerTime: .undefined,
                receiveTime: Timestamp(nanoseconds: time + 999))
        }
        return TickHeader(
            symbol: symbol, flags: TickFlags(rawValue: 0x8005), resolution: 3,
            providerTime: Timestamp(nanoseconds: time),
            receiveTime: Timestamp(nanoseconds: time + 999), providerID: UInt64.max)
    }

    /// The columns at the end of all tick tables.
    static let tail = """
        flags, provider, coalesce(provider_id::text, 'NULL'),
        coalesce(\(micros("provider_time"))::text, 'NULL'), time_resolution,
        \(micros("receive_time")), receive_time_ns, source, partition, epoch, ordinal
        """

    /// The values of those columns.
    static func tail(
        _ header: TickHeader, _ ordinal: Int, source: String = "desk-1"
    ) -> [String] {
        [
            String(header.flags.rawValue), header.symbol == TickHeader.noSymbol ? "" : "ib",
            header.providerID == 0 ? "NULL" : String(header.providerID),
            header.providerTime.isDefined ? micros(of: header.providerTime) : "NULL",
            String(header.resolution), micros(of: header.receiveTime),
            String(header.receiveTime.nanoseconds), source, "1", "7", String(ordinal),
        ]
    }

    /// The columns at the beginning of all tick tables.
    static let head = "\(micros("ts")), event_time_ns, coalesce(symbol, 'NULL')"

    /// The values of those columns. `time`: that of the row, where it is not the event's.
    static func head(_ header: TickHeader, time: Timestamp? = nil) -> [String] {
        let time = time ?? header.eventTime
        let symbol = header.symbol == TickHeader.noSymbol ? "NULL" : names[Int(header.symbol)]
        return [micros(of: time), String(time.nanoseconds), symbol]
    }

    /// Returns a column of times as microseconds.
    static func micros(_ column: String) -> String {
        "(extract(epoch FROM \(column)) * 1000000)::bigint"
    }

    /// Returns the text of such a column, rounded down.
    static func micros(of time: Timestamp) -> String {
        String(time.floored(toNanoseconds: 1_000).nanoseconds / 1_000)
    }

    /// Returns a column in the integer units of the tape.
    static func raw(_ column: String, _ decimals: Int) -> String {
        "coalesce(trim_scale(\(column) * 1e\(decimals))::text, 'NULL')"
    }

    /// Returns columns as texts, `NULL` where there is no value.
    static func optional(_ columns: String...) -> String {
        columns.map { "coalesce((\($0))::text, 'NULL')" }.joined(separator: ", ")
    }

    /// Publishes what was appended, and expects that it is stored as these rows.
    func store(
        _ source: inout TestSource, _ table: String, _ columns: String, _ expected: [[String]],
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        try expectStored(table, columns, expected, location)
    }

    /// Expects these rows of `table`, once a writer has stored what is on the tape.
    @discardableResult
    func expectStored(
        _ table: String, _ columns: String, _ expected: [[String]],
        _ location: SourceLocation = #_sourceLocation
    ) throws -> RunningService {
        let running = try bench.start()
        let database = bench.database
        try expectColumns(table, expected.count, location)
        try database.expectSoon(
            "SELECT count(*) FROM \(table)", "\(expected.count)", "\(running.reasons)", location)
        try database.expect(
            "SELECT \(columns) FROM \(table) ORDER BY ordinal",
            expected.map { $0.joined(separator: "|") }.joined(separator: "\n"), nil, location)
        try bench.stopAndAudit(running, location: location)
        return running
    }

    /// Expects that the records make as many rows as columns, for a store that takes these. Of bars
    /// it has each version.
    private func expectColumns(
        _ table: String, _ count: Int, _ location: SourceLocation
    ) throws {
        let sinks = SinkCatalogue().sinks
        guard let index = sinks.firstIndex(where: { $0.name.rawValue == table }) else { return }
        var rows = ColumnWriter(sinks[index])
        for packet in try bench.tape.tickPackets(Partition(1))
            + bench.tape.barPackets(Partition(1))
        {
            var context = PacketContext(packet.header)
            packet.payload.withRawSpan { bytes in
                context.walk(bytes) { context, record, ordinal in
                    guard SinkCatalogue().index(of: record) == index else { return }
                    let isRow = sinks[index].writeColumns(record, context, bytes, ordinal, &rows)
                    #expect(isRow, sourceLocation: location)
                }
            }
        }
        #expect(rows.table.rowCount >= count, sourceLocation: location)
        #expect(rows.table.rowCount == rows.rowCount, sourceLocation: location)
    }
}
