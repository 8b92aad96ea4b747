internal import MarketModel
internal import Primitives
internal import TapeCodec

/// What a key of a book says beside its rows.
struct HotBookHead {
    /// The number of its name, by which the rows are found.
    var index: Int32
    /// The lane that brought its last change; -1 when it was read from the database.
    var lane: Int32
    var isFilled: Bool { lane < 0 }
    /// The last change's ordinal within its lane.
    var ordinal: UInt64
    /// The last change's time, by the provider or of its receipt.
    var changedAt: Timestamp
    /// The last change's flags, which say whether it is delayed.
    var flags: TickFlags
}

/// The books of all symbols and sources, and the ordinals by which a packet that did not come is
/// noticed.
///
/// A *lane* is the packets of one source in one partition, whose ordinals are dense. It is known
/// from the first packet on that has a row of a book: without such rows nothing is done per packet.
struct HotBooks {
    /// The most books, at some 4 KB each. Beyond it, a book without recent changes is forgotten.
    static let countMax = 16_384
    /// The most lanes. Books of later ones are not kept, and their changes are counted.
    static let lanesMax = 4_096

    /// The names: `<symbol>:<source>`.
    var names: HotNames
    private(set) var values = HotValues<HotBookHead>()
    /// By the number of the name.
    private var books: [HotBook] = []
    /// By the number of the name: the generation that the book is of.
    private var generations: [UInt32] = []

    private struct LaneName: Hashable {
        var source: SourceName
        var partition: UInt16
    }

    private struct Lane {
        var streamCreated: Timestamp
        /// The ordinal that the next packet begins with.
        var next: UInt64
    }

    /// What happened to books so far.
    struct Counts {
        /// Books that had rows, and of which no row was known from then on.
        var lost: UInt64 = 0
        /// Changes that were left out, because there were too many lanes.
        var leftOut: UInt64 = 0
    }

    private(set) var counts = Counts()
    private var laneNumbers: [LaneName: Int32] = [:]
    private var lanes: [Lane] = []
    /// The present packet.
    private var packet = Packet()

    private struct Packet {
        var firstOrdinal: UInt64 = 0
        var next: UInt64 = 0
        var name = LaneName(source: .operator, partition: 0)
        /// Its lane, when that is known.
        var lane: Int32?
        /// Whether another reader has brought it before.
        var isRepeated = false
    }

    private let lanesMax: Int

    init(symbolsMax: Int, lanesMax: Int = HotBooks.lanesMax) {
        names = HotNames(countMax: min(symbolsMax, Self.countMax))
        self.lanesMax = lanesMax
    }

    /// The book of a name's number.
    func book(_ index: Int32) -> HotBook { books[Int(index)] }

    /// Notes which packet the next records are of. If packets before it did not come, the books of
    /// its lane are lost.
    mutating func begin(_ bytes: RawSpan, _ origin: HotOrigin) {
        typealias Offset = WireFormat.HeaderOffset
        let firstOrdinal = bytes.uint64(at: Offset.firstOrdinal)
        packet.firstOrdinal = firstOrdinal
        packet.next = firstOrdinal &+ UInt64(bytes.uint32(at: Offset.tickCount))
        packet.name = LaneName(
            source: origin.source, partition: bytes.uint16(at: Offset.partition))
        packet.lane = nil
        packet.isRepeated = false
        guard !lanes.isEmpty, let lane = laneNumbers[packet.name] else { return }
        packet.lane = lane
        let known = lanes[Int(lane)]
        let created = origin.order.streamCreated
        packet.isRepeated =
            created < known.streamCreated
            || created == known.streamCreated && firstOrdinal < known.next
        guard !packet.isRepeated else { return }
        if firstOrdinal != known.next { loseAll(of: lane, origin) }
        lanes[Int(lane)] = Lane(streamCreated: created, next: packet.next)
    }

    /// Whether the records of books in the present packet count: another reader has not brought
    /// them before, and its lane is kept.
    mutating func isToTake(_ origin: HotOrigin) -> Bool {
        if packet.lane != nil { return !packet.isRepeated }
        guard lanes.count < lanesMax else {
            counts.leftOut &+= 1
            return false
        }
        let lane = Int32(lanes.count)
        lanes.append(Lane(streamCreated: origin.order.streamCreated, next: packet.next))
        laneNumbers[packet.name] = lane
        packet.lane = lane
        return true
    }

    /// Nothing is known any more of the books of the present packet's lane.
    mutating func loseLane(_ origin: HotOrigin) {
        if let lane = packet.lane, !packet.isRepeated { loseAll(of: lane, origin) }
    }

