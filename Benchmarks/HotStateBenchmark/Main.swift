import BenchmarkRows
internal import Foundation
import HotState
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import ValkeyClient

/// Compares the hot state with the least program that libnats and hiredis allow (`CBareHot`), on
/// the same tape and the same Valkey, in turns. A value is visible once a third connection has read
/// it back after the server notified it of the change (client tracking), so nothing is polled. The
/// time runs from the tape's acknowledgement.
///
///     HotStateBenchmark [SECONDS [TURNS [RATE]]] | parts | latest
///
/// It ends with what `desk.latest` of the Python package reads, which is `latest` alone.
@main
struct HotStateBenchmark {
    static let symbols = 500
    static let latencyMark = 2.0
    static let warmUpSeconds = 2.0

    static func main() throws {
        let words = BenchmarkRow.words
        if words.count == 3, words[0] == "ours" {
            return try keep(natsURL: words[1], port: UInt16(words[2]) ?? 0)
        }
        if words == ["parts"] {
            guard try PartsRun().run() else {
                print("failed: a tick allocates")
                exit(1)
            }
            return
        }
        if words == ["latest"] {
            guard try LatestRun().run() else { late() }
            return
        }
        let numbers = words.compactMap { Int($0) }
        let seconds = Double(numbers.first ?? 10)
        let turns = numbers.count > 1 ? numbers[1] : 3
        let rate = numbers.count > 2 ? numbers[2] : 50_000
        let stage = try HotStage()
        var bare: [TurnResult] = []
        var ours: [TurnResult] = []
        for turn in 0..<turns {
            // The first, cold turn alternates between the two.
            for isOurs in turn % 2 == 0 ? [false, true] : [true, false] {
                let result = try stage.turn(isOurs: isOurs, rate: rate, seconds: seconds)
                print("\(isOurs ? "ours" : "bare"): \(result.line)")
                fflush(nil)
                if isOurs { ours.append(result) } else { bare.append(result) }
            }
        }
        let bareBest = TurnResult.median(bare)
        let oursBest = TurnResult.median(ours)
        // The bare program makes a round trip for each packet. Ours has a pause between two.
        let pause = Double(HotStateKeeper.paceNanoseconds) / 1e6
        let ratio = oursBest.p99 / (bareBest.p99 + pause)
        row("acknowledgement to visible, p50", rate, oursBest.p50, bareBest.p50, "ms").tell()
        row(
            "acknowledgement to visible, p99, beside bare and the pause", rate, oursBest.p99,
            bareBest.p99 + pause, "ms"
        ).ratio(atMost: latencyMark).tell()
        row("reader's processor", rate, oursBest.reader, bareBest.reader, "us/tick").tell()
        row("Valkey's processor", rate, oursBest.valkey, bareBest.valkey, "us/tick").tell()
        print("p99: ours \(hundredths(ratio)) times the bare one's and the pause of \(pause) ms")
        guard ratio <= latencyMark else {
            print("failed: the 99th percentile is more than \(latencyMark) times that")
            exit(1)
        }
        guard try LatestRun().run() else { late() }
    }

    private static func late() -> Never {
        print("failed: the latest values come too late")
        exit(1)
    }

    static func hundredths(_ value: Double) -> String { String(format: "%.2f", value) }

    private static func row(
        _ what: String, _ rate: Int, _ ours: Double, _ bare: Double, _ unit: String
    ) -> BenchmarkRow {
        BenchmarkRow("hot state, \(rate) ticks/s: \(what)", ours, unit)
            .beside("libnats and hiredis in C", bare)
    }

    /// Runs only the hot state, in a separate process, until it is ended.
    private static func keep(natsURL: String, port: UInt16) throws {
        let description = ServiceDescription(
            name: "hot-state", version: "0.0.0", summary: "", keys: ConfigurationKey.tape)
        let service = try TestService(
            description, ["NATS_URL": natsURL, "LOG_LEVEL": "warning"])
        let settings = try TapeSettings(service.context.configuration)
        guard
            let client = try TapeClient.open(
                settings, context: service.context,
                prepare: { (_) throws(TapeError) in })
        else { return }
        let valkey = ValkeyConfiguration(
            host: "127.0.0.1", port: port, password: ValkeyServer.password)
        let hotState = HotStateKeeper.Settings(valkey, symbolsMax: 65_536)
        let queue = HotQueue(service.context.telemetry.metrics, life: hotState.life)
        service.context.shutdown.onRequest { queue.close() }
        let tail = try TapeTail.start(client, service.context) {
            queue.offer($0, $1, streamCreated: $2, now: SystemClock().monotonic())
        }
        HotStateKeeper.run(
            hotState, queue, namespace: client.names.namespace, context: service.context)
        _ = tail.join(timeout: .seconds(5))
    }
}

/// The result of one turn.
struct TurnResult {
    var p50 = 0.0
    var p99 = 0.0
    var max = 0.0
    var samples = 0
    /// Processor time per tick in microseconds, of the reader and of Valkey.
    var reader = 0.0
    var valkey = 0.0

    var line: String {
        let figure = HotStateBenchmark.hundredths
        return "ack to visible p50 \(figure(p50)) p99 \(figure(p99)) max \(figure(max)) ms "
            + "of \(samples); processor per tick: reader \(figure(reader)) us, "
            + "Valkey \(figure(valkey)) us"
    }

    /// Returns the turn with the median 99th percentile.
    static func median(_ results: [TurnResult]) -> TurnResult {
        let sorted = results.sorted { $0.p99 < $1.p99 }
        return sorted.isEmpty ? TurnResult() : sorted[(sorted.count - 1) / 2]
    }
}
