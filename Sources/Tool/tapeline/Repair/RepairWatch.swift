import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeKeeping
import TapeProtocol
import TapeTransport

/// Follows the bars of the partition until the output of the request is published, and waits until
/// it is stored.
final class RepairWatch {
    /// A request has at most one refusal per day.
    private static let refusalsMax = 64
    /// The versions that are kept; further ones are only counted.
    private static let versionsMax = 64
    /// The longest wait between two looks at what stops the command.
    private static let turn: Duration = .milliseconds(100)

    /// The bars whose new versions are counted.
    struct Subject {
        let symbol: Symbol
        /// `nil` means all sources of the symbol.
        let source: SourceName?
        /// The range of event times is [from, to).
        let from: Timestamp
        let to: Timestamp
        let reason: BarReason
    }

    /// A new version of a bar.
    struct Version: Equatable {
        let series: SeriesName
        let source: SourceName
        let openTime: Timestamp
        let revision: UInt64
        let trades: UInt64
        let isWithdrawn: Bool
    }

    private let subject: Subject
    private let reader: RangeReader
    private let clock = SystemClock()
    /// The number of versions of bars in the range whose reason is the request's.
    private(set) var bars = 0
    private(set) var versions: [Version] = []
    /// The refusals of the request. Packets are read only once the request's sequence is known.
    private(set) var refusals: [RefusedRepair] = []
    private var sequence: UInt64 = 0
    private let registered: [RegisteredGroup]
    /// When the streams of the partition's ticks and of the bars were made.
    private let created: (ticks: Timestamp, bars: Timestamp)
    /// The input sequence up to which all output is published, and the sequence of the packet of
    /// bars that says so.
    private var reached: UInt64 = 0
    private var barSequence: UInt64 = 0

    init(_ subject: Subject, _ partition: Partition, _ client: TapeClient) throws {
        self.subject = subject
        reader = try RangeReader(client, group: "repair")
        registered = try GroupRegistry.registrations(client)
        let names = client.names
        func created(_ stream: String) throws -> Timestamp {
            guard let info = try client.jetStream.streamInfo(stream) else {
                throw ToolError.refused("there is no stream \(stream)")
            }
            return info.created
        }
        self.created = (
            try created(names.tickStream(of: partition)), try created(names.barStream)
        )
        let bars = TapeReaders.Input(
            partition: partition, stream: names.barStream, filters: [names.bars(partition)])
        try reader.open(bars, from: .end, to: .never)
    }

    func close() { reader.close() }

    /// Waits until the output of the request is published, and, where a database is named, until
    /// it is stored.
    func wait(
        behind sequence: UInt64, seconds: Int, _ stored: StoredPositions?,
        _ shutdown: ShutdownSignal
    ) throws -> RepairOutcome {
        self.sequence = sequence
        let deadline = clock.deadline(after: .seconds(seconds))
        guard try isPublished(until: deadline, shutdown) else { return outcome(.waiting) }
        guard let stored else { return outcome(.published) }
        typealias Packet = StoredPositions.Goal.Packet
        let reads = registered.first { $0.group == stored.store }?.reads ?? [.ticks, .bars]
        let ticks = Packet(streamCreated: created.ticks, sequence: sequence)
        let bars = Packet(streamCreated: created.bars, sequence: barSequence)
        let isStored = try stored.wait(
            for: StoredPositions.Goal(
                ticks: reads.contains(.ticks) ? ticks : nil,
                bars: reads.contains(.bars) ? bars : nil),
            until: deadline, turn: Self.turn, shutdown)
        return outcome(isStored ? .stored : .unstored)
    }

    private func outcome(_ reach: RepairOutcome.Reach) -> RepairOutcome {
        RepairOutcome(of: sequence, reach, bars: bars, refusals: refusals)
    }

    /// Returns false if the output is not published in time.
    private func isPublished(
        until deadline: MonotonicTime, _ shutdown: ShutdownSignal
    ) throws -> Bool {
        while reached < sequence {
            guard clock.remaining(until: deadline) > .zero else { return false }
            if shutdown.isRequested { throw ToolError.refused("interrupted; the request stays") }
            try reader.receive(timeout: Self.turn) { packet in
                let header = try packet.header.get()
                packet.message.withPayload { take(header, $0) }
                barSequence = packet.sequence
            }
        }
        return true
    }

    private func take(_ header: PacketHeader, _ packet: RawSpan) {
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .bar(let bar):
                guard let symbol = walk.symbol(bar.symbol, in: packet),
                    symbol.symbol == subject.symbol,
                    subject.source == nil || subject.source == symbol.source,
                    bar.reason == subject.reason.rawValue, bar.openTime < subject.to,
                    bar.closeTime > subject.from
                else { continue }
                bars += 1
                guard versions.count < Self.versionsMax, let source = symbol.source,
                    let series = walk.series(bar.series, in: packet)
                else { continue }
                versions.append(
                    Version(
                        series: series.name, source: source, openTime: bar.openTime,
                        revision: walk.ordinal, trades: bar.trades,
                        isWithdrawn: bar.flags.contains(.withdrawn)))
            case .other(let message):
                guard let value = message.indicatorValue(in: packet),
                    let refusal = RefusedRepair(value)
                else { continue }
                take(refusal)
            case .trade, .quote, .control: continue
            }
        }
        if let state = PacketReader.outputState(of: packet),
            state.input.streamCreated == created.ticks
        {
            reached = max(reached, state.input.sequence)
        }
    }

    private func take(_ refusal: RefusedRepair) {
        guard refusal.sequence == sequence, refusals.count < Self.refusalsMax else { return }
        refusals.append(refusal)
    }
}
