internal import Primitives

/// Small numbers for names, by which `HotValues` finds a name's value: the same bytes have the same
/// number for as long as the name is known. Names are symbols, or a symbol with a series.
///
/// It is bounded: when a new name finds no room, a name that was not used lately loses its number
/// to it. The choice follows the clock algorithm: a *hand* goes round over the names, and takes the
/// first one that was not used since its last visit. A number that was reused has another
/// generation, so that a holder of the old place notices.
struct HotNames {
    /// The most steps of the hand before it takes the next name even if that was used. So each new
    /// name costs a bounded number of steps.
    private static let stepsMax = 64

    /// A number and the generation in which it means the name.
    struct Place: Hashable {
        var index: Int32
        var generation: UInt32

        /// The place of no name.
        static let none = Place(index: -1, generation: 0)
    }

    /// The maximum number of names.
    let countMax: Int
    /// The number of names that lost their numbers.
    private(set) var evictions: UInt64 = 0

    private struct Entry {
        var hash: UInt64
        var generation: UInt32
        /// Whether it was used since the hand last passed.
        var isUsed: Bool
    }

    /// By number.
    private var entries: [Entry] = []
    /// By number: the name's bytes.
    private var names: [[UInt8]] = []
    /// A hash table with open addressing: a number, or -1. Its size is a power of two, at least
    /// twice the number of names.
    private var table: [Int32]
    /// The number of the name that the hand comes to next.
    private var hand = 0

    init(countMax: Int) {
        precondition(
            countMax > 0 && countMax <= 1 << 28, "\(countMax) names are too few or too many")
        self.countMax = countMax
        table = Array(repeating: -1, count: 64)
    }

    var count: Int { entries.count }

    /// Returns the bytes of a number's present name.
    func name(_ index: Int) -> [UInt8] { names[index] }

    /// Returns the present place of a number.
    func place(_ index: Int) -> Place {
        Place(index: Int32(truncatingIfNeeded: index), generation: entries[index].generation)
    }

    /// Returns whether the number still means the same name.
    func isCurrent(_ place: Place) -> Bool {
        place.index >= 0 && place.index < entries.count
            && entries[Int(place.index)].generation == place.generation
    }

    /// Notes that a name was used: the hand passes it once.
    mutating func use(_ place: Place) { entries[Int(place.index)].isUsed = true }

    /// Returns the place of a name; `nil` when it is not known. `hash` is `Checksum.of` its bytes.
    func find(_ bytes: RawSpan, hash: UInt64) -> Place? {
        var slot = Int(truncatingIfNeeded: hash) & (table.count - 1)
        while table[slot] >= 0 {
            let index = Int(table[slot])
            if entries[index].hash == hash, names[index].equals(bytes) { return place(index) }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    /// Returns the place of a name and protects it from the hand; `nil` when it is not known.
    mutating func used(_ name: [UInt8]) -> Place? {
        guard let place = name.withRawSpan({ find($0, hash: Checksum.of($0)) }) else { return nil }
        use(place)
        return place
    }

    /// Returns the place of a name, which is added if it is not known.
    mutating func add(_ name: [UInt8]) -> Place {
        used(name) ?? insert(name, hash: name.withRawSpan { Checksum.of($0) })
    }

    /// Returns the place of a name, which is added if no other one has to lose its number to it.
    mutating func addIfRoom(_ name: [UInt8]) -> Place? {
        if let place = used(name) { return place }
        return entries.count < countMax ? add(name) : nil
    }

    /// Adds a name that `find` did not find.
    mutating func insert(_ name: [UInt8], hash: UInt64) -> Place {
        let index: Int
        if entries.count < countMax {
            index = entries.count
            entries.append(Entry(hash: hash, generation: 1, isUsed: true))
            names.append(name)
            if entries.count * 2 > table.count { grow() }
        } else {
            index = giveUpOne()
            entries[index].hash = hash
            entries[index].isUsed = true
            names[index] = name
        }
        enter(index)
        return place(index)
    }

    /// Enters a number into the hash table.
    private mutating func enter(_ index: Int) {
        var slot = Int(truncatingIfNeeded: entries[index].hash) & (table.count - 1)
        while table[slot] >= 0 { slot = (slot + 1) & (table.count - 1) }
        table[slot] = Int32(truncatingIfNeeded: index)
    }

    /// Doubles the hash table.
    private mutating func grow() {
        table = Array(repeating: -1, count: table.count * 2)
        // The caller enters the last name, which it has just appended.
        for index in 0..<entries.count - 1 { enter(index) }
    }

    /// Takes its number from a name that was not used lately, and returns the number.
    private mutating func giveUpOne() -> Int {
        var steps = 0
        while entries[hand].isUsed, steps < Self.stepsMax {
            entries[hand].isUsed = false
            hand = (hand + 1) % entries.count
            steps += 1
        }
        let index = hand
        hand = (hand + 1) % entries.count
        remove(index)
        entries[index].generation &+= 1
        evictions &+= 1
        return index
    }

    /// Removes a number from the hash table, and moves later numbers into the free slot, so that no
    /// search ends too early.
    private mutating func remove(_ index: Int) {
        let mask = table.count - 1
        var gap = Int(truncatingIfNeeded: entries[index].hash) & mask
        while table[gap] != Int32(truncatingIfNeeded: index) { gap = (gap + 1) & mask }
        var next = (gap + 1) & mask
        while table[next] >= 0 {
            let home = Int(truncatingIfNeeded: entries[Int(table[next])].hash) & mask
            // A number may move into the free slot if that is between its home and its slot.
            if (next - home) & mask >= (next - gap) & mask {
                table[gap] = table[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        table[gap] = -1
    }
}

extension [UInt8] {
    fileprivate func equals(_ bytes: RawSpan) -> Bool {
        guard count == bytes.byteCount else { return false }
        var offset = 0
        return withRawSpan { own in
            while offset + 8 <= bytes.byteCount {
                if own.uint64(at: offset) != bytes.uint64(at: offset) { return false }
                offset += 8
            }
            while offset < bytes.byteCount {
                if own.uint8(at: offset) != bytes.uint8(at: offset) { return false }
                offset += 1
            }
            return true
        }
    }
}
