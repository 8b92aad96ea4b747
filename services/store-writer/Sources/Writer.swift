import HotState
import MarketModel
import MembershipTransport
import Primitives
import ServiceRuntime
import StoreSinks
import Synchronization
import TapeProtocol
import TapeTraces
import TapeTransport

/// The complete writer, which starts and ends its threads: the intake that reads the tape, the
/// workers that write, the courier of dead letters, the hot state and the maintenance. The
/// membership decides which partitions this process owns.
struct Writer: Sendable {
    /// Joins the group with the port of the intake. Tests join with a simulated membership.
    typealias Join = @Sendable ([OwnershipPort]) throws -> any WriterMembership

    /// How long a stopping writer waits for its partitions to be handed over. The other members
    /// take the rest when its lease has run out. With the waits of `WriterThreads` it is below the
    /// 10 s that `ServiceApplication` gives a service to stop.
    private static let leaveTimeout = Duration.seconds(6)
    /// The capacity of the intake's mailbox for events of other threads.
    private static let eventsMax = 16_384
    /// The interval at which a stopping writer checks whether the membership has left.
    private static let step = Duration.milliseconds(5)

    private let settings: WriterSettings
    private let client: TapeClient
    private let context: ServiceContext
    private let report: WriterReport
    private let letters: DeadLetterOutput
    private let store: any Store
    private let join: Join
    private let traces: PacketTraces?

    init(
        _ settings: WriterSettings, client: TapeClient, context: ServiceContext,
        report: WriterReport, join: @escaping Join
    ) throws {
        self.settings = settings
        self.client = client
        self.context = context
        self.report = report
        letters = settings.deadLetterOutput(client, context)
        store = try settings.kind.make(
            StoreKind.Context(
                settings: settings, service: context, client: client, letters: letters))
        self.join = join
        traces = try PacketTraces.begin(context, namespace: client.names.namespace)
    }

    /// Runs until shutdown is requested, from outside or by a thread that cannot continue. Returns
    /// the exit code of the first thread that failed.
    func run() throws -> ExitCode {
        let ending = Ending()
        var threads = WriterThreads()
        defer {
            ending.end()
            threads.end(context)
            traces?.end()
        }
        var membership: (any WriterMembership)?
        do {
            let hot = settings.hotState.map {
                HotOutput(queue: HotQueue(context.telemetry.metrics, life: $0.life))
            }
            threads.hotQueue = hot?.queue
            let port = try start(hot, ending, &threads)
            threads.others.append(try letters.startCourier())
            if let hotState = settings.hotState, let hot {
                threads.others.append(try startHotState(hotState, hot.queue))
                threads.hotFiller = try store.startFilling(hot, life: hotState.life)
            }
            try store.startUpkeep(&threads.upkeep)
            membership = try join([port])
            // From here on each thread reports its own readiness.
            context.readiness.set(ReadinessPart.tape, nil)
        } catch {
            context.shutdown.request("the writer could not be started")
            throw error
        }
        // Each wait needs a deadline; an hour is any long one.
        while !context.shutdown.wait(timeout: .seconds(3_600)) {}
        if let membership { leave(membership, ending) }
        return ending.code
    }

    /// Leaves the group, and sets `ending` to over when all partitions are handed over, when that
    /// takes too long, or when a thread has failed. Until then the threads run.
    private func leave(_ membership: any WriterMembership, _ ending: Ending) {
        membership.leave()
        let deadline = context.clock.deadline(after: Self.leaveTimeout)
        while !membership.hasLeft, !ending.hasFailed, context.clock.monotonic() < deadline {
            ending.wait(Self.step)
        }
        if !membership.hasLeft {
            context.telemetry.emit(.writerLeftBehind())
        }
        ending.end()
        membership.close()
    }

    /// The end of the threads: whether they have to end now, and the first failure of one of them.
    private final class Ending: Sendable {
        private struct State {
            var isOver = false
            var code = ExitCode.success
        }

