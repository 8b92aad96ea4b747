import TapeTransport
import MarketModel
import Membership
import MembershipTransport
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// One life of a worker: it writes the packets that wait in its queue to the database.
///
///     queue -> batch -> one transaction: rows, positions
///
/// While a write is running, the next batch grows in the queue. The queue also brings the orders
/// about partitions: `StoreWorker+Ownership`. A failure that no retry can remedy ends this life.
/// The next life begins with a new session and the same assignment.
///
/// A *session* is one connection to the database. To *claim* is to enter this worker as the owner
/// of positions in the database, which fences all earlier owners. A *try* is any use of the
/// database that the circuit breaker has to permit. *Days* are the partitions of tables, one per
/// UTC day.
final class StoreWorker {
    /// The state that outlives a worker's life.
    struct Assignment {
        var slots: [WorkerSlot]
        /// Answers for which the port had no room.
        var unsentAnswers: [OwnershipAnswer] = []
        /// The number of the last reading that was begun, over all partitions.
        var reading: UInt64 = 0
        /// Whether the last failure was that of a write. Then a successful claim does not prove
        /// that writes succeed again.
        var isWriteInDoubt = false
        /// The maximum number of rows of a batch. It is halved when a transaction was too much for
        /// the database, and grows by an eighth after a success. A packet is never split.
        var batchRowsMax = WriterSettings.batchRowsMax

        init(_ partitions: [Partition]) { slots = partitions.map { WorkerSlot($0) } }
    }

    /// The environment that all workers share.
    struct Parts: Sendable {
        let settings: WriterSettings
        let context: ServiceContext
        let port: OwnershipPort
        let gate: SteadyGate
        let breaker: StoreBreaker
        let report: WriterReport
        let metrics: WriterMetrics
        let letters: DeadLetterOutput
    }

    /// Why a life ended.
    struct Death: Error {
        let reason: String
    }

    static let retryFirst = Duration.milliseconds(100)
    /// The longest wait for a person to run the migration.
    static let schemaRetryMax = Duration.seconds(5)
    /// How long a write is waited for as a proof, after a claim that followed a failed write.
    private static let proveNanoseconds: Int64 = 1_000_000_000
    /// The wait when there is nothing to do.
    private static let idle = Duration.milliseconds(250)
    /// The interval between checks of an idle session.
    private static let checkNanoseconds: Int64 = 1_000_000_000
    /// The wait when answers have to be sent again.
    private static let soon = Duration.milliseconds(20)

    let queue: WorkerQueue
    let parts: Parts
    private let beat: ThreadBeat
    let clock = SystemClock()
    let store: Store
    var assignment: Assignment
    /// The packets that are written next, in one transaction.
    var batch = WriteBatch()
    /// Packets that wait until their days are made, and later packets of the same inputs, which
    /// must not overtake them.
    var waitingForDays = WriteBatch()
    /// The days that have to be made for `waitingForDays`.
    var daysToMake: [TableDay] = []
    var orders: [OwnershipOrder] = []
    /// Why this life ends; `nil` while it may continue.
    var death: Death?
    var random = SystemRandomNumberGenerator()
    var backoff: Backoff
    var schemaBackoff = Backoff(first: StoreWorker.retryFirst, limit: StoreWorker.schemaRetryMax)
    /// When to try to connect next, monotonic.
    var connectAt: MonotonicTime
    private var checkedAt = MonotonicTime.distantPast
    /// Until when the breaker allows no try, monotonic.
    private var waitUntil = MonotonicTime.distantPast
    /// Whether the breaker has granted a try whose result is not reported yet.
    private var holdsPermission = false
    /// While a write is in doubt, the next write proves the database. If there is none until this
    /// time, monotonic, the claim is taken as proof. `nil` when no proof is waited for.
    private var proveUntil: MonotonicTime?
    private var packets: [QueuedPacket] = []

