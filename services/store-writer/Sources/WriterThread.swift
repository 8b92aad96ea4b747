import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import Telemetry

/// One thread of the writer: reads its partitions of the tape and writes them to the database.
///
///     readers (ticks and bars of each partition) -> batch -> one transaction: rows, positions
///
/// While a write is under way the next batch grows in the mailbox; what does not fit there stays on
/// the tape, because no more is pulled than was taken.
final class WriterThread {
    private static let eventsPerTurn = 64
    private static let waitMax = Duration.milliseconds(20)
    private static let retryFirst = Duration.milliseconds(100)
    private static let retryMax = Duration.seconds(10)
    private static let reportNanoseconds: Int64 = 100_000_000
    /// How often the row of a reader that stopped is looked at: a person may have accepted.
    private static let lookNanoseconds: Int64 = 1_000_000_000

    /// One input of one partition; its reader has the same number.
    struct Input {
        let kind: SinkInput
        let partition: Partition
        /// As it stands in the database.
        var stored: SinkPosition?
        /// Another writer owns it: nothing more is read or written.
        var isFenced = false
    }

    private let number: Int
    private let settings: WriterSettings
    private let client: TapeClient
    private let context: ServiceContext
    private let report: WriterReport
    private let clock = SystemClock()
    private let mailbox = TapeMailbox(capacity: 16_384)
    private let readers: TapeReaders
    private let store: Store
    private let metrics: WriterMetrics
    private let positions: PositionTeller
    private var inputs: [Input] = []
    private var batch = WriteBatch()
    private var backoff = Backoff(first: WriterThread.retryFirst, limit: WriterThread.retryMax)
    private var random = SystemRandomNumberGenerator()
    private var reportedAt = Int64.min
    private var lookedAt = Int64.min
    private let part: String

    init(
        _ number: Int, partitions: [Partition], settings: WriterSettings, client: TapeClient,
        context: ServiceContext, report: WriterReport
    ) throws {
        self.number = number
        self.settings = settings
        self.client = client
        self.context = context
        self.report = report
        part = Self.part(number)
        metrics = WriterMetrics(context.telemetry.metrics)
        store = Store(settings, thread: number)
        positions = try PositionTeller(client, group: "writer")
        client.notify(mailbox)
        readers = try TapeReaders(
            client, group: "writer", mailbox: mailbox)
        for partition in partitions { add(partition) }
    }

    /// What readiness calls the session of a thread.
    static func part(_ number: Int) -> String { "database \(number)" }

