import Foundation
import GraphLanguage
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TestSupport
import Testing

@testable import OperatorWorker

/// How the shipped graphs treat genuine trades that look alike.
@Suite("Equal prints in the graphs that are shipped")
struct ShippedGraphTradesTests {
    private static let folder = "\(ServerPrograms.checkout)/services/operator-worker/graphs"
    /// A Monday, 10:00:05 in New York.
    private static let time = Timestamp(nanoseconds: 1_794_841_205_000_000_000)
    private static let day: Int64 = 86_400_000_000_000

    static let names = Result {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0.hasSuffix(".yaml")
        }
    }

    /// Returns three prints of one second, price, size and exchange, as a broker without ids
    /// reports them.
    private func packets() throws -> [SealedPacket] {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("ibkr")))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("NVDA")), provider: "ibkr",
                since: Self.time.advanced(byNanoseconds: -Self.day)))
        var ordinal: UInt64 = 1
        func seal(_ watermark: Timestamp) -> SealedPacket {
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: ordinal, watermark: watermark, sendTime: watermark))
            ordinal = packet.header.nextOrdinal
            return packet
        }
        for _ in 0..<3 {
            let header = TickHeader(
                symbol: symbol, resolution: TimeResolution.second.rawValue,
                providerTime: Self.time,
                receiveTime: Self.time.advanced(byNanoseconds: 400_000_000))
            let isIn = builder.append(
                Trade(
                    header: header, price: Price(raw: 180_250_000_000),
                    size: Quantity(raw: 100 * 100_000_000),
                    exchange: try #require(ShortText("ARCA"))))
            #expect(isIn)
        }
        return [seal(Self.time), seal(Self.time.advanced(byNanoseconds: 4 * Self.day))]
    }

    @Test("each series that trades come to counts all of them, and nothing is listed")
    func counted() throws {
        let names = try Self.names.get()
        #expect(Set(names).isSuperset(of: ["simple.yaml", "production.yaml", "advanced.yaml"]))
        // The series that take other ticks than these.
        let others: Set<String> = [
            "mid1m", "q10s", "fut1h", "fut1d", "block1m", "broker-1m", "broker-1h",
            "broker-mid-1m", "broker-mid-1h", "bought-1m", "sold-1m", "between-1m",
        ]
        for name in names {
            let program = try GraphProgram.read(
                "\(Self.folder)/\(name)", .ofThisProgram, ConfigurationFiles.read)
            var machine = GraphMachine(program)
            var output = GraphOutput()
            // Bars of windows that end by ticks.
            var bars: [Bar] = []
            for packet in try packets() {
                let isTaken = packet.withBytes { machine.take(packet.header, $0, into: &output) }
                #expect(isTaken)
                machine.takeOpenBars(into: &bars)
            }
            bars += output.bars
            #expect(output.late.isEmpty, "\(name)")
            var seen: Set<String> = []
            for bar in bars where !bar.flags.contains(.filled) {
                let series = program.series[Int(bar.series)].name.text
                seen.insert(series)
                #expect(bar.trades == 3, "\(name), \(series)")
                #expect(bar.volume == 300 * 100_000_000, "\(name), \(series)")
            }
            let wanted = Set(
                program.series.filter { $0.window != nil }.map(\.name.text)
            ).subtracting(others)
            #expect(seen == wanted, "\(name)")
        }
    }
}
