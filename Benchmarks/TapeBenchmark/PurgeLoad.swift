import Glibc
import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport

/// The tape's publisher on all partitions but one, on a separate thread, at a rate that can be
/// changed while it runs. The remaining partition gets a packet at the start.
final class PurgePublisher: Sendable {
    /// As many packets as possible.
    static let full = Int.max

    /// The results since the last call.
    struct Figures {
        var latencies: [Int64] = []
        /// Packets that the tape refused, because it was full or for another reason. Each attempt
        /// counts.
        var refused: UInt64 = 0
        var problem: String?
    }

    /// Packets per second. At 0 it only waits for its answers.
    let rate = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    private let figures = Mutex(Figures())
    private let ticks: Int

    init(_ stage: Stage, ticks: Int) throws {
        self.ticks = ticks
        let (client, names, source) = (try stage.client(), stage.names, stage.source)
        _ = try ServiceThread(name: "publisher") { [self] in
            do {
                try run(client, names, source)
            } catch {
                figures.withLock { $0.problem = "\(error)" }
            }
            client.close()
        }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    func take() throws -> Figures {
        let taken = figures.withLock { figures in
            defer { (figures.latencies, figures.refused) = ([], 0) }
            return figures
        }
        if let problem = taken.problem { throw Stage.Unusable(problem) }
        return taken
    }

    private func run(_ client: TapeClient, _ names: TapeNames, _ source: SourceName) throws {
        let traffic = try PurgeTraffic(client, names, source, ticks: ticks)
        while !isStopped.load(ordering: .relaxed) {
            let timeout = traffic.send(rate: rate.load(ordering: .relaxed))
            try traffic.receive(timeout: timeout)
            let (latencies, refused) = traffic.take()
            figures.withLock {
                $0.latencies += latencies
                $0.refused += refused
            }
        }
    }
}

/// The state that the publisher's thread owns.
private final class PurgeTraffic {
    private static let pollNanoseconds: Int64 = 50_000
    private static let lateNanoseconds: Int64 = 100_000_000

    private let mailbox = TapeMailbox(capacity: 4_096)
    private let publisher: TapePublisher
    private let clock = SystemClock()
    private let ticks: Int
    private let unsettled: [Counter]
    private var unsettledBefore: UInt64 = 0
    private var load = TickLoad()
    private var symbols: [[UInt32]] = []
    private var events: [TapeEvent] = []
    private var sentAt: [Int64]
    private var latencies: [Int64] = []
    private var due: Int64 = 0
    private var next = 1
    private var isIdleDone = false

    init(_ client: TapeClient, _ names: TapeNames, _ source: SourceName, ticks: Int) throws {
        self.ticks = ticks
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        unsettled = ["refused", "out_of_sequence", "timeout", "no_responders"].map {
            client.telemetry.metrics.counter(
                "mds_tape_publish_unsettled_total",
                "Packets that were not acknowledged at once, by reason.",
                labels: [("reason", $0)])
        }
        sentAt = Array(repeating: 0, count: Stage.partitions)
        for number in 0..<Stage.partitions {
            let partition = Partition(number)
            let lane = publisher.addLane(
                subject: names.ticks(partition, source), stream: names.tickStream(of: partition),
                builder: PacketBuilder(kind: .ticks, partition: partition, source: source))
            symbols.append(load.symbols.map { publisher.register($0, lane: lane) })
        }
        publisher.open()
    }

    private func publish(_ lane: Int) {
        sentAt[lane] = clock.monotonic().nanoseconds
        for _ in 0..<ticks { _ = publisher.append(load.next(symbols[lane]), lane: lane) }
        publisher.publish(lane: lane, watermark: load.trade.header.providerTime)
    }

    /// Lane 0 belongs to the idle partition.
    private func free() -> Int? {
        for offset in 0..<(symbols.count - 1) {
            let lane = 1 + (next - 1 + offset) % (symbols.count - 1)
            if publisher.isReady(lane: lane) { return lane }
        }
        return nil
    }

