import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import TapelineTool

@Suite("The machine that computes bars again") struct ProofMachineTests {
    private static let second: Int64 = 1_000_000_000
    private static let base: Int64 = 1_700_000_040_000_000_000

    /// A packet of the source `binance`, at a moment in seconds.
    private struct Feed {
        private var builder: PacketBuilder
        private var ordinal: UInt64 = 1
        private let symbol: UInt32

        init() throws {
            let source = try #require(SourceName("binance"))
            builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
            symbol = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("BTCUSDT")), provider: "binance",
                    since: Self.time(-1)))
        }

        private static func time(_ seconds: Double) -> Timestamp {
            Timestamp(nanoseconds: base + Int64(seconds * Double(second)))
        }

        private func header(_ seconds: Double) -> TickHeader {
            TickHeader(
                symbol: symbol, providerTime: Self.time(seconds), receiveTime: Self.time(seconds))
        }

        mutating func trade(at seconds: Double) {
            let isIn = builder.append(
                Trade(
                    header: header(seconds), price: Price(raw: 1_000_000_000),
                    size: Quantity(raw: 100_000_000)))
            #expect(isIn)
        }

        mutating func gap(_ from: Double, _ to: Double?, _ state: GapState, at seconds: Double) {
            let outcome = builder.append(
                GapRecord(
                    header: header(seconds), from: Self.time(from),
                    to: to.map(Self.time) ?? .undefined, kind: .trade, reason: .disconnected,
                    state: state))
            #expect(outcome == .appended)
        }

        mutating func seal(watermark seconds: Double) -> SealedPacket {
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: ordinal, watermark: Self.time(seconds),
                    sendTime: Self.time(seconds)))
            ordinal = packet.header.nextOrdinal
            return packet
        }
    }

    /// Returns the bars of one source's packets: of a worker, without its repaired versions, and of
    /// the proof.
    private func bars(_ packets: [SealedPacket]) throws -> (worker: [Bar], proof: [Bar]) {
        let definition = GraphDefinition.simple(try BarSeriesSet(["1s", "1m"]))
        var worker = ProveBenchGraph(definition)
        let series = try ["1s", "1m"].map { try #require(SeriesName($0)) }
        var proof = ProofMachine(
            GraphProgram(definition),
            ProofMachine.Scope(series: Set(series), from: 0, to: Int64.max))
        for packet in packets {
            worker.take(packet)
            try packet.withBytes { bytes throws(ToolError) in
                try proof.take(packet.header, bytes)
            }
        }
        let order = { (bar: Bar) in (bar.series, bar.openTime.nanoseconds) }
        return (
            worker.takeBars().filter { $0.reason == BarReason.closed.rawValue }
                .sorted { order($0) < order($1) },
            proof.bars.values.sorted { order($0) < order($1) }
        )
    }

    @Test(
        "a gap that was abandoned while its bars were open makes them partial, as a worker's",
        arguments: [(GapState.abandoned, 3), (.filled, 0)])
    func gapWhileOpen(end: GapState, partial: Int) throws {
        var feed = try Feed()
        var packets: [SealedPacket] = []
        for seconds in 0...5 {
            feed.trade(at: Double(seconds) + 0.1)
            packets.append(feed.seal(watermark: Double(seconds)))
        }
        // The connection is lost after 5.1 s, and comes back with or without a trade missing.
        feed.gap(5.1, nil, .open, at: 5.6)
        packets.append(feed.seal(watermark: 5.5))
        feed.gap(5.1, 6.2, .open, at: 6.2)
        feed.gap(5.1, 6.2, end, at: 6.2)
        feed.trade(at: 6.2)
        packets.append(feed.seal(watermark: 5.8))
        feed.trade(at: 7.2)
        packets.append(feed.seal(watermark: 61))
        let (worker, proof) = try bars(packets)
        #expect(worker.count == 9 && worker.map(\.flags) == proof.map(\.flags))
        #expect(worker.count { $0.flags.contains(.partial) } == partial)
    }
}
