import TapeTraces
import TapeTransport
import Glibc
import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// One life of a worker, which writes the packets in its queue to the database. `WorkerLoop` makes
/// it, and runs it on the worker's thread.
///
///     queue -> batch -> one transaction: rows, positions
///
/// While a write is running, the next batch grows in the queue. The queue also brings the orders
/// about partitions: `StoreWorker+Ownership`. A failure that no retry can remedy ends this life.
/// The next life begins with a new session and the same assignment.
///
/// A *session* is one connection to the database. To *claim* is to enter this worker as the owner
/// of positions in the database, which fences all earlier owners. A *try* is any use of the
/// database that the circuit breaker has to permit. A *day* is the part of a table for one UTC day:
/// a time partition, or a chunk of TimescaleDB.
final class StoreWorker {
    /// The state that outlives a worker's life.
    struct Assignment {
        /// The name under which positions are claimed (`newOwner`). Each life has the same
        /// one, so that it knows the positions of the last life as its own.
        let owner: String
        var slots: [WorkerSlot]
        /// Answers to the membership for which the port had no room. They are sent again.
        var unsentAnswers: [OwnershipAnswer] = []
        /// The number of the last reading that was begun, over all partitions.
        var reading: UInt64 = 0
        /// Whether the last failure was that of a write. Then a successful claim does not prove
        /// that writes succeed again.
        var isWriteInDoubt = false
        /// The maximum number of rows of the next batch. It is halved when a transaction was too
        /// much for the database, and grows by an eighth after a success. A packet is never split,
        /// so one packet may have more.
        var batchRowsMax = WriterSettings.batchRowsMax
        /// The inputs whose packets stay in the queue for a moment.
        var meetings = GroupMeetings()

        init(_ partitions: [Partition], owner: String) {
            self.owner = owner
            slots = partitions.map { WorkerSlot($0) }
        }
    }

    /// What all workers share, except for their queues.
    struct Parts: Sendable {
        let settings: WriterSettings
        let context: ServiceContext
        let port: OwnershipPort
        let gate: SteadyGate
        let breaker: StoreBreaker
        let report: WriterReport
        let metrics: WriterMetrics
        let store: any Store
        let groups: ApartBoard
        /// Sends traces of packets; `nil` when no collector is named.
        let traces: PacketTraces?
    }

    /// Why a life ended.
    struct Death: Error {
        let reason: String
    }

    /// How long the worker waits for a write after a failed one and a successful claim. Without a
    /// row to write, the claim then counts as the proof that the database works.
    private static let proveNanoseconds: Int64 = 1_000_000_000
    /// The longest wait. A wake of the queue ends it before its time.
    private static let idle = Duration.milliseconds(250)
    /// The wait when answers have to be sent again.
    private static let soon = Duration.milliseconds(20)
    /// The wait while packets wait for a group of tables.
    private static let meeting = Duration.milliseconds(5)

    let queue: WorkerQueue
    let parts: Parts
    private let beat: ThreadBeat
    let clock = SystemClock()
    let session: any StoreSession
    var assignment: Assignment
    /// The packets that are written next, in one transaction.
    var batch = WriteBatch()
    /// Packets that wait until their days are made, with all later packets of the same inputs:
    /// those must not overtake them, because a position covers all packets before it.
    var waitingForDays = WriteBatch()
    /// The days that have to be made for `waitingForDays`.
    var daysToMake: [TableDay] = []
    /// The orders taken from the queue in this turn.
    var orders: [OwnershipOrder] = []
    /// Why this life ends; `nil` while it may continue.
    var death: Death?
    private var retries: WorkerRetries
    private var attempt = WorkerTry()
    /// How long rows wait for others.
    private var batchWait: BatchWait
    /// Room for the packets of one `takePackets`.
    private var packets: [QueuedPacket] = []

    /// `begin` is the earliest time to connect: after a death, the next life waits a while.
    init(
        _ queue: WorkerQueue, _ assignment: Assignment, _ parts: Parts,
        _ beat: ThreadBeat, begin: MonotonicTime
    ) {
        self.beat = beat
        self.queue = queue
        self.assignment = assignment
        self.parts = parts
        retries = WorkerRetries(begin: begin, longest: parts.settings.attempts.retryMax)
        let batches = parts.settings.batches
        batchWait = BatchWait(batches.aim, longest: batches.waitNanoseconds)
        session = parts.store.session(owner: assignment.owner, beat: beat)
        batch.store = parts.settings.store.text
        waitingForDays.store = batch.store
    }

