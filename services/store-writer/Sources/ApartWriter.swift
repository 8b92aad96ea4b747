import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// Writes one group of tables at all inputs at which it waits apart, on a thread of its own:
///
///     own readers, from the group's position -> queue -> batch -> one transaction
///
/// It waits alone: for the blocked table, and for nothing that others wait for. It never passes the
/// common position, and its positions are those of the store: after an error that may have lost a
/// COMMIT, they are read again, and so is the tape. A transaction of an earlier owner or reading is
/// refused by the store (`advance_group`).
final class ApartWriter {
    /// The rows and bytes that wait at most. A packet may go beyond, and what the readers have
    /// asked for comes on top.
    private static let rowsMax = 20_000
    private static let bytesMax = 8 * 1_024 * 1_024
    private static let packetsMax = 4_096
    /// The rows of a transaction: few, so that one that is refused costs little.
    static let batchRowsMax = 5_000
    /// What a reader asks for at a time, and may keep while it is held.
    private static let pullBytes = 131_072
    private static let eventsPerTurn = 64
    private static let eventsMax = 1_024
    private static let idle = Duration.milliseconds(250)
    private static let turn = Duration.milliseconds(20)
    private static let retryFirst = Duration.milliseconds(250)
    private static let retryMax = Duration.seconds(5)
    /// When a reader that has stopped is opened again.
    private static let reopenNanoseconds: Int64 = 10_000_000_000

    /// One input at which the group waits apart.
    private struct Input {
        let epoch: Int64
        /// When the group went apart: later, it may have come back and gone again.
        let since: Timestamp
        /// The group's position in the store.
        var stored: SinkPosition
        /// When the tape took the last packet that was read.
        var tapeTime: Timestamp
        /// Since when its reader has stopped.
        var stoppedAt: MonotonicTime?
    }

    /// What was read and is not written, in the order of reading.
    private struct Queue {
        private(set) var packets: [QueuedPacket] = []
        private var rows = 0
        private var bytes = 0

        var isFull: Bool {
            rows >= ApartWriter.rowsMax || bytes >= ApartWriter.bytesMax
                || packets.count >= ApartWriter.packetsMax
        }
        var isLow: Bool {
            rows <= ApartWriter.rowsMax / 2 && bytes <= ApartWriter.bytesMax / 2
                && packets.count <= ApartWriter.packetsMax / 2
        }

        mutating func append(_ packet: QueuedPacket) {
            packets.append(packet)
            rows += packet.rows
            bytes += packet.bytes
        }

        mutating func remove(where isGone: (_ index: Int, QueuedPacket) -> Bool) {
            packets = packets.enumerated().filter { !isGone($0.offset, $0.element) }.map(\.element)
            rows = packets.reduce(0) { $0 + $1.rows }
            bytes = packets.reduce(0) { $0 + $1.bytes }
        }
    }

    /// When the next transaction may begin, and how many rows it has at most.
    private struct Retries {
        var at = MonotonicTime.distantPast
        private(set) var rowsMax = ApartWriter.batchRowsMax
        private var backoff = Backoff(
            first: ApartWriter.retryFirst, limit: ApartWriter.retryMax)
        private var random = SystemRandomNumberGenerator()

        mutating func succeeded() {
            backoff.reset()
            at = .distantPast
            rowsMax = min(rowsMax + rowsMax / 8 + 1, ApartWriter.batchRowsMax)
        }

        mutating func failed(at now: MonotonicTime) {
            at = now.advanced(by: backoff.next(using: &random))
        }

        mutating func halve(_ rows: Int) { rowsMax = max(1, min(rowsMax, rows) / 2) }
    }

    private struct Tape {
        let mailbox: TapeMailbox
        let readers: TapeReaders
        /// By input, the number of its reader.
        var readerOf: [Int: Int] = [:]
        var inputOf: [Int] = []
    }

