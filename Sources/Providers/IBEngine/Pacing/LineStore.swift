internal import IBProtocol
internal import Primitives
internal import MarketModel

/// Keeps which request holds which line.
struct LineStore: Sendable {
    /// The kind of line that a request holds, by the request's number.
    private var held: [Int32: LineLimit] = [:]
    private var counts: [LineLimit: Int] = [:]
    /// The bounds of those kinds of lines of which the server has refused one.
    private var bounds: [LineLimit: Bound] = [:]

    private struct Bound {
        /// How many lines the server has accepted.
        var most: Int
        /// When one more is tried, monotonic, and how long after it the next one.
        var probe: MonotonicTime
        var interval: Int64
        /// When the server last refused one, monotonic, and whether one was tried since.
        var refused: MonotonicTime
        var hasTried = false
    }

    /// Returns how many lines of this kind are held.
    func count(_ limit: LineLimit) -> Int { counts[limit] ?? 0 }

    /// Returns how many lines of this kind the server has accepted; `nil`: it has refused none.
    func accepted(_ limit: LineLimit) -> Int? { bounds[limit]?.most }

    /// Returns whether the request has a line already. A replacement has one before it is sent.
    func holds(_ id: Int32) -> Bool { held[id] != nil }

    /// Gives a line to a request, unless it has one.
    mutating func hold(_ id: Int32, _ limit: LineLimit) {
        guard held.updateValue(limit, forKey: id) == nil else { return }
        counts[limit, default: 0] += 1
    }

    /// Returns when one more line may be taken, of `most` lines that the account should have;
    /// `never`: when another one is free again.
    func due(_ limit: LineLimit, of most: Int) -> MonotonicTime {
        let used = count(limit)
        guard used < most else { return .never }
        guard let bound = bounds[limit], used >= bound.most else { return .distantPast }
        return bound.probe
    }

    /// Notes that the server has no line for a request: the next tries come half as often. Refusals
    /// of requests that were on their way by then are nothing new.
    mutating func refused(_ limit: LineLimit, _ limits: PacingLimits, now: MonotonicTime) {
        let first = limits.lines.retry.first.clampedNanoseconds
        guard let old = bounds[limit] else {
            bounds[limit] = Bound(
                most: count(limit), probe: now + first, interval: first, refused: now)
            return
        }
        var bound = old
        if now >= old.refused + first {
            bound.interval = min(
                old.interval.doubled, limits.lines.retry.max.clampedNanoseconds)
            bound.refused = now
        }
        bound.most = count(limit)
        bound.probe = now + bound.interval
        bound.hasTried = false
        bounds[limit] = bound
    }

    /// Notes a request that was sent and may be one more than the server had accepted. If the one
    /// before was not refused, the next ones come twice as often.
    mutating func sent(_ limit: LineLimit, _ limits: PacingLimits, now: MonotonicTime) {
        guard var bound = bounds[limit], count(limit) > bound.most else { return }
        if bound.hasTried {
            bound.interval = max(bound.interval / 2, limits.lines.retryMin.clampedNanoseconds)
        }
        bound.most = count(limit)
        bound.hasTried = true
        bound.probe = now + bound.interval
        bounds[limit] = bound
    }

    /// Gives a request's line to another one, so that no third request gets it in between.
    mutating func move(from old: Int32, to new: Int32) {
        guard let limit = held.removeValue(forKey: old) else { return }
        held[new] = limit
    }

    /// Frees a request's line and returns its kind; `nil`: it had none.
    mutating func release(_ id: Int32) -> LineLimit? {
        guard let limit = held.removeValue(forKey: id) else { return nil }
        counts[limit, default: 0] -= 1
        return limit
    }
}
