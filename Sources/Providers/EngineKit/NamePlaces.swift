internal import Primitives

/// The places of names: looked up by the bytes of a message, without a copy.
package struct NamePlaces: Sendable {
    /// Indices of `names` by place; -1: free. At most half of them are taken.
    private var places = [Int32](repeating: -1, count: 64)
    private var names: [[UInt8]] = []
    private var found: [Int] = []

    package init() {}

    /// Adds a name, which is new.
    package mutating func add(_ name: String, at place: Int) {
        names.append(Array(name.utf8))
        found.append(place)
        if names.count * 2 > places.count {
            places = [Int32](repeating: -1, count: places.count * 2)
            for number in names.indices { put(number) }
        } else {
            put(names.count - 1)
        }
    }

    private mutating func put(_ number: Int) {
        var place = names[number].withRawSpan { Self.hash($0) } & (places.count - 1)
        while places[place] >= 0 { place = (place + 1) & (places.count - 1) }
        places[place] = Int32(number)
    }

    /// Returns the place of a name.
    package func find(_ name: RawSpan) -> Int? {
        var place = Self.hash(name) & (places.count - 1)
        while places[place] >= 0 {
            let number = Int(places[place])
            if isSame(names[number], name) { return found[number] }
            place = (place + 1) & (places.count - 1)
        }
        return nil
    }

    /// The same by a text.
    package func find(_ name: String) -> Int? { Array(name.utf8).withRawSpan { find($0) } }

    private func isSame(_ known: [UInt8], _ name: RawSpan) -> Bool {
        guard known.count == name.byteCount else { return false }
        for place in known.indices where known[place] != name.uint8(at: place) { return false }
        return true
    }

    private static func hash(_ name: RawSpan) -> Int {
        var hash: UInt32 = 2_166_136_261
        for place in 0..<name.byteCount {
            hash = (hash ^ UInt32(name.uint8(at: place))) &* 16_777_619
        }
        return Int(hash ^ hash >> 15)
    }
}
