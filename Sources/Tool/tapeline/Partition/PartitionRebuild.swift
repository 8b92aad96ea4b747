import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// `tapeline partition rebuild P...`: asks the partitions' workers to rebuild state and bars.
struct PartitionRebuild: Equatable, Sendable {
    static let timeoutDefault = 60
    private static let lookNanoseconds: Int64 = 250_000_000

    let target: TapeTarget
    /// In the order given, each once.
    let partitions: [Partition]
    let timeoutSeconds: Int
    let isConfirmed: Bool

    init(_ given: CommandArguments) throws(ToolError) {
        target = try TapeTarget(given)
        partitions = try Self.numbers(given)
        timeoutSeconds =
            try given.integer("--timeout", in: 1...86_400) ?? Self.timeoutDefault
        isConfirmed = given.isConfirmed
    }

    /// Parses numbers and ranges. When a tape is restored from a backup, all its partitions are
    /// rebuilt.
    private static func numbers(_ given: CommandArguments) throws(ToolError) -> [Partition] {
        var found: [Partition] = []
        for word in given.words.flatMap({
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }) {
            let ends = word.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            var numbers: [Int] = []
            for end in ends {
                numbers.append(try given.partition(String(end), "a partition").number)
            }
            guard let first = numbers.first, let last = numbers.last, first <= last else {
                throw .usage("'\(word)' is no range of partitions: the first one comes first")
            }
            for number in first...last where !found.contains(Partition(number)) {
                found.append(Partition(number))
            }
        }
        guard !found.isEmpty else {
            throw .usage(
                "'tapeline partition rebuild' wants numbers of partitions, such as 3 or 0-7,12")
        }
        return found
    }

    static func explanation(_ partitions: [Partition], _ deployment: String) -> [String] {
        let names = partitions.map { "\($0)" }.joined(separator: ", ")
        let title = partitions.count == 1 ? "Partition \(names) of" : "Partitions \(names) of"
        return [
            "\(title) \(deployment), to be rebuilt:",
            "  the worker drops the checkpoint and reads the ticks of the partition from the start",
            "  of the tape; bars that come out otherwise than they stand are published anew, with",
            "  higher ordinals, and so win over the old ones. Where the tape lost ticks, such a",
            "  bar counts only those that are left. Ticks are neither lost nor changed.",
            "  Bars of the partition pause meanwhile; other partitions go on.",
        ]
    }

    func run(
        _ deployment: Deployment, shutdown: ShutdownSignal, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let universe = deployment.names.universe
        for partition in partitions where partition > universe {
            throw .usage(
                "partition \(partition) is not there: \(deployment.names.partitions) partitions, "
                    + "from 0 to \(deployment.names.partitions - 1), and \(universe) for what "
                    + "works over all of them")
        }
        for line in Self.explanation(partitions, deployment.title) { terminal.line(line) }
        guard try Confirmation.ask("Rebuild?", isGiven: isConfirmed, terminal) else {
            return .failure
        }
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            let bucket = try bucket(client.jetStream, deployment.names)
            if partitions.contains(universe), try bucket.get("operator.\(universe).head") == nil {
                throw ToolError.refused(
                    "partition \(universe) is not there: no graph that works over all partitions "
                        + "has run on this tape")
            }
            for partition in partitions { try request(partition, bucket, terminal) }
            return try wait(bucket, shutdown, terminal)
        } catch {
            throw ToolError(error) { .refused("it cannot be rebuilt: \($0)") }
        }
    }

    private func bucket(_ jetStream: JetStream, _ names: TapeNames) throws -> KeyValueBucket {
        let name = "\(names.namespace)_operator"
        guard let bucket = try jetStream.bucketAsFound(name) else {
            throw ToolError.refused(
                "the bucket \(name) does not exist: no operator-worker that keeps checkpoints "
                    + "has run on this tape yet")
        }
        return bucket
    }

    private func request(
        _ partition: Partition, _ bucket: KeyValueBucket, _ terminal: Terminal
    ) throws {
        let request = RebuildRequest(requested: SystemClock().now())
        switch try bucket.create(RebuildRequest.key(partition), request.json) {
        case .stored: terminal.line("asked for \(partition); waiting for its worker")
        case .conflict:
            terminal.line("\(partition) was asked for before; waiting for its worker")
        case .unknown(let reason):
            throw ToolError.refused("nobody knows whether the request was stored: \(reason)")
        }
    }

    /// The worker deletes the request once the first checkpoint of the rebuilt partition is stored.
    private func wait(
        _ bucket: KeyValueBucket, _ shutdown: ShutdownSignal, _ terminal: Terminal
    ) throws -> ExitCode {
        let started = SystemClock().monotonic()
        let end = started + Int64(timeoutSeconds) * 1_000_000_000
        var told = 0
        var open = partitions
        while true {
            for partition in open where try bucket.get(RebuildRequest.key(partition)) == nil {
                terminal.line("partition \(partition) is rebuilt")
                open.removeAll { $0 == partition }
            }
            guard !open.isEmpty else { return .success }
            let now = SystemClock().monotonic()
            guard now < end else {
                for partition in open {
                    terminal.problem(
                        "partition \(partition) is not rebuilt after \(timeoutSeconds) s: the "
                            + "request stays; is its operator-worker running and ready? "
                            + "('tapeline status')")
                }
                return .temporary
            }
            let seconds = Int((now - started) / 1_000_000_000)
            if seconds / 5 > told {
                told = seconds / 5
                terminal.line("  \(seconds) s: \(open.count) of \(partitions.count) not finished")
            }
            if shutdown.wait(timeout: .nanoseconds(Self.lookNanoseconds)) {
                terminal.problem("\(open.count) requests stay: they will be done")
                return .interrupted
            }
        }
    }
}
