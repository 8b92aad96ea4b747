import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGatewayTests

/// Instruments whose live data the account may not see, with the shipped gateway and worker, a
/// simulated TWS and a real nats-server.
@Suite("Delayed data are a source of their own, end to end")
struct DelayedSourceTests {
    private static let withoutLive = ["SPY", "QQQ", "IWM"]
    private static let live = "DIA"
    /// How much later than live data the simulated TWS sends delayed ones.
    private static let delay: Int64 = 900_000_000_000

    private final class Stage {
        let tape: TestTape
        let broker: BrokerSimulator
        private(set) var gateway: BrokerGateway
        private let nats: NatsServer
        private let folder: TemporaryFolder
        private let environment: [String: String]
        private var starts = 1
        private(set) var worker: ServerProcess?

        init(_ namespace: String) throws {
            nats = try NatsServer()
            tape = try TestTape(nats, namespace: namespace)
            folder = try TemporaryFolder("delayed")
            broker = try BrokerSimulator(["SPY", "QQQ", "IWM", "DIA"], rate: 60, seed: 4)
            try broker.start()
            guard broker.answers() else { throw BrokerGateway.Silent(description: broker.log) }
            for symbol in DelayedSourceTests.withoutLive {
                _ = broker.command("permission \(symbol) delayed")
            }
            // One of them wants its ticks tick by tick alone.
            let list = try folder.write(
                """
                version: 1
                defaults: {exchange: SMART, currency: USD}
                instruments:
                  - {symbol: SPY, feeds: [quotes]}
                  - {symbol: QQQ, feeds: [quotes, trades]}
                  - {symbol: IWM, feeds: [trades, bid-ask]}
                  - {symbol: DIA, feeds: [quotes]}

                """, to: "instruments.yaml")
            environment = tape.environment.merging([
                "GATEWAY_INSTRUMENTS": list, "IBKR_PORT": "\(broker.port)",
                "IBKR_TICK_LINES": "100",
                "GATEWAY_SPOOL": folder.file("spool"),
            ]) { $1 }
            gateway = try BrokerGateway(environment, log: folder.file("gateway-1.log"))
        }

        func startGateway() throws {
            starts += 1
            gateway = try BrokerGateway(environment, log: folder.file("gateway-\(starts).log"))
        }

        func startWorker() throws {
            worker = try ServerProcess(
                try ProductPrograms.path("operator-worker"), [],
                environment: tape.environment.merging([
                    "OPS_PORT": "0", "MDS_MEMBER": "worker-0", "LOG_FORMAT": "json",
                ]) { $1 }.merging(ProductPrograms.profile("operator-worker")) { $1 },
                logPath: folder.file("worker.log"))
        }

        /// The symbols whose feeds deliver delayed data, as `/status` reports it.
        var delayed: Set<String> {
            var found: Set<String> = []
            for instrument in gateway.connection?["instruments"]?.array ?? [] {
                let isDelayed = instrument["feeds"]?.array?.contains {
                    $0["delayed"]?.bool == true && $0["state"]?.string == "live"
                }
                if isDelayed == true { found.insert(instrument["symbol"]?.string ?? "?") }
            }
            return found
        }

        func records(_ source: String) throws -> SourceRecords {
            try SourceRecords(tape, try #require(SourceName(source)))
        }
    }

    /// What is on the tape of one source.
    private struct SourceRecords {
        var delayed = 0
        var live = 0
        /// The symbols of ticks.
        var symbols: Set<String> = []
        var gaps: [GapRecord] = []
        /// The subscriptions of quotes, by symbol, in order: true for a start.
        var starts: [String: [Bool]] = [:]
        /// The symbols whose subscriptions of any kind have ended.
        var ended: Set<String> = []
        /// Ticks that are earlier than a watermark before them.
        var late = 0

        init(_ tape: TestTape, _ source: SourceName) throws {
            for number in 0..<tape.names.partitions {
                let partition = Partition(number)
                var watermark = Timestamp(nanoseconds: Int64.min)
                for packet in try tape.tickPackets(partition)
                where packet.subject == tape.names.ticks(partition, source) {
                    for record in packet.records { add(record, after: watermark) }
                    watermark = max(watermark, packet.header.watermark)
                }
            }
        }

        private mutating func add(_ record: RecordOnTape, after watermark: Timestamp) {
            if let gap = record.gap { gaps.append(gap) }
            if let change = record.subscription {
                let isStart = change.action == SubscriptionAction.start.rawValue
                if !isStart { ended.insert(record.symbol) }
                if change.kind == DataKind.quote.rawValue {
                    starts[record.symbol, default: []].append(isStart)
                }
            }
            guard let header = record.trade?.header ?? record.quote?.header else { return }
            if header.flags.contains(.delayed) { delayed += 1 } else { live += 1 }
            symbols.insert(record.symbol)
            if header.eventTime < watermark, !header.flags.contains(.backfilled) { late += 1 }
        }
    }

    /// The bars of a second on the tape.
    private struct SecondBars {
        struct Made {
            let symbol: String
            let source: String
            let open: Int64
            /// How long after its end it was published.
            let lag: Int64
        }

