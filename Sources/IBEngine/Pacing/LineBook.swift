internal import IBProtocol

/// Who holds which line.
struct LineBook: Sendable {
    private var held: [Int32: LineLimit] = [:]
    private var counts: [LineLimit: Int] = [:]

    func count(_ limit: LineLimit) -> Int { counts[limit] ?? 0 }

    /// It has one already: as a replacement, before it is sent.
    func holds(_ id: Int32) -> Bool { held[id] != nil }

    mutating func hold(_ id: Int32, _ limit: LineLimit) {
        guard held.updateValue(limit, forKey: id) == nil else { return }
        counts[limit, default: 0] += 1
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
