import BenchmarkRows
internal import Glibc
import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeKeeping
import TapeProtocol
import TapeTransport

/// Fills a tape of 1 GB while a keeper purges what its groups have read, on a server that syncs
/// every write. Measures what that costs publishers, and whether the tape stays in bounds.
final class PurgeRun {
    static let streamBytes: Int64 = 250_000_000
    private static let repetitions = 4
    private static let turnSeconds = 4.0
    private static let fullSeconds = 20.0
    private static let waitSeconds = 120.0
    private static let sampleMicroseconds: UInt32 = 50_000
    /// Shares of a stream: at the first the silent group stops, and at the second, when nothing
    /// more fits, it is removed.
    private static let silentShare = 0.4
    private static let removedShare = 0.98
    /// A turn begins below the first share. Without a keeper it ends at the second.
    private static let lowShare = 0.76
    private static let highShare = 0.82

    /// One phase of the run.
    struct Phase {
        var name: String
        var packetsPerSecond = 0.0
        var purgedPerSecond = 0.0
        var p50 = 0.0
        var p99 = 0.0
        var max = 0.0
        /// The highest fill level of each stream, as a share of its limit.
        var fill: [Double] = []

        static let head =
            "phase                     published/s  purged/s   p50 us   p99 us   max us  most full"
        var row: String {
            func right(_ value: Double, _ width: Int) -> String {
                let text = "\(Int(value))"
                return String(repeating: " ", count: Swift.max(0, width - text.count)) + text
            }
            let label = name + String(repeating: " ", count: Swift.max(0, 26 - name.count))
            return label + right(packetsPerSecond, 11) + right(purgedPerSecond, 10)
                + right(p50, 9) + right(p99, 9) + right(max, 9) + "  "
                + fill.map { "\(Int(($0 * 100).rounded())) %" }.joined(separator: " ")
        }
    }

    private let stage: Stage
    private let ticks: Int
    private let client: TapeClient
    private let keeperClient: TapeClient
    private let registry: GroupRegistry
    private let publisher: PurgePublisher
    private let groups: PurgeGroups
    private let keeper: TapeKeeper
    private let clock = SystemClock()
    private var tenure: UInt64 = 0
    private var problems: [String] = []

    init(_ stage: Stage, pacedRate: Int) throws {
        guard let reader = GroupName("reader"), let silent = GroupName("silent") else {
            throw Stage.Unusable("no names")
        }
        self.stage = stage
        self.pacedRate = pacedRate
        ticks = stage.ticks
        client = try stage.client()
        try client.ensureTickStreams(bytesMax: Self.streamBytes)
        registry = try GroupRegistry.make(client)
        try registry.register(reader, reads: [.ticks])
        try registry.register(silent, reads: [.ticks])
        publisher = try PurgePublisher(stage, ticks: ticks)
        groups = try PurgeGroups(stage, reader: reader, silent: silent)
        keeperClient = try stage.client()
        keeper = try TapeKeeper(keeperClient, keep: .zero)
        keeper.port.steady(until: .never)
    }

    private let pacedRate: Int

    /// Returns true if all marks are met.
    func run() throws -> Bool {
        defer {
            publisher.stop()
            groups.stop()
            keeper.stop()
            keeperClient.close()
            client.close()
        }
        print("purge, \(ticks) ticks in \(stage.packetBytes) bytes; packets")
        print(Phase.head)
        try keep(true)
        publisher.rate.store(PurgePublisher.full, ordering: .relaxed)
        show(try phase("fill", until: { ($0.max() ?? 0) > Self.silentShare }))
        groups.silence()
        show(
            try phase(
                "held by a silent group", until: { ($0.max() ?? 0) > Self.removedShare },
                mayRefuse: true))
        _ = try registry.remove(groups.silent)
        show(try phase("it is removed", until: { ($0.max() ?? 1) < 0.9 }, mayRefuse: true))
        let full = try phase("full rate", seconds: Self.fullSeconds)
        show(full)
        mark((full.fill.max() ?? 1) < 1, "a stream was full at full rate")
        try turns("full", PurgePublisher.full, seconds: Self.turnSeconds)
        try turns("paced", pacedRate, seconds: Self.turnSeconds)
        var json = JSONWriter(capacity: 1_024)
        json.object { keeper.write(into: &$0) }
        print(String(decoding: json.bytes, as: UTF8.self))
        for problem in problems { print("missed: \(problem)") }
        return problems.isEmpty
    }

