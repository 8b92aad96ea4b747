import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// A scan over all partitions, on a real server.
@Suite("A worker that scans")
struct ScanOnTapeTests {
    private static let everything = [0, 1, 2, 3, 4]

    /// A scan's values on the tape, as `<symbol> <of source> <second>`.
    private func listed(_ tape: TestTape) throws -> [String] {
        var found: [String] = []
        let packets = try tape.packets(
            stream: tape.names.barStream, subject: tape.names.universeValues)
        for packet in packets {
            packet.payload.withRawSpan { bytes in
                var walk = PacketWalk(packet.header)
                while let item = walk.next(in: bytes) {
                    guard case .other(let message) = item,
                        let value = message.indicatorValue(in: bytes), value.name == "found.close"
                    else { continue }
                    let symbol = walk.symbol(value.header.symbol, in: bytes)
                    let second =
                        (value.periodStart.nanoseconds - UniverseScene.start)
                        / UniverseScene.second
                    found.append(
                        "\(symbol?.symbol.text ?? "none") \(symbol?.source?.text ?? "none") "
                            + "\(second)")
                }
            }
        }
        return found
    }

    @Test("each value has its symbol, also behind a restart, and none comes twice")
    func symbols() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "sc1")
        let graph = try UniverseScene.scanning()
        let first = try TestWorker(tape, takes: Self.everything, graph: graph).start()
        var scene = try UniverseScene(tape)
        var random = SeededRandom(seed: 7_042)
        for second in 0..<5 as Range<Int64> { try scene.trade(second, ofDay: 0, &random) }
        try scene.advance(to: 30, ofDay: 0)
        #expect(eventually { (try? listed(tape).count) == 10 })
        #expect(try first.stop() == .success)
        let again = try TestWorker(tape, takes: Self.everything, graph: graph).start()
        for second in 30..<35 as Range<Int64> { try scene.trade(second, ofDay: 0, &random) }
        try scene.advance(to: 60, ofDay: 0)
        #expect(eventually { (try? listed(tape).count) == 20 })
        #expect(try again.stop() == .success)
        let expected = [0..<5, 30..<35].joined().flatMap { ["DOWN test \($0)", "UP test \($0)"] }
        #expect(try listed(tape) == expected)
    }
}
