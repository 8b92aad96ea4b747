internal import Glibc
import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Publishes trades of many symbols at a steady rate. One symbol is a marker, whose price counts
/// up.
final class TickPublisher {
    static let marker = "MARK"
    static let source = "bench"
    static let partitions = TapeNames.defaultPartitions
    /// Each subject is flushed once in this many steps. The subjects take turns.
    private static let turns = 10
    private static let stepNanoseconds: Int64 = 1_000_000

    struct Unusable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    private let publisher: TapePublisher
    private let mailbox = TapeMailbox(capacity: 4_096)
    private let clock = SystemClock()
    private var events: [TapeEvent] = []
    private var lanes: [Int] = []
    /// Each symbol's lane, and its number there. The marker is the last one.
    private var symbols: [(lane: Int, number: UInt32)] = []
    private var waiting: [Int]
    /// The marker's numbers: the one appended last, and the one in flight.
    private var marker: Int64 = 0
    private var markerInFlight: Int64?
    private(set) var published = 0
    private(set) var unsent = 0
    /// The monotonic nanoseconds at which the packet with each marker was acknowledged.
    private(set) var acknowledged: [Int64: Int64] = [:]

    init(_ client: TapeClient, symbols count: Int) throws {
        guard let source = SourceName(Self.source) else { throw Unusable("no name") }
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        waiting = Array(repeating: 0, count: Self.partitions)
        for number in 0..<Self.partitions {
            let partition = Partition(number)
            lanes.append(
                publisher.addLane(
                    subject: client.names.ticks(partition, source),
                    stream: client.names.tickStream(of: partition),
                    builder: PacketBuilder(kind: .ticks, partition: partition, source: source)))
        }
        let names = (0..<count).map { "S\($0)" } + [Self.marker]
        for symbol in names.compactMap({ Symbol($0) }) {
            let lane = Partition(of: symbol, count: Self.partitions).number
            let definition = SymbolDefinition(
                symbol: symbol, provider: "bench", since: Timestamp(nanoseconds: 0))
            symbols.append((lane, publisher.register(definition, lane: lanes[lane])))
        }
        publisher.open()
        let end = clock.monotonic().nanoseconds + 20_000_000_000
        while !lanes.allSatisfy({ publisher.isReady(lane: $0) }) {
            hear(timeout: .milliseconds(20))
            guard clock.monotonic().nanoseconds < end else {
                throw Unusable("the lanes do not open")
            }
        }
    }

    /// Publishes this many ticks a second for this long.
    func run(rate: Int, seconds: Double) {
        let start = clock.monotonic().nanoseconds
        let perStep = rate / 1_000
        var step: Int64 = 0
        while Double(step) < seconds * 1_000 {
            append(perStep)
            flush(turn: Int(step) % Self.turns)
            step += 1
            let due = start + step * Self.stepNanoseconds
            repeat {
                hear(timeout: .zero)
                let left = due - clock.monotonic().nanoseconds
                if left > 0 { usleep(useconds_t(min(left, 200_000) / 1_000 + 1)) }
            } while clock.monotonic().nanoseconds < due
        }
    }

    private func append(_ count: Int) {
        let now = clock.now()
        for _ in 0..<count {
            let symbol = symbols[published &* 7_919 % (symbols.count - 1)]
            append(price: Int64(published % 100_000 + 1), symbol, now)
        }
    }

    private func append(price: Int64, _ symbol: (lane: Int, number: UInt32), _ now: Timestamp) {
        let trade = Trade(
            header: TickHeader(symbol: symbol.number, providerTime: now, receiveTime: now),
            price: Price(raw: price * 1_000_000_000), size: Quantity(raw: 12_500_000_000))
        if publisher.append(trade, lane: lanes[symbol.lane]) {
            published += 1
            waiting[symbol.lane] += 1
        } else {
            unsent += 1
        }
    }

    private func flush(turn: Int) {
        let now = clock.now()
        for lane in stride(from: turn, to: lanes.count, by: Self.turns)
        where publisher.isReady(lane: lanes[lane]) {
            if let last = symbols.last, last.lane == lane {
                marker += 1
                markerInFlight = marker
                append(price: marker, last, now)
            }
            guard waiting[lane] > 0 else { continue }
            publisher.publish(lane: lanes[lane], watermark: now)
            waiting[lane] = 0
        }
    }

    private func hear(timeout: Duration) {
        _ = mailbox.receive(into: &events, max: 256, timeout: timeout)
        let now = clock.monotonic().nanoseconds
        for case .answer(let message) in events { publisher.handle(message) }
        events.removeAll(keepingCapacity: true)
        publisher.timePassed()
        for packet in publisher.acknowledged {
            guard let last = symbols.last, lanes[last.lane] == packet.lane,
                let number = markerInFlight
            else { continue }
            acknowledged[number] = now
            markerInFlight = nil
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
    }
}