    /// Switches the keeper off and on in turns at the same load. The median turn of each is
    /// compared, because a disk's speed varies by itself. Between the turns the streams shrink
    /// again, so that there is free space without a keeper and something to purge with one.
    private func turns(_ name: String, _ rate: Int, seconds: Double) throws {
        var (offs, ons): ([Phase], [Phase]) = ([], [])
        for _ in 0..<Self.repetitions {
            publisher.rate.store(0, ordering: .relaxed)
            _ = try phase("come down", until: { ($0.max() ?? 1) < Self.lowShare })
            try keep(false)
            publisher.rate.store(rate, ordering: .relaxed)
            let without = try phase(
                "\(name), no keeper", seconds: seconds, until: { ($0.max() ?? 1) > Self.highShare },
                isBounded: false)
            show(without)
            try keep(true)
            let with = try phase("\(name), keeper", seconds: seconds)
            show(with)
            offs.append(without)
            ons.append(with)
        }
        let (off, on) = (Self.middle(offs), Self.middle(ons))
        let ratio = on / off
        print(
            "\(name): ack p99 \(Int(off)) us, while purging \(Int(on)) us: "
                + "ratio \(Pair.hundredths(ratio))")
        BenchmarkRow("ack p99 while purging, \(name), \(ticks) ticks a packet", on, "us")
            .beside("the same without a keeper", off).ratio(atMost: TapeBenchmark.purgeMark).tell()
        mark(ratio <= TapeBenchmark.purgeMark, "\(name): ack p99 while purging")
    }

    private static func middle(_ phases: [Phase]) -> Double {
        let sorted = phases.map(\.p99).sorted()
        return sorted.isEmpty ? .nan : sorted[(sorted.count - 1) / 2]
    }

    private func mark(_ isMet: Bool, _ problem: String) {
        if !isMet { problems.append(problem) }
    }

    private func show(_ phase: Phase) {
        print(phase.row)
        fflush(nil)
    }

    // MARK: parts

    private func keep(_ isOn: Bool) throws {
        let order: OwnershipOrder
        if isOn {
            tenure += 1
            order = .take(
                Partition(0),
                Claim(tenure: tenure, epoch: tenure, previous: nil, wasReleased: false))
        } else {
            order = .release(Partition(0), tenure: tenure)
        }
        _ = keeper.port.send(order)
        var news: [OwnershipAnswer] = []
        let deadline = clock.monotonic().nanoseconds + Int64(Self.waitSeconds * 1e9)
        while news.isEmpty {
            keeper.port.takeAnswers(into: &news)
            guard clock.monotonic().nanoseconds < deadline else {
                throw Stage.Unusable("the keeper does not obey")
            }
            usleep(1_000)
        }
    }

    private struct Sample {
        var bytes: [UInt64]
        var share: [Double] { bytes.map { Double($0) / Double(PurgeRun.streamBytes) } }
    }

    private func sample() throws -> Sample {
        let jetStream = JetStream(client.connection)
        return Sample(
            bytes: try (0..<TapeNames.tickStreams).map {
                guard let info = try jetStream.streamInfo(stage.names.tickStream($0)) else {
                    throw Stage.Unusable("a stream is gone")
                }
                return info.bytes
            })
    }

    private func phase(
        _ name: String, seconds: Double = waitSeconds,
        until isOver: (([Double]) -> Bool)? = nil, mayRefuse: Bool = false,
        isBounded: Bool = true
    ) throws -> Phase {
        var phase = Phase(name: name)
        _ = try publisher.take()
        try groups.check()
        let first = try sample()
        var last = first
        phase.fill = first.share
        let start = clock.monotonic().nanoseconds
        var elapsed = 0.0
        while true {
            usleep(Self.sampleMicroseconds)
            last = try sample()
            try groups.check()
            phase.fill = zip(phase.fill, last.share).map { Swift.max($0, $1) }
            elapsed = Double(clock.monotonic().nanoseconds - start) / 1e9
            if let isOver, isOver(last.share) { break }
            guard elapsed >= seconds else { continue }
            if isOver != nil, isBounded { mark(false, "\(name): not over after \(Int(elapsed)) s") }
            break
        }
        let figures = try publisher.take()
        var latencies = figures.latencies
        mark(figures.refused == 0 || mayRefuse, "\(name): \(figures.refused) packets were refused")
        latencies.sort()
        let published = Double(latencies.count)
        let more = last.bytes.reduce(0, +)
        let before = first.bytes.reduce(0, +)
        let stored = (Double(more) - Double(before)) / Double(stage.packetBytes)
        phase.packetsPerSecond = published / elapsed
        phase.purgedPerSecond = Swift.max(0, published - stored) / elapsed
        func quantile(_ share: Double) -> Double {
            guard let last = latencies.indices.last else { return 0 }
            return Double(latencies[Int(Double(last) * share)]) / 1e3
        }
        (phase.p50, phase.p99, phase.max) = (quantile(0.5), quantile(0.99), quantile(1))
        return phase
    }
}