    /// Returns a name of a worker: host, process, worker and a random number. No other worker has
    /// it, so a position with this owner is still this worker's.
    static func newOwner(thread: Int) -> String {
        let instance = String(UInt32.random(in: .min ... .max), radix: 36)
        return "\(hostName()) \(getpid()).\(thread) \(instance)"
    }

    var number: Int { queue.number }
    var context: ServiceContext { parts.context }
    var metrics: WriterMetrics { parts.metrics }

    /// Returns the name under which a worker's session is listed in the readiness report.
    static func readinessPart(_ number: Int) -> String { "database \(number)" }

    // MARK: the loop

    /// Runs until `isOver`, which is true when all partitions are handed over, or when the writer
    /// does not wait for that any longer. Throws when this life has to end before.
    func run(until isOver: () -> Bool) throws(Death) {
        enter(.connecting)
        while !isOver() {
            beat.beat()
            followOrders()
            checkAliveIfDue()
            connectIfDue()
            claimTaken()
            takeProgress()
            if isDue { write() }
            endDoubt()
            returnPermission()
            checkPositions(queue.takeInputsToCheck())
            if let death { throw death }
            queue.wait(timeout)
        }
        // One last batch is written, so that the next owner has less to read again.
        followOrders()
        if isSteady, session.isOpen { write() }
        session.close()
    }

    /// Whether this process may act as an owner at this moment.
    var isSteady: Bool { parts.gate.isOpen(now: clock.monotonic()) }

    /// Reports the worker's present activity to the status page.
    func enter(_ state: WorkerState) { parts.report.set(state, thread: number) }

    /// How long the loop may wait for a wake, until the next thing that is due by time.
    private var timeout: Duration {
        let now = clock.monotonic()
        func until(_ time: MonotonicTime) -> Duration {
            min(Self.idle, max(.zero, time.duration(since: now)))
        }
        if !assignment.unsentAnswers.isEmpty { return Self.soon }
        if !session.isOpen { return until(max(retries.connectAt, attempt.waitUntil)) }
        guard isSteady else { return Self.idle }
        if attempt.waitUntil > now { return until(attempt.waitUntil) }
        if !batch.isEmpty || !waitingForDays.isEmpty || hasJoins { return .zero }
        if !assignment.meetings.held.isEmpty { return Self.meeting }
        let waiting = queue.waiting
        guard let due = due(waiting) else { return Self.idle }
        return isDue(waiting) ? .zero : until(due)
    }

    /// Returns when the packets in the queue have waited long enough; `nil` when there are none.
    /// After a failed write rows wait as long as they may, so that few small batches are tried.
    private func due(_ waiting: WorkerQueue.Waiting) -> MonotonicTime? {
        let batches = parts.settings.batches
        let isEarly = batches.mayBeEarly && !assignment.isWriteInDoubt
        let rows = waiting.oldest.map {
            isEarly ? batchWait.due($0) : $0 + batches.waitNanoseconds
        }
        let skipped = waiting.oldestSkipped.map { $0 + batches.skippedWaitNanoseconds }
        guard let rows, let skipped else { return rows ?? skipped }
        return min(rows, skipped)
    }

    /// Whether something has to be written now: the rest of a batch, packets that wait for their
    /// days, or packets in the queue.
    private var isDue: Bool {
        guard session.isOpen, isSteady, clock.monotonic() >= attempt.waitUntil else {
            return false
        }
        return !batch.isEmpty || !waitingForDays.isEmpty || hasJoins || isDue(queue.waiting)
    }

    /// Returns whether the queue holds enough packets for a batch, or one that has waited long
    /// enough. A high queue holds enough, because its readers are held.
    private func isDue(_ waiting: WorkerQueue.Waiting) -> Bool {
        guard let due = due(waiting) else { return false }
        return waiting.isHigh || waiting.rows >= parts.settings.batches.rows
            || waiting.packets >= WriterSettings.batchPacketsMax || clock.monotonic() >= due
    }

    // MARK: the database

    /// Returns whether the breaker lets this worker use the database. If it does, the worker has to
    /// report the result by `concluded`: other workers may wait for it.
    func mayTry() -> Bool {
        if attempt.isPermitted { return true }
        let now = clock.monotonic()
        switch parts.breaker.permission(now: now) {
        case .go, .probe:
            attempt.begin()
            return true
        case .wait(let until):
            attempt.waitUntil = until
            enter(.waitingForBreaker)
            return false
        }
    }

    /// Checks the session once a second, so that its end is noticed also without a row to write.
    private func checkAliveIfDue() {
        guard session.isOpen, retries.isCheckDue(at: clock.monotonic()) else { return }
        do throws(StoreError) {
            try session.checkAlive()
        } catch {
            failed(error)
        }
    }

