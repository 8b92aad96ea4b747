import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import Telemetry

/// One thread of the writer: reads those of its partitions that are this process's, and writes them
/// to the database.
///
///     readers (ticks and bars of each partition) -> batch -> one transaction: rows, positions
///
/// While a write is under way the next batch grows in the mailbox; what does not fit there stays on
/// the tape, because no more is pulled than was taken. What it is to do about partitions comes by
/// its port: `WriterThread+Ownership`.
final class WriterThread {
    private static let eventsPerTurn = 64
    private static let waitMax = Duration.milliseconds(20)
    private static let retryFirst = Duration.milliseconds(100)
    private static let retryMax = Duration.seconds(10)

    let number: Int
    private let settings: WriterSettings
    let client: TapeClient
    let context: ServiceContext
    let report: WriterReport
    let clock = SystemClock()
    let mailbox: TapeMailbox
    let port: OwnershipPort
    let readers: TapeReaders
    let store: Store
    let metrics: WriterMetrics
    let positions: PositionTeller
    var inputs: [WriterInput] = []
    var slots: [PartitionSlot] = []
    var batch = WriteBatch()
    private var backoff = Backoff(first: WriterThread.retryFirst, limit: WriterThread.retryMax)
    private var random = SystemRandomNumberGenerator()
    /// The next try to reach the database.
    private var connectAt = Int64.min
    var reportedAt = Int64.min
    var lookedAt = Int64.min
    /// Taken from the port, and what it had no room for.
    var orders: [OwnershipOrder] = []
    var untold: [OwnershipNews] = []
    /// The process may act as an owner; asked once a turn.
    var isSteady = false
    let part: String

    init(
        _ number: Int, mailbox: TapeMailbox, port: OwnershipPort, settings: WriterSettings,
        client: TapeClient, context: ServiceContext, report: WriterReport,
        letters: DeadLetterDesk
    ) throws {
        self.number = number
        self.mailbox = mailbox
        self.port = port
        self.settings = settings
        self.client = client
        self.context = context
        self.report = report
        part = Self.part(number)
        metrics = WriterMetrics(context.telemetry.metrics)
        store = Store(settings, thread: number, letters: letters)
        positions = try PositionTeller(client, group: "writer")
        client.notify(mailbox)
        readers = try TapeReaders(
            client, group: "writer", mailbox: mailbox, takesDamaged: true)
        for partition in port.partitions.sorted() { add(partition) }
    }

    /// What readiness calls the session of a thread.
    static func part(_ number: Int) -> String { "database \(number)" }