    private mutating func loseAll(of lane: Int32, _ origin: HotOrigin) {
        for index in books.indices {
            let place = names.place(index)
            guard generations[index] == place.generation, let value = values.value(place),
                // Which lane a filled one belongs to is not known, but its source is.
                value.record.lane == lane
                    || value.record.isFilled && value.origin.source == origin.source
            else { continue }
            lose(index, .lost)
            values.put(value.record, received: value.receiveTime, origin, at: place)
        }
    }

    /// Takes a change of a row: the record with this number in the packet.
    mutating func take(
        _ update: DepthUpdate, _ number: UInt32, _ origin: HotOrigin, at place: HotNames.Place
    ) {
        room(for: place)
        leaveLane(place)
        let index = Int(place.index)
        let hadContent = books[index].hasContent
        books[index].take(update)
        if hadContent, !books[index].hasContent { counts.lost &+= 1 }
        put(
            update.header, number, origin, at: place,
            isRepeated: update.flags.contains(.repeated))
    }

    mutating func take(
        _ reset: DepthReset, _ number: UInt32, _ origin: HotOrigin, at place: HotNames.Place
    ) {
        room(for: place)
        let index = Int(place.index)
        let isRepeated =
            reset.reason == DepthResetReason.repeated.rawValue && books[index].isSinceReset
        books[index].reset(reset)
        put(reset.header, number, origin, at: place, isRepeated: isRepeated)
    }

    /// A book whose changes come in another lane than before has no order of them.
    private mutating func leaveLane(_ place: HotNames.Place) {
        guard let before = values.value(place)?.record.lane, before >= 0, before != packet.lane
        else { return }
        lose(Int(place.index), .lost)
    }

    private mutating func lose(_ index: Int, _ reason: HotBook.Reason) {
        if books[index].hasContent { counts.lost &+= 1 }
        books[index].lose(reason)
    }

    /// The book is void from here on: a gap begins, or its subscription ends. Nothing is done for a
    /// book without rows, unless it was filled: then its key may have the rows of a writer before.
    mutating func lose(_ reason: HotBook.Reason, _ origin: HotOrigin, at place: HotNames.Place) {
        guard let value = values.value(place),
            books[Int(place.index)].hasContent || value.record.isFilled
        else { return }
        lose(Int(place.index), reason)
        values.put(value.record, received: value.receiveTime, origin, at: place)
    }

    /// Takes the last change that the database has of a book. What the tape has brought is newer,
    /// or as new.
    mutating func fill(
        _ header: TickHeader, ordinal: UInt64, _ origin: HotOrigin, at place: HotNames.Place
    ) {
        guard values.value(place) == nil else { return }
        room(for: place)
        values.put(
            HotBookHead(
                index: place.index, lane: -1, ordinal: ordinal, changedAt: header.eventTime,
                flags: header.flags), received: header.receiveTime, origin, at: place)
    }

    /// A repetition of a book that is known keeps the times of its last change.
    private mutating func put(
        _ header: TickHeader, _ number: UInt32, _ origin: HotOrigin, at place: HotNames.Place,
        isRepeated: Bool
    ) {
        let known = isRepeated ? values.value(place) : nil
        values.put(
            HotBookHead(
                index: place.index, lane: packet.lane ?? -1,
                ordinal: packet.firstOrdinal &+ UInt64(number),
                changedAt: known?.record.changedAt ?? header.eventTime, flags: header.flags),
            received: known?.receiveTime ?? header.receiveTime, origin, at: place)
    }

    /// Makes room for the book of a name. An earlier name's book goes.
    private mutating func room(for place: HotNames.Place) {
        let index = Int(place.index)
        while books.count <= index {
            books.append(HotBook())
            generations.append(0)
        }
        guard generations[index] != place.generation else { return }
        generations[index] = place.generation
        books[index] = HotBook()
    }

    // MARK: the queue of values that are not in Valkey yet, as in `HotValues`

    mutating func take(
        atMost limit: Int, now: MonotonicTime, heardAfter alive: MonotonicTime,
        into taken: inout [HotNames.Place]
    ) {
        values.take(atMost: limit, of: names, now: now, heardAfter: alive, into: &taken)
    }

    mutating func mark() { values.mark() }

    mutating func putBack(_ places: ArraySlice<HotNames.Place>) {
        values.putBack(places, of: names)
    }

    mutating func repeatAll(heardAfter alive: MonotonicTime) {
        values.repeatAll(of: names, heardAfter: alive)
    }
}