    private let group: TableGroup
    private let parts: StoreWorker.Parts
    private let client: TapeClient
    private let beat: ThreadBeat
    private let session: any StoreSession
    private let sinks: SinkCatalogue
    private let clock = SystemClock()
    private var tape: Tape?
    private var inputs: [Int: Input] = [:]
    private var queue = Queue()
    private var isHeld = false
    private var retries = Retries()
    private var back = ApartReturn()
    /// When the group went apart last, as far as it is known here.
    private var lastLeft = Timestamp(nanoseconds: .min)
    private var events: [TapeEvent] = []

    /// `nil` when the store writes all tables together.
    init?(_ group: TableGroup, _ parts: StoreWorker.Parts, _ client: TapeClient) {
        let beat = parts.context.threads.thread(
            "apart-\(group.rawValue)", within: ThreadWatch.callLimit)
        guard
            let session = parts.store.session(
                of: group, owner: StoreWorker.newOwner(thread: 0), beat: beat)
        else {
            beat.retire()
            return nil
        }
        self.group = group
        self.parts = parts
        self.client = client.calling(beat)
        self.beat = beat
        self.session = session
        sinks = SinkCatalogue(
            group.tables.intersection(parts.settings.sinks.sinks.map(\.name)))
    }

    // MARK: the loop

    /// Runs until `isOver`. What is not written stays on the tape.
    func run(until isOver: () -> Bool) {
        defer {
            session.close()
            tape?.readers.close()
            beat.retire()
        }
        while !isOver() {
            beat.beat()
            let tasks = parts.groups.tasks(group)
            follow(tasks)
            guard !tasks.isEmpty else {
                rest()
                continue
            }
            read()
            write(tasks)
        }
    }

