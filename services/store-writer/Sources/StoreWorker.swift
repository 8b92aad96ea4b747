import TapeTransport
import MarketModel
import Membership
import MembershipTransport
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// One life of a worker: it writes the packets that wait in its lane to the database.
///
///     lane -> batch -> one transaction: rows, positions
///
/// While a write is running, the next batch grows in the lane. The lane also brings the orders
/// about partitions: `StoreWorker+Ownership`. A failure that no retry can remedy ends this life.
/// The next life begins with a new session and the same assignment.
final class StoreWorker {
    /// The state that outlives a worker's life.
    struct Assignment {
        var slots: [PartitionSlot]
        /// Answers for which the port had no room.
        var untold: [OwnershipNews] = []
        /// The number of the last reading that was begun.
        var reading: UInt64 = 0
        /// Whether the last failure was that of a write. Then a successful claim proves nothing.
        var isWriteInDoubt = false
        /// The maximum number of rows of a batch. It is halved when a transaction was too much for
        /// the database, and grows by an eighth after a success. A packet is never split.
        var batchRowsMax = WriterSettings.batchRowsMax

        init(_ partitions: [Partition]) { slots = partitions.map { PartitionSlot($0) } }
    }

    /// The environment that all workers share.
    struct Surroundings: Sendable {
        let settings: WriterSettings
        let context: ServiceContext
        let port: OwnershipPort
        let gate: SteadyGate
        let breaker: StoreBreaker
        let report: WriterReport
        let metrics: WriterMetrics
        let letters: DeadLetterDesk
    }

    /// Why a life ended.
    struct Death: Error {
        let reason: String
    }

    static let retryFirst = Duration.milliseconds(100)
    /// The longest wait for a person to run the migration.
    static let schemaRetryMax = Duration.seconds(5)
    private static let proveNanoseconds: Int64 = 1_000_000_000
    private static let idle = Duration.milliseconds(250)
    private static let lookNanoseconds: Int64 = 1_000_000_000
    private static let soon = Duration.milliseconds(20)

    let lane: WorkerLane
    let surroundings: Surroundings
    private let beat: ThreadBeat
    let clock = SystemClock()
    let store: Store
    var assignment: Assignment
    var batch = WriteBatch()
    /// Packets that wait until their days are made, and later packets of the same inputs.
    var waiting = WriteBatch()
    /// The days that have to be made for `waiting`.
    var daysToMake: [TableDay] = []
    var orders: [OwnershipOrder] = []
    var death: Death?
    var random = SystemRandomNumberGenerator()
    var backoff: Backoff
    var schemaBackoff = Backoff(first: StoreWorker.retryFirst, limit: StoreWorker.schemaRetryMax)
    /// When to try to connect next.
    var connectAt: Int64
    private var lookedAt = Int64.min
    /// Until when the breaker allows no try.
    private var waitUntil = Int64.min
    /// Whether the breaker has granted a try whose result is not reported yet.
    private var holdsPermission = false
    /// While a write is in doubt, the next write proves the database. If there is none until this
    /// time, the claim is taken as proof.
    private var proveUntil: Int64?
    private var packets: [QueuedPacket] = []

    /// `begin` is the earliest time to connect, in monotonic nanoseconds.
    init(
        _ lane: WorkerLane, _ assignment: Assignment, _ surroundings: Surroundings,
        _ beat: ThreadBeat, begin: Int64
    ) {
        self.beat = beat
        self.lane = lane
        self.assignment = assignment
        self.surroundings = surroundings
        connectAt = begin
        backoff = Backoff(
            first: StoreWorker.retryFirst,
            limit: max(StoreWorker.retryFirst, surroundings.settings.attempts.retryMax))
        store = Store(
            surroundings.settings, thread: lane.number, letters: surroundings.letters, beat: beat)
    }

    var number: Int { lane.number }
    var context: ServiceContext { surroundings.context }
    var metrics: WriterMetrics { surroundings.metrics }

    /// Returns the name of a worker's session in the readiness report.
    static func part(_ number: Int) -> String { "database \(number)" }

    // MARK: the loop

