import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// `tapeline partition rebuild P`: asks the partition's worker to make its state and bars anew.
struct PartitionRebuild: Equatable, Sendable {
    static let timeoutDefault = 60
    static let timeoutRange = 1...86_400
    private static let lookNanoseconds: Int64 = 250_000_000

    let target: TapeTarget
    let partition: Partition
    let timeoutSeconds: Int
    let isConfirmed: Bool

    static func parse(_ arguments: [String]) throws(ToolError) -> PartitionRebuild {
        let arguments = try CommandArguments(
            "partition rebuild", arguments,
            .init(
                values: TapeTarget.options.union(["--timeout"]), flags: ["--yes"]))
        try arguments.requireWords(1, "the number of one partition")
        let range = 0...(Partition.countRange.upperBound - 1)
        return PartitionRebuild(
            target: try TapeTarget(arguments),
            partition: Partition(
                try CommandArguments.integer(arguments.words[0], "a partition", in: range)),
            timeoutSeconds: try arguments.integer("--timeout", in: timeoutRange) ?? timeoutDefault,
            isConfirmed: arguments.has("--yes"))
    }

    static func explanation(_ partition: Partition, _ deployment: String) -> [String] {
        [
            "Partition \(partition) of \(deployment) is to be rebuilt:",
            "  its worker drops the checkpoint and reads the ticks of the partition from the start",
            "  of the tape; bars that come out otherwise than they stand are published anew, with",
            "  higher ordinals, and so win over the old ones. Ticks are neither lost nor changed.",
            "  Bars of this partition pause meanwhile; other partitions go on.",
        ]
    }

    var key: String { "operator.\(partition).rebuild" }

    func run(
        _ deployment: Deployment, shutdown: ShutdownSignal, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        guard partition.number < deployment.names.partitions else {
            throw .usage(
                "partition \(partition) is not there: \(deployment.names.partitions) partitions, "
                    + "from 0 to \(deployment.names.partitions - 1)")
        }
        for line in Self.explanation(partition, deployment.title) { terminal.line(line) }
        guard try Confirmation.ask("Rebuild it?", isGiven: isConfirmed, terminal) else {
            terminal.line("nothing was done")
            return .failure
        }
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            let bucket = try bucket(client.jetStream, deployment.names)
            try request(bucket, terminal)
            return try wait(bucket, shutdown, terminal)
        } catch let error as ToolError {
            throw error
        } catch {
            throw .refused("the partition cannot be rebuilt: \(error)")
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

    private func request(_ bucket: KeyValueBucket, _ terminal: Terminal) throws {
        var value = JSONWriter()
        value.object { $0.member("requested_ns", SystemClock().now().nanoseconds) }
        switch try bucket.create(key, value.bytes) {
        case .stored: terminal.line("asked for it; waiting for the worker")
        case .conflict:
            terminal.line("it was asked for before and is not done; waiting for the worker")
        case .unknown(let reason):
            throw ToolError.refused("nobody knows whether the request was stored: \(reason)")
        }
    }

    /// The worker takes the request away when the rebuilt partition's first checkpoint stands.
    private func wait(
        _ bucket: KeyValueBucket, _ shutdown: ShutdownSignal, _ terminal: Terminal
    ) throws -> ExitCode {
        let started = SystemClock().monotonic().nanoseconds
        let end = started + Int64(timeoutSeconds) * 1_000_000_000
        var told = 0
        while true {
            if try bucket.get(key) == nil {
                terminal.line("partition \(partition) is rebuilt")
                return .success
            }
            let now = SystemClock().monotonic().nanoseconds
            guard now < end else {
                terminal.problem(
                    "partition \(partition) is not rebuilt after \(timeoutSeconds) s: the request "
                        + "stays; is its operator-worker running and ready? ('tapeline status')")
                return .temporary
            }
            let seconds = Int((now - started) / 1_000_000_000)
            if seconds / 5 > told {
                told = seconds / 5
                terminal.line("  \(seconds) s: the worker has not finished")
            }
            if shutdown.wait(timeout: .nanoseconds(Self.lookNanoseconds)) {
                terminal.problem("the request stays: partition \(partition) will be rebuilt")
                return .interrupted
            }
        }
    }
}
