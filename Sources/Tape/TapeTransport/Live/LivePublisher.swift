package import NatsTransport
package import Primitives
package import ServiceRuntime
internal import Synchronization
package import TapeCodec
package import TapeProtocol

/// Sends the trades, quotes, bars and provider's bars of packets to live subscribers: core NATS,
/// best effort, JSON, one subject per symbol and source.
///
/// Messages are made for those subjects that somebody hears (`LiveHearing`). Offered packets wait
/// in a bounded queue for a thread that has a separate connection. When the queue is full, and
/// while there is no link, packets are dropped and counted. The tape still has them.
package final class LivePublisher: Sendable {
    /// The version of the messages.
    package static let version = 1
    /// The most packets that wait, and the most bytes of them.
    package static let packetsMax = 4_096
    package static let bytesMax = 16 * 1_024 * 1_024
    /// The most ticks of nodes that wait here. Further ones wait in their edges.
    package static let nodeTicksMax = 1_024

    private let queue: LiveQueue
    private let thread: ServiceThread

    /// Starts the thread. Never waits for NATS.
    package init(
        _ nats: NatsConfiguration, names: TapeNames, telemetry: TelemetryHub, threads: ThreadWatch
    ) throws(ServiceError) {
        let metrics = LiveMetrics(telemetry.metrics, packetsMax: Self.packetsMax)
        let queue = LiveQueue(packetsMax: Self.packetsMax, bytesMax: Self.bytesMax, metrics)
        self.queue = queue
        var nats = nats
        nats.clientName += "-live"
        nats.writesAtOnce = false
        let configuration = nats
        thread = try ServiceThread(name: "live") {
            let beat = threads.thread("live", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            LiveLoop(configuration, names: names, telemetry: telemetry, queue, metrics, beat).run()
        }
    }

    package convenience init(_ tape: TapeSettings, context: ServiceContext) throws(ServiceError) {
        try self.init(
            tape.nats, names: tape.names, telemetry: context.telemetry, threads: context.threads)
    }

    deinit { queue.close() }

    /// Whether no subject is heard, so that nothing that is offered now is sent.
    package var isQuiet: Bool { queue.isQuiet }

    /// Writes how many subjects had a message, and how many of them somebody hears.
    package func write(into json: inout JSONWriter) {
        json.member("subjects", queue.subjects.load(ordering: .relaxed))
        json.member("heard", queue.heard.load(ordering: .relaxed))
    }

    /// Copies the packet's bytes and returns immediately. Any thread may call it. A packet without
    /// ticks is ignored, and any while no subject is heard.
    package func offer(_ packet: SealedPacket) {
        guard packet.header.tickCount > 0, packet.header.kind != .watermark, !isQuiet else {
            return
        }
        queue.offer(packet)
    }

    /// The number of node ticks that `offer` has room for; 0 while there is no link. While no
    /// subject is heard, `offer` leaves them out. Only one thread may read it and offer node ticks,
    /// so that the room cannot shrink in between.
    package var nodeRoom: Int { queue.nodeRoom }

    /// Hands over at most `nodeRoom` ticks and returns immediately.
    package func offer(_ ticks: [LiveNodeTick]) {
        if !ticks.isEmpty, !isQuiet { queue.offer(ticks) }
    }

    /// Ends the thread and the connection. Waiting packets are sent if that is quick. Idempotent.
    package func close() {
        queue.close()
        _ = thread.join(timeout: LiveLoop.closeTimeout)
    }
}

/// The queue of the live thread, bounded in packets and bytes.
final class LiveQueue: Sendable {
    /// An entry of the queue: a packet of the tape, or ticks that a node passed on.
    struct Packet: Sendable {
        enum Content: Sendable {
            case packet([UInt8])
            case nodes([LiveNodeTick])
        }

        let content: Content
        let ticks: UInt64

        var byteCount: Int {
            if case .packet(let bytes) = content { bytes.count } else { 0 }
        }

        var nodeTicks: Int {
            if case .nodes(let ticks) = content { ticks.count } else { 0 }
        }
    }

    /// Whether there is a link to NATS. Set by the live thread.
    let isLinked = Atomic<Bool>(false)
    /// The monotonic time in nanoseconds until which no subject is heard; that and the counts of
    /// subjects are set by the live thread.
    let quietUntil = Atomic<Int64>(MonotonicTime.distantPast.nanoseconds)
    let subjects = Atomic<Int>(0)
    let heard = Atomic<Int>(0)

    private let clock = SystemClock()
    private let packets: Mailbox<Packet>
    /// Nothing is ever sent here; closing it ends waits.
    private let end = Mailbox<Never>(capacity: 1)
    private let waitingBytes = Atomic<Int>(0)
    private let waitingNodeTicks = Atomic<Int>(0)
    private let bytesMax: Int
    private let metrics: LiveMetrics
    private let refused = Atomic<UInt64>(0)

    init(packetsMax: Int, bytesMax: Int, _ metrics: LiveMetrics) {
        packets = Mailbox(capacity: packetsMax)
        self.bytesMax = bytesMax
        self.metrics = metrics
    }

    var count: Int { packets.count }
    var isClosed: Bool { packets.isClosed }
    /// The number of packets refused so far because the queue was full.
    var refusals: UInt64 { refused.load(ordering: .relaxed) }

    var isQuiet: Bool {
        clock.monotonic() < MonotonicTime(nanoseconds: quietUntil.load(ordering: .relaxed))
    }

    func close() {
        packets.close()
        end.close()
    }

    /// Waits this long so that packets accumulate, or until the queue is closed.
    func gather(for time: Duration) {
        var nothing: [Never] = []
        _ = end.receive(into: &nothing, max: 1, timeout: time)
    }

    func offer(_ packet: SealedPacket) {
        let ticks = UInt64(packet.header.tickCount)
        let bytes = packet.byteCount
        let waiting = waitingBytes.add(bytes, ordering: .relaxed).newValue
        if waiting <= bytesMax {
            let content = Packet.Content.packet(packet.withBytes { $0.array })
            if packets.send(Packet(content: content, ticks: ticks)) { return }
        }
        waitingBytes.subtract(bytes, ordering: .relaxed)
        refused.add(1, ordering: .relaxed)
        metrics.dropped[.full]?.add(ticks)
    }

    var nodeRoom: Int {
        guard isLinked.load(ordering: .relaxed), !isClosed, count < LivePublisher.packetsMax else {
            return 0
        }
        if isQuiet { return LivePublisher.nodeTicksMax }
        return LivePublisher.nodeTicksMax - waitingNodeTicks.load(ordering: .relaxed)
    }

    func offer(_ ticks: [LiveNodeTick]) {
        let count = UInt64(ticks.count)
        waitingNodeTicks.add(ticks.count, ordering: .relaxed)
        if packets.send(Packet(content: .nodes(ticks), ticks: count)) { return }
        waitingNodeTicks.subtract(ticks.count, ordering: .relaxed)
        refused.add(1, ordering: .relaxed)
        metrics.dropped[.full]?.add(count)
    }

    func receive(into buffer: inout [Packet], max: Int, timeout: Duration) {
        let count = packets.receive(into: &buffer, max: max, timeout: timeout)
        for packet in buffer.suffix(count) {
            waitingBytes.subtract(packet.byteCount, ordering: .relaxed)
            waitingNodeTicks.subtract(packet.nodeTicks, ordering: .relaxed)
        }
    }
}
