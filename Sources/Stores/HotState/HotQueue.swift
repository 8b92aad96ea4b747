internal import MarketModel
package import NatsTransport
package import Primitives
package import ServiceRuntime
internal import Synchronization
package import TapeCodec

/// The packets on their way from the thread that reads the tape to the thread of `HotStateKeeper`.
///
/// It is bounded by `packetsMax` and `bytesMax`. Beyond either, the oldest packets are left out and
/// counted: only the latest values are promised, and the reading thread never waits for Valkey.
///
/// One thread offers, and one takes. The messages are kept, not copied.
package final class HotQueue: Sendable {
    /// The most packets that wait: those of some seconds in which Valkey is being connected.
    package static let packetsMax = 4_096
    /// The most bytes of packets that wait.
    package static let bytesMax = 8 * 1024 * 1024
    /// The most packets of the database that wait. The thread that reads them waits for room.
    package static let fillsMax = 4

    /// A packet that waits.
    struct Waiting: Sendable {
        let message: NatsMessage
        let source: SourceName
        let byteCount: Int
        /// When the packet's stream was created.
        let streamCreated: Timestamp
        let receivedAt: MonotonicTime
    }

    private struct State {
        /// The packets in the order in which they came. Those before `first` were left out.
        var packets: [Waiting?] = []
        var first = 0
        var byteCount = 0
        /// Values of the database.
        var fills: [HotFill] = []
        /// Whether the keeper waits for the next packet.
        var isAwaited = false
        /// Whether no more packets come.
        var isClosed = false

        var count: Int { packets.count - first }

        /// Leaves out the oldest packets that are too many. Returns their number.
        mutating func trim() -> Int {
            var leftOut = 0
            while count > HotQueue.packetsMax || byteCount > HotQueue.bytesMax, count > 1 {
                byteCount -= packets[first]?.byteCount ?? 0
                packets[first] = nil
                first += 1
                leftOut += 1
            }
            // So the list is never longer than twice the maximum.
            if first >= HotQueue.packetsMax {
                packets.removeFirst(first)
                first = 0
            }
            return leftOut
        }
    }

    private let state = Mutex(State())
    /// Holds one element when the keeper has to wake up.
    private let wakes = Mailbox<Void>(capacity: 1)
    private let leftOut: Counter
    /// The life of a key, for the thread that offers: of an older packet the keys would have
    /// expired.
    package let lifeNanoseconds: Int64

    package init(_ metrics: MetricRegistry, life: Duration) {
        lifeNanoseconds = life.clampedNanoseconds
        leftOut = metrics.counter(
            "mds_hot_state_left_out_total",
            "a packet that was left out because too many waited for the hot state's thread; its "
                + "values are in Valkey with the next ones of their symbols",
            "rises: the machine is too slow, or connecting to Valkey takes seconds")
    }

    /// The number of waiting packets.
    package var count: Int { state.withLock { $0.count } }
    /// Whether the keeper waits for the next packet.
    var isAwaited: Bool { state.withLock { $0.isAwaited } }

    /// Adds a packet with this header, which came at `now`. Never waits.
    package func offer(
        _ message: NatsMessage, _ header: PacketHeader, streamCreated: Timestamp,
        now: MonotonicTime
    ) {
        let packet = Waiting(
            message: message, source: header.source, byteCount: message.payloadByteCount,
            streamCreated: streamCreated, receivedAt: now)
        let (isAwaited, tooMany) = state.withLock { state in
            state.packets.append(packet)
            state.byteCount += packet.byteCount
            defer { state.isAwaited = false }
            return (state.isAwaited, state.trim())
        }
        if tooMany > 0 { leftOut.add(UInt64(tooMany)) }
        // If the mailbox is full, the keeper wakes up anyway.
        if isAwaited { _ = wakes.send(()) }
    }

    /// Adds values of the database. Returns false, and adds nothing, while `fillsMax` others wait.
    package func offer(_ fill: HotFill) -> Bool {
        let (isTaken, isAwaited) = state.withLock { state in
            guard state.fills.count < Self.fillsMax else { return (false, false) }
            state.fills.append(fill)
            defer { state.isAwaited = false }
            return (true, state.isAwaited)
        }
        // If the mailbox is full, the keeper wakes up anyway.
        if isAwaited { _ = wakes.send(()) }
        return isTaken
    }

    /// Takes the oldest values of the database; `nil` when none wait.
    func takeFill() -> HotFill? {
        state.withLock { $0.fills.isEmpty ? nil : $0.fills.removeFirst() }
    }

    /// Notes that no more packets come. Those that wait can still be taken.
    package func close() {
        state.withLock { $0.isClosed = true }
        // If the mailbox is full, the keeper wakes up anyway.
        _ = wakes.send(())
    }

    /// Moves the waiting packets into the empty list `packets`; `nil` stands for one that was left
    /// out. Before that it waits for at most `time`: until a packet is there, or, with
    /// `collecting`, for the whole time, so that a packet wakes nobody. Returns false when no more
    /// packets come.
    func take(into packets: inout [Waiting?], waiting time: Duration, collecting: Bool) -> Bool {
        let waits = state.withLock { state in
            guard time > .zero, !state.isClosed,
                collecting || state.count == 0 && state.fills.isEmpty
            else { return false }
            state.isAwaited = !collecting
            return true
        }
        if waits {
            var received: [Void] = []
            _ = wakes.receive(into: &received, max: 1, timeout: time)
        }
        return state.withLock { state in
            state.isAwaited = false
            swap(&state.packets, &packets)
            state.first = 0
            state.byteCount = 0
            return !state.isClosed
        }
    }
}
