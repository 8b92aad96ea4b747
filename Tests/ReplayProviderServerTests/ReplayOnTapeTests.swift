import Foundation
import MarketModel
import Primitives
import Recordings
import ServiceTestSupport
import TestSupport
import Testing

@testable import ReplayProvider

@Suite("A replay onto a real tape")
struct ReplayOnTapeTests {
    @Test("a recording killed into a tape with other partitions: nothing is missing or doubled")
    func killed() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rpa", 4), ("rpb", 3))
        let ticks = 30_000
        try bench.putMarket(on: old, ticks: ticks)
        let path = bench.folder.file("market.tape")
        let written = try bench.record(old, to: path)
        #expect(written.ticks == UInt64(ticks))
        let checked = try RecordingFile.check(path)
        #expect(checked.ticks == written.ticks && checked.packets == written.packets)
        let replay = ["GATEWAY_PROVIDER": "replay", "REPLAY_FILE": path, "REPLAY_SPEED": "full"]
        for part in 1...3 {
            let slow = ["GATEWAY_PACKETS_PER_SECOND": "12"]
            try bench.replayAndKill(onto: new, replay.merging(slow) { $1 }, after: part * 4_000)
            #expect(try new.tickCount(source: bench.source) < UInt64(ticks))
        }
        try bench.replayAll(onto: new, replay, records: ticks)
        let found = try SymbolsOnTape(new, bench.source)
        #expect(found.count == ticks)
        #expect(try found == SymbolsOnTape(old, bench.source))
    }

    @Test("the operator makes the same bars of the replay as of the original")
    func bars() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rpc", 4), ("rpd", 3))
        try bench.putMarket(on: old, ticks: 20_000)
        let path = bench.folder.file("market.tape")
        _ = try bench.record(old, to: path)
        let gateway = try bench.gateway(
            new, ["GATEWAY_PROVIDER": "replay", "REPLAY_FILE": path, "REPLAY_SPEED": "full"])
        let workers = [
            try bench.program("operator-worker", old), try bench.program("operator-worker", new),
        ]
        let seconds = try Self.tradedSeconds(SymbolsOnTape(old, bench.source))
        let areEqual = try eventually {
            let (bars, again) = (try LastBars(old), try LastBars(new))
            // The last second of a symbol may still be open.
            return bars.bars.count > seconds && bars == again
        }
        #expect(areEqual)
        #expect(gateway.stop() == 0)
        for worker in workers { #expect(worker.stop() == 0) }
    }

    /// Returns the number of one-second windows with trades, minus one per symbol.
    private static func tradedSeconds(_ tape: SymbolsOnTape) -> Int {
        var seconds: Set<String> = []
        for (symbol, entries) in tape.entries {
            for entry in entries {
                guard case .trade(let trade) = entry.record.record else { continue }
                seconds.insert("\(symbol) \(trade.header.eventTime.nanoseconds / 1_000_000_000)")
            }
        }
        return seconds.count - tape.entries.count
    }

    @Test("a range of another namespace's tape goes over, by symbol, and restarts are no doubles")
    func fromTape() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rpe", 4), ("rpf", 6))
        try bench.putMarket(on: old, ticks: 5_000)
        let original = try SymbolsOnTape(old, bench.source)
        let wanted = ["AAPL", "SPY"]
        let count = wanted.reduce(0) { $0 + (original.entries[$1]?.count ?? 0) }
        #expect(count > 100)
        let to = bench.range(old).to
        for _ in 0..<2 {
            try bench.replayAll(
                onto: new,
                [
                    "GATEWAY_PROVIDER": "replay", "REPLAY_NAMESPACE": "rpe", "REPLAY_TO": "\(to)",
                    "REPLAY_SYMBOLS": wanted.joined(separator: ","), "REPLAY_SPEED": "full",
                ], records: count)
        }
        let found = try SymbolsOnTape(new, bench.source)
        #expect(found.entries == original.entries.filter { wanted.contains($0.key) })
    }

    @Test("into a tape that holds something else nothing is written")
    func foreign() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rpg", 2), ("rph", 2))
        try bench.putMarket(on: old, ticks: 2_000)
        let path = bench.folder.file("market.tape")
        _ = try bench.record(old, to: path)
        try bench.putMarket(on: new, ticks: 500, seed: 8)
        let gateway = try bench.gateway(
            new, ["GATEWAY_PROVIDER": "replay", "REPLAY_FILE": path, "REPLAY_SPEED": "full"])
        #expect(eventually { gateway.log.contains("replay.failed") })
        #expect(gateway.stop() == 0)
        #expect(try new.tickCount(source: bench.source) == 500)
    }

    @Test("tapeline record and tapeline replay do it, and once more is not twice")
    func tool() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rpi", 2), ("rpj", 5))
        try bench.putMarket(on: old, ticks: 3_000)
        let worker = try bench.program("operator-worker", old)
        #expect(try eventually { try LastBars(old).bars.count > 20 })
        #expect(worker.stop() == 0)
        let path = bench.folder.file("market.tape")
        let tapeline = try ProductPrograms.path("tapeline")
        let recorded = try JSONValue.parse(
            run(tapeline, ["record", "-o", path, "--json"], environment: old.environment))
        #expect(recorded["ticks"]?.int == 3_000 && recorded["bars"]?.int ?? 0 > 20)
        #expect(recorded["bars_complete_from"]?.string == "")
        let to = try #require(recorded["to"]?.string)
        let few = try JSONValue.parse(
            run(
                tapeline,
                ["record", "-o", "\(path).2", "--no-bars", "--to", to, "--json"],
                environment: old.environment))
        #expect(few["ticks"]?.int == 3_000 && few["bars"]?.int == 0)
        #expect(few["bars_complete_from"] == .null)
        #expect(try RecordingFile("\(path).2").about.hasBars == false)
        #expect(throws: ProgramFailure.self) {
            try run(tapeline, ["record", "-o", path], environment: old.environment)
        }
        for _ in 0..<2 {
            let replayed = try run(
                tapeline, ["replay", path, "--to-namespace", "rpj", "--partitions", "5", "--json"],
                environment: old.environment)
            #expect(try JSONValue.parse(replayed)["records"]?.int == 3_000)
        }
        #expect(try SymbolsOnTape(new, bench.source) == SymbolsOnTape(old, bench.source))
    }
}