    /// Runs until `isOver`.
    func run(until isOver: () -> Bool) throws(Death) {
        say(.connecting)
        while !isOver() {
            beat.beat()
            attend()
            lookIfDue()
            connectIfDue()
            claimTaken()
            if isDue { write() }
            endDoubt()
            returnPermission()
            look(lane.takeStopped())
            if let death { throw death }
            lane.wait(timeout)
        }
        // The packets at hand are written, so that the next owner has fewer to read again.
        attend()
        if isSteady, store.isConnected { write() }
        store.close()
    }

    var isSteady: Bool { surroundings.gate.isOpen(now: clock.monotonic().nanoseconds) }

    func say(_ state: WorkerState) { surroundings.report.say(state, thread: number) }

    private var timeout: Duration {
        let now = clock.monotonic().nanoseconds
        func until(_ time: Int64) -> Duration {
            min(Self.idle, .nanoseconds(time > now ? time - now : 0))
        }
        if !assignment.untold.isEmpty { return Self.soon }
        if !store.isConnected { return until(max(connectAt, waitUntil)) }
        guard isSteady else { return Self.idle }
        if waitUntil > now { return until(waitUntil) }
        if !batch.isEmpty || !waiting.isEmpty { return .zero }
        let waiting = lane.waiting
        guard let oldest = waiting.oldest else { return Self.idle }
        if isDue(waiting) { return .zero }
        return until(oldest + surroundings.settings.batchWaitNanoseconds)
    }

    private var isDue: Bool {
        guard store.isConnected, isSteady, clock.monotonic().nanoseconds >= waitUntil else {
            return false
        }
        return !batch.isEmpty || !waiting.isEmpty || isDue(lane.waiting)
    }

    private func isDue(_ waiting: WorkerLane.Waiting) -> Bool {
        guard let oldest = waiting.oldest else { return false }
        return waiting.isHigh || waiting.rows >= surroundings.settings.batchRows
            || waiting.packets >= WriterSettings.batchPacketsMax
            || clock.monotonic().nanoseconds >= oldest + surroundings.settings.batchWaitNanoseconds
    }

    // MARK: the database

    /// Returns whether the breaker lets this worker try. The worker then has to report the result.
    func mayTry() -> Bool {
        if holdsPermission { return true }
        let now = clock.monotonic().nanoseconds
        switch surroundings.breaker.permission(now: now) {
        case .go, .probe:
            holdsPermission = true
            return true
        case .wait(let until):
            waitUntil = until
            say(.waitingForBreaker)
            return false
        }
    }

    /// Checks the session, so that its end is noticed also without a row to write.
    private func lookIfDue() {
        let now = clock.monotonic().nanoseconds
        guard store.isConnected, lookedAt == .min || now >= lookedAt + Self.lookNanoseconds else {
            return
        }
        lookedAt = now
        do throws(PostgresError) {
            try store.look()
        } catch {
            failed(error)
        }
    }

    /// Connects when it is due. `claimTaken` then claims again what the lost session owned.
    private func connectIfDue() {
        guard !store.isConnected, clock.monotonic().nanoseconds >= max(connectAt, waitUntil),
            mayTry()
        else { return }
        say(.connecting)
        surroundings.report.isAlive(true, thread: number)
        do {
            try store.connect()
            // If there are partitions to claim, connecting alone does not prove the database: the
            // claim does.
            if !isSteady || !hasTaken { succeeded(isWrite: false) }
            if !assignment.isWriteInDoubt { context.readiness.set(Self.part(number), nil) }
            context.telemetry.emit(StoreOpened(thread: number))
            say(.idle)
        } catch {
            failed(error)
        }
    }

    /// Notes that the database did what was requested.
    func succeeded(isWrite: Bool) {
        if !isWrite, assignment.isWriteInDoubt {
            proveUntil = clock.monotonic().nanoseconds + Self.proveNanoseconds
            return
        }
        if assignment.isWriteInDoubt { context.readiness.set(Self.part(number), nil) }
        assignment.isWriteInDoubt = false
        backoff.reset()
        schemaBackoff.reset()
        concluded(isWell: true)
    }

    /// Reports success when there is nothing left to do in the new session, because its partitions
    /// were given away meanwhile. Other workers wait for this report.
    private func returnPermission() {
        guard holdsPermission, store.isConnected, !hasTaken, batch.isEmpty, waiting.isEmpty,
            proveUntil == nil
        else { return }
        succeeded(isWrite: false)
    }