    /// `begin` is the earliest time to connect, monotonic.
    init(
        _ queue: WorkerQueue, _ assignment: Assignment, _ parts: Parts,
        _ beat: ThreadBeat, begin: MonotonicTime
    ) {
        self.beat = beat
        self.queue = queue
        self.assignment = assignment
        self.parts = parts
        connectAt = begin
        backoff = Backoff(
            first: StoreWorker.retryFirst,
            limit: max(StoreWorker.retryFirst, parts.settings.attempts.retryMax))
        store = Store(
            parts.settings, thread: queue.number, letters: parts.letters, beat: beat)
    }

    var number: Int { queue.number }
    var context: ServiceContext { parts.context }
    var metrics: WriterMetrics { parts.metrics }

    /// Returns the name under which a worker's session is listed in the readiness report.
    static func readinessPart(_ number: Int) -> String { "database \(number)" }

    // MARK: the loop

    /// Runs until `isOver`.
    func run(until isOver: () -> Bool) throws(Death) {
        enter(.connecting)
        while !isOver() {
            beat.beat()
            followOrders()
            checkAliveIfDue()
            connectIfDue()
            claimTaken()
            if isDue { write() }
            endDoubt()
            returnPermission()
            checkPositions(queue.takeInputsToCheck())
            if let death { throw death }
            queue.wait(timeout)
        }
        // The packets at hand are written, so that the next owner has fewer to read again.
        followOrders()
        if isSteady, store.isConnected { write() }
        store.close()
    }

    /// Whether this process may act as an owner.
    var isSteady: Bool { parts.gate.isOpen(now: clock.monotonic()) }

    /// Reports what the worker does now.
    func enter(_ state: WorkerState) { parts.report.set(state, thread: number) }

    /// How long the loop may wait for a wake.
    private var timeout: Duration {
        let now = clock.monotonic()
        func until(_ time: MonotonicTime) -> Duration {
            min(Self.idle, max(.zero, time.duration(since: now)))
        }
        if !assignment.unsentAnswers.isEmpty { return Self.soon }
        if !store.isConnected { return until(max(connectAt, waitUntil)) }
        guard isSteady else { return Self.idle }
        if waitUntil > now { return until(waitUntil) }
        if !batch.isEmpty || !waitingForDays.isEmpty { return .zero }
        let waiting = queue.waiting
        guard let oldest = waiting.oldest else { return Self.idle }
        if isDue(waiting) { return .zero }
        return until(oldest + parts.settings.batchWaitNanoseconds)
    }

    /// Whether a batch has to be written now.
    private var isDue: Bool {
        guard store.isConnected, isSteady, clock.monotonic() >= waitUntil else {
            return false
        }
        return !batch.isEmpty || !waitingForDays.isEmpty || isDue(queue.waiting)
    }

    /// Returns whether the queue holds a full batch, or one that waited long enough. A high queue
    /// counts as full.
    private func isDue(_ waiting: WorkerQueue.Waiting) -> Bool {
        guard let oldest = waiting.oldest else { return false }
        return waiting.isHigh || waiting.rows >= parts.settings.batchRows
            || waiting.packets >= WriterSettings.batchPacketsMax
            || clock.monotonic() >= oldest + parts.settings.batchWaitNanoseconds
    }

    // MARK: the database

    /// Returns whether the breaker lets this worker try. The worker then has to report the result.
    func mayTry() -> Bool {
        if holdsPermission { return true }
        let now = clock.monotonic()
        switch parts.breaker.permission(now: now) {
        case .go, .probe:
            holdsPermission = true
            return true
        case .wait(let until):
            waitUntil = until
            enter(.waitingForBreaker)
            return false
        }
    }

    /// Checks the session, so that its end is noticed also without a row to write.
    private func checkAliveIfDue() {
        let now = clock.monotonic()
        guard store.isConnected, now >= checkedAt + Self.checkNanoseconds
        else {
            return
        }
        checkedAt = now
        do throws(PostgresError) {
            try store.checkAlive()
        } catch {
            failed(error)
        }
    }

