import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapeKeeping
@testable import TapeKeepingTests

/// What the keeper does for the copies of the tape, on a real cluster.
@Suite struct CopyKeepingTests {
    private static let second: Int64 = 1_000_000_000
    private let cluster: NatsCluster
    private let client: TapeClient
    private let log = CapturedLog()

    init() throws {
        cluster = try NatsCluster()
        var configuration = NatsConfiguration(urls: cluster.urls, clientName: "test")
        configuration.replicas = NatsCluster.size
        let logger = Logger(service: "test", level: .info, format: .json, sink: log.sink)
        client = try TapeClient(
            configuration, names: try #require(TapeNames(namespace: "md", partitions: 4)),
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
        try client.ensureTickStreams(bytesMax: 1 << 20)
        try client.ensureBarStream(bytesMax: 1 << 20)
    }

    private var page: String {
        String(decoding: client.telemetry.metrics.render(), as: UTF8.self)
    }

    private func leaders() throws -> [String?] {
        try client.names.allStreams.map {
            try client.jetStream.streamInfo($0)?.copies?.leader
        }
    }

    @Test("after a minute of quiet the leaders are where they belong")
    func leadersAreSpread() throws {
        defer { client.close() }
        var keeper = LeaderKeeper(client, client.jetStream, client.names.allStreams)
        var now: Int64 = 0
        let wanted = ["n0", "n1", "n2", "n0", "n1"]
        // A cluster may elect just these.
        let isSpreadAtFirst = try leaders() == wanted
        // Copies catch up in their own time; the minute is that of the keeper's clock.
        let isSpread = eventually {
            now += 10 * Self.second
            keeper.turn(now: .at(now))
            return (try? leaders()) == wanted
        }
        #expect(isSpread)
        #expect(now > LeaderPlan.steadyNanoseconds || isSpreadAtFirst)
        keeper.turn(now: .at(now + 100 * Self.second))
        #expect(try leaders() == wanted)
        #expect(!page.contains("result=\"refused\""))
    }

    @Test("how old the oldest packet is that was not verified, by server")
    func unverified() throws {
        defer { client.close() }
        let registry = try GroupRegistry.make(client)
        let stream = client.names.barStream
        for _ in 0..<3 {
            #expect(
                eventually {
                    let reply = try? client.connection.request(
                        [1], to: client.names.bars(Partition(0)), timeout: .seconds(2))
                    guard let reply else { return false }
                    if case .stored = JetStream.publishOutcome(of: reply) { return true }
                    return false
                })
        }
        var watch = VerificationWatch(
            client.telemetry.metrics, client.jetStream, client.names.allStreams)
        let time = SystemClock().now()
        let later = Timestamp(nanoseconds: time.nanoseconds + 3_600 * Self.second)
        func gauge(_ server: String) -> Double? {
            page.split(separator: "\n")
                .first { $0.hasPrefix("mds_tape_copy_unverified_seconds{server=\"\(server)\"}") }
                .flatMap { $0.split(separator: " ").last.flatMap { Double($0) } }
        }
        var now: Int64 = 0
        func look() {
            now += 60 * Self.second
            watch.turn(registry.bucket, now: .at(now), time: later)
        }
        look()
        #expect((gauge("n0") ?? 0) > 3_500 && (gauge("n2") ?? 0) > 3_500)
        let last = try #require(try client.jetStream.streamInfo(stream)).lastSequence
        try CopyRecord(sequence: last, findings: 0, ended: time)
            .store(in: registry.bucket, stream: stream, server: "n1")
        look()
        #expect(gauge("n1") == 0 && (gauge("n0") ?? 0) > 3_500)
        // Keys of other kinds are no groups.
        #expect(try registry.groups().isEmpty)
        watch.end()
        #expect(!page.contains("mds_tape_copy_unverified_seconds{"))
    }
}