        var all: [Made] = []

        init(_ tape: TestTape) throws {
            let records = try tape.packets(stream: tape.names.barStream).flatMap(\.records)
            for record in records where record.series?.widthNanoseconds == 1_000_000_000 {
                guard case .bar(let bar) = record.record, bar.trades > 0 else { continue }
                all.append(
                    Made(
                        symbol: record.symbol, source: record.definition?.source?.text ?? "?",
                        open: bar.openTime.nanoseconds,
                        lag: record.packet.sendTime.nanoseconds(since: bar.closeTime)))
            }
        }

        func symbols(_ source: String) -> Set<String> {
            Set(all.filter { $0.source == source }.map(\.symbol))
        }
    }

    @Test("bars of delayed data in their own time, none of them among live ones, live when granted")
    func bars() throws {
        let stage = try Stage("dlybars")
        try stage.startWorker()
        let wanted = Set(Self.withoutLive)
        #expect(
            eventually(within: 120) { stage.delayed == wanted },
            "\(stage.gateway.missingFeeds)\n\(stage.gateway.log.suffix(4_000))")
        // A minute of them. What is older than the first measured delay closes later.
        let since = SystemClock().now().nanoseconds - Self.delay + 10_000_000_000
        var bars = try SecondBars(stage.tape)
        #expect(
            try eventually(within: 120) {
                bars = try SecondBars(stage.tape)
                let counts = bars.all.filter { $0.source == "broker-delayed" && $0.open > since }
                return wanted.allSatisfy { symbol in
                    counts.count { $0.symbol == symbol } >= 20
                }
            }, "\(bars.all.suffix(5))\n\(stage.gateway.log.suffix(4_000))")
        let own = bars.all.filter { $0.source == "broker-delayed" && $0.open > since }
        let lag = (own.map(\.lag).max() ?? 0) - Self.delay
        #expect(lag < 5_000_000_000, "\(lag)")
        #expect(bars.symbols("broker") == [Self.live])
        #expect(bars.symbols("broker-delayed") == wanted)
        var (broker, delayed) = (try stage.records("broker"), try stage.records("broker-delayed"))
        #expect(broker.delayed == 0 && broker.symbols == [Self.live])
        #expect(delayed.live == 0 && delayed.delayed > 0 && delayed.late == 0)
        #expect(broker.gaps.isEmpty && delayed.gaps.isEmpty)
        #expect(stage.gateway.status?.at("gateway", "delayed", "role")?.string == "active")
        for symbol in Self.withoutLive {
            #expect(stage.broker.command("shift \(symbol) live").hasPrefix("ok"))
        }
        #expect(
            try eventually(within: 60) {
                try SecondBars(stage.tape).symbols("broker").isSuperset(of: wanted)
            }, "\(stage.gateway.missingFeeds)")
        #expect(stage.delayed.isEmpty)
        (broker, delayed) = (try stage.records("broker"), try stage.records("broker-delayed"))
        #expect(broker.delayed == 0 && delayed.live == 0)
        #expect(delayed.starts["SPY"] == [true, false] && broker.starts["SPY"] == [true])
        #expect(delayed.ended == wanted)
        #expect(broker.gaps.isEmpty && delayed.gaps.isEmpty)
        #expect(stage.gateway.stop() == 0, "\(stage.gateway.log.suffix(4_000))")
        #expect(stage.worker?.stop() == 0)
    }

    @Test("a killed gateway's delayed data end when all are granted, and their time goes on")
    func restart() throws {
        let stage = try Stage("dlykill")
        let wanted = Set(Self.withoutLive)
        #expect(
            try eventually(within: 120) {
                try stage.delayed == wanted && stage.records("broker-delayed").delayed > 100
            },
            "\(stage.gateway.missingFeeds)\n\(stage.gateway.log.suffix(4_000))")
        stage.gateway.kill()
        let killed = SystemClock().now()
        for symbol in Self.withoutLive { _ = stage.broker.command("permission \(symbol) live") }
        try stage.startGateway()
        #expect(
            try eventually(within: 120) {
                try stage.records("broker-delayed").ended == wanted
            }, "\(stage.gateway.missingFeeds)\n\(stage.gateway.log.suffix(4_000))")
        let source = try #require(SourceName("broker-delayed"))
        #expect(
            try eventually(within: 60) {
                try (0..<TapeNames.tickStreams).allSatisfy { stream in
                    let last = try stage.tape.client.lastPacket(
                        stream: stage.tape.names.tickStream(stream),
                        subject: stage.tape.names.watermarks(stream: stream, source))
                    let least = killed.advanced(byNanoseconds: -1_220_000_000_000)
                    return last.map { $0.header.watermark > least } ?? false
                }
            })
        let delayed = try stage.records("broker-delayed")
        #expect(delayed.live == 0 && delayed.gaps.isEmpty)
        #expect(stage.gateway.stop() == 0, "\(stage.gateway.log.suffix(4_000))")
    }
}
