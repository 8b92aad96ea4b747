internal import Foundation
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport

/// One tape, one Valkey, and a publisher between the turns of both readers.
final class HotStage {
    private static let streamBytesMax: Int64 = 1 << 30
    private static let startSeconds = 20.0

    private let nats: NatsServer
    private let valkey: ValkeyServer
    private let client: TapeClient
    private let publisher: TickPublisher

    init() throws {
        // With an fsync per packet the acknowledgement would come long after the delivery.
        nats = try NatsServer(syncInterval: "2m")
        valkey = try ValkeyServer()
        guard let names = TapeNames(namespace: "md", partitions: TickPublisher.partitions) else {
            throw TickPublisher.Unusable("no names")
        }
        let logger = Logger(service: "benchmark", level: .error, format: .text(color: false))
        client = try TapeClient(
            NatsConfiguration(urls: [nats.url], clientName: "benchmark"), names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
        try client.ensureTickStreams(bytesMax: Self.streamBytesMax)
        try client.ensureBarStream(bytesMax: Self.streamBytesMax)
        publisher = try TickPublisher(client, symbols: HotStateBenchmark.symbols)
    }

    func turn(isOurs: Bool, rate: Int, seconds: Double) throws -> TurnResult {
        try valkey.cli("FLUSHALL")
        let folder = try TemporaryFolder("hot")
        let reader = try startReader(isOurs: isOurs, log: folder.file("reader"))
        defer { reader.stop(9) }
        let watcher = try ChildProcess(
            executable: ProductPrograms.path("CBareHot"),
            arguments: [
                "watch", "\(valkey.port)", ValkeyServer.password,
                "md:trade:\(TickPublisher.marker):\(TickPublisher.source)", "price",
            ], environment: [:], logPath: folder.file("seen"), options: .endsWithParent)
        defer { watcher.stop(9) }
        try wait(for: folder.file("seen"), "watching", watcher)
        // Wait until the reader is known to read, before anything is measured.
        let end = Date().addingTimeInterval(Self.startSeconds)
        while try seen(folder).isEmpty {
            guard Date() < end, reader.isRunning else {
                throw TickPublisher.Unusable(
                    "the reader does not read: \(try text(folder.file("reader")))")
            }
            publisher.run(rate: rate, seconds: 0.2)
        }
        publisher.run(rate: rate, seconds: HotStateBenchmark.warmUpSeconds)
        return try measure(reader, folder, rate: rate, seconds: seconds)
    }

    private func measure(
        _ reader: ChildProcess, _ folder: TemporaryFolder, rate: Int, seconds: Double
    ) throws -> TurnResult {
        let before = (
            ticks: publisher.published, reader: try Self.used(reader.id), valkey: try valkeyUsed(),
            markers: Set(publisher.acknowledged.keys)
        )
        publisher.run(rate: rate, seconds: seconds)
        let ticks = Double(publisher.published - before.ticks)
        guard ticks > Double(rate) * seconds * 0.95 else {
            throw TickPublisher.Unusable("only \(Int(ticks)) ticks were published")
        }
        var result = TurnResult()
        result.reader = (try Self.used(reader.id) - before.reader) * 1e6 / ticks
        result.valkey = (try valkeyUsed() - before.valkey) * 1e6 / ticks
        // The last ones are still on their way.
        publisher.run(rate: rate, seconds: 0.5)
        let times = try latencies(seen(folder)) { !before.markers.contains($0) }
        guard !times.isEmpty else { throw TickPublisher.Unusable("nothing was seen") }
        result.samples = times.count
        result.p50 = times[times.count / 2]
        result.p99 = times[min(times.count - 1, times.count * 99 / 100)]
        result.max = times[times.count - 1]
        return result
    }

    /// Milliseconds from each marker's acknowledgement until it, or a later one, was seen.
    private func latencies(
        _ seen: [(marker: Int64, time: Int64)], _ counts: (Int64) -> Bool
    ) -> [Double] {
        var times: [Double] = []
        var index = 0
        for (marker, acknowledged) in publisher.acknowledged.sorted(by: { $0.key < $1.key }) {
            while index < seen.count, seen[index].marker < marker { index += 1 }
            guard index < seen.count else { break }
            if counts(marker) { times.append(Double(seen[index].time - acknowledged) / 1e6) }
        }
        return times.sorted()
    }

    private func seen(_ folder: TemporaryFolder) throws -> [(marker: Int64, time: Int64)] {
        try text(folder.file("seen")).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 2, let marker = Int64(words[0]), let time = Int64(words[1]) else {
                return nil
            }
            return (marker, time)
        }
    }

    // MARK: parts

    private func startReader(isOurs: Bool, log: String) throws -> ChildProcess {
        if isOurs {
            return try ChildProcess(
                executable: ProductPrograms.path("HotStateBenchmark"),
                arguments: ["ours", nats.url, "\(valkey.port)"], environment: [:], logPath: log,
                options: .endsWithParent)
        }
        let reader = try ChildProcess(
            executable: ProductPrograms.path("CBareHot"),
            arguments: ["read", nats.url, "\(valkey.port)", ValkeyServer.password],
            environment: [
                "BARE_TRADE": "\(WireFormat.Template.trade)",
                "BARE_SYMBOL": "\(WireFormat.Template.symbolDefinition)",
            ], logPath: log, options: .endsWithParent)
        try wait(for: log, "reading", reader)
        return reader
    }

    private func wait(for log: String, _ word: String, _ process: ChildProcess) throws {
        let end = Date().addingTimeInterval(Self.startSeconds)
        while !(try text(log).contains(word)) {
            guard process.isRunning, Date() < end else {
                throw TickPublisher.Unusable("\(process.executable): \(try text(log))")
            }
            usleep(20_000)
        }
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }

    /// Returns seconds of processor time, from the kernel's clock ticks.
    private static func used(_ process: Int32) throws -> Double {
        let line = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        let fields = line.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12])
        else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private func valkeyUsed() throws -> Double { try Self.processorSeconds(valkey) }

    /// Returns the processor time that the server reports.
    static func processorSeconds(_ server: ValkeyServer) throws -> Double {
        try server.cli("INFO", "cpu").split(whereSeparator: \.isNewline).reduce(0) { sum, line in
            let pair = line.split(separator: ":")
            guard pair.count == 2, ["used_cpu_user", "used_cpu_sys"].contains(pair[0]) else {
                return sum
            }
            return sum + (Double(pair[1].trimmingCharacters(in: .whitespaces)) ?? 0)
        }
    }
}
