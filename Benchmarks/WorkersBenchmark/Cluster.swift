internal import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import TestSupport

/// A gateway and some workers, as shipped, on a server that syncs every write.
final class Cluster {
    /// The environment lacks something that the benchmark needs.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    static let partitions = TapeNames.defaultPartitions
    private static let symbols = (0..<256).map { "S\($0)" }.joined(separator: ",")
    private static let stepSeconds = 60.0

    let server: NatsServer
    let client: TapeClient
    private let folder: TemporaryFolder
    private(set) var workers: [String: ServerProcess] = [:]
    private var gateway: ServerProcess?
    private var starts = 0
    private var ports: [String: UInt16] = [:]

    /// What each worker is: the shipped one, or this program as a busy one.
    private let worker: (product: String, keys: [String: String])

    /// A market that goes on without end.
    convenience init(workers count: Int, ticksPerSecond: Int) throws {
        try self.init(market: ["SYNTHETIC_RATE": "\(ticksPerSecond)"], busy: false)
        for number in 0..<count { try startWorker("worker-\(number)") }
        try settle()
    }

    /// Without workers at first.
    init(market: [String: String], busy: Bool) throws {
        server = try NatsServer(syncInterval: "always")
        folder = try TemporaryFolder("takeover")
        guard let names = TapeNames(namespace: "md", partitions: Self.partitions) else {
            throw Unusable("no names")
        }
        let logger = Logger(service: "benchmark", level: .error, format: .text(color: false))
        client = try TapeClient(
            NatsConfiguration(urls: [server.url], clientName: "benchmark"), names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
        let graph = try folder.write(BusyWorker.graph, to: "graph.yaml")
        worker =
            busy
            ? ("WorkersBenchmark", ["OPERATOR_GRAPH": graph, BusyWorker.key: "1"])
            : ("operator-worker", [:])
        gateway = try start(
            "provider-gateway", "gateway-0",
            market.merging(["SYNTHETIC_SYMBOLS": Self.symbols]) { $1 })
    }

    deinit {
        client.close()
        for process in workers.values { process.stop(SIGKILL) }
        gateway?.stop(SIGKILL)
    }

    func startWorker(_ name: String) throws {
        workers[name] = try start(worker.product, name, worker.keys)
    }

    /// Sends SIGKILL. Returns the monotonic time just before it.
    func kill(_ name: String) -> Int64 {
        let before = SystemClock().monotonic().nanoseconds
        workers.removeValue(forKey: name)?.stop(SIGKILL)
        return before
    }

    /// Sends SIGTERM and waits for the end.
    func end(_ name: String) throws {
        guard let process = workers.removeValue(forKey: name) else { return }
        process.signal(SIGTERM)
        guard process.waitUntilExit() == 0 else {
            throw Unusable("\(name) did not end well: \(process.log.suffix(1_000))")
        }
    }

    private func start(
        _ product: String, _ name: String, _ keys: [String: String]
    ) throws -> ServerProcess {
        starts += 1
        let port = freePort()
        ports[name] = port
        let environment = [
            "NATS_URL": server.url, "OPS_PORT": "\(port)", "MDS_MEMBER": name, "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
        ]
        return try ServerProcess(
            try ProductPrograms.path(product), [], environment: environment.merging(keys) { $1 },
            logPath: folder.file("\(name)-\(starts).log"))
    }

    /// Returns everything that processes of this name wrote, the oldest start first.
    func log(_ name: String) throws -> String {
        try (1...starts).map { folder.file("\(name)-\($0).log") }
            .filter { FileManager.default.fileExists(atPath: $0) }
            .map { try String(contentsOfFile: $0, encoding: .utf8) }.joined()
    }

    /// The names of all processes that were started.
    var names: [String] { ports.keys.sorted() }

    private func metrics(of name: String) throws -> [Substring] {
        guard let port = ports[name] else { return [] }
        let answer = try HTTPProbe.get(
            host: "127.0.0.1", port: port, path: "/metrics", timeout: .seconds(10))
        return String(decoding: answer.body, as: UTF8.self).split(separator: "\n")
    }

    /// The sum of a metric over its labels; 0 while a process does not answer yet.
    func total(_ metric: String, of name: String) throws -> Double {
        guard workers[name]?.isRunning ?? gateway?.isRunning ?? false else {
            throw Unusable("\(name) has ended: \(try log(name).suffix(1_000))")
        }
        guard let lines = try? metrics(of: name) else { return 0 }
        return lines.filter { $0.hasPrefix("\(metric) ") || $0.hasPrefix("\(metric){") }
            .reduce(0) { $0 + ($1.split(separator: " ").last.flatMap { Double($0) } ?? 0) }
    }

    /// Returns the longest silence of any watched thread of the living processes, in seconds.
    func longestSilence() throws -> Double {
        var longest = 0.0
        for name in ["gateway-0"] + workers.keys.sorted() {
            for line in try metrics(of: name) where line.hasPrefix("mds_thread_silence_seconds{") {
                longest = max(longest, line.split(separator: " ").last.flatMap { Double($0) } ?? 0)
            }
        }
        return longest
    }

    /// Returns a histogram's buckets, by their upper bounds.
    func buckets(of name: String, at worker: String) throws -> [Double: Double] {
        var buckets: [Double: Double] = [:]
        for line in try metrics(of: worker) where line.hasPrefix("\(name)_bucket") {
            let parts = line.split(separator: "\"")
            guard parts.count >= 3, let count = Double(parts[parts.count - 1].dropFirst(2)) else {
                continue
            }
            buckets[Double(parts[parts.count - 2]) ?? .infinity] = count
        }
        return buckets
    }

    // MARK: ownership

    struct Owner: Hashable {
        let member: String
        let epoch: UInt64
    }

    /// Returns the owners by partition. Partitions without an owner are missing.
    func owners() throws -> [Int: Owner] {
        guard let bucket = try client.jetStream.bucketAsFound(client.names.ownersBucket) else {
            return [:]
        }
        var owners: [Int: Owner] = [:]
        for entry in try bucket.entries(matching: "operator.*").entries {
            let record = try JSONValue.parse(entry.value)
            guard let partition = entry.key.split(separator: ".").last.flatMap({ Int($0) }),
                record["state"]?.string == "held", let member = record["owner"]?.string,
                let epoch = record["epoch"]?.uint64
            else { continue }
            owners[partition] = Owner(member: member, epoch: epoch)
        }
        return owners
    }

    func held(by name: String) throws -> Set<Int> {
        Set(try owners().filter { $0.value.member == name }.keys)
    }

    /// Waits until the living workers own equal shares of all partitions.
    func settle() throws {
        var last: [Int: Owner] = [:]
        let isSettled = try eventually(within: Self.stepSeconds) {
            last = try owners()
            guard last.count == Self.partitions else { return false }
            let counts = workers.keys.map { name in
                last.values.filter { $0.member == name }.count
            }
            return counts.reduce(0, +) == Self.partitions
                && (counts.max() ?? 0) - (counts.min() ?? 0) <= 1
        }
        guard isSettled else {
            let log = try (["gateway-0"] + workers.keys.sorted()).map {
                try self.log($0).suffix(1_500)
            }
            throw Unusable(
                "the partitions are not shared out: \(last)\n\(log.joined(separator: "\n"))")
        }
    }
}
