import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// A service's data-plane thread in small: a publisher and readers on one mailbox, driven by the
/// test. Lane and reader of the same number belong together.
final class TapeRig {
    /// The server ends with the last reference to it.
    let server: NatsServer
    let client: TapeClient
    let mailbox = TapeMailbox(capacity: 8_192)
    let publisher: TapePublisher
    let readers: TapeReaders
    let log = LogLines()
    let readiness = Readiness()
    let source: SourceName

    /// Per reader: the headers that it passed on, in order.
    var taken: [[PacketHeader]] = []
    /// Per reader: the provider ids of those ticks.
    var takenIDs: [[UInt64]] = []
    /// The gap records among them, with their ordinals.
    var gaps: [(gap: GapRecord, header: PacketHeader, ordinal: UInt64)] = []
    /// Per lane: the number of offered ticks.
    var offered: [UInt64] = []
    /// Per reader: packets that the server sent, taken or not.
    var delivered: [Int] = []
    /// Packets that shared consumers brought.
    var deliveredShared = 0
    var closed: String?
    var reconnects = 0
    var onTake: ((Int) -> Void)?
    var onAcknowledge: ((TapePublisher.Acknowledged) -> Void)?
    private(set) var symbols: [UInt32] = []
    private var events: [TapeEvent] = []

    /// `url` is another way to the server than the direct one.
    convenience init(
        _ server: NatsServer, names: TapeNames, source: String = "sim",
        url: String? = nil, pullBytes: Int = ReaderLane.pullBytes
    ) throws {
        try self.init(
            server, NatsConfiguration(urls: [url ?? server.url], clientName: "test"), names,
            source: source, pullBytes: pullBytes)
    }

    init(
        _ server: NatsServer, _ configuration: NatsConfiguration, _ names: TapeNames,
        source: String = "sim", pullBytes: Int = ReaderLane.pullBytes
    ) throws {
        self.server = server
        self.source = try #require(SourceName(source))
        let lines = log
        let logger = Logger(
            service: "test", level: .debug, format: .json,
            sink: LogSink {
                lines.add($0)
                return true
            })
        client = try TapeClient(
            configuration, names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: readiness)
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        readers = try TapeReaders(
            client, group: "test", mailbox: mailbox, pullBytes: pullBytes,
            shareInterval: .milliseconds(20))
    }

    deinit { client.close() }

    // MARK: making

