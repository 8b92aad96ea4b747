internal import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport

/// Returns what a program wrote.
func text(_ path: String) throws -> String {
    try String(contentsOfFile: path, encoding: .utf8)
}

/// A server with empty streams, on which both programs run.
final class Stage {
    static let partitions = TapeNames.defaultPartitions
    private static let streamBytesMax: Int64 = 4 << 30
    /// The most bytes that a run writes.
    private static let runBytesMax = 600_000_000

    /// The environment lacks something that the benchmark needs.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    let syncInterval: String
    let ticks: Int
    let packetBytes: Int
    /// The packets of one run: enough that the start does not matter, and few enough for the disk.
    let packets: Int
    let names: TapeNames
    private(set) var server: NatsServer
    let source: SourceName

    init(syncInterval: String, ticks: Int) throws {
        guard let names = TapeNames(namespace: "md", partitions: Self.partitions),
            let source = SourceName("bench")
        else { throw Unusable("no names") }
        self.syncInterval = syncInterval
        self.ticks = ticks
        self.names = names
        self.source = source
        packetBytes = try TickLoad.packetBytes(ticks: ticks, source: source)
        let wanted = syncInterval == "always" ? 20_000 : 100_000
        packets = min(wanted, Self.runBytesMax / packetBytes)
        server = try NatsServer(syncInterval: syncInterval)
    }

    /// About a third of what the server accepts with an fsync per packet on a small machine.
    var pacedRate: Double { ticks == 1_024 ? 500 : 2_000 }

    func client() throws -> TapeClient { try Self.client(server.url, names) }

    static func client(_ url: String, _ names: TapeNames, copies: Int = 1) throws -> TapeClient {
        var configuration = NatsConfiguration(urls: [url], clientName: "benchmark")
        configuration.replicas = copies
        let logger = Logger(service: "benchmark", level: .error, format: .text(color: false))
        return try TapeClient(
            configuration, names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
    }

    /// Starts a new server with empty streams.
    func clear() throws {
        server = try NatsServer(syncInterval: syncInterval)
        let client = try client()
        defer { client.close() }
        try client.ensureTickStreams(bytesMax: Self.streamBytesMax)
    }

    func bare(_ what: String, rate: Double = 0) throws -> RunResult {
        let count = rate > 0 ? min(packets, Int(rate * PublishRun.pacedSeconds)) : packets
        return try RunResult.ofBare([
            what, server.url, "md", "MD_TICKS", "bare", "\(Self.partitions)", "\(count)",
            "\(packetBytes)", "\(rate)", "1",
        ])
    }
}

/// The result of one run of either program.
struct RunResult {
    var packetsPerSecond = 0.0
    /// From sending a packet to its acknowledgement.
    var p50Microseconds = 0.0
    var p99Microseconds = 0.0
    var maxMicroseconds = 0.0
    /// The packets that were in flight of each stream, where a window limited them; else 0.
    var window = 0
    /// Microseconds per packet, of the complete process but not of the server.
    var processorMicroseconds = 0.0

    private static let bareTimeout = Duration.seconds(120)

    /// Runs the C program on libnats.
    static func ofBare(_ arguments: [String]) throws -> RunResult {
        let folder = try TemporaryFolder("bare")
        let process = try ChildProcess(
            executable: try ProductPrograms.path("CBareTape"), arguments: arguments,
            environment: [:], logPath: folder.file("out"))
        guard process.wait(timeout: bareTimeout) == .exited(0) else {
            process.stop(9)
            throw Stage.Unusable("CBareTape \(arguments[0]): \(try text(folder.file("out")))")
        }
        let line = try JSONValue.parse(try text(folder.file("out")))
        return RunResult(
            packetsPerSecond: line["packets_per_second"]?.double ?? 0,
            p50Microseconds: line["p50_us"]?.double ?? 0,
            p99Microseconds: line["p99_us"]?.double ?? 0,
            maxMicroseconds: line["max_us"]?.double ?? 0,
            processorMicroseconds: line["processor_us"]?.double ?? 0)
    }

    /// The processor time of this process so far.
    static var processorMicroseconds: Double {
        var used = rusage()
        guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &used) == 0 else { return 0 }
        return Double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6
            + Double(used.ru_utime.tv_usec + used.ru_stime.tv_usec)
    }
}
