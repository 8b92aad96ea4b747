import Foundation
import MarketModel
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Our rows are byte for byte what the server makes of them")
struct CopyBytesTests {
    /// Random numbers, and boundary values.
    private struct Values {
        var random: SeededRandom

        mutating func next() -> Int64 {
            switch random.next() % 8 {
            case 0:
                [0, 1, -1, Int64.min, Int64.max, Int64.max - 1].randomElement(using: &random) ?? 0
            case 1: Int64(bitPattern: random.next())
            case 2: Int64(random.next() % 1_000) * 1_000_000_000
            case 3: Int64(random.next() % 100_000_000) * 10_000
            case 4: -Int64(random.next() % 10_000)
            case 5: Self.power(Int(random.next() % 19)) * (random.next() % 2 == 0 ? 1 : -1)
            case 6: Self.power(Int(random.next() % 19)) - 1
            default: Int64(random.next() % 1_000_000) * 10_000_000
            }
        }

        mutating func wide() -> Int128 {
            random.next() % 2 == 0
                ? Int128(next()) * Int128(next()) : Int128(_low: random.next(), _high: next())
        }

        mutating func text() -> ShortText { ShortText(raw: random.next() >> (random.next() % 64)) }

        mutating func time() -> Timestamp {
            // The server's own range is larger than ours at both ends.
            Timestamp(nanoseconds: next())
        }

        mutating func header() -> TickHeader {
            TickHeader(
                symbol: UInt32(random.next() % 3),
                flags: TickFlags(rawValue: UInt16(random.next() % 65_536)),
                action: UInt8(random.next() % 256), resolution: UInt8(random.next() % 256),
                providerTime: time(), receiveTime: time(),
                providerID: random.next() % 3 == 0 ? 0 : random.next() >> (random.next() % 64))
        }

        static func power(_ exponent: Int) -> Int64 {
            (0..<exponent).reduce(1) { power, _ in power * 10 }
        }
    }

    private static let symbols = ["A", "BRK.B", "日経 225 with a name that is longer than 32 bytes"]

    /// Packets of six kinds of ticks with random values.
    func packets(_ seed: UInt64) throws -> [SealedPacket] {
        var values = Values(random: SeededRandom(seed: seed))
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(4_095), source: try #require(SourceName("desk-1")))
        for name in Self.symbols {
            try builder.define(name, provider: "ib")
        }
        var packets: [SealedPacket] = []
        var ordinal: UInt64 = 1
        for _ in 0..<4 {
            for _ in 0..<100 { append(&values, &builder) }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: UInt64(Int64.max), firstOrdinal: ordinal,
                    watermark: Timestamp(nanoseconds: 0), sendTime: Timestamp(nanoseconds: 0)))
            ordinal = packet.header.nextOrdinal
            packets.append(packet)
        }
        return packets
    }

    private func append(_ values: inout Values, _ builder: inout PacketBuilder) {
        let trade = Trade(
            header: values.header(), price: Price(raw: values.next()),
            size: Quantity(raw: values.next()), exchange: values.text(), conditions: values.text())
        let quote = Quote(
            header: values.header(), bidPrice: Price(raw: values.next()),
            bidSize: Quantity(raw: values.next()), askPrice: Price(raw: values.next()),
            askSize: Quantity(raw: values.next()), bidExchange: values.text(),
            askExchange: values.text())
        var option = OptionComputation(header: values.header(), kind: .bid)
        option.delta = Ratio(raw: values.next())
        option.optionPrice = Price(raw: values.next())
        var bar = ProviderBar(
            header: values.header(), openTime: values.time(), closeTime: values.time(),
            kind: .trades)
        bar.volume = values.wide()
        bar.trades = values.next()
        let depth = DepthUpdate(
            header: values.header(), position: 1, side: .ask, operation: .update,
            price: Price(raw: values.next()), size: Quantity(raw: values.next()),
            marketMaker: MarketMaker(first: values.text(), second: .empty))
        let indicator = IndicatorValue(
            header: values.header(), name: "n", value: values.wide(), periodStart: values.time(),
            periodEnd: values.time())
        let isIn = [
            builder.append(trade), builder.append(quote), builder.append(option),
            builder.append(bar), builder.append(depth), builder.append(indicator) == .appended,
        ]
        #expect(isIn.allSatisfy { $0 })
    }

    @Test("rows of six tables, with values at random", arguments: [1, 2, 3, nil] as [UInt64?])
    func random(seed: UInt64?) throws {
        let seed = seed ?? UInt64.random(in: 0 ... .max)
        let database = try TestDatabase.migrated("writer_bytes_\(seed % 1_000_000)")
        try database.takeAllTimes()
        let session = try database.connectWriter()
        let folder = try TemporaryFolder("copy-bytes")
        let packets = try packets(seed)
        let names: Set<SinkName> = [
            .trades, .quotes, .options, .providerBars, .depth, .indicators,
        ]
        for sink in SinkCatalogue(names).sinks {
            var bytes: [UInt8] = []
            var writer = BinaryCopyWriter(operation: "COPY") { bytes += $0.array }
            for packet in packets { try sink.write(packet, to: &writer) }
            try writer.finish()
            try session.copyIn(sink.copy, timeout: patience) { row throws(PostgresError) in
                for packet in packets { try sink.write(packet, to: &row) }
            }
            let columns = try #require(sink.copy.split(separator: "(").dropFirst().first)
            let list = columns.prefix { $0 != ")" }
            let path = folder.file(sink.name.rawValue)
            let table = "\(database.schema.quoted).\(sink.tables[0])"
            try database.server.psql(
                "\\copy (SELECT \(list) FROM \(table) ORDER BY ordinal) TO '\(path)' "
                    + "(FORMAT binary)",
                database: database.name)
            let theirs = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(bytes.count > 10_000)
            #expect(bytes == theirs, "\(sink.name), seed \(seed)")
        }
    }
}
