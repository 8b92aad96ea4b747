import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline repair")
struct RepairToolTests {
    private static let now = Timestamp(nanoseconds: 1_800_000_000_000_000_000)

    private func runRepair(_ arguments: [String], on bench: TailBench) throws -> Said {
        try Said(["repair"] + arguments, bench.tape.environment)
    }

    @Test("arguments")
    func arguments() throws {
        let times = ["--from", "-2h", "--to", "-1h"]
        let command = try RepairCommand.parse(["AAPL"] + times, now: Self.now)
        #expect(command.to == Self.now.advanced(byNanoseconds: -3_600_000_000_000))
        #expect(command.reason == .repair && command.waitSeconds == nil && !command.isDryRun)
        #expect(command.source == nil)
        #expect(
            try RepairCommand.parse(
                ["AAPL", "--source", "ibkr"] + times, now: Self.now
            ).source?.text == "ibkr")
        let full = try RepairCommand.parse(
            [
                "BRK.B", "--from", "2026-11-20T14:30:00Z", "--to", "2026-11-20T16:30:00+01:00",
                "--reason", "bust", "--note", "why", "--wait", "--timeout", "5", "--json",
            ],
            now: Self.now)
        #expect(full.reason == .bust && full.note == "why" && full.waitSeconds == 5)
        #expect(full.to.nanoseconds - full.from.nanoseconds == 3_600_000_000_000)
    }

    /// Returns the sources that the packets of people name, packet by packet.
    private func named(_ bench: TailBench, _ partition: Partition) throws -> [SourceName?] {
        try bench.tape.tickPackets(partition).flatMap { packet in
            packet.payload.withRawSpan { bytes in
                var found: [SourceName?] = []
                var walk = PacketWalk()
                while let item = walk.next(in: bytes) {
                    if case .control(let message) = item,
                        let (_, definition) = message.symbolDefinition(in: bytes)
                    {
                        found.append(definition.source)
                    }
                }
                return found
            }
        }
    }

    /// Returns all requests on the tape.
    private func requests(_ bench: TailBench) throws -> [(RepairRequest, Int)] {
        try (0..<4).flatMap { partition in
            try bench.tape.tickPackets(Partition(partition)).flatMap { packet in
                packet.payload.withRawSpan { bytes in
                    var found: [(RepairRequest, Int)] = []
                    var cursor = RecordCursor()
                    while let record = cursor.next(in: bytes) {
                        guard case .other(let message) = record,
                            let request = message.repairRequest(in: bytes)
                        else { continue }
                        found.append((request, partition))
                    }
                    return found
                }
            }
        }
    }

    @Test(
        "a request stands under the source of people, on its symbol's partition"
    )
    func request() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "repair_a")
        let times = ["--from", "2026-11-20T14:30:00Z", "--to", "2026-11-20T14:40:00Z"]
        #expect(try runRepair(["AAPL", "--dry-run"] + times, on: bench).code == .success)
        #expect(try requests(bench).isEmpty)
        #expect(throws: ToolError.self) { try runRepair(["AAPL"] + times, on: bench) }
        let said = try runRepair(["AAPL", "--yes", "--json", "--note", "n"] + times, on: bench)
        let json = try JSONValue.parse(said.output)
        let partition = bench.tape.names.partition(of: try #require(Symbol("AAPL")))
        #expect(json["state"]?.string == "requested")
        #expect(json["partition"]?.int == partition.number)
        let found = try requests(bench)
        #expect(found.count == 1 && found[0].1 == partition.number)
        #expect(found[0].0.from == ISOTime.parse("2026-11-20T14:30:00Z"))
        #expect(found[0].0.note == "n" && found[0].0.reason == BarReason.repair.rawValue)
        let standing = try bench.tape.tickPackets(partition)
        #expect(standing.allSatisfy { $0.header.source == .manual })
        #expect(try named(bench, partition) == [nil])
        #expect(json["source"] == nil)
        let narrow = try runRepair(
            ["AAPL", "--source", "ibkr", "--yes", "--json"] + times, on: bench)
        #expect(try JSONValue.parse(narrow.output)["source"]?.string == "ibkr")
        #expect(try named(bench, partition) == [nil, SourceName("ibkr")])
        let told = try runRepair(["AAPL", "--dry-run"] + times, on: bench).output
        #expect(told.hasPrefix("AAPL from all sources, "), "\(told)")
    }

    private static let times = ["--from", "2026-11-20T14:30:00Z", "--to", "2026-11-20T14:40:00Z"]

    /// Returns what the command prints when an operator answers with this. The request is in the
    /// second packet.
    private func answered(
        _ namespace: String, bars: Int, refused: String?
    ) throws -> (code: ExitCode, json: JSONValue) {
        let bench = try TailBench(NatsServer.shared(), namespace: namespace)
        let answering = Thread {
            _ = eventually { (try? requests(bench).count) == 1 }
            // Repeated until it is received, because the test does not know when the command begins
            // to listen.
            for round in 0..<3 as Range<UInt64> {
                try? answer(bench, bars: bars, refused: refused, ordinal: round * 8 + 1)
            }
        }
        answering.start()
        let said = try runRepair(["AAPL", "--yes", "--wait", "--json"] + Self.times, on: bench)
        return (said.code, try JSONValue.parse(said.output))
    }

    @Test("it waits until the output of the request is out, and says how many versions came of it")
    func waits() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "repair_b")
        let nobody = try runRepair(
            ["AAPL", "--yes", "--wait", "--timeout", "1"] + Self.times, on: bench)
        #expect(nobody.code == .temporary && nobody.output.contains("not worked on yet"))
        let done = try answered("repair_c", bars: 1, refused: nil)
        #expect(done.code == .success && done.json["state"]?.string == "repaired")
        #expect(done.json["bars"]?.int ?? 0 >= 1)
    }

    @Test("a request that changed nothing, one that is refused and one that is in part are three")
    func refusals() throws {
        let nothing = try answered("repair_d", bars: 0, refused: nil)
        #expect(nothing.code == .success && nothing.json["state"]?.string == "nothing_changed")
        #expect(nothing.json["refused"]?.array?.isEmpty == true)
        for (bars, code, state) in [
            (0, ExitCode.failure, "refused"), (1, .incomplete, "refused_in_part"),
        ] {
            let told = try answered("repair_e\(bars)", bars: bars, refused: "retention")
            #expect(told.code == code && told.json["state"]?.string == state)
            let refusal = told.json["refused"]?.array?.first
            #expect(refusal?["reason"]?.string == "retention")
            #expect(refusal?["sentence"]?.string?.contains("does not reach back") == true)
            #expect(refusal?["from"]?.string == "2026-11-20T14:30:00.000000000Z")
        }
        let refused = RefusedRepair(
            .other("new"), sequence: 1, from: Timestamp(nanoseconds: 0),
            to: Timestamp(nanoseconds: 1))
        let outcome = RepairOutcome(of: 1, .published, bars: 0, refusals: [refused])
        #expect(outcome.lines.first?.contains("(new)") == true)
    }

    /// Publishes an operator's answer to a request.
    private func answer(
        _ bench: TailBench, bars: Int, refused: String?, ordinal: UInt64
    ) throws {
        let symbol = try #require(Symbol("AAPL"))
        let partition = bench.tape.names.partition(of: symbol)
        let from = try #require(ISOTime.parse("2026-11-20T14:30:00Z"))
        let end = try bench.tape.tickPackets(partition).last
        var builder = PacketBuilder(kind: .bars, partition: partition, source: .operator)
        let index = builder.register(
            SymbolDefinition(symbol: symbol, provider: "", since: .undefined))
        let series = builder.register(
            SeriesDefinition(name: try #require(SeriesName("1m")), widthNanoseconds: 1))
        for _ in 0..<bars {
            var bar = Bar(
                symbol: index, series: series, openTime: from,
                closeTime: from.advanced(byNanoseconds: 60_000_000_000))
            bar.reason = BarReason.repair.rawValue
            let isIn = builder.append(bar)
            #expect(isIn)
        }
        // For more other requests than are remembered, and for this one.
        let others = [UInt64](repeating: 9_999, count: 64)
        for sequence in others + (refused == nil ? [] : [end?.sequence ?? 0]) {
            let value = IndicatorValue(
                header: TickHeader(symbol: index, providerTime: from, receiveTime: from),
                name: "repair.refused.\(refused ?? "long")",
                value: Int128(sequence) * 1_000_000_000, periodStart: from, periodEnd: from)
            let outcome = builder.append(value)
            #expect(outcome == .appended)
        }
        let created = try #require(
            try bench.tape.client.jetStream.streamInfo(
                bench.tape.names.tickStream(of: partition))
        ).created
        func state(_ created: Timestamp, _ sequence: UInt64) -> OutputState {
            OutputState(
                input: TapePosition(
                    streamCreated: created, sequence: sequence,
                    packet: end?.header.identity
                        ?? PacketIdentity(epoch: 0, firstOrdinal: 0, checksum: 0), sources: []),
                checksum: 1, generation: 1)
        }
        let seal = PacketBuilder.Seal(
            epoch: 1, firstOrdinal: ordinal, watermark: from, sendTime: from)
        // The operator is still at a stream that was there before, which had more packets.
        var earlier = PacketBuilder(kind: .bars, partition: partition, source: .operator)
        try TestSource.put(
            earlier.seal(seal, output: state(from, 1_000_000)).bytes,
            on: bench.tape.names.bars(partition), of: bench.tape)
        let packet = builder.seal(seal, output: state(created, end?.sequence ?? 0))
        try TestSource.put(packet.bytes, on: bench.tape.names.bars(partition), of: bench.tape)
    }
}
