internal import MarketModel
internal import Primitives
internal import TapeCodec
internal import ValkeyClient

/// How far one lane of the tape is in Valkey: what its last packet says.
struct HotLane {
    var epoch: UInt64
    var watermark: Timestamp
    /// When the packet was sealed.
    var sentAt: Timestamp
}

/// The lanes whose packets came, and which of them are not in Valkey yet. A lane is written after
/// the values of its packets, so that its key never says more than what is there.
struct HotLanes {
    /// The most lanes. Beyond it, one without recent packets is forgotten, and its key stays as it
    /// was.
    static let countMax = 4_096
    /// The interval at which lanes are written.
    private static let writeNanoseconds: Int64 = 100_000_000

    /// The names: `<partition>:<source>`.
    private(set) var names = HotNames(countMax: countMax)
    private(set) var values = HotValues<HotLane>()
    /// When lanes are written next.
    private var writeAt = MonotonicTime.distantPast
    /// Room for a name that is looked up, reused.
    private var name: [UInt8] = []

    /// Notes a packet that came.
    mutating func note(_ packet: RawSpan, _ origin: HotOrigin) {
        typealias Offset = WireFormat.HeaderOffset
        let (count, firstOrdinal) = (
            packet.uint32(at: Offset.tickCount), packet.uint64(at: Offset.firstOrdinal)
        )
        guard count > 0 else { return }
        var origin = origin
        origin.partition = packet.uint16(at: Offset.partition)
        origin.ordinal = firstOrdinal &+ UInt64(count) &- 1
        name.removeAll(keepingCapacity: true)
        name.append(digitsOf: UInt64(origin.partition))
        name.append(HotTable.colon)
        name.append(origin.source)
        let lane = HotLane(
            epoch: packet.uint64(at: Offset.epoch),
            watermark: Timestamp(nanoseconds: packet.int64(at: Offset.watermark)),
            sentAt: Timestamp(nanoseconds: packet.int64(at: Offset.sendTime)))
        values.put(lane, received: .undefined, origin, at: names.add(name))
    }

    /// Whether lanes have to be written now.
    func isDue(_ now: MonotonicTime) -> Bool { values.pendingCount > 0 && now >= writeAt }

    mutating func take(
        atMost limit: Int, now: MonotonicTime, heardAfter alive: MonotonicTime,
        into taken: inout [HotNames.Place]
    ) {
        guard isDue(now) else { return }
        writeAt = now + Self.writeNanoseconds
        values.take(atMost: limit, of: names, now: now, heardAfter: alive, into: &taken)
    }

    mutating func putBack(_ places: ArraySlice<HotNames.Place>) {
        values.putBack(places, of: names)
    }

    mutating func repeatAll(heardAfter alive: MonotonicTime) {
        values.repeatAll(of: names, heardAfter: alive)
    }
}

extension ValkeyCommands {
    mutating func append(fieldsOf value: HotValues<HotLane>.Value) {
        append { $0.append(digitsOf: value.record.epoch) }
        append { $0.append(digitsOf: value.origin.ordinal) }
        append {
            // A marker promises nothing.
            let watermark = value.record.watermark
            if watermark.isDefined, watermark.nanoseconds != Int64.min {
                $0.append(decimal: watermark.nanoseconds, decimals: 0)
            }
        }
        append(value.record.sentAt.nanoseconds)
        append { $0.append(value.origin.source) }
    }
}
