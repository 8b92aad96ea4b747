import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport

/// Stores the ledgers of one source on a separate thread, so that a slow disk never holds up ticks.
/// A failed write is reported as an event and is tried again until a newer ledger replaces it.
final class GapRecorder: Sendable {
    /// The deadline of every call to NATS.
    private static let callTimeout = Duration.seconds(1)
    /// The time between two attempts of a write that failed.
    private static let retryInterval = Duration.seconds(1)
    /// The maximum of sets of ledgers that wait for the writes before them.
    private static let waitingMax = 4

    /// The recorder's state for `/status`.
    struct Status: Sendable {
        /// The number of times that everything was stored.
        var writes: UInt64 = 0
        /// Why the last write failed; `nil` when it succeeded.
        var problem: String?
    }

    /// The ledgers that were stored when this owner came.
    let found: GapStore.Found
    private let shared = Shared()
    private let thread: ServiceThread

    private final class Shared: Sendable {
        let waiting = Mailbox<[Partition: PartitionLedger]>(capacity: GapRecorder.waitingMax)
        let status = Mutex(Status())
    }

    /// Reads what is stored, and starts the thread. Blocks while it reads.
    init(_ client: TapeClient, source: SourceName) throws {
        var store = try GapStore(client, source: source, timeout: Self.callTimeout)
        do throws(JetStreamError) {
            found = try store.read(partitions: client.names.partitions)
        } catch {
            throw TapeError.jetStream(error)
        }
        let (shared, telemetry) = (shared, client.telemetry)
        let suffix = source.isDelayed ? SourceName.delayedSuffix : ""
        telemetry.metrics.watch(shared.waiting, as: "gap-records\(suffix)")
        thread = try ServiceThread(name: "source-gaps") { [store] in
            let beat = client.threads.thread("source-gaps", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            let jetStream = client.calling(beat).jetStream.within(Self.callTimeout)
            Self.run(store.asked(by: jetStream), source, shared, telemetry, beat)
        }
    }

    deinit { shared.waiting.close() }

    /// Queues ledgers to be stored as soon as possible. Never blocks. Returns false when too many
    /// wait, or after `stop`.
    func record(_ ledgers: [Partition: PartitionLedger]) -> Bool { shared.waiting.send(ledgers) }

    /// Writes what waits and ends the thread. Returns false when the thread is still busy after
    /// `timeout`.
    @discardableResult
    func stop(within timeout: Duration) -> Bool {
        shared.waiting.close()
        return thread.join(timeout: timeout)
    }

    var status: Status { shared.status.withLock { $0 } }

    // MARK: the thread

    private static func run(
        _ start: GapStore, _ source: SourceName, _ shared: Shared, _ telemetry: TelemetryHub,
        _ beat: ThreadBeat
    ) {
        var store = start
        let clock = SystemClock()
        var buffer: [[Partition: PartitionLedger]] = []
        var pending: [Partition: PartitionLedger] = [:]
        while true {
            beat.beat()
            let count = shared.waiting.receive(
                into: &buffer, max: waitingMax, timeout: retryInterval)
            if count == 0, shared.waiting.isClosed { return }
            for ledgers in buffer { pending.merge(ledgers) { $1 } }
            buffer.removeAll(keepingCapacity: true)
            guard !pending.isEmpty else { continue }
            let problem = attempt(&store, &pending, clock.now())
            shared.status.withLock { status in
                status.problem = problem
                if problem == nil { status.writes += 1 }
            }
            if let problem { telemetry.emit(.gapsNotStored(source: source, reason: problem)) }
        }
    }

    /// Tries to write `pending` and removes what is settled. Returns why something is left, or
    /// `nil` when all is settled.
    private static func attempt(
        _ store: inout GapStore, _ pending: inout [Partition: PartitionLedger], _ now: Timestamp
    ) -> String? {
        do throws(JetStreamError) {
            var problem: String?
            for (partition, outcome) in try store.write(pending, time: now) {
                switch outcome {
                case .stored, .superseded: pending[partition] = nil
                case .unsettled(let reason): problem = reason
                }
            }
            return problem
        } catch {
            return "\(error)"
        }
    }
}