    private func add(_ partition: Partition) {
        let names = client.names
        inputs.append(Input(kind: .ticks, partition: partition))
        _ = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.tickStream(of: partition),
                filters: [names.ticks(partition)]))
        inputs.append(Input(kind: .bars, partition: partition))
        _ = readers.add(
            TapeReaders.Input(
                partition: partition, stream: names.barStream, filters: [names.bars(partition)]))
    }

    // MARK: the loop

    /// Runs until shutdown is asked for. An exit code says that the service has to end.
    func run() -> ExitCode {
        var events: [TapeEvent] = []
        while !context.shutdown.isRequested {
            guard connected() else { continue }
            let room = batch.isFull ? 0 : Self.eventsPerTurn
            if room > 0 {
                _ = mailbox.receive(into: &events, max: room, timeout: wait)
                if let ending = handle(&events) { return ending }
            }
            readers.tick()
            if isDue { write() }
            lookAtStopped()
            tell()
        }
        // What was read and not written is read again at the next start; the batch at hand is
        // written, so that the next start has less to do.
        if store.isConnected, !batch.isEmpty { write() }
        readers.close()
        store.close()
        return .success
    }

    private var wait: Duration {
        guard !batch.isEmpty else { return Self.waitMax }
        let due = batch.since + settings.batchWaitNanoseconds
        return min(
            Self.waitMax, .nanoseconds(max(0, due - clock.monotonic().nanoseconds)))
    }

    private var isDue: Bool {
        guard !batch.isEmpty else { return false }
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

    private func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        guard let position = readers.position(reader), !inputs[reader].isFenced else { return }
        let stored = inputs[reader].stored?.account(header.source)?.lastOrdinal
        batch.add(
            WriteBatch.Item(
                input: reader, header: header, message: message, position: position,
                storedOrdinal: stored ?? 0),
            now: clock.monotonic().nanoseconds)
    }

    // MARK: the database

    /// True when there is a session and every reader is open at its position.
    private func connected() -> Bool {
        if store.isConnected { return true }
        do {
            try store.connect()
            for index in inputs.indices where !inputs[index].isFenced { try open(index) }
            backoff.reset()
            // First: able to work is who knows that the tape is still the one of the positions.
            tellReaders()
            context.readiness.set(part, nil)
            context.telemetry.emit(StoreOpened(thread: number))
            return true
        } catch {
            failed(error)
            return false
        }
    }

    /// Claims the partition, and after a lost session again, unless another writer has it: the
    /// session that was lost may still be about to commit. The claim waits for it or fences it;
    /// reading alone could miss its rows and write them a second time.
    private func open(_ index: Int) throws {
        let input = inputs[index]
        if let known = input.stored {
            let found = try store.read(input.kind, input.partition)
            if found.ownerEpoch != known.ownerEpoch, found.owner != store.owner {
                fence([index], "another writer claimed it")
                return
            }
        }
        let found = try store.claim(input.kind, input.partition)
        inputs[index].stored = found
        readers.close(index)
        readers.open(index, at: found.position)
    }

    private func write() {
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

    /// Some partition of the batch has a new owner, or another position by a person's hand: finds
    /// out which, drops those, keeps the rest.
    private func dropFenced() {
        do {
            for index in Set(batch.items.map(\.input)).sorted() { try look(index) }
        } catch {
            failed(error)
        }
    }

    /// Rows of readers that have stopped, once a second.
    private func lookAtStopped() {
        let now = clock.monotonic().nanoseconds
        guard store.isConnected,
            lookedAt == Int64.min || now >= lookedAt + Self.lookNanoseconds
        else { return }
        lookedAt = now
        do {
            for index in inputs.indices
            where !inputs[index].isFenced && readers.problem(index) != nil {
                try look(index)
            }
        } catch {
            failed(error)
        }
    }

    /// Leaves the input if another writer owns it; reads on elsewhere if its position was accepted.
    private func look(_ index: Int) throws {
        let found = try store.read(inputs[index].kind, inputs[index].partition)
        guard found.ownerEpoch != inputs[index].stored?.ownerEpoch else { return }
        // What was read and not written is of the tape as it was.
        batch.remove(inputs: [index])
        guard found.owner == store.owner else {
            fence([index], "another writer claimed it")
            return
        }
        try open(index)
        context.telemetry.emit(
            PositionAccepted(
                input: name(index), sequence: inputs[index].stored?.position?.sequence ?? 0))
    }

    private func name(_ index: Int) -> String {
        "\(inputs[index].kind) of partition \(inputs[index].partition)"
    }

    private func tell(_ gaps: [SinkGap], of index: Int) {
        for gap in gaps { context.telemetry.emit(GapStored(input: name(index), gap: gap)) }
    }

    private func fence(_ taken: Set<Int>, _ reason: String) {
        for index in taken.sorted() {
            inputs[index].isFenced = true
            readers.close(index)
            context.readiness.set(name(index), reason)
            context.telemetry.emit(PartitionFenced(input: name(index)))
        }
    }

    /// Gives the session and what was read up, says why, and waits before the next try.
    private func failed(_ error: any Error) {
        store.close()
        batch.removeAll()
        for index in inputs.indices { readers.close(index) }
        context.readiness.set(part, "\(error)")
        context.telemetry.emit(StoreFailed(thread: number, reason: "\(error)"))
        _ = context.shutdown.wait(timeout: backoff.next(using: &random))
    }

    // MARK: report

    /// What the database holds, whatever becomes of the reader.
    private func told(_ input: Input) -> ReaderPosition? {
        guard let stored = input.stored, !input.isFenced else { return nil }
        return ReaderPosition(
            partition: input.partition, input: input.kind == .ticks ? .ticks : .bars,
            sequence: stored.position?.sequence ?? 0, durable: stored.position?.sequence ?? 0,
            sources: stored.sources.map { account in
                SourceOrdinal(
                    source: account.source,
                    epoch: stored.position?.source(account.source)?.epoch ?? 0,
                    lastOrdinal: account.lastOrdinal)
            }, proof: stored.position.map { ReaderPosition.Proof($0) })
    }

    /// How many positions are not proven yet.
    private func tellReaders() {
        let count = inputs.indices.count {
            !inputs[$0].isFenced && !readers.isReading($0) && readers.problem($0) == nil
        }
        context.readiness.set(
            "readers \(number)",
            count == 0 ? nil : "\(count) positions are being compared with the tape")
    }

    private func tell() {
        let now = clock.monotonic().nanoseconds
        guard reportedAt == Int64.min || now >= reportedAt + Self.reportNanoseconds else { return }
        reportedAt = now
        var lines: [WriterReport.Line] = []
        for index in inputs.indices {
            let input = inputs[index]
            let problem =
                input.isFenced
                ? "another writer owns it"
                : readers.problem(index).map {
                    "\($0) (see `tapeline position verify`; `accept` goes on)"
                }
            if !input.isFenced { context.readiness.set(name(index), problem) }
            lines.append(WriterReport.Line(input, problem: problem))
        }
        tellReaders()
        report.update(thread: number, lines)
        positions.tell(now: now) { inputs.compactMap(told) }
        metrics.queue(depth: mailbox.count + batch.items.count, thread: number)
    }
}
