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
import TickSpool

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline spool")
struct SpoolReplayTests {
    private static let start = TailBench.start

    private static func time(_ number: Int64) -> Timestamp {
        Timestamp(nanoseconds: start + number)
    }

    /// Returns a gap of a symbol, or of all, as a successor writes it.
    private static func gap(
        _ symbol: UInt32, _ from: Int64, _ to: Int64, kind: DataKind = .any,
        reason: GapReason = .gatewayLost, state: GapState = .open
    ) -> GapRecord {
        GapRecord(
            header: TickHeader(symbol: symbol, providerTime: .undefined, receiveTime: time(to)),
            from: time(from), to: time(to), kind: kind, reason: reason, state: state)
    }

    // MARK: decisions

    @Test("a gap holds its times but its end, its kind, and its symbol or all of them")
    func gapMap() throws {
        let (apple, other) = (try #require(Symbol("AAPL")), try #require(Symbol("MSFT")))
        var map = GapMap()
        #expect(map.verdict(apple, .trade, at: Self.time(1)) == .noGapOfSymbol)
        map.add(Self.gap(0, 10, 20), symbol: apple)
        map.add(Self.gap(0, 30, 40, kind: .quote), symbol: apple)
        map.add(Self.gap(0, 0, 100, reason: .tapeLost), symbol: other)
        #expect(map.count == 2)
        let verdicts = [9, 10, 19, 20].map { map.verdict(apple, .trade, at: Self.time($0)) }
        #expect(verdicts == [.outside, .inside, .inside, .outside])
        #expect(map.verdict(apple, .quote, at: Self.time(35)) == .inside)
        #expect(map.verdict(apple, .trade, at: Self.time(35)) == .outside)
        #expect(map.verdict(other, .trade, at: Self.time(15)) == .noGapOfSymbol)
        map.add(Self.gap(0, 10, 15, state: .filled), symbol: apple)
        #expect(map.verdict(apple, .trade, at: Self.time(12)) == .filled)
        #expect(map.verdict(apple, .trade, at: Self.time(17)) == .inside)
        var general = Self.gap(0, 50, 60)
        general.to = .undefined
        map.add(general, symbol: nil)
        #expect(map.verdict(other, .news, at: Self.time(1_000_000)) == .inside)
        #expect(map.verdict(nil, .trade, at: Self.time(49)) == .outside)
        var before = Self.gap(0, 0, 5)
        before.from = .undefined
        map.add(before, symbol: other)
        #expect(map.verdict(other, .trade, at: Self.time(-99)) == .inside)
    }

    @Test("arguments")
    func arguments() throws {
        #expect(
            try SpoolCommand.parse(["list", "--folder", "/x", "--json"])
                == .list(SpoolPlace(folder: "/x"), asJSON: true))
        #expect(
            try SpoolCommand.parse(["replay", "a-20260105T143000Z", "--yes", "--nats", "nats://h"])
                == .replay(
                    SpoolReplayCommand(
                        name: "a-20260105T143000Z", place: SpoolPlace(),
                        target: TapeTarget(natsURL: "nats://h"), isConfirmed: true)))
        let place = SpoolPlace()
        #expect(try place.path(["GATEWAY_SPOOL": "/spool"], executable: "/x") == "/spool")
        #expect(throws: ToolError.self) { try place.path([:], executable: "/x") }
        #expect(try SpoolPlace(folder: "/f").path([:], executable: "/x") == "/f")
    }

    // MARK: a spool and a tape

    /// Partition 1 of a real tape. Source `ib` has stored ordinals 1 to 4, and its successor wrote
    /// a gap of AAPL. The spool has ordinals 3 to 10 of the old epoch.
    private struct Scene {
        let bench: TailBench
        let folder: TemporaryFolder
        let name: String

        init(_ namespace: String) throws {
            bench = try TailBench(NatsServer.shared(), namespace: namespace)
            folder = try TemporaryFolder("spool")
            let source = try #require(SourceName("ib"))
            var old = try bench.source(1, ["AAPL", "MSFT"], name: "ib")
            let settings = Spool.Settings(
                folder: folder.path, source: source, bytesMax: 1 << 20)
            let spool = try Spool(settings)
            for first in stride(from: 1, to: 11, by: 2) as StrideTo<Int64> {
                old.append(TailBench.trade(0, first))
                if first == 9 {
                    old.append(TailBench.quote(0, first + 1))
                } else {
                    old.append(TailBench.trade(first == 7 ? 1 : 0, first + 1))
                }
                let packet = old.seal(watermark: time(first + 1))
                if first <= 3 {
                    let subject = bench.tape.names.ticks(Partition(1), source)
                    try TestSource.put(packet.bytes, on: subject, of: bench.tape)
                }
                if first >= 3 { _ = try spool.append(packet) }
            }
            name = try #require(
                try spool.setAside(
                    reason: "fenced by epoch 2", now: Timestamp(nanoseconds: start))
            ).name
            try Self.successor(bench, source)
        }

        private static func successor(_ bench: TailBench, _ source: SourceName) throws {
            var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
            let apple = builder.register(try apple())
            _ = builder.append(gap(apple, 5, 10))
            _ = builder.append(gap(apple, 10, 20, kind: .quote))
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 2, firstOrdinal: 5, watermark: time(20), sendTime: time(20)))
            try TestSource.put(
                packet.bytes, on: bench.tape.names.ticks(Partition(1), source), of: bench.tape)
        }

        static func apple(_ lot: RoundLot? = nil) throws -> SymbolDefinition {
            var definition = SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "made", since: .undefined)
            definition.lot = lot
            return definition
        }

        /// Returns a publisher of ticks that a person puts on the tape.
        func publisher() throws -> ManualPublisher {
            let publisher = try ManualPublisher(
                bench.tape.client, [Partition(1)], ShutdownSignal())
            try publisher.open()
            return publisher
        }

        /// Publishes a trade of AAPL as a replay of this source's spool does.
        static func append(
            _ number: Int64, of source: String = "ib", lot: RoundLot? = nil,
            to publisher: ManualPublisher
        ) throws {
            let tick = ReplayTick(
                ordinal: 1, symbol: try apple(lot), content: .trade(TailBench.trade(0, number)))
            try publisher.append(tick, of: try #require(SourceName(source)), Partition(1))
        }

        /// The packets and ticks on the tape that a person put there.
        func manual() throws -> (packets: [TestTape.StoredPacket], ticks: [ReplayTick]) {
            let packets = try bench.tape.tickPackets(Partition(1))
                .filter { $0.header.source == .manual }
            var ticks: [ReplayTick] = []
            for packet in packets {
                packet.payload.withRawSpan { bytes in
                    ReplayPacket.walk(bytes, from: packet.header.firstOrdinal) {
                        if case .tick(let tick) = $0 { ticks.append(tick) }
                    }
                }
            }
            return (packets, ticks)
        }

        func replay(_ more: [String] = ["--yes"], of name: String? = nil) throws -> Said {
            try Said(
                ["spool", "replay", name ?? self.name, "--folder", folder.path] + more,
                bench.tape.environment)
        }
    }

    @Test("what lies in the successor's gaps is published once, marked, and nothing else is")
    func replay() throws {
        let scene = try Scene("spool_a")
        let first = try scene.replay()
        #expect(first.code == .success)
        #expect(
            first.output == """
                ib-20250615T150640Z: 8 ticks
                             5  lie inside a gap
                             2  stand on the tape already
                             1  are of a symbol without a gap
                5 ticks are on the tape, marked as backfilled

                """)
        let (packets, items) = try scene.manual()
        #expect(packets.first?.header.flags == .epochMarker)
        #expect(items.map(\.ordinal) == [1, 2, 3, 4, 5])
        #expect(items.map(\.eventTime) == [5, 6, 7, 9, 10].map { Self.time($0) })
        #expect(items.allSatisfy { $0.isBackfilled && $0.symbol?.symbol.text == "AAPL" })
        // They belong to the source whose spool it was.
        #expect(items.allSatisfy { $0.symbol?.source?.text == "ib" })
        #expect(items.map(\.kind) == [.trade, .trade, .trade, .trade, .quote])
        // A second replay is safe.
        let second = try scene.replay(["--json"])
        #expect(second.code == .success)
        let json = try second.json()
        #expect(json["published"]?.int == 0 && json["replayed_before"]?.int == 5)
        #expect(json["inside_gaps"]?.int == 0 && json["standing"]?.int == 2)
        #expect(try scene.manual().packets.count == packets.count)
        let survey = try #require(
            try SpoolSurvey.aside(scene.name, in: scene.folder.path))
        #expect(survey.isReplayed)
    }

    @Test(
        "a replay goes on behind what was put there of its source, not of another one",
        arguments: [["ib", "ib"], ["other", "ib"]])
    func interrupted(sources: [String]) throws {
        let scene = try Scene("spool_\(sources[0])")
        let publisher = try scene.publisher()
        for (source, number) in zip(sources, [5, 6] as [Int64]) {
            try Scene.append(number, of: source, to: publisher)
        }
        try publisher.drain()
        #expect(publisher.ticks == 2)
        let json = try scene.replay(["--yes", "--json"]).json()
        let before = sources.count { $0 == "ib" }
        #expect(json["published"]?.int == 5 - before)
        #expect(json["replayed_before"]?.int == before)
    }

    @Test("each tick that is put on the tape states the lot that it came with")
    func lots() throws {
        let scene = try Scene("spool_lots")
        let publisher = try scene.publisher()
        let (forty, ten) = (Quantity(raw: 4_000_000_000), Quantity(raw: 1_000_000_000))
        let lots = [nil, RoundLot(forty), RoundLot(ten), RoundLot(ten), RoundLot(forty)]
        for (number, lot) in lots.enumerated() {
            try Scene.append(Int64(number) + 1, lot: lot, to: publisher)
        }
        try publisher.drain()
        #expect(try scene.manual().ticks.map { $0.symbol?.lot } == lots)
    }

    @Test("an earlier replay cannot go on once another one has begun")
    func fenced() throws {
        let scene = try Scene("spool_c")
        let first = try scene.publisher()
        _ = try scene.publisher()
        try Scene.append(1, to: first)
        #expect(
            complaint { try first.drain() }.contains(
                "somebody else publishes under the source 'manual'"))
    }

    @Test("a spool that is not there, of another tape, or without consent changes nothing")
    func refused() throws {
        let scene = try Scene("spool_d")
        let error = try #require(throws: ToolError.self) { try scene.replay(of: "ib") }
        #expect(error.description.contains("'ib' was not set aside"))
        #expect(error.exitCode == .usage)
        #expect(complaint { try scene.replay([]) }.contains("--yes"))
        let small = try TailBench(
            NatsServer.shared(), namespace: "spool_e", partitions: 1)
        #expect(
            complaint {
                try Said(
                    ["spool", "replay", scene.name, "--yes", "--folder", scene.folder.path],
                    small.tape.environment)
            }.contains("it is of another tape"))
    }

    @Test("the list says what each spool holds")
    func list() throws {
        let scene = try Scene("spool_f")
        func list(_ more: String...) throws -> Said {
            try Said(["spool", "list", "--folder", scene.folder.path] + more, [:])
        }
        let text = try list()
        let bytes = try SpoolSurvey.all(in: scene.folder.path)[1].bytes
        #expect(
            text.output == """
                ib  of the gateway of this source
                  0 ticks in 0 frames, 0 B

                ib-20250615T150640Z  set aside at 2025-06-15T15:06:40Z
                  why: fenced by epoch 2
                  8 ticks in 4 frames, \(TapeReport.bytes(UInt64(bytes)))
                  of 2025-06-15T15:06:40Z to 2025-06-15T15:06:40Z
                  partitions 1, epochs 1

                """)
        let json = try list("--json").json()
        let aside = try #require(json["spools"]?.array?.last)
        #expect(aside["name"]?.string == scene.name && aside["reason"]?.string != nil)
        #expect(aside["ticks"]?.int == 8 && aside["replayed"]?.bool == false)
        #expect(aside.at("partitions")?.array?.first?["last_ordinal"]?.int == 10)
        let empty = try Said(["spool", "list", "--folder", "/no/such"], [:])
        #expect(empty.output == "nothing is spooled in /no/such\n")
    }

    @Test("numbers on a line are short")
    func ranges() {
        #expect(NumberRanges.text([]) == "")
        #expect(NumberRanges.text([3, 1, 2, 0, 7]) == "0-3,7")
        #expect(NumberRanges.text([4, 5, 9, 11, 12, 13]) == "4,5,9,11-13")
    }
}
