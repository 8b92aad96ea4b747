import MarketModel
import PostgresClient
import Primitives
import ServiceTestSupport
import StoreSinks
import TapeCodec
import Testing

/// A kind of store with a form of its own: each value as a text.
private struct TextRowWriter: ~Copyable, RowWriter {
    typealias Failure = Never

    var rows: [[String]] = []
    private var left = 0

    mutating func row(columns: Int16) {
        precondition(left == 0, "a row lacks \(left) values")
        left = Int(columns)
        rows.append([])
    }

    private mutating func add(_ value: String) {
        precondition(left > 0, "a value too many")
        left -= 1
        rows[rows.count - 1].append(value)
    }

    mutating func null() { add("-") }
    mutating func bool(_ value: Bool) { add("\(value)") }
    mutating func int16(_ value: Int16) { add("\(value)") }
    mutating func int32(_ value: Int32) { add("\(value)") }
    mutating func int64(_ value: Int64) { add("\(value)") }
    mutating func text(_ value: String) { add(value) }
    mutating func text(_ value: RawSpan) { add(value.text) }
    mutating func packedText(_ word: UInt64) { add(ShortText(raw: word).text) }
    mutating func bytes(_ value: [UInt8]) { add("\(value)") }
    mutating func jsonb(_ text: String) { add(text) }
    mutating func timestamptz(_ value: Timestamp) {
        add(value.isDefined ? "\(value.nanoseconds / 1_000) us" : "-")
    }
    mutating func numeric(_ value: Int128, scale: Int) { add("\(value)e-\(scale)") }
    mutating func decimal(_ value: Int64, scale: Int) { add("\(value)e-\(scale)") }
    mutating func unsigned(_ value: UInt64) { add("\(value)") }
    mutating func shared(_ place: CopyFields.Place, of fields: borrowing CopyFields) {
        add(fields.withText(place) { $0.text })
    }
    mutating func origin(of context: borrowing PacketContext) {
        add(context.header.source.text)
        add("\(context.header.partition)")
        add("\(context.header.epoch)")
    }
    mutating func narrowOrigin(of context: borrowing PacketContext) { origin(of: context) }
}

@Suite("Rows for any kind of store")
struct RowWriterTests {
    private func rows(_ builder: inout PacketBuilder) throws -> [String] {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: 7, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: 0)))
        let catalogue = SinkCatalogue()
        var shown = TextRowWriter()
        var context = PacketContext(packet.header)
        packet.bytes.withRawSpan { bytes in
            context.walk(bytes) { context, record, ordinal in
                guard let index = catalogue.index(of: record) else { return }
                let isRow = catalogue.sinks[index].row.write(
                    record, context, bytes, ordinal, &shown)
                #expect(isRow)
                let count = shown.rows.last?.count
                #expect(count == catalogue.sinks[index].copyColumns.count)
            }
        }
        return shown.rows.map { $0.joined(separator: "|") }
    }

    @Test("another kind gets the columns of trades, quotes and bars, typed and in their order")
    func columns() throws {
        var ticks = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: try #require(SourceName("test")))
        try ticks.define("AAPL", provider: "ib")
        let header = TickHeader(at: 1_700_000_000_000_000_123, received: 1_700_000_000_000_002_005)
        let (price, size) = (Price(raw: 1_500_000_000), Quantity(raw: 100_000_000))
        let isIn = [
            ticks.append(Trade(header: header, price: price, size: size)),
            ticks.append(
                Quote(
                    header: header, bidPrice: price, bidSize: size, askPrice: .undefined,
                    askSize: size)),
        ]
        #expect(isIn == [true, true])
        let head = "1700000000000000 us|123|1700000000000002 us|5|AAPL"
        let shown = try rows(&ticks)
        #expect(
            shown == [
                "\(head)|1500000000e-9|100000000e-8|||0|0|0|ib||0|test|1|3|7",
                "\(head)|1500000000e-9|100000000e-8|-|100000000e-8|||0|0|ib||0|test|1|3|8",
            ])
        var bars = PacketBuilder(kind: .bars, partition: Partition(1), source: .operator)
        try bars.define("AAPL", provider: "ib", of: "test")
        try bars.define(series: "1s")
        let isTaken = bars.append(Bar(from: 1_700_000_000_000_000_000))
        #expect(isTaken)
        let barRows = try rows(&bars)
        #expect(
            barRows.first?.hasPrefix("AAPL|1s|1700000000000000 us|0|") == true, "\(barRows)")
    }
}
