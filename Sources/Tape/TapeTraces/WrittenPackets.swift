internal import MarketModel
internal import Primitives
internal import TapeCodec

/// What a writer has written, until the tape of bars says that an operator had it, too. So the
/// writer knows the operator's part of what it found itself, and what the operator found. Pure.
struct WrittenPackets {
    /// The most packets that are kept. Beyond it the oldest one leaves.
    static let packetsMax = 512
    /// The most partitions of operators of which it is kept how far they are. Beyond it all are
    /// forgotten.
    static let lanesMax = 1_024
    /// How long a packet that the writer found waits for the operator.
    static let waitNanoseconds: Int64 = 1_500_000_000

    /// A packet that was not drawn.
    struct Packet {
        let header: PacketHeader
        let step: TraceStep
        let way: PacketTrace.Way
        /// What the writer has found; `nil`: nothing.
        let reason: PacketTrace.Reason?
        /// When it was written.
        let since: MonotonicTime
    }

    /// What is to be sent.
    enum Outcome {
        /// A packet that the writer found, with the time at which an operator had it at the latest;
        /// undefined: not known.
        case found(Packet, PacketTrace.Reason, worked: Timestamp)
        /// A packet that an operator found.
        case foundBefore(Packet, PacketTrace.Reason)
    }

    /// A tick that an operator listed as late.
    struct LateTick {
        let source: SourceName
        let ordinal: UInt64
    }

    /// A partition of an operator.
    private struct Lane: Hashable {
        let source: SourceName
        let partition: Partition
    }

    /// How far an operator is, which it said in a packet sealed at `time`.
    private struct Progress {
        let time: Timestamp
        let sources: [SourceOrdinal]

        func has(_ header: PacketHeader) -> Bool {
            sources.contains {
                $0.source == header.source && $0.epoch >= header.epoch
                    && $0.lastOrdinal &+ 1 >= header.nextOrdinal
            }
        }
    }

    private let slowNanoseconds: Int64
    private var slots: [Packet?] = []
    /// The slot of the oldest packet, once there are all.
    private var next = 0
    private var lanes: [Lane: Progress] = [:]

    init(slowNanoseconds: Int64) { self.slowNanoseconds = slowNanoseconds }

    /// Takes a packet that was written. Returns what is to be sent now: of it, if an operator had
    /// it before, or of the oldest one, if there is no room.
    mutating func wrote(_ packet: Packet) -> Outcome? {
        let before = lanes.first { lane, progress in
            lane.partition == packet.header.partition && progress.has(packet.header)
        }
        if let before {
            return packet.reason.map { .found(packet, $0, worked: before.value.time) }
        }
        guard slots.count == Self.packetsMax else {
            slots.append(packet)
            return nil
        }
        let oldest = slots[next]
        slots[next] = packet
        next = (next + 1) % Self.packetsMax
        return oldest.flatMap { oldest in
            oldest.reason.map { .found(oldest, $0, worked: .undefined) }
        }
    }

    /// Takes what an operator's packet says: how far it is, and ticks that were late.
    mutating func worked(
        _ header: PacketHeader, _ sources: [SourceOrdinal], late: [LateTick]
    ) -> [Outcome] {
        let lane = Lane(source: header.source, partition: header.partition)
        let progress = Progress(time: header.sendTime, sources: sources)
        // What the operator has now it did not have when it sent its last packet.
        let before = lanes[lane]?.time
        if !sources.isEmpty {
            if lanes.count >= Self.lanesMax { lanes.removeAll() }
            lanes[lane] = progress
        }
        var outcomes: [Outcome] = []
        for index in slots.indices {
            guard let packet = slots[index], packet.header.partition == header.partition
            else { continue }
            let isOver = progress.has(packet.header)
            guard let outcome = outcome(of: packet, isOver ? progress.time : nil, before, late)
            else {
                if isOver { slots[index] = nil }
                continue
            }
            slots[index] = nil
            outcomes.append(outcome)
        }
        return outcomes
    }

    /// Returns what is to be sent of a packet that an operator had at `worked`, and not yet at
    /// `before`.
    private func outcome(
        of packet: Packet, _ worked: Timestamp?, _ before: Timestamp?, _ late: [LateTick]
    ) -> Outcome? {
        if let reason = packet.reason {
            return worked.map { .found(packet, reason, worked: $0) }
        }
        let header = packet.header
        let ticks = late.count {
            $0.source == header.source && $0.ordinal >= header.firstOrdinal
                && $0.ordinal < header.nextOrdinal
        }
        if ticks > 0 { return .foundBefore(packet, .late(UInt64(ticks))) }
        guard worked != nil, let before,
            before.nanoseconds(since: packet.way.begin(header)) > slowNanoseconds
        else { return nil }
        return .foundBefore(packet, .slow)
    }

    /// Returns what was found and waits no longer for an operator; `nil`: nothing does.
    mutating func due(now: MonotonicTime?) -> [Outcome] {
        var outcomes: [Outcome] = []
        for index in slots.indices {
            guard let packet = slots[index], let reason = packet.reason else { continue }
            if let now, now - packet.since < Self.waitNanoseconds { continue }
            slots[index] = nil
            outcomes.append(.found(packet, reason, worked: .undefined))
        }
        return outcomes
    }
}
