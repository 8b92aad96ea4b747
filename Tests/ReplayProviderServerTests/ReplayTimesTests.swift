import Foundation
import MarketModel
import NatsTransport
import Primitives
import Recordings
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ReplayProvider
@testable import ReplayProviderTests

/// The times at which recorded packets are put on a real tape, and what a range of a tape lacks.
@Suite("Times and ranges of replays")
struct ReplayTimesTests {
    @Test("moved to now and killed on the way: one shift for all, and nothing ahead of the time")
    func shifted() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rta", 3), ("rtb", 5))
        var market = MixedMarket(stepNanoseconds: 250_000_000)
        try market.publish(on: old, source: bench.source, rounds: 12)
        let path = bench.folder.file("mixed.tape")
        _ = try bench.record(old, to: path)
        let replay = [
            "GATEWAY_PROVIDER": "replay", "REPLAY_FILE": path, "REPLAY_SPEED": "1",
            "REPLAY_SHIFT": "now",
        ]
        for part in 1...2 {
            try bench.replayAndKill(onto: new, replay, after: part * market.records / 4)
        }
        try bench.replayAll(onto: new, replay, records: market.records)
        let found = try SymbolsOnTape(new, bench.source)
        let original = try SymbolsOnTape(old, bench.source)
        let first = try #require(original.entries["AAPL"]?.first?.record.record.header)
        let moved = try #require(found.entries["AAPL"]?.first?.record.record.header)
        let shift = moved.receiveTime.nanoseconds(since: first.receiveTime)
        found.expectEqual(to: original.moved(byNanoseconds: shift))
        for record in try new.records(of: bench.source) {
            let received = try #require(record.record.header?.receiveTime)
            #expect(received <= record.packet.sendTime, "\(record)")
        }
    }

    @Test("at N times the speed no record comes before its time")
    func paced() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let (old, new) = try bench.tapes(("rtc", 3), ("rtd", 4))
        var market = MixedMarket(stepNanoseconds: 1_000_000_000)
        try market.publish(on: old, source: bench.source, rounds: 13)
        let path = bench.folder.file("mixed.tape")
        _ = try bench.record(old, to: path)
        let begun = SystemClock().now()
        try bench.replayAll(
            onto: new, ["GATEWAY_PROVIDER": "replay", "REPLAY_FILE": path, "REPLAY_SPEED": "2.5"],
            records: market.records)
        try SymbolsOnTape(new, bench.source).expectEqual(to: SymbolsOnTape(old, bench.source))
        for record in try new.records(of: bench.source) {
            let sent = record.packet.sendTime
            let received = try #require(record.record.header?.receiveTime)
            let recorded = received.nanoseconds - MixedMarket.start
            // In thousandths, so that nothing is rounded.
            #expect(sent.nanoseconds(since: begun) * 2_500 >= recorded * 1_000, "\(record)")
        }
    }

    /// Returns the program's output and its exit code.
    private func tool(
        _ arguments: [String], _ environment: [String: String], _ folder: TemporaryFolder
    ) throws -> (status: Int32, output: String) {
        let process = try ServerProcess(
            try ProductPrograms.path("tapeline"), arguments, environment: environment,
            logPath: folder.file("tool.log"))
        return (process.waitUntilExit(), process.log)
    }

    @Test("what was purged of a range is told, and so is a hole in it")
    func purged() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let old = try TestTape(bench.server, namespace: "rte", partitions: 2)
        var source = TestSource(old, Partition(0), source: bench.source)
        let symbol = try #require(
            MixedMarket.symbols.compactMap { Symbol($0) }.first {
                old.names.partition(of: $0) == Partition(0)
            })
        let number = source.register(
            SymbolDefinition(symbol: symbol, provider: "x", since: .undefined))
        var sequences: [UInt64] = []
        for round in 0..<6 {
            let time = MixedMarket.start + Int64(round) * 1_000_000_000
            source.sendTime = Timestamp(nanoseconds: time)
            if round == 4 { source.skip = 7 }
            source.append {
                MixedMarket.fill(&$0, number, round)
                return true
            }
            sequences.append(try source.publish(watermark: source.sendTime))
        }
        let stream = old.names.tickStream(0)
        let whole = bench.folder.file("whole.tape")
        let (status, text) = try tool(
            ["record", "-o", whole, "--to", "2024-01-01T00:00:00Z"], old.environment, bench.folder)
        #expect(status == 2 && text.contains("7 ticks in between are lost"), "\(text)")
        #expect(try old.client.jetStream.purge(stream: stream, below: sequences[2]) == 2)
        let rest = bench.folder.file("rest.tape")
        let from = Timestamp(nanoseconds: MixedMarket.start)
        let recorded = try tool(
            [
                "record", "-o", rest, "--json", "--from", "\(from)", "--to", "2024-01-01T00:00:00Z",
            ], old.environment, bench.folder)
        #expect(recorded.status == 2)
        let json = try JSONValue.parse(recorded.output)
        let whole0 = try RecordingFile.check(whole).ticks
        #expect(json["purged"]?.uint64 == whole0 - (json["ticks"]?.uint64 ?? 0), "\(recorded)")
        #expect(json["lost"]?.uint64 == 7)
        let later = bench.folder.file("later.tape")
        let behind = Timestamp(nanoseconds: MixedMarket.start + 4_500_000_000)
        let good = try tool(
            ["record", "-o", later, "--from", "\(behind)", "--to", "2024-01-01T00:00:00Z"],
            old.environment, bench.folder)
        #expect(good.status == 0 && !good.output.contains("lost"), "\(good)")
        let none = try tool(
            ["record", "-o", "\(later)2", "--from", "2023-12-01T00:00:00Z", "--source", "other"],
            old.environment, bench.folder)
        #expect(none.status == 1 && none.output.contains("has no tick there"), "\(none)")
    }

    @Test("recorded while ticks flow: all that was sent up to the moment, and nothing later")
    func flowing() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let old = try TestTape(bench.server, namespace: "rtf", partitions: 3)
        let gateway = try bench.gateway(
            old, ["SYNTHETIC_RATE": "2000", "SYNTHETIC_PACE": "realtime"])
        #expect(try eventually { try old.tickCount(source: bench.source) > 500 })
        let path = bench.folder.file("flowing.tape")
        let (status, output) = try tool(
            ["record", "-o", path, "--json"], old.environment, bench.folder)
        #expect(status == 0, "\(output)")
        #expect(gateway.stop() == 0)
        let file = try RecordingFile(path)
        let to = file.about.to
        var recorded: [[UInt8]: Int] = [:]
        while let packet = try file.next() {
            #expect(packet.header.sendTime < to)
            guard packet.header.kind == .ticks else { continue }
            recorded[packet.bytes, default: 0] += 1
        }
        var standing: [[UInt8]: Int] = [:]
        for index in 0..<TapeNames.tickStreams {
            for packet in try old.packets(stream: old.names.tickStream(index))
            where packet.header.kind == .ticks && packet.header.sendTime < to {
                standing[packet.payload, default: 0] += 1
            }
        }
        #expect(recorded == standing && file.ticks > 500)
        #expect(file.missing.isEmpty)
    }
}

extension SymbolsOnTape {
    func moved(byNanoseconds shift: Int64) -> SymbolsOnTape {
        var moved = self
        moved.entries = entries.mapValues { entries in
            entries.map { entry in
                Entry(
                    provider: entry.provider, since: entry.since.moved(byNanoseconds: shift),
                    record: PlainRecord(
                        entry.record.record.moved(byNanoseconds: shift), of: entry.record.symbol))
            }
        }
        return moved
    }
}
