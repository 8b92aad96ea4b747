import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
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
    let log = CapturedLog()
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
        let logger = Logger(service: "test", level: .debug, format: .json, sink: log.sink)
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

    /// Makes the source's lane in the partition, with one symbol.
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

    /// Makes and opens lanes and readers of as many partitions.
    func open(lanes: Int) throws {
        for partition in 0..<lanes {
            try addLane(partition)
            addReader(partition)
        }
        publisher.open()
        for reader in 0..<lanes { readers.open(reader, at: nil) }
    }

    /// Makes a reader of the partition's ticks, and of its stream's watermarks if it shares a
    /// consumer.
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

    /// Appends ticks, whose provider ids count from 1.
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

    /// Publishes packets of `ticks` ticks each on lane 0, and waits until its reader has taken all.
    func pass(_ count: Int, ticks: Int = 1, _ location: SourceLocation = #_sourceLocation) {
        #expect(publishPackets(count, lane: 0, ticks: ticks), sourceLocation: location)
        #expect(
            run { hasTakenAll(0) }, "\(takenIDs[0].count) of \(offered[0])",
            sourceLocation: location)
    }

    /// Holds reader 0 and publishes packets, which come to it and wait.
    func hold(_ packets: Int, _ location: SourceLocation = #_sourceLocation) {
        readers.hold(0)
        let sent = delivered[0]
        #expect(publishPackets(packets, lane: 0), sourceLocation: location)
        #expect(run { delivered[0] == sent + packets }, sourceLocation: location)
    }

    /// Publishes what may be no packet.
    func publish(_ text: String, to subject: String) throws {
        try client.connection.publish(Array(text.utf8), to: subject)
    }

    /// Publishes a packet of a marker alone, as another writer of the source in partition 0 would.
    func publishMarker(
        of source: SourceName, startOrdinal: UInt64, firstOrdinal: UInt64, epoch: UInt64,
        previous: (epoch: UInt64, sequence: UInt64) = (0, 0)
    ) throws {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
        let marker = EpochMarker(
            startOrdinal: startOrdinal, previousEpoch: previous.epoch,
            previousSequence: previous.sequence, definition: 0, generation: 0)
        let seal = PacketBuilder.Seal(
            epoch: epoch, firstOrdinal: firstOrdinal, watermark: .undefined, sendTime: .undefined)
        try builder.seal(seal, marker: marker).withBytes { bytes in
            try client.connection.publish(bytes, to: client.names.ticks(Partition(0), source))
        }
    }

    /// The metrics, as they are scraped.
    var page: String { String(decoding: client.telemetry.metrics.render(), as: UTF8.self) }

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

    /// Waits until everything offered is taken. Expects that it was taken once and in order, and
    /// that the ordinals agree.
    func expectTakenOnce(_ reader: Int, _ comment: String = "") {
        #expect(run { hasTakenAll(reader) }, "\(comment) reader \(reader)")
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
