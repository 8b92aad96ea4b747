import MarketModel
import Primitives
import QuestDBWire
import StoreKit
import StoreSinks
import TapeCodec
import Testing

@testable import StoreWriter

@Suite("Rows as QuestDB gets them")
struct QuestDBRowTests {
    private enum Kept {
        case row
        case refused(String)
    }

    @Test("the values of six tables at random are those that every store gets, or refused by name")
    func values() throws {
        let seed = UInt64.random(in: 0 ... .max)
        let packets = try CopyBytesTests().packets(seed)
        let names: Set<SinkName> = [
            .trades, .quotes, .options, .providerBars, .depth, .indicators,
        ]
        for sink in SinkCatalogue(names).sinks {
            let table = QuestDBTable(sink)
            var lines = LineRowWriter(table)
            var columns = ColumnWriter(sink)
            var fates: [Kept] = []
            for packet in packets { try add(packet, sink, &lines, &columns, &fates) }
            let wanted = columns.table
            let body = try #require(lines.parts().first).block.body
            var rest = body[...]
            for (row, fate) in fates.enumerated() {
                let note: Comment = "\(sink.name), seed \(seed), row \(row)"
                switch fate {
                case .row:
                    try #require(!rest.isEmpty, note)
                    expect(read(&rest), wanted, row, table, note)
                case .refused(let column):
                    let value = wanted.columns.first { $0.name == column }?.text(row) ?? ""
                    let isOfTable = table.columns.first { $0.name == column }.map {
                        isUnfit(value, $0, of: table)
                    }
                    #expect(isOfTable == true, "\(note) \(column): \(value)")
                }
            }
            #expect(rest.isEmpty)
            #expect(fates.contains { if case .row = $0 { true } else { false } })
        }
    }

    /// Whether a column cannot take a value.
    private func isUnfit(_ value: String, _ column: QuestDBColumn, of table: QuestDBTable) -> Bool {
        switch column.kind {
        case .time: column.name == table.time && value.hasPrefix("-")
        case .decimal(_, let scale):
            // Zeros at the end are not shown.
            value.prefix { $0 != "." }.filter(\.isNumber).count + scale > 38
        case .symbol, .varchar, .long, .boolean: false
        }
    }

    @Test("a row has the nanoseconds of its record")
    func nanoseconds() throws {
        let (event, arrival): (Int64, Int64) = (
            1_700_000_000_123_456_789, 1_700_000_000_223_456_788
        )
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: try #require(SourceName("desk-1")))
        try builder.define("A", provider: "ib")
        let header = TickHeader(
            symbol: 0, providerTime: Timestamp(nanoseconds: event),
            receiveTime: Timestamp(nanoseconds: arrival))
        let isTaken = builder.append(
            Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 2)))
        #expect(isTaken)
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: Timestamp(nanoseconds: 0),
                sendTime: Timestamp(nanoseconds: 0)))
        let sink = try #require(SinkCatalogue([.trades]).sinks.first)
        var (lines, columns) = (LineRowWriter(QuestDBTable(sink)), ColumnWriter(sink))
        var fates: [Kept] = []
        try add(packet, sink, &lines, &columns, &fates)
        var rest = try #require(lines.parts().first).block.body[...]
        let values = read(&rest)
        #expect(values[""] == "\(event)n" && values["receive_time"] == "\(arrival)n")
    }

    private func add(
        _ packet: SealedPacket, _ sink: Sink, _ lines: inout LineRowWriter,
        _ columns: inout ColumnWriter, _ fates: inout [Kept]
    ) throws {
        let catalogue = SinkCatalogue([sink.name])
        var context = PacketContext(packet.header)
        packet.withBytes { bytes in
            context.walk(bytes) { context, record, ordinal in
                guard catalogue.index(of: record) != nil else { return }
                #expect(sink.writeColumns(record, context, bytes, ordinal, &columns))
                #expect(sink.writeLines(record, context, bytes, ordinal, &lines))
                fates.append(lines.unfit.map { .refused($0.column) } ?? .row)
            }
        }
    }

    /// Reads a line: by column, the value as a text; the time under "".
    private func read(_ rest: inout ArraySlice<UInt8>) -> [String: String] {
        func take(_ count: Int) -> [UInt8] {
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        func text(upTo ends: String) -> String {
            var found: [UInt8] = []
            while let byte = rest.first, !ends.utf8.contains(byte) {
                rest = rest.dropFirst()
                found += byte == UInt8(ascii: "\\") ? take(1) : [byte]
            }
            return String(decoding: found, as: UTF8.self)
        }
        var values: [String: String] = [:]
        _ = text(upTo: ", ")
        while rest.first == UInt8(ascii: ",") {
            _ = take(1)
            let name = text(upTo: "=")
            _ = take(1)
            values[name] = text(upTo: ", ")
        }
        repeat {
            _ = take(1)
            let name = text(upTo: "=")
            _ = take(1)
            if rest.first == UInt8(ascii: "=") {
                let head = take(4)
                let digits = take(Int(head[3]))
                let value = digits.reduce(digits[0] < 0x80 ? Int128(0) : -1) {
                    $0 << 8 | Int128($1)
                }
                values[name] = FixedPoint.text(value, decimals: Int(head[2]))
            } else if rest.first == UInt8(ascii: "\"") {
                _ = take(1)
                values[name] = text(upTo: "\"")
                _ = take(1)
            } else {
                values[name] = text(upTo: ", ")
            }
        } while rest.first == UInt8(ascii: ",")
        _ = take(1)
        values[""] = text(upTo: "\n")
        _ = take(1)
        return values
    }

    private static func microseconds(_ nanoseconds: Int64) -> String {
        let time = Timestamp(nanoseconds: nanoseconds).floored(toNanoseconds: 1_000)
        return String(time.nanoseconds / 1_000)
    }

    private func expect(
        _ found: [String: String], _ wanted: StoreTable, _ row: Int, _ table: QuestDBTable,
        _ note: Comment
    ) {
        for (values, column) in zip(wanted.columns, table.columns) {
            let text = values.text(row)
            let value = found[column.name == table.time ? "" : column.name]
            let isWell: Bool =
                switch column.kind {
                case .symbol: (value ?? "") == (text ?? "")
                case .varchar, .decimal: value == text
                case .long: value == text.map { "\($0)i" }
                case .boolean: value == text.map { String($0.prefix(1)) }
                case .time:
                    value.map { ($0.dropLast(), $0.last) }.flatMap { digits, unit in
                        unit == "n" ? Int64(digits).map(Self.microseconds) : nil
                    } == text
                }
            #expect(isWell, "\(note) \(column.name): \(value ?? "none"), not \(text ?? "none")")
        }
    }
}
