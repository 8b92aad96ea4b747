import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

@testable import TapelineTool

@Suite("Values over all partitions, computed again") struct UniverseReplayTests {
    private static let second: Int64 = 1_000_000_000
    private static let start: Int64 = 19_700 * 86_400 * second
    private static let range = start..<start + 100 * second

    /// Two partitions, each with a bar a second, and what a worker would have stored of them.
    private struct Scene {
        let program: UniverseProgram
        let packets: [SealedPacket]
        var stored: [ProofValueKey: Int128] = [:]

        init(seconds: Int64 = 10) throws {
            let series = try #require(SeriesName("1s"))
            let graph = GraphDefinition.simple(try BarSeriesSet(["1s"]))
                .measuring(
                    BreadthRule(series: series, universe: [], measures: [.advanceDecline])
                ).scanning(
                    ScanRule(
                        series: series,
                        condition: TickExpression(
                            text: "close > 0",
                            instructions: [.field(.close), .number(0), .greater]),
                        numbers: [.close])
                ).scanning(
                    ScanRule(
                        series: series,
                        deriving: TickExpression(
                            text: "a.close - b.close",
                            instructions: [.input(0), .input(1), .subtract]),
                        Derivation(
                            inputs: try ["A", "B"].map {
                                .bar(try #require(Symbol($0)), .close)
                            })), as: "apart")
            let source = try #require(SourceName("test"))
            let symbols = try ["A", "B"].map { SourceSymbol(try #require(Symbol($0)), of: source) }
            program = try #require(UniverseProgram(graph, partitions: 2))
            packets = (0..<seconds).flatMap { number in
                (0..<2).map { partition in
                    let open = start + number * second
                    var packet = PublishedPacket(
                        partition: partition, series: series, width: second)
                    packet.add(
                        Bar(from: open, to: open + second, price: 7 + number),
                        of: symbols[partition])
                    return packet.sealed(watermark: Timestamp(nanoseconds: open + second))
                }
            }
            stored = replay().computed
        }

        /// Gives the packets to a replay. `change` changes their headers.
        func replay(
            begins: UInt64 = 0, storedBy: Int64 = Int64.max,
            _ change: (Int, inout PacketHeader) -> Void = { _, _ in }
        ) -> UniverseReplay {
            var replay = UniverseReplay(program, range)
            (replay.begins, replay.storedBy) = (begins, storedBy)
            for (index, packet) in packets.enumerated() {
                var header = packet.header
                change(index, &header)
                let time = Timestamp(nanoseconds: start + Int64(index / 2 + 1) * second)
                packet.withBytes {
                    replay.take(header, UInt64(index + 1), storedAt: time, $0)
                }
            }
            return replay
        }
    }

    /// Of a window: two values of breadth, two of the scan, one of each of its symbols, and the
    /// number of both.
    private static let valuesOfWindow = 7

    @Test("what is stored is what the bars make, and a changed value is found")
    func proven() throws {
        var scene = try Scene()
        let all = scene.replay().compare(scene.stored)
        #expect(all.equal == 10 * Self.valuesOfWindow)
        #expect(all.isClean && all.unchecked == 0 && all.open == 0)
        let key = try #require(scene.stored.keys.first { $0.name == "found.close" })
        scene.stored[key] = 1
        let changed = scene.replay().compare(scene.stored)
        #expect(changed.differing == 1 && !changed.isClean)
        scene.stored[key] = nil
        let missing = scene.replay().compare(scene.stored)
        #expect(missing.missing == 1 && missing.differences.first?.key == key)
    }

    @Test(
        "behind a purge breadth and derived numbers are not checked, and a scan before it"
    )
    func purged() throws {
        let scene = try Scene()
        // The first packet that is left was stored at the end of the first second.
        let values = scene.replay { index, header in
            if index == 0 { header.firstOrdinal = 9 }
        }.compare(scene.stored)
        #expect(values.equal == 9 * 4)
        #expect(values.unchecked == Self.valuesOfWindow + 9 * 3)
        #expect(values.isClean)
        #expect(values.lines.last?.contains("not checked: the tape does not hold") == true)
    }

    @Test("windows that an earlier line of output published are not checked")
    func earlier() throws {
        let scene = try Scene()
        let values = scene.replay(begins: 6).compare([:])
        #expect(values.unchecked == 3 * Self.valuesOfWindow)
        #expect(values.missing == 7 * Self.valuesOfWindow)
    }

    @Test("values of bars that came just now may be on their way")
    func recent() throws {
        let scene = try Scene()
        let until = Self.start + 8 * Self.second
        let early = scene.stored.filter { $0.key.to <= until }
        let values = scene.replay(storedBy: until).compare(early)
        #expect(values.equal == 8 * Self.valuesOfWindow)
        #expect(values.open == 2 * Self.valuesOfWindow && values.isClean)
    }
}