    /// Connects when it is due. `claimTaken` then repeats the claims of the lost session.
    private func connectIfDue() {
        guard !session.isOpen, clock.monotonic() >= max(retries.connectAt, attempt.waitUntil),
            mayTry()
        else { return }
        enter(.connecting)
        parts.report.isAlive(true, thread: number)
        do throws(StoreError) {
            try session.open()
            // If partitions have to be claimed, the try continues with the claim, whose result is
            // reported. Connecting alone does not prove that the database works.
            if !isSteady || !hasTaken { succeeded(isWrite: false) }
            if !assignment.isWriteInDoubt { context.readiness.set(Self.readinessPart(number), nil) }
            context.telemetry.emit(.storeOpened(thread: number, server: session.serverText))
            enter(.idle)
        } catch {
            failed(error)
        }
    }

    /// Notes that the database did what was requested. After a failed write, the try lasts until a
    /// write succeeds, or until `endDoubt`.
    func succeeded(isWrite: Bool) {
        if !isWrite, assignment.isWriteInDoubt {
            attempt.prove(until: clock.monotonic() + Self.proveNanoseconds)
            return
        }
        if assignment.isWriteInDoubt { context.readiness.set(Self.readinessPart(number), nil) }
        assignment.isWriteInDoubt = false
        retries.succeeded()
        concluded(isWell: true)
    }

    /// Ends a try as successful when nothing is left to do in the new session, because its
    /// partitions were given away meanwhile. Other workers may wait for this report.
    private func returnPermission() {
        guard attempt.isPermitted, session.isOpen, !hasTaken, batch.isEmpty,
            waitingForDays.isEmpty,
            attempt.proveUntil == nil
        else { return }
        succeeded(isWrite: false)
    }

    /// Reports the result of the try to the breaker, which ends the try.
    func concluded(isWell: Bool) {
        attempt.end()
        if isWell {
            parts.breaker.succeeded()
        } else {
            parts.breaker.failed(now: clock.monotonic())
        }
    }

    /// Ends the doubt after a failed write, when there was no row to write as a proof.
    private func endDoubt() {
        guard let proveUntil = attempt.proveUntil, clock.monotonic() >= proveUntil else { return }
        succeeded(isWrite: true)
    }

