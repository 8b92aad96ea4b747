import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import ReplayProvider
@testable import ReplayProviderTests

/// For each kind of record, what was recorded must be on the other tape.
@Suite("A replay of every kind of record")
struct ReplayedKindsTests {
    private func name(_ record: TapeRecord) -> String {
        "\(record)".prefix { $0 != "(" }.description
    }

    @Test("killed in the middle again and again, every record is there once and in order")
    func killed() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rka", 4), ("rkb", 7))
        var market = MixedMarket()
        try market.publish(on: old, source: bench.source, rounds: 12)
        let original = try SymbolsOnTape(old, bench.source)
        let kinds = Set(original.entries.values.joined().map { name($0.record.record) })
        #expect(kinds.count == 12, "\(kinds)")
        #expect(original.count == market.records)
        let path = bench.folder.file("mixed.tape")
        let written = try bench.record(old, to: path)
        #expect(written.ticks == UInt64(market.records))
        let replay = ["GATEWAY_PROVIDER": "replay", "REPLAY_FILE": path, "REPLAY_SPEED": "full"]
        for part in 1...4 {
            let slow = ["GATEWAY_PACKETS_PER_SECOND": "10"]
            try bench.replayAndKill(
                onto: new, replay.merging(slow) { $1 }, after: part * market.records / 6)
        }
        try bench.replayAll(onto: new, replay, records: market.records)
        let found = try SymbolsOnTape(new, bench.source)
        found.expectEqual(to: original)
    }
}
