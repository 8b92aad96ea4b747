import BenchmarkRows
internal import Glibc

/// Measures a gateway with the connection of a broker or of an exchange: its use of the machine,
/// that it loses nothing, and the latency of a tick. Fails if a mark is missed.
///
///     GatewayBenchmark [parts] [steady] [quiet] [exchange] [hot-hot] [turns N] [KEY=VALUE]...
///
/// `KEY=VALUE` is a setting of the gateway.
@main
struct GatewayBenchmark {
    static let all = ["parts", "steady", "quiet", "exchange", "hot-hot"]
    static let steadyRate = 50_000
    /// Low enough that each tick leaves in its own packet, as soon as it has come.
    static let quietRate = 200
    static let turns = 3
    static let shareMark = 0.5
    /// Two connections bring each trade twice.
    static let hotHotShareMark = 0.75
    static let memoryMark = 64 << 20
    static let latencyMark = 1.5
    /// An array that grows now and then is not an allocation per tick, so some allocations are
    /// allowed.
    static let ticksPerAllocationMark = 10_000

    static func main() throws {
        var words = BenchmarkRow.words[...]
        var parts: Set<String> = []
        var turns = turns
        var environment: [String: String] = [:]
        while let word = words.popFirst() {
            let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
            if pair.count == 2 {
                environment[pair[0]] = pair[1]
            } else if word == "turns", let number = words.popFirst().flatMap({ Int($0) }) {
                turns = max(1, number)
            } else if all.contains(word) {
                parts.insert(word)
            } else {
                throw Unusable(
                    "\(word): \(all.joined(separator: ", ")), turns N or KEY=VALUE is known")
            }
        }
        if parts.isEmpty { parts = Set(all) }
        var isClean = true
        if parts.contains("parts") { isClean = try costs() && isClean }
        if parts.contains("steady") {
            isClean = try gateway(steadyRate, turns, environment) && isClean
        }
        if parts.contains("quiet") {
            isClean = try gateway(quietRate, turns, environment) && isClean
        }
        if parts.contains("exchange") {
            isClean = try gateway(of: .exchange, steadyRate, turns, environment) && isClean
        }
        if parts.contains("hot-hot") {
            isClean = try gateway(of: .hotHot, steadyRate, turns, environment) && isClean
        }
        guard isClean else {
            print("failed: a mark is missed")
            exit(1)
        }
    }

    private static func costs() throws -> Bool {
        var best: PartsRun.Outcome?
        for _ in 0..<turns {
            var run = try PartsRun()
            let outcome = try run.run()
            if outcome.engine < best?.engine ?? .infinity { best = outcome }
        }
        guard let best else { return false }
        let engine = Int((best.engine * 1e9 / Double(best.messages)).rounded())
        let packets = Int((best.packets * 1e9 / Double(best.ticks)).rounded())
        print(
            "in memory, best of \(turns): \(engine) ns per message from bytes to records, "
                + "\(packets) ns per tick from records to packets, "
                + "allocations \(best.allocations) in \(best.ticks) ticks")
        BenchmarkRow("bytes of the broker to records", Double(engine), "ns/message").tell()
        BenchmarkRow("records to packets", Double(packets), "ns/tick").tell()
        return Int(best.allocations) * ticksPerAllocationMark <= best.ticks
    }

    private static func gateway(
        of side: Side = .broker, _ rate: Int, _ turns: Int, _ environment: [String: String]
    ) throws -> Bool {
        var outcomes: [GatewayRun.Outcome] = []
        for turn in 1...turns {
            let settings = GatewayRun.Settings(
                side: side, ticksPerSecond: rate, environment: environment)
            let outcome = try GatewayRun(settings).run()
            tell(outcome, "\(side.rawValue), \(rate) ticks/s, turn \(turn)")
            outcomes.append(outcome)
        }
        return judge(outcomes, side, rate)
    }

    // MARK: words

    private static func tell(_ outcome: GatewayRun.Outcome, _ title: String) {
        let threads = outcome.threads.filter { $0.share >= 0.005 }
            .map { "\($0.name) \(percent($0.share))" }.joined(separator: ", ")
        print(
            """
            \(title), load of the machine \(outcome.load):
              \(Int(outcome.messagesPerSecond)) messages/s: \(percent(outcome.share)) of a core \
            (\(threads)), \(megabytes(outcome.present)) resident, \(megabytes(outcome.peak)) at most
              \(outcome.stored) of \(outcome.sent) ticks on the tape, \(outcome.doubled) twice, \
            in \(outcome.packets) packets
              socket to acknowledgement, ms (p50, p99): ticks \(pair(outcome.ticks)), \
            bare \(pair(outcome.bareTicks)); last tick of a packet \(pair(outcome.lastTicks)), \
            bare \(pair(outcome.bareLastTicks)); bare publish alone \(pair(outcome.bareSends))
            """)
        fflush(nil)
    }

    private static func judge(
        _ outcomes: [GatewayRun.Outcome], _ side: Side, _ rate: Int
    ) -> Bool {
        let share = outcomes.map(\.share).min() ?? 1
        let peak = outcomes.map(\.peak).max() ?? Int.max
        let ticks = median(outcomes.map { percentile($0.ticks, 99) })
        let bare = median(outcomes.map { percentile($0.bareTicks, 99) })
        let best = outcomes.map { percentile($0.ticks, 99) }.min() ?? 0
        let bareBest = outcomes.map { percentile($0.bareTicks, 99) }.min() ?? 0
        let ratio = ticks / bare
        let isWhole = outcomes.allSatisfy { $0.stored == $0.sent && $0.doubled == 0 }
        print(
            """
            \(side.rawValue), \(rate) ticks/s: \(percent(share)) of a core at best, \
            \(megabytes(peak)) at most; \
            p99 of a tick, median of \(outcomes.count): \(tenths(ticks)) ms, \
            bare \(tenths(bare)) ms, ratio \(hundredths(ratio)) (best \(tenths(best)) ms, \
            bare \(tenths(bareBest)) ms)\(isWhole ? "" : "; TICKS ARE MISSING OR DOUBLED")
            """)
        let name = "gateway with \(side.title), \(rate) ticks/s"
        let mark = side == .hotHot ? hotHotShareMark : shareMark
        BenchmarkRow("\(name): processor", share * 100, "% of a core").atMost(mark * 100).tell()
        BenchmarkRow("\(name): memory", Double(peak) / 1e6, "MB")
            .atMost(Double(memoryMark) / 1e6).tell()
        BenchmarkRow("\(name): socket to acknowledgement, p99", ticks, "ms")
            .beside("libnats in C, the same packets", bare).ratio(atMost: latencyMark).tell()
        return isWhole && share < mark && peak < memoryMark && ratio <= latencyMark
    }

    private static func percentile(_ sorted: [Int64], _ number: Int) -> Double {
        sorted.isEmpty ? .infinity : Double(sorted[sorted.count * number / 100]) / 1e6
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private static func pair(_ sorted: [Int64]) -> String {
        "\(tenths(percentile(sorted, 50))) \(tenths(percentile(sorted, 99)))"
    }

    private static func percent(_ share: Double) -> String { "\(tenths(share * 100)) %" }
    private static func megabytes(_ bytes: Int) -> String { "\(tenths(Double(bytes) / 1e6)) MB" }
    private static func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
    private static func hundredths(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
}
