import BenchmarkRows
internal import Foundation
import Primitives
import ServiceRuntime
import TestSupport

/// Compares how fast one worker and two read a tape that is filled before.
enum ShareRun {
    private static let ratioMark = 1.7
    private static let turns = 2
    private static let fillSecondsMax = 120.0
    private static let readSecondsMax = 300.0
    private static let packetsRead = "mds_tape_packets_read_total"
    /// The time is taken between these shares of all packets, because workers start one after the
    /// other.
    private static let begin = 0.05
    private static let end = 0.99

    static func run(ticks: Int) throws -> Bool {
        print("share: \(ticks) ticks, \(Cluster.partitions) partitions, 20 us a tick, in turns")
        var rates: [Int: Double] = [:]
        for _ in 0..<turns {
            for workers in [1, 2] {
                let rate = try rate(workers: workers, ticks)
                print("  \(workers) worker(s): \(Int(rate)) ticks/s")
                rates[workers] = max(rates[workers] ?? 0, rate)
            }
        }
        guard let one = rates[1], let two = rates[2] else { return false }
        BenchmarkRow("ticks of 20 us each by two workers", two, "ticks/s")
            .beside("one worker", one).ratio(atLeast: ratioMark).tell()
        let isMet = two >= ratioMark * one
        print("mark: two are \(ratioMark) times as fast as one: \(isMet ? "met" : "MISSED")")
        return isMet
    }

    private static func rate(workers: Int, _ ticks: Int) throws -> Double {
        let cluster = try Cluster(
            market: [
                "SYNTHETIC_RATE": "200000", "SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "\(ticks)",
            ], busy: true)
        let isFull = try eventually(within: fillSecondsMax) {
            try cluster.total("mds_tape_ticks_published_total", of: "gateway-0") >= Double(ticks)
        }
        guard isFull else { throw Cluster.Unusable("the tape is not full in time") }
        let packets = try cluster.total("mds_tape_packets_published_total", of: "gateway-0")
        let names = (0..<workers).map { "worker-\($0)" }
        for name in names { try cluster.startWorker(name) }
        var started: Int64?
        var ended: Int64?
        let isRead = try eventually(within: readSecondsMax) {
            let now = SystemClock().monotonic().nanoseconds
            let read = try names.reduce(0) { try $0 + cluster.total(packetsRead, of: $1) }
            if started == nil, read >= begin * packets { started = now }
            if read >= end * packets { ended = now }
            return ended != nil
        }
        guard isRead, let started, let ended, ended > started else {
            throw Cluster.Unusable("the tape is not read in time")
        }
        return (end - begin) * Double(ticks) * 1e9 / Double(ended - started)
    }
}
