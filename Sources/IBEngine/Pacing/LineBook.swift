internal import IBProtocol

/// Who holds which line.
struct LineBook: Sendable {
    private var held: [Int32: LineLimit] = [:]
    private var counts: [LineLimit: Int] = [:]
    /// Of kinds of which the server has refused one: how many it took, and when one more is tried,
    /// monotonic.
    private var bounds: [LineLimit: (most: Int, probe: Int64)] = [:]

    func count(_ limit: LineLimit) -> Int { counts[limit] ?? 0 }

    /// It has one already: as a replacement, before it is sent.
    func holds(_ id: Int32) -> Bool { held[id] != nil }

    mutating func hold(_ id: Int32, _ limit: LineLimit) {
        guard held.updateValue(limit, forKey: id) == nil else { return }
        counts[limit, default: 0] += 1
    }

    /// When one more may begin, with so many as the account should have; `Int64.max`: when another
    /// one has ended.
    func due(_ limit: LineLimit, of most: Int) -> Int64 {
        let used = count(limit)
        guard used < most else { return Int64.max }
        guard let bound = bounds[limit], used >= bound.most else { return Int64.min }
        return bound.probe
    }

    /// The server has no line for this one.
    mutating func refused(_ limit: LineLimit, probe: Int64) {
        bounds[limit] = (count(limit), probe)
    }

    /// One more than was taken is tried: the next one a while later.
    mutating func sent(_ limit: LineLimit, probe: Int64) {
        guard let bound = bounds[limit], count(limit) > bound.most else { return }
        bounds[limit] = (count(limit), probe)
    }

    /// The line of the one is the other's from now on, and nobody else gets it in between.
    mutating func move(from old: Int32, to new: Int32) {
        guard let limit = held.removeValue(forKey: old) else { return }
        held[new] = limit
    }

    /// Of which kind the line was that is free now.
    mutating func release(_ id: Int32) -> LineLimit? {
        guard let limit = held.removeValue(forKey: id) else { return nil }
        counts[limit, default: 0] -= 1
        return limit
    }
}
