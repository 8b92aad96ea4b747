internal import IBProtocol
internal import Primitives
internal import MarketModel

/// Who holds which line.
struct LineBook: Sendable {
    private var held: [Int32: LineLimit] = [:]
    private var counts: [LineLimit: Int] = [:]
    /// Of kinds of which the server has refused one.
    private var bounds: [LineLimit: Bound] = [:]

    private struct Bound {
        /// How many it took.
        var most: Int
        /// When one more is tried, monotonic, and how long after it the next one.
        var probe: Int64
        var interval: Int64
        /// When it refused one last, and whether one was tried since.
        var refused: Int64
        var hasTried = false
    }

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

    /// The server has no line for this one: the next tries come half as often. Refusals of what was
    /// on its way by then say nothing new.
    mutating func refused(_ limit: LineLimit, _ limits: PacingLimits, now: Int64) {
        let first = limits.lineInterval.clampedNanoseconds
        guard let old = bounds[limit] else {
            bounds[limit] = Bound(
                most: count(limit), probe: now.later(by: first), interval: first, refused: now)
            return
        }
        var bound = old
        if now >= old.refused.later(by: first) {
            bound.interval = min(
                old.interval.later(by: old.interval), limits.lineIntervalMax.clampedNanoseconds)
            bound.refused = now
        }
        bound.most = count(limit)
        bound.probe = now.later(by: bound.interval)
        bound.hasTried = false
        bounds[limit] = bound
    }

    /// One more than was taken is tried. When the one before was not refused, the next ones come
    /// twice as often.
    mutating func sent(_ limit: LineLimit, _ limits: PacingLimits, now: Int64) {
        guard var bound = bounds[limit], count(limit) > bound.most else { return }
        if bound.hasTried {
            bound.interval = max(bound.interval / 2, limits.lineIntervalMin.clampedNanoseconds)
        }
        bound.most = count(limit)
        bound.hasTried = true
        bound.probe = now.later(by: bound.interval)
        bounds[limit] = bound
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
