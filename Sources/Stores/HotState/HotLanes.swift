internal import MarketModel
internal import Primitives
internal import TapeCodec
internal import ValkeyClient

/// How far one lane of the tape is in Valkey: what its last packet says.
struct HotLane {
    var epoch: UInt64
    /// The first ordinal of the unbroken run: all values from it on to the last packet are in
    /// Valkey, unless newer ones of their names are. One more than the last ordinal: none is sure.
    var from: UInt64
    var watermark: Timestamp
    /// When the packet was sealed.
    var sentAt: Timestamp
}

/// The lanes whose packets came, and which of them are not in Valkey yet. Their keys never say more
/// than what is there: a *snapshot* of lanes is written when Valkey has taken all values that were
/// pending when it was made.
struct HotLanes {
    /// The most lanes. Beyond it, one without recent packets is forgotten, and its key stays as it
    /// was.
    static let countMax = 4_096
    /// The interval at which snapshots are made.
    private static let snapshotNanoseconds: Int64 = 100_000_000
    /// How long nothing is written after Valkey has refused lanes.
    static let refusedNanoseconds: Int64 = 60_000_000_000

    /// The names: `<partition>:<source>`.
    private(set) var names = HotNames(countMax: countMax)
    /// What the last packets say. Those since the last snapshot are pending.
    private var heard = HotValues<HotLane>()
    private var snapshot: [(place: HotNames.Place, value: HotValues<HotLane>.Value)] = []
    /// The lanes that may be written.
    private(set) var values = HotValues<HotLane>()
    private var interval = snapshotNanoseconds
    /// When a snapshot is made next.
    private var snapshotAt = MonotonicTime.distantPast
    /// Until when nothing is written; `nil` while Valkey takes lanes.
    private var refusedUntil: MonotonicTime?
    /// The evictions of names that are known here.
    private var evictions: UInt64 = 0
    /// The lane of the present packet.
    private var present = HotNames.Place.none
    /// Room for a name that is looked up, reused.
    private var name: [UInt8] = []

    /// Notes a packet that came.
    mutating func note(_ packet: RawSpan, _ origin: HotOrigin) {
        typealias Offset = WireFormat.HeaderOffset
        let (count, firstOrdinal) = (
            packet.uint32(at: Offset.tickCount), packet.uint64(at: Offset.firstOrdinal)
        )
        present = .none
        guard count > 0 else { return }
        var origin = origin
        origin.partition = packet.uint16(at: Offset.partition)
        origin.ordinal = firstOrdinal &+ UInt64(count) &- 1
        name.removeAll(keepingCapacity: true)
        name.append(digitsOf: UInt64(origin.partition))
        name.append(HotTable.colon)
        name.append(origin.source)
        present = names.add(name)
        var lane = HotLane(
            epoch: packet.uint64(at: Offset.epoch), from: firstOrdinal,
            watermark: Timestamp(nanoseconds: packet.int64(at: Offset.watermark)),
            sentAt: Timestamp(nanoseconds: packet.int64(at: Offset.sendTime)))
        if let before = heard.value(present) {
            // Another reader has brought it before.
            guard origin.order > before.origin.order else { return }
            if origin.order.streamCreated == before.origin.order.streamCreated,
                firstOrdinal == before.origin.ordinal &+ 1
            {
                lane.from = before.record.from
            }
        }
        heard.put(lane, received: .undefined, origin, at: present)
    }

    /// Ends the run of the present packet's lane with that packet, because it is damaged.
    mutating func restart() {
        guard names.isCurrent(present), let value = heard.value(present) else { return }
        heard.replace(value.ending, at: present)
    }

    /// Whether lanes have to be written now.
    func isDue(_ now: MonotonicTime) -> Bool {
        guard now >= refusedUntil ?? now else { return false }
        return values.pendingCount > 0 || !snapshot.isEmpty
            || heard.pendingCount > 0 && now >= snapshotAt
    }

    /// From now on snapshots are made without a pause: no more packets come.
    mutating func finish() {
        interval = 0
        snapshotAt = .distantPast
    }

    /// Makes a snapshot if it is time. Returns whether it did.
    mutating func beginSnapshot(_ now: MonotonicTime, heardAfter alive: MonotonicTime) -> Bool {
        guard snapshot.isEmpty, heard.pendingCount > 0, now >= snapshotAt else { return false }
        snapshotAt = now + interval
        var places: [HotNames.Place] = []
        heard.take(
            atMost: Self.countMax, of: names, now: now, heardAfter: alive, into: &places)
        for place in places {
            if let value = heard.value(place) { snapshot.append((place, value)) }
        }
        return true
    }

    /// The values of the snapshot are in Valkey, but for those of names that were evicted while
    /// they waited.
    mutating func release(evictions: UInt64) {
        guard !snapshot.isEmpty else { return }
        let isWhole = evictions == self.evictions
        self.evictions = evictions
        if !isWhole {
            for index in 0..<names.count {
                let place = names.place(index)
                if let value = heard.value(place) { heard.replace(value.ending, at: place) }
            }
        }
        for (place, value) in snapshot where names.isCurrent(place) {
            values.put(
                isWhole ? value.record : value.ending, received: .undefined, value.origin, at: place
            )
        }
        snapshot.removeAll(keepingCapacity: true)
    }

    mutating func take(
        atMost limit: Int, now: MonotonicTime, heardAfter alive: MonotonicTime,
        into taken: inout [HotNames.Place]
    ) {
        guard now >= refusedUntil ?? now else { return }
        values.take(atMost: limit, of: names, now: now, heardAfter: alive, into: &taken)
    }

    mutating func putBack(_ places: ArraySlice<HotNames.Place>) {
        values.putBack(places, of: names)
    }

    /// Makes all lanes wait for their values again.
    mutating func repeatAll(heardAfter alive: MonotonicTime = .distantPast) {
        snapshot.removeAll(keepingCapacity: true)
        values = HotValues()
        heard.repeatAll(of: names, heardAfter: alive)
    }

    /// Valkey refuses lanes. Values do not wait for them.
    mutating func refuse(_ now: MonotonicTime) { refusedUntil = now + Self.refusedNanoseconds }

    /// Valkey takes lanes. Returns false when it did before.
    mutating func accept() -> Bool {
        defer { refusedUntil = nil }
        return refusedUntil != nil
    }
}

extension HotValues<HotLane>.Value {
    /// The record with a run that ends with its packet.
    fileprivate var ending: HotLane {
        var lane = record
        lane.from = origin.ordinal &+ 1
        return lane
    }
}

extension ValkeyCommands {
    mutating func append(fieldsOf value: HotValues<HotLane>.Value) {
        append { $0.append(digitsOf: value.record.epoch) }
        append { $0.append(digitsOf: value.record.from) }
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