    private func add(_ partition: Partition) {
        let names = client.names
        inputs.append(WriterInput(place: SinkPlace(input: .ticks, partition: partition)))
        let ticks = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.tickStream(of: partition),
                filters: [names.ticks(partition)]))
        inputs.append(WriterInput(place: SinkPlace(input: .bars, partition: partition)))
        let bars = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.barStream, filters: [names.bars(partition)]))
        slots.append(PartitionSlot(partition, inputs: [ticks, bars]))
    }

    // MARK: the loop

    /// Runs until `isOver`. An exit code says that the service has to end.
    func run(until isOver: () -> Bool) -> ExitCode {
        var events: [TapeEvent] = []
        while !isOver() {
            attend()
            connectIfDue()
            claimTaken()
            // Who stands still holds its readers: what comes waits there.
            let room = batch.isFull && isSteady ? 0 : Self.eventsPerTurn
            if room > 0 {
                _ = mailbox.receive(into: &events, max: room, timeout: wait)
                if let ending = handle(&events) { return ending }
            }
            readers.tick()
            if isDue { write() }
            lookAtStopped()
            tell()
        }
        // What was read and not written is read again by the next owner; the batch at hand is
        // written, so that it has less to do.
        attend()
        if isSteady, store.isConnected, !batch.isEmpty { write() }
        readers.close()
        store.close()
        return .success
    }

    private var wait: Duration {
        guard isSteady, !batch.isEmpty else { return Self.waitMax }
        let due = batch.since + settings.batchWaitNanoseconds
        return min(
            Self.waitMax, .nanoseconds(max(0, due - clock.monotonic().nanoseconds)))
    }

    private var isDue: Bool {
        guard isSteady, store.isConnected, !batch.isEmpty else { return false }
        return batch.rows >= settings.batchRows || batch.isFull
            || clock.monotonic().nanoseconds >= batch.since + settings.batchWaitNanoseconds
    }

    private func handle(_ events: inout [TapeEvent]) -> ExitCode? {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .delivery(let message): readers.handle(message, take)
            case .reconnected: readers.reconnected()
            case .closed(let reason):
                context.telemetry.emit(ConnectionGone(reason: reason))
                return .unavailable
            case .answer, .wake: continue
            }
        }
        return nil
    }

    func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        guard let position = readers.position(reader), inputs[reader].isOpen else { return }
        let stored = inputs[reader].stored?.account(header.source)?.lastOrdinal
        batch.add(
            WriteBatch.Item(
                input: reader, header: header, message: message, position: position,
                storedOrdinal: stored ?? 0),
            now: clock.monotonic().nanoseconds)
    }

    // MARK: the database

    /// What was owned in the session that is gone is claimed again by `claimTaken`.
    private func connectIfDue() {
        guard !store.isConnected, clock.monotonic().nanoseconds >= connectAt else { return }
        do {
            try store.connect()
            backoff.reset()
            // First: able to work is who knows that the tape is still the one of the positions.
            tellReaders()
            context.readiness.set(part, nil)
            context.telemetry.emit(StoreOpened(thread: number))
        } catch {
            failed(error)
        }
    }

    /// Writes the batch; afterwards it is empty, unless some of it has another owner by now.
    func write() {
        let started = clock.monotonic().nanoseconds
        var settled: [Int: SinkPosition] = [:]
        do throws(PostgresError) {
            let outcome = try store.write(batch) { outcome in
                settled = advanced(by: outcome)
                return settled.sorted { $0.key < $1.key }.map(\.value)
            }
            for (index, position) in settled {
                tell(position.gaps, of: index)
                inputs[index].stored = position
                inputs[index].stored?.gaps = []
            }
            metrics.written(
                batch, outcome, seconds: Double(clock.monotonic().nanoseconds - started) / 1e9,
                now: clock.now())
            batch.removeAll()
        } catch {
            metrics.errors.add()
            if error.category == .fenced {
                dropFenced()
            } else {
                failed(error)
            }
        }
    }

    /// The positions behind the batch.
    private func advanced(by outcome: BatchOutcome) -> [Int: SinkPosition] {
        var positions: [Int: SinkPosition] = [:]
        for (number, item) in batch.items.enumerated() {
            guard var position = positions[item.input] ?? inputs[item.input].stored else {
                continue
            }
            position.position = item.position
            position.add(item.header, outcome.counts[number])
            positions[item.input] = position
        }
        return positions
    }

    private func tell(_ gaps: [SinkGap], of index: Int) {
        for gap in gaps {
            context.telemetry.emit(GapStored(input: inputs[index].name, gap: gap))
        }
    }

    /// Gives the session and what was read up, says why, and waits before the next try: orders are
    /// taken meanwhile.
    func failed(_ error: any Error) {
        store.close()
        batch.removeAll()
        for index in inputs.indices { close(index) }
        for index in slots.indices { slots[index].sessionLost() }
        context.readiness.set(part, "\(error)")
        context.telemetry.emit(StoreFailed(thread: number, reason: "\(error)"))
        connectAt =
            clock.monotonic().nanoseconds + backoff.next(using: &random).wholeNanoseconds
    }

    /// What is stored stays known: the next session claims it again.
    func close(_ index: Int) {
        inputs[index].isOpen = false
        readers.close(index)
    }
}
