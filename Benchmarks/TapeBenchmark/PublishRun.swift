internal import Glibc
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Runs the tape's publisher on the subjects of all partitions, on one thread and one mailbox, as
/// in the gateway: ticks are encoded, packets sealed, sent and acknowledged.
final class PublishRun {
    static let pacedSeconds = 3.0
    private static let secondsMax: Int64 = 120
    private static let pollNanoseconds: Int64 = 50_000

    private let ticks: Int
    private let packets: Int
    let client: TapeClient
    let publisher: TapePublisher
    private let mailbox = TapeMailbox(capacity: 4_096)
    let clock = SystemClock()
    private var load = TickLoad()
    private(set) var lanes: [(lane: Int, symbols: [UInt32])] = []
    private var events: [TapeEvent] = []
    private(set) var sentAt: [Int64] = []
    private(set) var latencies: [Int64] = []
    private(set) var acknowledged = 0
    var onAcknowledged: (Int) -> Void = { _ in }

    convenience init(_ stage: Stage) throws {
        try self.init(
            stage.client(), source: stage.source, ticks: stage.ticks, packets: stage.packets)
    }

    /// `ticks` are those of a packet, and `packets` the most of a run without another end. The run
    /// closes the client.
    init(_ client: TapeClient, source: SourceName, ticks: Int, packets: Int) throws {
        (self.client, self.ticks, self.packets) = (client, ticks, packets)
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        for number in 0..<Stage.partitions {
            let partition = Partition(number)
            let lane = publisher.addLane(
                subject: client.names.ticks(partition, source),
                stream: client.names.tickStream(of: partition),
                builder: PacketBuilder(kind: .ticks, partition: partition, source: source))
            lanes.append((lane, load.symbols.map { publisher.register($0, lane: lane) }))
        }
        sentAt = Array(repeating: 0, count: lanes.count)
        latencies.reserveCapacity(packets)
        publisher.open()
        try turn { !lanes.allSatisfy { publisher.isReady(lane: $0.lane) } }
        // These were the acknowledgements of the markers.
        acknowledged = 0
        latencies.removeAll(keepingCapacity: true)
    }

    /// Publishes as fast as possible.
    func unpaced() throws -> RunResult {
        defer { client.close() }
        let used = RunResult.processorMicroseconds
        let start = clock.monotonic().nanoseconds
        var left = packets
        for index in lanes.indices where left > 0 {
            publish(index)
            left -= 1
        }
        onAcknowledged = { [unowned self] lane in
            guard left > 0 else { return }
            publish(lane)
            left -= 1
        }
        try turn { acknowledged < packets }
        let nanoseconds = clock.monotonic().nanoseconds - start
        return RunResult(
            packetsPerSecond: Double(packets) * 1e9 / Double(nanoseconds),
            processorMicroseconds: (RunResult.processorMicroseconds - used) / Double(packets))
    }

    /// Publishes at a fixed rate, on the next free subject. The time runs from a packet's sealing
    /// to its acknowledgement.
    func paced(rate: Double, seconds: Double = pacedSeconds) throws -> RunResult {
        defer { client.close() }
        let count = min(packets, Int(rate * seconds))
        let start = clock.monotonic().nanoseconds
        var sent = 0
        var next = 0
        while acknowledged < count {
            let now = clock.monotonic().nanoseconds
            let due = start + Int64(Double(sent) * 1e9 / rate)
            if sent < count, now >= due, let free = freeLane(from: next) {
                publish(free)
                sent += 1
                next = (free + 1) % lanes.count
            }
            let following = start + Int64(Double(sent) * 1e9 / rate)
            let wait = max(0, min(20_000_000, following - clock.monotonic().nanoseconds))
            // A wait for messages has a resolution of milliseconds; the pace is finer.
            if sent < count, wait < 1_000_000 {
                usleep(useconds_t(min(wait, Self.pollNanoseconds) / 1_000))
                try once(timeout: .zero)
            } else {
                try once(timeout: .nanoseconds(sent < count ? wait - 1_000_000 : 20_000_000))
            }
            guard now - start < Self.secondsMax * 1_000_000_000 else {
                throw Stage.Unusable("the paced run does not end")
            }
        }
        return result(since: start)
    }

    /// Returns what the packets that were acknowledged since then show.
    func result(since start: Int64) -> RunResult {
        let nanoseconds = clock.monotonic().nanoseconds - start
        let sorted = latencies.sorted()
        func microseconds(_ place: Int) -> Double { Double(sorted[place]) / 1e3 }
        return RunResult(
            packetsPerSecond: Double(sorted.count) * 1e9 / Double(nanoseconds),
            p50Microseconds: microseconds(sorted.count / 2),
            p99Microseconds: microseconds(sorted.count * 99 / 100),
            maxMicroseconds: microseconds(sorted.count - 1))
    }

    private func freeLane(from first: Int) -> Int? {
        for offset in lanes.indices {
            let index = (first + offset) % lanes.count
            if publisher.isReady(lane: lanes[index].lane) { return index }
        }
        return nil
    }

    func publish(_ index: Int) {
        let lane = lanes[index].lane
        for _ in 0..<ticks {
            _ = publisher.append(load.next(lanes[index].symbols), lane: lane)
        }
        sentAt[index] = clock.monotonic().nanoseconds
        publisher.publish(lane: lane, watermark: load.trade.header.providerTime)
    }

    func turn(
        timeout: Duration = .milliseconds(20), while isNeeded: () -> Bool
    ) throws {
        let start = clock.monotonic().nanoseconds
        while isNeeded() {
            try once(timeout: timeout)
            guard clock.monotonic().nanoseconds - start < Self.secondsMax * 1_000_000_000 else {
                throw Stage.Unusable("the publisher does not come to an end")
            }
        }
    }

    private func once(timeout: Duration) throws {
        try publisher.takeAnswers(mailbox, &events, timeout: timeout)
        let now = clock.monotonic().nanoseconds
        for packet in publisher.acknowledged {
            acknowledged += 1
            latencies.append(now - sentAt[packet.lane])
        }
        let free = publisher.acknowledged
        publisher.acknowledged.removeAll(keepingCapacity: true)
        // Lanes were added in the order of `lanes`.
        for packet in free { onAcknowledged(packet.lane) }
    }
}

extension TapePublisher {
    /// Waits for answers and handles them.
    func takeAnswers(
        _ mailbox: TapeMailbox, _ events: inout [TapeEvent], timeout: Duration
    ) throws {
        _ = mailbox.receive(into: &events, max: 256, timeout: timeout)
        for event in events {
            switch event {
            case .answer(let message): handle(message)
            case .closed(let reason): throw Stage.Unusable(reason)
            case .delivery, .reconnected, .wake: continue
            }
        }
        events.removeAll(keepingCapacity: true)
        timePassed()
    }
}
