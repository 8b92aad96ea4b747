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

    private let stage: Stage
    private let client: TapeClient
    private let publisher: TapePublisher
    private let mailbox = TapeMailbox(capacity: 4_096)
    private let clock = SystemClock()
    private var load = TickLoad()
    private var lanes: [(lane: Int, symbols: [UInt32])] = []
    private var events: [TapeEvent] = []
    private var sentAt: [Int64] = []
    private var latencies: [Int64] = []
    private var acknowledged = 0
    private var onAcknowledged: (Int) -> Void = { _ in }

    init(_ stage: Stage) throws {
        self.stage = stage
        client = try stage.client()
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        for number in 0..<Stage.partitions {
            let partition = Partition(number)
            let lane = publisher.addLane(
                subject: stage.names.ticks(partition, stage.source),
                stream: stage.names.tickStream(of: partition),
                builder: PacketBuilder(kind: .ticks, partition: partition, source: stage.source))
            lanes.append((lane, load.symbols.map { publisher.register($0, lane: lane) }))
        }
        sentAt = Array(repeating: 0, count: lanes.count)
        latencies.reserveCapacity(stage.packets)
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
        var left = stage.packets
        for index in lanes.indices where left > 0 {
            publish(index)
            left -= 1
        }
        onAcknowledged = { [unowned self] lane in
            guard left > 0 else { return }
            publish(lane)
            left -= 1
        }
        try turn { acknowledged < stage.packets }
        let nanoseconds = clock.monotonic().nanoseconds - start
        return RunResult(
            packetsPerSecond: Double(stage.packets) * 1e9 / Double(nanoseconds),
            processorMicroseconds: (RunResult.processorMicroseconds - used)
                / Double(stage.packets))
    }

    /// Publishes at a fixed rate, on the next free subject. The time runs from a packet's sealing
    /// to its acknowledgement.
    func paced(rate: Double) throws -> RunResult {
        defer { client.close() }
        let count = min(stage.packets, Int(rate * Self.pacedSeconds))
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
        latencies.sort()
        return RunResult(p99Microseconds: Double(latencies[latencies.count * 99 / 100]) / 1e3)
    }

    private func freeLane(from first: Int) -> Int? {
        for offset in lanes.indices {
            let index = (first + offset) % lanes.count
            if publisher.isReady(lane: lanes[index].lane) { return index }
        }
        return nil
    }

    private func publish(_ index: Int) {
        let lane = lanes[index].lane
        sentAt[index] = clock.monotonic().nanoseconds
        for _ in 0..<stage.ticks {
            _ = publisher.append(load.next(lanes[index].symbols), lane: lane)
        }
        publisher.publish(lane: lane, watermark: load.trade.header.providerTime)
    }

    private func turn(
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
        _ = mailbox.receive(into: &events, max: 256, timeout: timeout)
        for event in events {
            switch event {
            case .answer(let message): publisher.handle(message)
            case .closed(let reason): throw Stage.Unusable(reason)
            case .delivery, .reconnected, .wake: continue
            }
        }
        events.removeAll(keepingCapacity: true)
        publisher.timePassed()
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
