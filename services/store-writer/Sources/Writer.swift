import MarketModel
import MembershipTransport
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport
import Telemetry
import ValkeyClient

/// The writer as a whole: its threads, each with its share of the partitions, the membership that
/// says which of them are this process's, and the hot state beside them.
struct Writer: Sendable {
    /// Joins the group with one port per thread.
    typealias Join = @Sendable ([OwnershipPort]) throws -> any WriterMembership

    /// How long a stopping writer waits until others may have its partitions; far below the frame's
    /// own deadline. What is not handed over by then is taken over.
    private static let leaveTimeout = Duration.seconds(5)
    private static let wordsMax = 16_384
    private static let step = Duration.milliseconds(5)

    private let settings: WriterSettings
    private let client: TapeClient
    private let context: ServiceContext
    private let report: WriterReport
    private let letters: DeadLetterDesk
    private let join: Join

    init(
        _ settings: WriterSettings, client: TapeClient, context: ServiceContext,
        report: WriterReport, join: @escaping Join
    ) {
        self.settings = settings
        self.client = client
        self.context = context
        self.report = report
        letters = DeadLetterDesk(settings, client: client, context: context)
        self.join = join
    }

    /// Runs until shutdown is asked for, from outside or by a thread that cannot go on.
    func run() throws -> ExitCode {
        let ending = Ending()
        var threads: [ServiceThread] = []
        defer {
            ending.end()
            for thread in threads { thread.join() }
        }
        var membership: (any WriterMembership)?
        do {
            var ports: [OwnershipPort] = []
            for number in 0..<settings.threads {
                let (port, thread) = try startWriter(number, ending)
                ports.append(port)
                threads.append(thread)
            }
            threads.append(try letters.startCourier())
            if let valkey = settings.valkey { threads.append(try startHotState(valkey)) }
            membership = try join(ports)
            // From here on the threads speak for themselves.
            context.readiness.set(ReadinessPart.tape, nil)
        } catch {
            context.shutdown.request("the writer could not be started")
            throw error
        }
        while !context.shutdown.wait(timeout: .seconds(3_600)) {}
        if let membership { leave(membership, ending) }
        return ending.code
    }

    /// The threads go on until all partitions are handed over.
    private func leave(_ membership: any WriterMembership, _ ending: Ending) {
        membership.leave()
        let deadline = context.clock.deadline(after: Self.leaveTimeout)
        while !membership.hasLeft, !ending.hasFailed, context.clock.monotonic() < deadline {
            ending.wait(Self.step)
        }
        if !membership.hasLeft {
            context.telemetry.emit(WriterLeftBehind())
        }
        ending.end()
        membership.close()
    }

    /// When the threads are to end, and the first reason that is not the wish from outside.
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

        func note(_ code: ExitCode) {
            state.withLock { if $0.code == .success { $0.code = code } }
            // Full: somebody has said it already.
            _ = threadEnds.send(())
        }

        /// Until a thread ends, at most so long.
        func wait(_ time: Duration) {
            var heard: [Void] = []
            _ = threadEnds.receive(into: &heard, max: 1, timeout: time)
        }
    }

    private func startWriter(
        _ number: Int, _ ending: Ending
    ) throws -> (OwnershipPort, ServiceThread) {
        let mailbox = TapeMailbox(capacity: Self.wordsMax)
        let port = OwnershipPort(partitions: settings.partitions(ofThread: number)) {
            _ = mailbox.send(.wake)
        }
        context.readiness.set(WriterThread.part(number), "the database is not connected yet")
        let thread = try ServiceThread(name: "writer-\(number)") {
            do {
                let thread = try WriterThread(
                    number, mailbox: mailbox, port: port, settings: settings, client: client,
                    context: context, report: report, letters: letters)
                ending.note(thread.run { ending.isOver })
            } catch {
                context.telemetry.emit(WriterThreadFailed(thread: number, reason: "\(error)"))
                ending.note(.unavailable)
            }
            context.shutdown.request("writer thread \(number) ended")
        }
        return (port, thread)
    }

    private func startHotState(_ valkey: ValkeyConfiguration) throws -> ServiceThread {
        context.readiness.set(HotState.part, "Valkey is not connected yet")
        return try ServiceThread(name: "hot-state") {
            do {
                try HotState(valkey, client: client, context: context).run()
            } catch {
                context.telemetry.emit(HotStateFailed(reason: "\(error)"))
                context.readiness.set(HotState.part, "\(error)")
            }
        }
    }
}