    /// Connects when it is due. `claimTaken` then claims again what the lost session owned.
    private func connectIfDue() {
        guard !store.isConnected, clock.monotonic() >= max(connectAt, waitUntil),
            mayTry()
        else { return }
        enter(.connecting)
        parts.report.isAlive(true, thread: number)
        do {
            try store.connect()
            // If there are partitions to claim, connecting alone does not prove the database: the
            // claim does.
            if !isSteady || !hasTaken { succeeded(isWrite: false) }
            if !assignment.isWriteInDoubt { context.readiness.set(Self.readinessPart(number), nil) }
            context.telemetry.emit(StoreOpened(thread: number))
            enter(.idle)
        } catch {
            failed(error)
        }
    }

    /// Notes that the database did what was requested. After a failed write, only a write ends the
    /// doubt.
    func succeeded(isWrite: Bool) {
        if !isWrite, assignment.isWriteInDoubt {
            proveUntil = clock.monotonic() + Self.proveNanoseconds
            return
        }
        if assignment.isWriteInDoubt { context.readiness.set(Self.readinessPart(number), nil) }
        assignment.isWriteInDoubt = false
        backoff.reset()
        schemaBackoff.reset()
        concluded(isWell: true)
    }

    /// Reports success when there is nothing left to do in the new session, because its partitions
    /// were given away meanwhile. Other workers wait for this report.
    private func returnPermission() {
        guard holdsPermission, store.isConnected, !hasTaken, batch.isEmpty, waitingForDays.isEmpty,
            proveUntil == nil
        else { return }
        succeeded(isWrite: false)
    }

    /// Reports the result of the try to the breaker, and returns the permission.
    func concluded(isWell: Bool) {
        holdsPermission = false
        proveUntil = nil
        if isWell {
            parts.breaker.succeeded()
        } else {
            parts.breaker.failed(now: clock.monotonic())
        }
    }

    /// Ends the doubt, when there was no row to write as a proof.
    private func endDoubt() {
        guard let proveUntil, clock.monotonic() >= proveUntil else { return }
        succeeded(isWrite: true)
    }

    /// Takes the next packets to write from the queue into `batch`. Packets of earlier readings are
    /// dropped.
    private func takePackets() {
        let portion = WorkerQueue.Packets.Portion(
            rows: assignment.batchRowsMax, bytes: WriterSettings.batchBytesMax,
            items: WriterSettings.batchPacketsMax)
        // Packets after waiting ones of the same input wait, too, up to a bound. Beyond, they stay
        // in the queue.
        let later = waitingForDays.inputs
        queue.take(portion, leaving: waitingForDays.isFull ? later : [], into: &packets)
        let now = clock.monotonic()
        for packet in packets {
            guard let slot = slot(ofInput: packet.input),
                assignment.slots[slot].reading == packet.reading
            else { continue }
            switch packet.content {
            case .packet(let header, let message):
                let stored = assignment.slots[slot].stored(packet.input)?
                    .account(header.source)?.lastOrdinal
                let item = WriteBatch.Item(
                    input: packet.input, header: header, message: message,
                    position: packet.position, storedOrdinal: stored ?? 0)
                if later.contains(packet.input) {
                    waitingForDays.add(item, now: now)
                } else {
                    batch.add(item, now: now)
                }
            case .dropped(let run):
                if later.contains(packet.input) {
                    waitingForDays.add(run, input: packet.input, position: packet.position)
                } else {
                    batch.add(run, input: packet.input, position: packet.position)
                }
            }
        }
        packets.removeAll(keepingCapacity: true)
    }

    /// Writes the batch. Afterwards it is empty, unless some of it has another owner by now. Items
    /// with many missing days move to `waitingForDays`, and each call makes a few of these days.
    /// Returns false when there was nothing to write, or the breaker permits no try.
    @discardableResult
    func write() -> Bool {
        if batch.isEmpty { takeNext() }
        guard !batch.isEmpty || !waitingForDays.isEmpty, mayTry() else { return false }
        enter(.writing)
        defer { if store.isConnected { enter(.idle) } }
        let isRetry = assignment.isWriteInDoubt
        do throws(PostgresError) {
            try makeSomeDays()
            try prepareDays()
            if !batch.isEmpty { try writeBatch() }
            succeeded(isWrite: true)
            if isRetry { metrics.retries.succeeded.add() }
        } catch {
            metrics.errors.add()
            guard error.category == .fenced else {
                if isRetry { metrics.retries.failed.add() }
                if error.mayBeTooMuchAtOnce, !batch.isEmpty {
                    assignment.batchRowsMax = max(1, min(assignment.batchRowsMax, batch.rows) / 2)
                }
                assignment.isWriteInDoubt = true
                failed(error)
                return true
            }
            concluded(isWell: true)
            dropFenced(error)
        }
        return true
    }