    /// Takes the next packets from the queue into `batch`, or into `waitingForDays`. Packets of
    /// earlier readings are left out, because they are read again.
    private func takePackets() {
        let portion = WorkerQueue.Packets.Portion(
            rows: assignment.batchRowsMax, bytes: WriterSettings.batchBytesMax,
            items: WriterSettings.batchPacketsMax)
        // A packet of an input that waits for its days waits, too. When `waitingForDays` is full,
        // the packet stays in the queue.
        let later = waitingForDays.inputs
        let kept =
            waitingForDays.isFull ? later.union(assignment.meetings.held) : assignment.meetings.held
        queue.take(portion, leaving: kept, into: &packets)
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
                    position: packet.position, storedOrdinal: stored ?? 0, rows: packet.rows,
                    tapeTime: packet.tapeTime)
                if later.contains(packet.input) {
                    waitingForDays.add(item)
                } else {
                    batch.add(item)
                }
            case .rowless(let run):
                add(run, packet, isLater: later.contains(packet.input))
            }
        }
        packets.removeAll(keepingCapacity: true)
    }

    private func add(_ run: RowlessRun, _ packet: QueuedPacket, isLater: Bool) {
        let (input, position, time) = (packet.input, packet.position, packet.tapeTime)
        if isLater {
            waitingForDays.add(run, input: input, position: position, tapeTime: time)
        } else {
            batch.add(run, input: input, position: position, tapeTime: time)
        }
    }

    /// Makes a few of `daysToMake`, and writes the batch in one transaction. Afterwards the batch
    /// is empty. Only when an input of it has another owner by now, nothing is written, and the
    /// other inputs stay in the batch for the next call. Inputs with many missing days move to
    /// `waitingForDays` first. Returns false when there was nothing to write, or the breaker
    /// permits no try; failures return true.
    @discardableResult
    func write() -> Bool {
        if batch.isEmpty { takeNext() }
        guard !batch.isEmpty || !waitingForDays.isEmpty || hasJoins, mayTry() else { return false }
        enter(.writing)
        defer { if session.isOpen { enter(.idle) } }
        let isRetry = assignment.isWriteInDoubt
        do throws(StoreError) {
            try writeWithoutBlocked()
            succeeded(isWrite: true)
            if isRetry { metrics.retries.succeeded.add() }
        } catch {
            metrics.errors.add()
            guard error.category == .fenced else {
                if isRetry { metrics.retries.failed.add() }
                if error.failure?.isTooMuchAtOnce == true, !batch.isEmpty {
                    assignment.batchRowsMax = max(1, min(assignment.batchRowsMax, batch.rows) / 2)
                }
                assignment.isWriteInDoubt = true
                failed(error)
                return true
            }
            // The database works, and has a newer owner for a position of the batch. As after a
            // claim, a doubt about writes stays until the next write, or until `endDoubt`.
            succeeded(isWrite: false)
            dropFenced(error)
        }
        return true
    }

    /// Fills the empty batch: with the packets that waited for their days, when all are made, else
    /// from the queue.
    private func takeNext() {
        if !waitingForDays.isEmpty, daysToMake.isEmpty {
            swap(&batch, &waitingForDays)
        } else {
            takePackets()
        }
    }

    /// Writes the batch with the positions after it, and empties it. `moves` are the groups of
    /// tables that are left where they are, or taken back. Returns the number of rows.
    func writeBatch(_ moves: GroupMoves) throws(StoreError) -> UInt64 {
        let started = clock.monotonic()
        var settled: [Int: SinkPosition] = [:]
        let beside = movedBeside(batch.inputs, moves)
        let outcome = try session.write(batch) { outcome in
            settled = batch.advanced(
                by: outcome, keepsBars: parts.settings.sinks.versions != nil,
                mayBeLetGo: !parts.settings.isNeeded
            ) { input in stored(input).map { moved(input, $0, moves) } }
            settled.merge(beside) { present, _ in present }
            return settled.sorted { $0.key < $1.key }.map(\.value)
        }
        let ended = clock.monotonic()
        batchWait.wrote(from: started, to: ended)
        keepPositions(settled.mapValues(noted))
        if parts.settings.durability == .standby { metrics.synchronous(session.isOnStandby) }
        let (seconds, now) = (Double(ended - started) / 1e9, clock.now())
        metrics.written(batch, outcome, seconds: seconds, now: now)
        trace(outcome, seconds: seconds, now: now)
        batch.removeAll()
        assignment.batchRowsMax = min(
            assignment.batchRowsMax + assignment.batchRowsMax / 8 + 1, WriterSettings.batchRowsMax)
        return outcome.counts.reduce(0) { $0 + $1.written }
    }

    /// Returns a position that was just committed, with how it was.
    func noted(_ position: SinkPosition) -> SinkPosition {
        var position = position
        position.isOnStandby = session.isOnStandby
        for group in position.apart.left {
            position.apart[group]?.position.isOnStandby = session.isOnStandby
        }
        return position
    }

    /// Returns the position of an input in the database; `nil` when it is not claimed.
    private func stored(_ input: Int) -> SinkPosition? {
        slot(ofInput: input).flatMap { assignment.slots[$0].stored(input) }
    }

    /// Notes the committed positions, by input, reports their gaps, and shows them to the intake.
    private func keepPositions(_ settled: [Int: SinkPosition]) {
        var touched: Set<Int> = []
        for (input, position) in settled.sorted(by: { $0.key < $1.key }) {
            for gap in position.gaps {
                context.telemetry.emit(.gapStored(input: InputNumber.name(input), gap: gap))
            }
            guard let slot = slot(ofInput: input) else { continue }
            assignment.slots[slot].store(position, of: input)
            touched.insert(slot)
        }
        for slot in touched { show(slot) }
    }

    /// Closes the session, forgets unwritten packets, reports why, and sets when to connect again.
    /// A failure that no retry can remedy ends this life.
    func failed(_ error: StoreError) {
        let now = clock.monotonic()
        abandonSession()
        context.readiness.set(Self.readinessPart(number), "\(error)")
        context.telemetry.emit(.storeFailed(thread: number, reason: "\(error)"))
        parts.report.failed("\(error)", thread: number)
        switch error.category {
        case .fatal:
            concluded(isWell: false)
            // This life does not use the database any more.
            retries.never()
            death = Death(reason: "\(error)")
        case .schema:
            // For the breaker this is a success: the server answers, and may take the batches of
            // other workers.
            concluded(isWell: true)
            enter(.waitingForSchema)
            retries.waitForSchema(at: now)
        case .retryable, .fenced:
            // A withheld batch, for whose dead letters there is no place, is no fault of the
            // database, which may take the batches of other workers.
            concluded(isWell: error.failure == nil)
            enter(.connecting)
            retries.failed(at: now)
        }
    }

    /// Closes the session and forgets all packets of the worker: the batches and the queue. They
    /// are read again after the next claim.
    private func abandonSession() {
        session.close()
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

private func hostName() -> String {
    var characters = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&characters, 255) == 0 else { return "unknown" }
    let bytes = characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
}
