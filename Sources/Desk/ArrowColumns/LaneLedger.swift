package import MarketModel
internal import Primitives
package import TapeCodec

/// What was taken of one source in one partition.
package struct Lane: Sendable {
    /// The most holes that are listed. More are only counted.
    package static let holesMax = 1_024

    package let key: LaneKey
    /// The ordinal that must come next; `nil`: any.
    fileprivate(set) var next: UInt64?
    /// The ordinals of the packets that were taken.
    package private(set) var first: UInt64 = 0
    package private(set) var last: UInt64 = 0
    package private(set) var packets: UInt64 = 0
    /// The running checksum of the packets' own checksums.
    package private(set) var checksum: UInt64 = 0
    /// Of the first and of the last packet.
    package private(set) var epochs: ClosedRange<UInt64> = 0...0
    package private(set) var sequences: (first: UInt64, last: UInt64) = (0, 0)
    /// How many ordinals are missing in between, and the first of these stretches.
    package private(set) var missing: UInt64 = 0
    package private(set) var holes: [ClosedRange<UInt64>] = []

    fileprivate init(_ key: LaneKey) { self.key = key }

    /// Takes a packet that has ticks, of which those from `first` on are new.
    fileprivate mutating func take(_ header: PacketHeader, from first: UInt64, sequence: UInt64) {
        if let next, first > next {
            let (sum, overflow) = missing.addingReportingOverflow(first - next)
            missing = overflow ? .max : sum
            if holes.count < Self.holesMax { holes.append(next...first - 1) }
        }
        if packets == 0 {
            self.first = first
            epochs = header.epoch...header.epoch
            sequences.first = sequence
        }
        epochs = min(epochs.lowerBound, header.epoch)...max(epochs.upperBound, header.epoch)
        sequences.last = sequence
        packets += 1
        checksum = Checksum.chained(header.checksum, after: checksum)
        last = header.nextOrdinal - 1
        next = header.nextOrdinal
    }
}

/// What has ordinals of its own.
package struct LaneKey: Hashable, Sendable {
    package let kind: PacketKind
    package let source: SourceName
    package let partition: Partition

    package init(_ kind: PacketKind, _ source: SourceName, _ partition: Partition) {
        self.kind = kind
        self.source = source
        self.partition = partition
    }
}

/// Follows the ordinals of all sources and partitions, so that none is missing unnoticed.
struct LaneLedger {
    /// The most sources and partitions together.
    static let lanesMax = 65_536

    /// A packet that may be taken.
    struct Admission {
        fileprivate let index: Int
        /// The first ordinal that was not given yet.
        let first: UInt64
    }

    /// How many rows of each kind were given.
    var given: [ColumnKind: UInt64] = [:]
    private var indexes: [LaneKey: Int] = [:]
    /// The lane that was found last in each partition.
    private var recent = [Int](repeating: 0, count: Partition.countRange.upperBound)
    private(set) var lanes: [Lane] = []

    /// Sets the ordinal with which the lane goes on.
    mutating func expect(_ next: UInt64, of key: LaneKey) throws(DecodeError) {
        let index = try index(of: key)
        lanes[index].next = next
    }

    /// Decides whether a packet with ticks comes next.
    mutating func admit(
        _ header: PacketHeader, marksHoles: Bool
    ) throws(DecodeError) -> Admission {
        let key = LaneKey(header.kind, header.source, header.partition)
        let index = try index(of: key)
        let first = header.firstOrdinal
        guard let next = lanes[index].next, first != next else {
            return Admission(index: index, first: first)
        }
        if first > next {
            guard !marksHoles else { return Admission(index: index, first: first) }
            throw Self.hole(key, next...first - 1)
        }
        // What the caller has already may be in the first packet.
        guard lanes[index].packets == 0 else { throw Self.order(key, first, next) }
        return Admission(index: index, first: next)
    }

    /// Notes an admitted packet as taken.
    mutating func take(_ header: PacketHeader, _ admission: Admission, sequence: UInt64) {
        guard header.nextOrdinal > admission.first else { return }
        lanes[admission.index].take(header, from: admission.first, sequence: sequence)
    }

    private mutating func index(of key: LaneKey) throws(DecodeError) -> Int {
        let recent = recent[key.partition.number]
        if recent < lanes.count, lanes[recent].key == key { return recent }
        if let index = indexes[key] {
            self.recent[key.partition.number] = index
            return index
        }
        guard lanes.count < Self.lanesMax else {
            throw DecodeError(
                .limit, "more than \(Self.lanesMax) sources and partitions in one reading")
        }
        indexes[key] = lanes.count
        lanes.append(Lane(key))
        return lanes.count - 1
    }

    private static func hole(_ key: LaneKey, _ missing: ClosedRange<UInt64>) -> DecodeError {
        var error = DecodeError(
            .hole,
            "ordinals \(missing.lowerBound) to \(missing.upperBound) of source \(key.source) in "
                + "partition \(key.partition) are missing: the tape lost or purged them, or they "
                + "were not fed; holes can be marked instead")
        error.from = missing.lowerBound
        error.to = missing.upperBound
        return error
    }

    private static func order(_ key: LaneKey, _ first: UInt64, _ next: UInt64) -> DecodeError {
        var error = DecodeError(
            .order,
            "a packet of source \(key.source) in partition \(key.partition) begins with ordinal "
                + "\(first), but \(next) must come next: it came twice, or packets are not in order"
        )
        error.from = next
        error.to = first
        return error
    }
}
