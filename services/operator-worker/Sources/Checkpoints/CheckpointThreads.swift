import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import StreamCore
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport

/// The threads for calls that block and that the data plane must not make: they use the bucket of
/// checkpoints, read the tape's end when a partition begins, and read single packets for repairs.
/// They put answers into a box and wake the data plane's thread.
///
/// One thread does a partition's jobs, in order. There are several threads, because a worker that
/// takes many partitions in one batch only waits for answers of the server.
final class CheckpointThreads: Sendable {
    /// The maximum number of threads.
    static let threadsMax = 4

    /// By thread, its jobs. A partition's number decides its thread.
    private let jobs: [Mailbox<CheckpointJob>]
    private let answers = Mutex<[CheckpointAnswer]>([])
    private let isStopping = Atomic<Bool>(false)
    private let threads = Mutex<[ServiceThread]>([])

    /// `mailbox` is that of the data plane's thread.
    init(
        _ client: TapeClient, settings: OperatorSettings, telemetry: TelemetryHub,
        mailbox: TapeMailbox
    ) throws(ServiceError) {
        let partitions = settings.shares(of: client.names)
        // There is room for a look and a write for each partition, and for some jobs of older
        // rounds.
        jobs = (0..<min(Self.threadsMax, partitions)).map { _ in
            Mailbox(capacity: 4 * partitions + 16)
        }
        for (number, jobs) in jobs.enumerated() {
            telemetry.metrics.watch(jobs, as: "checkpoints.\(number)")
        }
        for number in jobs.indices {
            let started = try ServiceThread(name: "checkpoints-\(number)") { [self] in
                let beat = client.threads.thread(
                    "checkpoints-\(number)", within: ThreadWatch.callLimit)
                defer { beat.retire() }
                var responder = CheckpointResponder(client.calling(beat), settings, telemetry)
                run(&responder, number, mailbox, beat)
            }
            threads.withLock { $0.append(started) }
        }
    }

    /// Sends a job to the thread of its partition. Returns false when there is no room: send it
    /// again later.
    func ask(_ job: CheckpointJob) -> Bool {
        jobs[job.partition.number % jobs.count].send(job)
    }

    /// Moves the answers to the end of `found`.
    func take(into found: inout [CheckpointAnswer]) {
        answers.withLock {
            found.append(contentsOf: $0)
            $0.removeAll(keepingCapacity: true)
        }
    }

    /// Stops the threads. Jobs that have not begun are skipped, and running calls are waited for.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        for mailbox in jobs { mailbox.close() }
        threads.withLock { threads in
            for thread in threads { thread.join() }
            threads = []
        }
    }

    private func run(
        _ responder: inout CheckpointResponder, _ number: Int, _ mailbox: TapeMailbox,
        _ beat: ThreadBeat
    ) {
        let clock = SystemClock()
        responder.prepare()
        // The first thread also looks for people's requests to rebuild partitions.
        var requestsAt = number == 0 ? MonotonicTime.distantPast : .never
        var batch: [CheckpointJob] = []
        while !isStopping.load(ordering: .acquiring) {
            beat.beat()
            let now = clock.monotonic()
            if now >= requestsAt {
                requestsAt = now.next(every: CheckpointTimes.requestsNanoseconds)
                if let answer = responder.requests() { send(answer, mailbox) }
            }
            batch.removeAll(keepingCapacity: true)
            let wait = min(
                .nanoseconds(CheckpointTimes.requestsNanoseconds),
                clock.remaining(until: requestsAt))
            _ = jobs[number].receive(into: &batch, max: 1, timeout: wait)
            for job in batch where !isStopping.load(ordering: .acquiring) {
                send(responder.answer(to: job), mailbox)
            }
        }
    }

    private func send(_ answer: CheckpointAnswer, _ mailbox: TapeMailbox) {
        answers.withLock { $0.append(answer) }
        // A full mailbox wakes its thread anyway, because it is not empty.
        _ = mailbox.send(.wake)
    }
}
