import BenchmarkRows
import BinanceProvider
internal import Foundation
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TestSupport

/// The provider end to end: from a TLS socket, whose server sends as fast as it is read, to the
/// records that a gateway takes. In turns with python-binance over the same messages.
struct SocketRun {
    /// The vendor's client is so slow that it gets fewer.
    private static let theirCount = 50_000
    private static let leastRatio = 20.0
    private static let turns = 3

    private let messages: BinanceMessages
    private let folder: TemporaryFolder
    private let certificates: Certificates
    private let server: PythonServer

    struct Stuck: Error {
        let count: Int
    }

    init() throws {
        messages = BinanceMessages(count: FeedBenchmark.messagesPerRun)
        folder = try TemporaryFolder("socket")
        try Data(messages.bytes).write(to: URL(fileURLWithPath: folder.file("messages")))
        certificates = try Certificates()
        try certificates.make("server", name: "localhost")
        server = try PythonServer(
            Self.script("serve_trades.py"),
            [
                folder.file("messages"), certificates.certificate("server"),
                certificates.key("server"),
            ], of: "exchange-clients")
    }

    private static func script(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(name)
            .path
    }

    /// Returns whether ours is fast enough.
    static func run() throws -> Bool {
        if let obstacle = Certificates.obstacle ?? PythonServer.obstacle(of: "exchange-clients") {
            print("the socket was not measured: \(obstacle)")
            return true
        }
        let bench = try SocketRun()
        var ours = Double.infinity
        var theirs = Double.infinity
        for _ in 0..<turns {
            ours = min(ours, try bench.ours())
            theirs = min(theirs, try bench.theirs())
        }
        print(
            "through a TLS socket, best of \(turns): ours "
                + "\(FeedBenchmark.rounded(1_000 / ours)) M messages/s of a core, python-binance "
                + "\(FeedBenchmark.rounded(1_000 / theirs)): "
                + "\(FeedBenchmark.rounded(theirs / ours)) times")
        BenchmarkRow("trades through a TLS socket", 1_000 / ours, "M messages/s")
            .beside("python-binance", 1_000 / theirs).ratio(atLeast: leastRatio).tell()
        return theirs / ours >= leastRatio
    }

    /// Returns the processor time of a message in nanoseconds, of all threads that take part.
    private func ours() throws -> Double {
        let agent = ConfigurationKey("GATEWAY_USER_AGENT", .text, "Who asks.")
        let description = ServiceDescription(
            name: "feed-benchmark", version: "0", summary: "Measures a provider.",
            keys: ProviderKind.binance.keys + [agent], rules: ProviderKind.binance.rules)
        let decision = ServiceCommandLine(description).decide(
            arguments: [],
            environment: [
                "BINANCE_URL": "wss://localhost:\(server.port())/stream", "BINANCE_FILL": "false",
                "BINANCE_TLS_CA": certificates.certificate("authority"),
            ])
        guard case .run(let configuration) = decision else { throw FeedBenchmark.Unusable() }
        let provider = try ProviderKind.binance.make(
            ProviderKind.Context(
                configuration: configuration,
                telemetry: TelemetryHub(
                    logger: Logger(
                        service: "feed-benchmark", level: .error, format: .text(color: false)),
                    metrics: MetricRegistry()),
                threads: ThreadWatch()))
        guard let source = SourceName("binance") else { throw FeedBenchmark.Unusable() }
        let registry = InstrumentRegistry(messages.instruments)
        let order = ProviderOrder(
            source: source, registry: registry, instruments: registry.wanted)
        let channel = ProviderChannel()
        let before = Self.processorTime()
        try provider.start(order, into: channel)
        let count = take(from: channel)
        let spent = Self.processorTime() - before
        channel.close()
        _ = provider.stop(within: .seconds(10))
        guard count >= FeedBenchmark.messagesPerRun else { throw Stuck(count: count) }
        return Double(spent) / Double(FeedBenchmark.messagesPerRun)
    }

    /// Takes records as a gateway does, until all trades are there or none comes for a while.
    private func take(from channel: ProviderChannel) -> Int {
        var records: [ProviderRecord] = []
        var count = 0
        let clock = SystemClock()
        let end = ShutdownSignal()
        var last = clock.monotonic()
        while count < FeedBenchmark.messagesPerRun, clock.monotonic() - last < 20_000_000_000 {
            _ = channel.receive(into: &records)
            let trades = records.count { if case .tape(.trade) = $0 { true } else { false } }
            if trades > 0 { last = clock.monotonic() }
            count += trades
            records.removeAll(keepingCapacity: true)
            if trades == 0 { _ = end.wait(timeout: .milliseconds(1)) }
        }
        return count
    }

    /// The processor time of this process in nanoseconds.
    private static func processorTime() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The same of python-binance.
    private func theirs() throws -> Double {
        let answer = try TestSupport.run(
            "/bin/bash",
            [
                "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", "exchange-clients",
                Self.script("read_binance.py"), "\(server.port())", "\(Self.theirCount)",
            ],
            environment: [
                "PYTHONDONTWRITEBYTECODE": "1",
                "SSL_CERT_FILE": certificates.certificate("authority"),
            ])
        let words = answer.split(separator: " ").compactMap { Double($0) }
        guard words.count == 2, Int(words[0]) == Self.theirCount else {
            throw FeedBenchmark.Unusable()
        }
        return words[1] / words[0]
    }
}