    /// Sends what is due. Returns how long to wait for answers.
    func send(rate: Int) -> Duration {
        if !isIdleDone, publisher.isReady(lane: 0) {
            publish(0)
            isIdleDone = true
        }
        guard rate > 0 else { return .milliseconds(5) }
        guard rate < PurgePublisher.full else {
            while let lane = free() { publish(lane) }
            return .milliseconds(5)
        }
        let now = clock.monotonic().nanoseconds
        // Packets that were not sent during a pause are not sent later.
        if due < now - Self.lateNanoseconds { due = now }
        while now >= due, let lane = free() {
            publish(lane)
            next = lane + 1
            due += 1_000_000_000 / Int64(rate)
        }
        // A wait for messages has a resolution of milliseconds; the pace is finer.
        guard due > now, due < now + 1_000_000 else { return .milliseconds(1) }
        usleep(useconds_t(min(due - now, Self.pollNanoseconds) / 1_000))
        return .zero
    }

    func receive(timeout: Duration) throws {
        try publisher.takeAnswers(mailbox, &events, timeout: timeout)
        let answered = clock.monotonic().nanoseconds
        for packet in publisher.acknowledged where packet.header.tickCount > 0 {
            latencies.append(answered - sentAt[packet.lane])
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
    }

    /// Returns the results since the last call.
    func take() -> (latencies: [Int64], refused: UInt64) {
        let sum = unsettled.reduce(0) { $0 + $1.value }
        defer {
            latencies.removeAll(keepingCapacity: true)
            unsettledBefore = sum
        }
        return (latencies, sum - unsettledBefore)
    }
}

/// Two groups. One reads all partitions and publishes its positions, as services do. The other
/// publishes the same positions, and then stops publishing.
final class PurgeGroups: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let isSilent = Atomic<Bool>(false)
    private let problem = Mutex<String?>(nil)
    let reader: GroupName
    let silent: GroupName

    init(_ stage: Stage, reader: GroupName, silent: GroupName) throws {
        (self.reader, self.silent) = (reader, silent)
        let (client, names) = (try stage.client(), stage.names)
        _ = try ServiceThread(name: "groups") { [self] in
            do {
                try run(client, names)
            } catch {
                problem.withLock { $0 = "\(error)" }
            }
            client.close()
        }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }
    func silence() { isSilent.store(true, ordering: .relaxed) }

    func check() throws {
        if let problem = problem.withLock({ $0 }) { throw Stage.Unusable(problem) }
    }

    private func run(_ client: TapeClient, _ names: TapeNames) throws {
        let mailbox = TapeMailbox(capacity: 4_096)
        client.notify(mailbox)
        let readers = try TapeReaders(client, group: reader.text, mailbox: mailbox)
        for number in 0..<Stage.partitions {
            let partition = Partition(number)
            let watermarks = names.watermarks(
                stream: names.streamIndex(of: partition))
            let lane = readers.add(
                TapeReaders.Input(
                    partition: partition, stream: names.tickStream(of: partition),
                    filters: [names.ticks(partition), watermarks]))
            readers.open(lane, at: nil)
        }
        let reporter = try PositionReporter(client, group: reader.text)
        var other: PositionReporter? = try PositionReporter(client, group: silent.text)
        let clock = SystemClock()
        var events: [TapeEvent] = []
        while !isStopped.load(ordering: .relaxed) {
            _ = mailbox.receive(into: &events, max: 256, timeout: .milliseconds(20))
            for event in events {
                switch event {
                case .delivery(let message): readers.handle(message) { _, _, _ in }
                case .closed(let reason): throw Stage.Unusable(reason)
                case .answer, .reconnected, .wake: continue
                }
            }
            events.removeAll(keepingCapacity: true)
            readers.timePassed()
            if let stopped = readers.indices.lazy.compactMap({ readers.problem($0) }).first {
                throw Stage.Unusable("a reader stopped: \(stopped)")
            }
            let now = clock.monotonic()
            let positions = { Self.positions(readers) }
            reporter.report(now: now, positions)
            if isSilent.load(ordering: .relaxed) { other = nil }
            other?.report(now: now, positions)
        }
        readers.close()
    }

    private static func positions(_ readers: TapeReaders) -> [ReaderPosition] {
        readers.indices.compactMap { reader in
            readers.position(reader).map {
                ReaderPosition(
                    partition: Partition(reader), input: .ticks, sequence: $0.sequence,
                    durable: $0.sequence, sources: $0.sources, proof: ReaderPosition.Proof($0))
            }
        }
    }
}
