package import MarketModel
package import Primitives

/// A value's place on the tape, by which two values under one key are ordered: an older one never
/// replaces a newer one. For trades and quotes only the stream and the sequence differ.
package struct HotOrder: Hashable, Comparable {
    /// When the stream was created. A stream that was made again is newer, whatever its sequences.
    let streamCreated: Timestamp
    /// For bars, the window's start in nanoseconds since 1970; else 0. So a late revision of an
    /// older window is still older.
    var window: Int64 = 0
    /// For bars, the bar's number, which orders bars with the same start; else 0.
    var number: Int64 = 0
    /// The sequence of the packet in its stream.
    let sequence: UInt64

    package init(streamCreated: Timestamp, sequence: UInt64) {
        self.streamCreated = streamCreated
        self.sequence = sequence
    }

    package static func < (left: HotOrder, right: HotOrder) -> Bool {
        if left.streamCreated != right.streamCreated {
            return left.streamCreated < right.streamCreated
        }
        if left.window != right.window { return left.window < right.window }
        if left.number != right.number { return left.number < right.number }
        return left.sequence < right.sequence
    }
}

/// The data of a packet that all of its records share.
package struct HotOrigin {
    var source: SourceName
    /// The packet's place on the tape.
    var order: HotOrder
    /// When this process received the packet. A key's life begins at this time.
    var receivedAt: MonotonicTime
    /// When the stream stored the packet; undefined when unknown.
    var stored: Timestamp
    /// The packet's source, in whose lane the record has its ordinal. It may be another one than
    /// that of the record.
    private(set) var lane: SourceName
    var partition: UInt16 = 0
    /// The record's ordinal in its lane; 0 when unknown.
    var ordinal: UInt64 = 0
    /// Whether the values were read from the database (`HotFill`). Then `order` is the position
    /// that the database had, and both times are those of the reading.
    var isFilled = false

    package init(source: SourceName, order: HotOrder, receivedAt: MonotonicTime, stored: Timestamp)
    {
        self.source = source
        self.order = order
        self.receivedAt = receivedAt
        self.stored = stored
        lane = source
    }

    /// Takes the place of the packet's record with this number, from 1, if it is known.
    mutating func place(at places: [HotFillPlace], _ number: UInt32) {
        guard number > 0, number <= places.count else { return }
        lane = places[Int(number) - 1].lane
        ordinal = places[Int(number) - 1].ordinal
    }

    /// Returns the origin of a value with this time, undefined when unknown. The life of a key with
    /// a value of the database began at the value's time.
    func of(_ time: Timestamp) -> HotOrigin {
        guard isFilled else { return self }
        var origin = self
        origin.receivedAt = receivedAt + min(0, time.nanoseconds(since: stored))
        return origin
    }
}

/// The latest record of each name of one kind, by the name's number, and the queue of those that
/// are not in Valkey yet.
struct HotValues<Record> {
    struct Value {
        var record: Record
        var origin: HotOrigin
        /// When a gateway received it; undefined for bars.
        var receiveTime: Timestamp
        /// The generation of its place. If the name's number has another generation by now, the
        /// value is of a name that lost the number.
        var generation: UInt32
        /// Whether it has to be written.
        var isPending = false
        /// Whether `repeatAll` made it pending, so that it may have been in Valkey before, or it is
        /// of the database. Such a value is not used to measure how long new values take.
        var isRepeated = false
        /// When the key's life has to be sent again.
        var renewAt = MonotonicTime.distantPast
        /// Whether the key's life is sent with the value, as the last `take` decided.
        var sendsLife = true
    }

    /// By the number of the name.
    private var values: [Value?] = []
    /// The places of the pending values in the order in which they became pending. Entries whose
    /// name has lost its number are no longer valid, and are skipped.
    private(set) var queue: [HotNames.Place] = []
    /// The number of entries at the front of `queue` that were taken out.
    private var head = 0
    /// The number of entries at the front of `queue`, with those that were taken out, that were
    /// there at the last `mark`.
    private var marked = 0
    /// The number of values that have to be written.
    private(set) var pendingCount = 0

    /// Returns the value at a place; `nil` when there is none, or it is of an earlier name.
    func value(_ place: HotNames.Place) -> Value? {
        guard Int(place.index) < values.count, let value = values[Int(place.index)],
            value.generation == place.generation
        else { return nil }
        return value
    }

