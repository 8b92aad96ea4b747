internal import Glibc
import TestSupport

@main
struct IBKRBenchmark {
    static func main() throws {
        var settings = GatewayRun.Settings()
        for word in CommandLine.arguments.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { settings.environment[parts[0]] = parts[1] }
            if let rate = Int(word) { settings.ticksPerSecond = rate }
        }
        let outcome = try GatewayRun(settings).run()
        print(
            "load \(outcome.load): \(outcome.share * 100) % of a core,",
            outcome.threads.prefix(8).map { "\($0.name) \(Int($0.share * 1000))" },
            "rss \(outcome.present >> 20) peak \(outcome.peak >> 20) MB,",
            "\(outcome.stored) of \(outcome.sent), doubled \(outcome.doubled),",
            "\(outcome.packets) packets, \(outcome.messagesPerSecond) messages/s")
        func tell(_ name: String, _ values: [Int64]) {
            print(
                name, "p50", values[values.count / 2] / 1_000, "p99",
                values[values.count * 99 / 100] / 1_000)
        }
        tell("ticks", outcome.ticks)
        tell("bare ticks", outcome.bareTicks)
        tell("last", outcome.lastTicks)
        tell("bare last", outcome.bareLastTicks)
        tell("bare sends", outcome.bareSends)
    }
}