        private let state = Mutex(State())
        private let threadEnds = Mailbox<Void>(capacity: 1)

        var isOver: Bool { state.withLock { $0.isOver } }
        var code: ExitCode { state.withLock { $0.code } }
        var hasFailed: Bool { code != .success }

        func end() { state.withLock { $0.isOver = true } }

        /// Notes with which code a thread ended. The first failure decides the process's exit code.
        func note(_ code: ExitCode) {
            state.withLock { if $0.code == .success { $0.code = code } }
            // If it is full, the end is already signalled.
            _ = threadEnds.send(())
        }

        /// Waits until a thread notes its end, at most for `time`.
        func wait(_ time: Duration) {
            var received: [Void] = []
            _ = threadEnds.receive(into: &received, max: 1, timeout: time)
        }
    }

    // MARK: threads

    /// Starts the intake and the workers, and notes them in `threads`, also when a later one fails.
    /// Returns the port by which the membership orders what they do.
    private func start(
        _ hot: HotOutput?, _ ending: Ending, _ threads: inout WriterThreads
    ) throws -> OwnershipPort {
        let mailbox = TapeMailbox(capacity: Self.eventsMax)
        let port = OwnershipPort(partitions: (0..<settings.partitions).map { Partition($0) }) {
            _ = mailbox.send(.wake)
        }
        let metrics = WriterMetrics(context.telemetry.metrics)
        let queues = WorkerQueues(settings) { _, mark in
            metrics.passed(mark)
            // The intake may hold readers. If the mailbox is full, the intake wakes up anyway.
            if mark == .low { _ = mailbox.send(.wake) }
        }
        report.attach(queues)
        threads.queues = queues
        let parts = StoreWorker.Parts(
            settings: settings, context: context, port: port, gate: SteadyGate(port),
            breaker: StoreBreaker(settings.attempts.breaker, context.telemetry),
            report: report, metrics: metrics, store: store, groups: ApartBoard(),
            traces: traces)
        report.attach(parts.groups)
        threads.intake = try startIntake(queues, hot, mailbox, parts, ending)
        for queue in queues.all {
            context.readiness.set(
                StoreWorker.readinessPart(queue.number), "the database is not connected yet")
            let loop = WorkerLoop(
                queue: queue, partitions: settings.partitions(ofThread: queue.number),
                parts: parts)
            threads.workers.append(
                try ServiceThread(name: "writer-\(queue.number)") {
                    loop.run { ending.isOver }
                })
        }
        for group in TableGroup.allCases where store.keepsGroups {
            threads.others.append(
                try ServiceThread(name: "apart-\(group.rawValue)") {
                    ApartWriter(group, parts, client)?.run { ending.isOver }
                })
        }
        return port
    }

    private func startIntake(
        _ queues: WorkerQueues, _ hot: HotOutput?, _ mailbox: TapeMailbox,
        _ parts: StoreWorker.Parts, _ ending: Ending
    ) throws -> ServiceThread {
        try ServiceThread(name: "intake") {
            do {
                let intake = try Intake(
                    settings, queues, hot, mailbox: mailbox, port: parts.port,
                    gate: parts.gate,
                    client: client, context: context, report: report)
                ending.note(intake.run { ending.isOver })
            } catch {
                context.telemetry.emit(.writerThreadFailed(reason: "\(error)"))
                ending.note(.unavailable)
            }
            context.shutdown.request("the intake ended")
        }
    }

    private func startHotState(
        _ settings: HotStateKeeper.Settings, _ queue: HotQueue
    ) throws -> ServiceThread {
        context.readiness.degrade(HotStateKeeper.part, "Valkey is not connected yet")
        return try ServiceThread(name: "hot-state") {
            HotStateKeeper.run(
                settings, queue, namespace: client.names.namespace, context: context)
        }
    }
}