    /// Returns whether the life of the key is sent with the value that was last taken.
    func sendsLife(_ place: HotNames.Place) -> Bool {
        values[Int(place.index)]?.sendsLife ?? false
    }

    /// Keeps the newer of this value and the present one. One of the database gives way to one of
    /// the tape that is not older than the database's position, and never replaces one.
    mutating func put(
        _ record: Record, received: Timestamp, _ origin: HotOrigin, at place: HotNames.Place
    ) {
        let index = Int(place.index)
        while values.count <= index { values.append(nil) }
        if let present = values[index] {
            if present.generation == place.generation {
                guard origin.order >= present.origin.order,
                    present.origin.isFilled || !origin.isFilled
                else { return }
                values[index]?.record = record
                values[index]?.origin = origin
                values[index]?.receiveTime = received
                values[index]?.isRepeated = origin.isFilled
                // The mark goes with the next sending of the key's life.
                if present.origin.isFilled { values[index]?.renewAt = .distantPast }
                if !present.isPending { enqueue(place) }
                return
            }
            // The name of the present value has lost its number.
            if present.isPending { pendingCount -= 1 }
        }
        values[index] = Value(
            record: record, origin: origin, receiveTime: received, generation: place.generation,
            isRepeated: origin.isFilled)
        enqueue(place)
    }

    /// Makes a value pending.
    private mutating func enqueue(_ place: HotNames.Place) {
        values[Int(place.index)]?.isPending = true
        pendingCount += 1
        // Each name has at most one valid entry, so more than half of the entries are not valid
        // here.
        if queue.count - head > 2 * values.count + 64 { compact() }
        queue.append(place)
    }

    /// Removes entries that are no longer valid. Many arise while Valkey is away and names lose
    /// their numbers to others.
    private mutating func compact() {
        marked = queue[head..<max(head, marked)].count { value($0)?.isPending ?? false }
        queue = queue[head...].filter { value($0)?.isPending ?? false }
        head = 0
    }

    /// Takes the places of up to `limit` pending values from the queue. Values that were received
    /// before `alive` are dropped, because their keys would have expired. Values whose name has
    /// lost its number are dropped, too.
    mutating func take(
        atMost limit: Int, of names: HotNames, now: MonotonicTime, heardAfter alive: MonotonicTime,
        into taken: inout [HotNames.Place]
    ) {
        var count = 0
        while head < queue.count, count < limit {
            let place = queue[head]
            head += 1
            guard let value = value(place), value.isPending else { continue }
            values[Int(place.index)]?.isPending = false
            pendingCount -= 1
            guard value.origin.receivedAt > alive, names.isCurrent(place) else { continue }
            let sendsLife = value.isRepeated || now >= value.renewAt
            values[Int(place.index)]?.sendsLife = sendsLife
            if sendsLife {
                values[Int(place.index)]?.renewAt = now + HotScripts.renewalNanoseconds
            }
            taken.append(place)
            count += 1
        }
        if head == queue.count {
            queue.removeAll(keepingCapacity: true)
            (head, marked) = (0, 0)
        } else if head > 4_096, head > queue.count / 2 {
            queue.removeFirst(head)
            (head, marked) = (0, max(0, marked - head))
        }
    }

    /// Notes which values are pending.
    mutating func mark() { marked = queue.count }

    /// Whether all values that were pending at the last `mark` were taken since.
    var isMarkTaken: Bool { head >= marked }

    /// Replaces the record at a place that has one.
    mutating func replace(_ record: Record, at place: HotNames.Place) {
        values[Int(place.index)]?.record = record
    }

    /// Makes the present values at these places pending again, after they could not be written.
    mutating func putBack(_ places: ArraySlice<HotNames.Place>, of names: HotNames) {
        for place in places {
            guard names.isCurrent(place), let value = value(place) else { continue }
            // The key's life may not have arrived, so the next write sends it.
            values[Int(place.index)]?.renewAt = .distantPast
            guard !value.isPending else { continue }
            enqueue(place)
        }
    }

    /// Makes all values pending again that were received after `alive`, so that their keys would
    /// not have expired.
    mutating func repeatAll(of names: HotNames, heardAfter alive: MonotonicTime) {
        for index in values.indices {
            let place = names.place(index)
            guard let value = value(place), !value.isPending, value.origin.receivedAt > alive else {
                continue
            }
            values[index]?.isRepeated = true
            enqueue(place)
        }
    }
}