    /// Reports the result of the try to the breaker.
    func concluded(isWell: Bool) {
        holdsPermission = false
        proveUntil = nil
        if isWell {
            surroundings.breaker.succeeded()
        } else {
            surroundings.breaker.failed(now: clock.monotonic().nanoseconds)
        }
    }

    /// Ends the doubt, when there was no row to write as a proof.
    private func endDoubt() {
        guard let proveUntil, clock.monotonic().nanoseconds >= proveUntil else { return }
        succeeded(isWrite: true)
    }

    /// Takes the next packets to write from the lane.
    private func fill() {
        let portion = WorkerLane.Lane.Portion(
            rows: assignment.batchRowsMax, bytes: WriterSettings.batchBytesMax,
            items: WriterSettings.batchPacketsMax)
        // Packets after waiting ones of the same input wait, too, up to a bound. Beyond, they stay
        // in the lane.
        let held = waiting.inputs
        lane.take(portion, leaving: waiting.isFull ? held : [], into: &packets)
        let now = clock.monotonic().nanoseconds
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
                if held.contains(packet.input) {
                    waiting.add(item, now: now)
                } else {
                    batch.add(item, now: now)
                }
            case .dropped(let run):
                if held.contains(packet.input) {
                    waiting.add(run, input: packet.input, position: packet.position)
                } else {
                    batch.add(run, input: packet.input, position: packet.position)
                }
            }
        }
        packets.removeAll(keepingCapacity: true)
    }

    /// Writes the batch. Afterwards it is empty, unless some of it has another owner by now. Items
    /// with many missing days move to `waiting`, and each call makes a few of these days. Returns
    /// false when nothing could be tried.
    @discardableResult
    func write() -> Bool {
        if batch.isEmpty { takeNext() }
        guard !batch.isEmpty || !waiting.isEmpty, mayTry() else { return false }
        say(.writing)
        defer { if store.isConnected { say(.idle) } }
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

    private func takeNext() {
        if !waiting.isEmpty, daysToMake.isEmpty {
            swap(&batch, &waiting)
        } else {
            fill()
        }
    }

    private func writeBatch() throws(PostgresError) {
        let started = clock.monotonic().nanoseconds
        var settled: [Int: SinkPosition] = [:]
        let outcome = try store.write(batch) { outcome in
            settled = batch.advanced(by: outcome) { stored($0) }
            return settled.sorted { $0.key < $1.key }.map(\.value)
        }
        keep(settled)
        metrics.written(
            batch, outcome, seconds: Double(clock.monotonic().nanoseconds - started) / 1e9,
            now: clock.now())
        batch.removeAll()
        assignment.batchRowsMax = min(
            assignment.batchRowsMax + assignment.batchRowsMax / 8 + 1, WriterSettings.batchRowsMax)
    }

    private func stored(_ input: Int) -> SinkPosition? {
        slot(ofInput: input).flatMap { assignment.slots[$0].stored(input) }
    }

    /// Keeps the positions that were committed.
    private func keep(_ settled: [Int: SinkPosition]) {
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
        let now = clock.monotonic().nanoseconds
        abandonSession()
        context.readiness.set(Self.part(number), "\(error)")
        context.telemetry.emit(StoreFailed(thread: number, reason: "\(error)"))
        let category = (error as? PostgresError)?.category ?? .schema
        surroundings.report.failed("\(error)", thread: number)
        switch category {
        case .fatal:
            concluded(isWell: false)
            // This life does not use the database any more.
            connectAt = .max
            death = Death(reason: "\(error)")
        case .schema:
            // The server answers, and may take the work of other workers.
            concluded(isWell: true)
            say(.waitingForSchema)
            connectAt = now + schemaBackoff.next(using: &random).clampedNanoseconds
        case .retryable, .authentication, .fenced, .data, .missingPartition:
            // An error that we raise ourselves, because there is no place for dead letters, is no
            // fault of the database. It may take the work of other workers.
            concluded(isWell: isWithheld(error))
            say(.connecting)
            connectAt = now + backoff.next(using: &random).clampedNanoseconds
        }
    }

    private func isWithheld(_ error: any Error) -> Bool {
        if case .withheld? = error as? PostgresError { true } else { false }
    }

    private func abandonSession() {
        store.close()
        batch.removeAll()
        waiting.removeAll()
        daysToMake = []
        for index in assignment.slots.indices {
            assignment.slots[index].sessionLost()
            show(index)
        }
        lane.removeAll()
    }
}
