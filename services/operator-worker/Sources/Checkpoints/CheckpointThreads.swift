import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import StreamCore
import Synchronization
import TapeCodec
import TapeTransport
import Telemetry

/// Talks to the bucket of checkpoints, and looks at the tape's end when a partition begins: all
/// that blocks and is no matter of the data plane. Answers lie in a box, and a wake says so.
final class CheckpointThread: Sendable {
    private let jobs: Mailbox<CheckpointJob>
    private let answers = Mutex<[CheckpointAnswer]>([])
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<ServiceThread?>(nil)

    /// `mailbox`: of the data plane's thread.
    init(
        _ client: TapeClient, settings: OperatorSettings, telemetry: TelemetryHub,
        mailbox: TapeMailbox
    ) throws(ServiceError) {
        // A look and a write for each partition, and some that an older tenure asked for.
        jobs = Mailbox(capacity: 4 * settings.partitions.count + 16)
        let started = try ServiceThread(name: "checkpoints") { [self] in
            var desk = CheckpointDesk(client, settings, telemetry)
            run(&desk, mailbox)
        }
        thread.withLock { $0 = started }
    }

    /// False: ask again later.
    func ask(_ job: CheckpointJob) -> Bool { jobs.send(job) }

    /// Moves the answers that are there to the end of `found`.
    func take(into found: inout [CheckpointAnswer]) {
        answers.withLock {
            found.append(contentsOf: $0)
            $0.removeAll(keepingCapacity: true)
        }
    }

    /// Leaves what has not begun undone; waits for a call that is under way.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        jobs.close()
        thread.withLock {
            $0?.join()
            $0 = nil
        }
    }

    private func run(_ desk: inout CheckpointDesk, _ mailbox: TapeMailbox) {
        let clock = SystemClock()
        var requestsAt = Int64.min
        var batch: [CheckpointJob] = []
        while !isStopping.load(ordering: .acquiring) {
            let now = clock.monotonic().nanoseconds
            if now >= requestsAt {
                requestsAt = now + CheckpointTimes.requestsNanoseconds
                if let answer = desk.requests() { tell(answer, mailbox) }
            }
            batch.removeAll(keepingCapacity: true)
            let wait = max(0, requestsAt - clock.monotonic().nanoseconds)
            _ = jobs.receive(into: &batch, max: 1, timeout: .nanoseconds(wait))
            for job in batch where !isStopping.load(ordering: .acquiring) {
                tell(desk.answer(to: job), mailbox)
            }
        }
    }

    private func tell(_ answer: CheckpointAnswer, _ mailbox: TapeMailbox) {
        answers.withLock { $0.append(answer) }
        // A full mailbox wakes its thread by what is in it.
        _ = mailbox.send(.wake)
    }
}
