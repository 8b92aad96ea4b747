package import Primitives

/// The times of the last trades, by feed and number: what a service says of a trade later names
/// only its id. The memory is fixed; where it is full, the oldest of eight is forgotten.
package struct TradeTimes: Sendable {
    private static let ways = 8

    private var keys: [UInt64]
    private var times: [Int64]
    /// The next way of each bucket.
    private var next: [UInt8]
    private let mask: Int

    package init(count: Int) {
        var buckets = 1
        while buckets * Self.ways < count { buckets *= 2 }
        keys = [UInt64](repeating: 0, count: buckets * Self.ways)
        times = [Int64](repeating: 0, count: buckets * Self.ways)
        next = [UInt8](repeating: 0, count: buckets)
        mask = buckets - 1
    }

    /// Keeps the time of a trade, in place of the oldest one of its bucket.
    package mutating func keep(_ number: UInt64, of feed: Int, _ time: Timestamp) {
        let key = Self.key(number, feed)
        let bucket = Int(truncatingIfNeeded: key >> 16) & mask
        let way = Int(next[bucket])
        next[bucket] = UInt8((way + 1) % Self.ways)
        keys[bucket * Self.ways + way] = key
        times[bucket * Self.ways + way] = time.nanoseconds
    }

    /// Returns the time of a trade; `nil`: it is not known.
    package func time(of number: UInt64, of feed: Int) -> Timestamp? {
        let key = Self.key(number, feed)
        let first = (Int(truncatingIfNeeded: key >> 16) & mask) * Self.ways
        for place in first..<first + Self.ways where keys[place] == key {
            return Timestamp(nanoseconds: times[place])
        }
        return nil
    }

    /// Returns the time of the only trade with a number; `nil`: none is known, or several of other
    /// times.
    package func time(ofOnly number: UInt64, of feed: Int) -> Timestamp? {
        let key = Self.key(number, feed)
        let first = (Int(truncatingIfNeeded: key >> 16) & mask) * Self.ways
        var found: Int64?
        for place in first..<first + Self.ways
        where keys[place] == key {
            if let found, found != times[place] { return nil }
            found = times[place]
        }
        return found.map { Timestamp(nanoseconds: $0) }
    }

    /// Returns a number that two trades share only by a chance of 2^-64; never 0.
    private static func key(_ number: UInt64, _ feed: Int) -> UInt64 {
        var key = (number ^ UInt64(feed) &* 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
        key = (key ^ key >> 32) &* 0xc4ce_b9fe_1a85_ec53
        return max(1, key ^ key >> 29)
    }
}