    /// Waits for tasks, without a session.
    private func rest() {
        session.close()
        if let tape {
            _ = tape.mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: .zero)
            events.removeAll(keepingCapacity: true)
        }
        parts.groups.wait(group, Self.idle)
    }

    /// Forgets inputs that are not to be written any more, and begins others at their positions in
    /// the store.
    private func follow(_ tasks: [Int: ApartBoard.Task]) {
        if let newest = parts.groups.lastLeft(group), newest > lastLeft {
            lastLeft = newest
            back.left(at: clock.monotonic())
        }
        for (input, state) in inputs {
            let task = tasks[input]
            if task?.epoch != state.epoch || task?.reason.since != state.since { forget(input) }
        }
        let begun = tasks.filter { inputs[$0.key] == nil }
        let now = clock.monotonic()
        guard !begun.isEmpty, now >= retries.at, parts.gate.isOpen(now: now) else { return }
        do {
            try session.open()
            let rows = try session.read(begun.keys.map { InputNumber.place($0) })
            for row in rows {
                let input = InputNumber.of(row.place)
                // Another epoch is that of a claim, of which the worker tells soon.
                guard let task = begun[input], task.epoch == row.position.ownerEpoch else {
                    continue
                }
                try open(input, row.position, since: task.reason.since)
            }
            parts.groups.advanced(group, inputs.mapValues(\.stored))
            // Those that are left are asked for again later.
            if begun.keys.contains(where: { inputs[$0] == nil }) {
                retries.at = now.advanced(by: Self.retryFirst)
            }
        } catch {
            refused("\(error)", nil)
            restart()
        }
    }

    private func open(
        _ input: Int, _ position: SinkPosition, since: Timestamp
    ) throws(TapeError) {
        var tape: Tape
        if let present = self.tape { tape = present } else { tape = try makeTape() }
        let reader = tape.readerOf[input] ?? add(input, to: &tape)
        self.tape = tape
        inputs[input] = Input(
            epoch: position.ownerEpoch, since: since, stored: position, tapeTime: position.tapeTime)
        tape.readers.open(reader, at: position.position)
        if isHeld { tape.readers.hold(reader) }
    }

    private func makeTape() throws(TapeError) -> Tape {
        let mailbox = TapeMailbox(capacity: Self.eventsMax)
        client.notify(mailbox)
        return Tape(
            mailbox: mailbox,
            readers: try TapeReaders(
                client, group: parts.settings.store.text, mailbox: mailbox, takesDamaged: true,
                pullBytes: Self.pullBytes))
    }

    private func add(_ input: Int, to tape: inout Tape) -> Int {
        let place = InputNumber.place(input)
        let names = client.names
        var source =
            place.input == .ticks
            ? TapeReaders.Input(
                partition: place.partition, stream: names.tickStream(of: place.partition),
                filters: [names.ticks(place.partition)])
            : TapeReaders.Input(
                partition: place.partition, stream: names.barStream,
                filters: names.derived(place.partition))
        source.role = "of the tables of \(group.rawValue)"
        source.mayBeLetGo = !parts.settings.isNeeded
        let reader = tape.readers.add(source)
        tape.readerOf[input] = reader
        tape.inputOf.append(input)
        return reader
    }

    private func forget(_ input: Int) {
        inputs[input] = nil
        if let tape, let reader = tape.readerOf[input] { tape.readers.close(reader) }
        queue.remove { _, packet in packet.input == input }
    }

    /// Gives the session up, and reads all inputs again from their positions in the store.
    private func restart() {
        session.close()
        for input in inputs.keys.map(\.self) { forget(input) }
    }

    // MARK: reading

    private func read() {
        guard let tape else { return parts.groups.wait(group, Self.turn) }
        _ = tape.mailbox.receive(
            into: &events, max: Self.eventsPerTurn, timeout: Self.turn)
        for event in events {
            switch event {
            case .delivery(let message): tape.readers.handle(message, take)
            case .reconnected: tape.readers.reconnected()
            case .closed, .answer, .wake: continue
            }
        }
        events.removeAll(keepingCapacity: true)
        tape.readers.timePassed()
        release()
        noteStopped(tape)
    }

    /// Reports readers that have stopped, and opens them again after a while. The group continues
    /// at its other inputs.
    private func noteStopped(_ tape: Tape) {
        let now = clock.monotonic()
        for (reader, input) in tape.inputOf.enumerated() where inputs[input] != nil {
            guard let problem = tape.readers.problem(reader) else {
                guard inputs[input]?.stoppedAt == nil, tape.readers.isReading(reader) else {
                    continue
                }
                parts.groups.problem(group, input, nil)
                continue
            }
            let since = inputs[input]?.stoppedAt ?? now
            if inputs[input]?.stoppedAt == nil {
                parts.groups.problem(group, input, "\(problem)")
            }
            inputs[input]?.stoppedAt = since
            if now - since >= Self.reopenNanoseconds { forget(input) }
        }
    }

    private func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        guard let tape, let position = tape.readers.position(reader) else { return }
        let input = tape.inputOf[reader]
        guard inputs[input] != nil else { return }
        if let taken = message.withReplyTo({ PulledMessage(ofReplySubject: $0)?.time }) {
            let known = inputs[input]?.tapeTime ?? .undefined
            inputs[input]?.tapeTime = known.isDefined ? max(known, taken) : taken
        }
        let packet = QueuedPacket(
            input: input, reading: 0, position: position, header: header, message: message,
            count: message.withPayload { sinks.count($0, header) },
            tapeTime: inputs[input]?.tapeTime ?? .undefined)
        queue.append(packet)
        guard queue.isFull else { return }
        isHeld = true
        for reader in tape.inputOf.indices { tape.readers.hold(reader) }
    }

    /// Reads on when half of what may wait is written.
    private func release() {
        guard isHeld, let tape, queue.isLow else { return }
        isHeld = false
        for reader in tape.inputOf.indices where !isHeld { tape.readers.release(reader, take) }
    }

    // MARK: writing

    private func write(_ tasks: [Int: ApartBoard.Task]) {
        let now = clock.monotonic()
        guard now >= retries.at, parts.gate.isOpen(now: now) else { return }
        let chosen = choose(tasks)
        guard !chosen.isEmpty else { return comeBack(tasks) }
        let batch = batch(chosen)
        let started = clock.monotonic()
        var settled: [Int: SinkPosition] = [:]
        do throws(StoreError) {
            try session.open()
            try session.makeAll(try session.missingDays(of: batch))
            let outcome = try session.write(batch) { outcome in
                settled = batch.advanced(by: outcome) { inputs[$0]?.stored }
                for input in settled.keys {
                    settled[input]?.apart.cameFrom = inputs[input]?.stored.position?.sequence ?? 0
                }
                return settled.sorted { $0.key < $1.key }.map(\.value)
            }
            let time = clock.monotonic() - started
            // The worker has counted what is not of the group.
            var counted = outcome
            counted.skipped = [:]
            parts.metrics.written(batch, counted, seconds: Double(time) / 1e9, now: clock.now())
            let table = parts.groups.blockedTable(group)
            if table.map({ outcome.rows[$0, default: 0] > 0 }) ?? true {
                back.wrote(time, at: clock.monotonic())
            }
            written(chosen, settled, tasks)
        } catch {
            parts.metrics.errors.add()
            if error.failure?.isTooMuchAtOnce == true { retries.halve(batch.rows) }
            refused("\(error)", error.blockedTable)
            // After a refusal nothing is lost, and the same packets are tried again.
            if !session.isOpen || error.blockedTable == nil { restart() }
        }
    }

    /// Returns the indices of the next packets: none passes its input's common position.
    private func choose(_ tasks: [Int: ApartBoard.Task]) -> [Int] {
        var chosen: [Int] = []
        var count = 0
        for (index, packet) in queue.packets.enumerated() {
            guard let limit = tasks[packet.input]?.limit,
                limit.streamCreated == packet.position.streamCreated,
                packet.position.sequence <= limit.sequence
            else { continue }
            guard chosen.isEmpty || count + packet.rows <= retries.rowsMax else { break }
            chosen.append(index)
            count += packet.rows
        }
        return chosen
    }

    private func batch(_ chosen: [Int]) -> WriteBatch {
        var batch = WriteBatch()
        batch.store = parts.settings.store.text
        batch.group = group
        batch.blocked = parts.groups.blockedTable(group)
        for index in chosen {
            let packet = queue.packets[index]
            switch packet.content {
            case .packet(let header, let message):
                let stored = inputs[packet.input]?.stored.account(header.source)?.lastOrdinal
                batch.add(
                    WriteBatch.Item(
                        input: packet.input, header: header, message: message,
                        position: packet.position, storedOrdinal: stored ?? 0, rows: packet.rows,
                        tapeTime: packet.tapeTime))
            case .rowless(let run):
                batch.add(
                    run, input: packet.input, position: packet.position, tapeTime: packet.tapeTime)
            }
        }
        return batch
    }

    private func written(
        _ chosen: [Int], _ settled: [Int: SinkPosition], _ tasks: [Int: ApartBoard.Task]
    ) {
        for (input, position) in settled {
            inputs[input]?.stored = position
            inputs[input]?.stored.isOnStandby = session.isOnStandby
            inputs[input]?.stored.forgetBatch()
        }
        let done = Set(chosen)
        queue.remove { index, _ in done.contains(index) }
        retries.succeeded()
        parts.groups.advanced(
            group, inputs.filter { settled[$0.key] != nil }.mapValues(\.stored))
        comeBack(tasks)
    }

    /// Lets the workers take the group back where it is at the common positions.
    private func comeBack(_ tasks: [Int: ApartBoard.Task]) {
        guard parts.groups.isBlocked(group) else { return }
        // An input whose reader has stopped does not hold up the others.
        let isLevel = tasks.allSatisfy { input, task in
            inputs[input]?.stoppedAt != nil
                || inputs[input]?.stored.position?.sequence == task.limit.sequence
        }
        let now = clock.monotonic()
        guard back.mayReturn(isLevel: isLevel, at: now),
            parts.groups.unblocked(group, seen: lastLeft)
        else { return }
        back.returned(at: now)
    }

    private func refused(_ text: String, _ table: SinkName?) {
        retries.failed(at: clock.monotonic())
        back.refused()
        parts.groups.refused(group, text, by: table)
    }
}