    func addLane(_ partition: Int, growth: PacketGrowth = .usual) throws {
        let partition = Partition(partition)
        let lane = publisher.addLane(
            subject: client.names.ticks(partition, source),
            stream: client.names.tickStream(of: partition),
            builder: PacketBuilder(
                kind: .ticks, partition: partition, source: source, growth: growth))
        symbols.append(
            publisher.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("AAPL")), provider: "sim",
                    since: Timestamp(nanoseconds: 0)), lane: lane))
        offered.append(0)
    }

    @discardableResult
    func addReader(_ partition: Int, sharesConsumer: Bool = false) -> Int {
        let partition = Partition(partition)
        let watermarks = client.names.watermarks(stream: client.names.streamIndex(of: partition))
        taken.append([])
        takenIDs.append([])
        delivered.append(0)
        return readers.add(
            TapeReaders.Input(
                partition: partition, stream: client.names.tickStream(of: partition),
                filters: [client.names.ticks(partition)] + (sharesConsumer ? [watermarks] : []),
                sharesConsumer: sharesConsumer))
    }

    // MARK: driving

    func offer(_ lane: Int, ticks: Int = 1) {
        for _ in 0..<ticks {
            let time = Timestamp(nanoseconds: Int64(offered[lane]))
            let trade = Trade(
                header: TickHeader(
                    symbol: symbols[lane], providerTime: time, receiveTime: time,
                    providerID: offered[lane] + 1),
                price: Price(raw: 1), size: Quantity(raw: 1))
            guard publisher.append(trade, lane: lane) else { return }
            offered[lane] += 1
        }
    }

    /// Does one turn of the thread.
    func turn(_ timeout: Duration = .milliseconds(5)) {
        _ = mailbox.receive(into: &events, max: 256, timeout: timeout)
        for event in events {
            switch event {
            case .answer(let message): publisher.handle(message)
            case .delivery(let message):
                count(message)
                readers.handle(message, take)
            case .reconnected:
                reconnects += 1
                readers.reconnected()
            case .closed(let reason): closed = reason
            case .wake: continue
            }
        }
        events.removeAll(keepingCapacity: true)
        publisher.timePassed()
        readers.timePassed()
        for lane in offered.indices
        where publisher.isReady(lane: lane) && publisher.waitingTicks(lane: lane) > 0 {
            publisher.publish(lane: lane, watermark: .undefined)
        }
        if let onAcknowledge { publisher.acknowledged.forEach(onAcknowledge) }
        publisher.acknowledged.removeAll()
    }

    /// Turns until `condition` is true. The deadline only bounds a failing test.
    func run(within seconds: Double = 120, until condition: () -> Bool) -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !condition() {
            guard ContinuousClock.now < deadline else { return false }
            turn()
        }
        return true
    }

    /// Continues for this time, whatever happens.
    func run(for milliseconds: Int) {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while ContinuousClock.now < end { turn() }
    }

    /// Publishes packets of `ticks` ticks each.
    func publishPackets(_ count: Int, lane: Int, ticks: Int = 1) -> Bool {
        for _ in 0..<count {
            offer(lane, ticks: ticks)
            guard run(until: { publisher.isIdle(lane: lane) }) else { return false }
        }
        return true
    }

    func take(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        taken[reader].append(header)
        message.withPayload { packet in
            var cursor = RecordCursor()
            while let record = cursor.next(in: packet) {
                if case .trade(let trade) = record {
                    takenIDs[reader].append(trade.header.providerID)
                } else if case .other(let message) = record,
                    let gap = message.gapRecord(in: packet)
                {
                    let ordinal = header.firstOrdinal + UInt64(cursor.tickCount) - 1
                    gaps.append((gap, header, ordinal))
                }
            }
        }
        onTake?(reader)
    }

    func release(_ reader: Int) { readers.release(reader, take) }

    /// The consumer's name ends with reader and number.
    private func count(_ message: NatsMessage) {
        guard message.status == nil, let reply = message.replyTo.map({ Array($0.utf8) }),
            let place = reply.withRawSpan({ PulledMessage(ofReplySubject: $0) })
        else { return }
        let parts = String(decoding: reply[place.consumer], as: UTF8.self).split(separator: "-")
        guard parts.count > 2, let reader = Int(parts[parts.count - 2]) else { return }
        if delivered.indices.contains(reader) {
            delivered[reader] += 1
        } else {
            deliveredShared += 1
        }
    }

    // MARK: invariants

    func hasTakenAll(_ reader: Int) -> Bool { takenIDs[reader].count >= offered[reader] }

    /// Checks that everything offered was taken, once and in order, and that the ordinals agree.
    func auditOnce(_ reader: Int, _ comment: String = "") {
        let all = offered[reader] > 0 ? Array(1...offered[reader]) : []
        #expect(takenIDs[reader] == all, "\(comment) reader \(reader)")
        var next: UInt64 = 1
        for header in taken[reader] {
            #expect(header.firstOrdinal == next, "\(comment) reader \(reader)")
            next = header.nextOrdinal
        }
        #expect(readers.problem(reader) == nil, "\(comment) reader \(reader)")
        #expect(
            readers.position(reader)?.source(source)?.lastOrdinal == next - 1,
            "\(comment) reader \(reader)")
    }
}

/// The log of one rig.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: [UInt8]) {
        lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
    }

    func count(_ text: String) -> Int { lines.withLock { $0.count { $0.contains(text) } } }
    func lines(with text: String) -> [String] {
        lines.withLock { $0.filter { $0.contains(text) } }
    }
}
