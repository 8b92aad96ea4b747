import BenchmarkRows
internal import Glibc
import TestSupport

/// Compares the tape's publisher and reader with the least program that libnats allows for the same
/// pattern and the same bytes (`CBareTape`), on a real nats-server. Both run in turns, so that a
/// busy machine is busy for both, and the best turn of each is compared. Fails if a mark is missed.
///
///     TapeBenchmark [publish|read|latency|gateway|purge|always|2m|TICKS]...
///     TapeBenchmark copies [paced|window|each|full|always|2m|--quick]...
@main
struct TapeBenchmark {
    static let ticksPerPacket = [1, 16, 128, 1_024]
    /// The second one is nats-server's own default.
    static let syncIntervals = ["always", "2m"]
    static let publishMark = 0.8
    static let readMark = 0.8
    static let latencyMark = 1.5
    static let gatewayMark = 0.1
    /// Writing to a full tape must not be much slower than writing to one with free space.
    static let purgeMark = 2.0

    static func main() throws {
        let wanted = Set(BenchmarkRow.words)
        /// Returns all of a kind, unless some of that kind are named.
        func chosen(_ all: [String]) -> [String] {
            wanted.isDisjoint(with: all) ? all : all.filter { wanted.contains($0) }
        }
        let parts = chosen(["publish", "read", "latency", "gateway", "purge", "copies"])
        let comparing: Set = ["publish", "read", "latency"]
        var isClean = true
        for sync in chosen(syncIntervals) where !comparing.isDisjoint(with: parts) {
            for ticks in chosen(ticksPerPacket.map { "\($0)" }).compactMap({ Int($0) }) {
                let stage = try Stage(syncInterval: sync, ticks: ticks)
                if parts.contains("publish") || parts.contains("read") {
                    isClean = try throughput(stage, reads: parts.contains("read")) && isClean
                }
                if parts.contains("latency") { isClean = try latency(stage) && isClean }
            }
        }
        if parts.contains("gateway") { isClean = try gateway() && isClean }
        if parts.contains("purge") {
            for ticks in chosen(["1024", "16"]).compactMap({ Int($0) }) {
                isClean = try purge(ticks) && isClean
            }
        }
        if parts.contains("copies") {
            let loads = chosen(CopiesRun.Load.allCases.map(\.rawValue))
            // That of deploy/nats/server.conf, unless the other one alone is named.
            let sync = chosen(syncIntervals)[0]
            try CopiesRun(syncInterval: sync, isQuick: wanted.contains(CopiesRun.quickWord))
                .run(loads.compactMap(CopiesRun.Load.init))
        }
        guard isClean else {
            print("failed: a mark is missed")
            exit(1)
        }
    }

    private static let repetitions = 3

    private static func throughput(_ stage: Stage, reads: Bool) throws -> Bool {
        var publish = Pair()
        var read = Pair()
        for _ in 0..<repetitions {
            try stage.clear()
            publish.bare(try stage.bare("publish"))
            if reads { read.bare(try stage.bare("read")) }
            try stage.clear()
            publish.tape(try PublishRun(stage).unpaced())
            if reads { read.tape(try ReadRun(stage).run()) }
        }
        publish.report("publish", stage, unit: "packets/s", mark: publishMark)
        if reads { read.report("read", stage, unit: "packets/s", mark: readMark) }
        return publish.ratio >= publishMark && (!reads || read.ratio >= readMark)
    }

    private static func latency(_ stage: Stage) throws -> Bool {
        var pair = Pair(isBetterLower: true)
        for _ in 0..<repetitions {
            try stage.clear()
            pair.bare(try stage.bare("publish", rate: stage.pacedRate))
            try stage.clear()
            pair.tape(try PublishRun(stage).paced(rate: stage.pacedRate))
        }
        pair.report(
            "ack p99 at \(Int(stage.pacedRate)) packets/s", stage, unit: "us", mark: latencyMark)
        return pair.ratio <= latencyMark
    }

    private static func purge(_ ticks: Int) throws -> Bool {
        let stage = try Stage(syncInterval: "always", ticks: ticks)
        return try PurgeRun(stage, pacedRate: Int(stage.pacedRate)).run()
    }

    private static func gateway() throws -> Bool {
        let share = try GatewayRun.processorShare(ticksPerSecond: 10_000, live: false)
        print("gateway at 10000 ticks/s: \(Pair.hundredths(share * 100)) % of a core")
        let live = try GatewayRun.processorShare(ticksPerSecond: 10_000, live: true)
        print("  with each tick told live: \(Pair.hundredths(live * 100)) % of a core")
        BenchmarkRow("gateway at 10000 ticks/s", share * 100, "% of a core")
            .atMost(gatewayMark * 100).tell()
        BenchmarkRow("gateway at 10000 ticks/s, with the live fan-out", live * 100, "% of a core")
            .tell()
        return share < gatewayMark
    }
}

/// The best turn of both programs, and their ratio.
struct Pair {
    private let isBetterLower: Bool
    private var bare: RunResult?
    private var tape: RunResult?

    init(isBetterLower: Bool = false) { self.isBetterLower = isBetterLower }

    private func value(_ result: RunResult?) -> Double {
        (isBetterLower ? result?.p99Microseconds : result?.packetsPerSecond) ?? 0
    }

    private func better(_ old: RunResult?, _ new: RunResult) -> RunResult {
        guard let old else { return new }
        return (value(new) < value(old)) == isBetterLower ? new : old
    }

    mutating func bare(_ result: RunResult) { bare = better(bare, result) }
    mutating func tape(_ result: RunResult) { tape = better(tape, result) }

    var ratio: Double { value(tape) / value(bare) }

    func report(_ what: String, _ stage: Stage, unit: String, mark: Double) {
        let row = BenchmarkRow(
            "\(what), sync \(stage.syncInterval), \(stage.ticks) ticks a packet", value(tape), unit
        ).beside("libnats in C", value(bare))
        (isBetterLower ? row.ratio(atMost: mark) : row.ratio(atLeast: mark)).tell()
        func processor(_ result: RunResult?) -> String {
            guard let used = result?.processorMicroseconds, used > 0 else { return "" }
            return " (\(Self.hundredths(used)) us of processor each)"
        }
        print(
            "\(what), sync \(stage.syncInterval), \(stage.ticks) ticks in "
                + "\(stage.packetBytes) bytes: bare \(Int(value(bare))) \(unit)\(processor(bare)), "
                + "tape \(Int(value(tape))) \(unit)\(processor(tape)), "
                + "ratio \(Self.hundredths(ratio))")
        fflush(nil)
    }

    static func hundredths(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }
}
