internal import Foundation
import Primitives
import ServiceRuntime
import Synchronization
import TestSupport

/// Runs busy loops and constant fsyncs beside the services. No process may be treated as dead, and
/// no thread as hanging.
enum CalmRun {
    private static let workers = 3
    private static let ticksPerSecond = 2_000
    private static let lookSeconds: UInt32 = 5

    static func run(seconds: Int, loops: Int) throws -> Bool {
        print("calm: \(seconds) s with \(loops) busy loops and fsyncs, \(workers) workers")
        let cluster = try Cluster(workers: workers, ticksPerSecond: ticksPerSecond)
        let before = try cluster.owners()
        let noise = try Noise(loops: loops)
        defer { noise.stop() }
        let end = SystemClock().monotonic().nanoseconds + Int64(seconds) * 1_000_000_000
        var changed: [Int: Cluster.Owner] = [:]
        var silence = 0.0
        while SystemClock().monotonic().nanoseconds < end {
            sleep(lookSeconds)
            silence = max(silence, try cluster.longestSilence())
            for (partition, owner) in try cluster.owners() where owner != before[partition] {
                if changed[partition] == nil {
                    let old = before[partition]?.member ?? "nobody"
                    print("  partition \(partition): \(old) -> \(owner.member)")
                }
                changed[partition] = owner
            }
        }
        var pauses = 0
        for name in cluster.workers.keys {
            pauses += try cluster.log(name).split(separator: "\n")
                .filter { $0.contains("member.state") && $0.contains("\"paused\"") }.count
        }
        print("taken over: \(changed.count) of \(before.count); short pauses: \(pauses)")
        print("mark: none is taken over: \(changed.isEmpty ? "met" : "MISSED")")
        let hung = try cluster.names.reduce(0) {
            try $0
                + cluster.log($1).split(separator: "\n")
                .count { $0.contains("service.thread.hung") }
        }
        print("longest silence of a thread, at the looks: \(silence) s; hung: \(hung)")
        print("mark: none hangs: \(hung == 0 ? "met" : "MISSED")")
        return changed.isEmpty && hung == 0 && before.count == Cluster.partitions
    }
}

/// Threads that take all processor time they can get, and one that makes the disk sync without end.
final class Noise {
    private static let blockBytes = 65_536
    private static let blocks = 64

    private let isOver = Flag()
    private var threads: [ServiceThread] = []
    private let folder: TemporaryFolder

    private final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .relaxed) }
        func set() { value.store(true, ordering: .relaxed) }
    }

    init(loops: Int) throws {
        folder = try TemporaryFolder("noise")
        for _ in 0..<loops { threads.append(try Self.busy(isOver)) }
        threads.append(try Self.disk(isOver, folder.file("block")))
    }

    private static func busy(_ isOver: Flag) throws -> ServiceThread {
        try ServiceThread(name: "busy") {
            while !isOver.isSet {}
        }
    }

    private static func disk(_ isOver: Flag, _ path: String) throws -> ServiceThread {
        try ServiceThread(name: "disk") {
            while !isOver.isSet { writeAndSync(path) }
        }
    }

    private static func writeAndSync(_ path: String) {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        let block = [UInt8](repeating: 0, count: blockBytes)
        for _ in 0..<blocks {
            let count = unsafe write(file, block, block.count)
            guard count == block.count, fdatasync(file) == 0
            else { return }
        }
    }

    func stop() {
        isOver.set()
        for thread in threads { thread.join() }
        threads = []
    }
}