    /// Fills the batch: with the packets whose days are made by now, or from the queue.
    private func takeNext() {
        if !waitingForDays.isEmpty, daysToMake.isEmpty {
            swap(&batch, &waitingForDays)
        } else {
            takePackets()
        }
    }

    /// Writes the batch with the positions after it, and empties it.
    private func writeBatch() throws(PostgresError) {
        let started = clock.monotonic()
        var settled: [Int: SinkPosition] = [:]
        let outcome = try store.write(batch) { outcome in
            settled = batch.advanced(by: outcome) { stored($0) }
            return settled.sorted { $0.key < $1.key }.map(\.value)
        }
        keepPositions(settled)
        metrics.written(
            batch, outcome, seconds: Double(clock.monotonic() - started) / 1e9,
            now: clock.now())
        batch.removeAll()
        assignment.batchRowsMax = min(
            assignment.batchRowsMax + assignment.batchRowsMax / 8 + 1, WriterSettings.batchRowsMax)
    }

    /// Returns the position of an input in the database; `nil` when it is not claimed.
    private func stored(_ input: Int) -> SinkPosition? {
        slot(ofInput: input).flatMap { assignment.slots[$0].stored(input) }
    }

    /// Notes the positions that were committed, and shows them to the intake.
    private func keepPositions(_ settled: [Int: SinkPosition]) {
        var touched: Set<Int> = []
        for (input, position) in settled.sorted(by: { $0.key < $1.key }) {
            for gap in position.gaps {
                context.telemetry.emit(GapStored(input: InputNumber.name(input), gap: gap))
            }
            guard let slot = slot(ofInput: input) else { continue }
            assignment.slots[slot].store(position, of: input)
            touched.insert(slot)
        }
        for slot in touched { show(slot) }
    }

    /// Closes the session, forgets unwritten packets, reports why, and waits before the next try.
    /// Orders are taken meanwhile. A failure that no retry can remedy ends this life.
    func failed(_ error: any Error) {
        let now = clock.monotonic()
        abandonSession()
        context.readiness.set(Self.readinessPart(number), "\(error)")
        context.telemetry.emit(StoreFailed(thread: number, reason: "\(error)"))
        let category = (error as? PostgresError)?.category ?? .schema
        parts.report.failed("\(error)", thread: number)
        switch category {
        case .fatal:
            concluded(isWell: false)
            // This life does not use the database any more.
            connectAt = .never
            death = Death(reason: "\(error)")
        case .schema:
            // The server answers, and may take the work of other workers.
            concluded(isWell: true)
            enter(.waitingForSchema)
            connectAt = now.advanced(by: schemaBackoff.next(using: &random))
        case .retryable, .authentication, .fenced, .data, .missingPartition:
            // An error that we raise ourselves, because there is no place for dead letters, is no
            // fault of the database. It may take the work of other workers.
            concluded(isWell: isWithheld(error))
            enter(.connecting)
            connectAt = now.advanced(by: backoff.next(using: &random))
        }
    }

    /// Returns whether the error is our own decision not to write, and not the database's.
    private func isWithheld(_ error: any Error) -> Bool {
        if case .withheld? = error as? PostgresError { true } else { false }
    }

    /// Closes the session and forgets all packets. They are read again after the next claim.
    private func abandonSession() {
        store.close()
        batch.removeAll()
        waitingForDays.removeAll()
        daysToMake = []
        for index in assignment.slots.indices {
            assignment.slots[index].sessionLost()
            show(index)
        }
        queue.removeAll()
    }
}
