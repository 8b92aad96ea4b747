internal import Primitives

/// The ticks of the last seconds of one kind: what history tells of an outage's first and last
/// second is compared with them.
///
/// Two halves of two seconds each, so that keeping one costs no search and, after the first
/// seconds, no memory. While an outage lasts nothing falls out.
struct BorderTicks: Sendable {
    private static let half = 2 * EngineLimits.second

    private var older: [ArrivedTick] = []
    private var newer: [ArrivedTick] = []
    private var began: Int64 = 0
    private var isFrozen = false
    private var isOlderCut = false
    private var isNewerCut = false

    /// More came than is kept: the ticks are not all there.
    var isCut: Bool { isOlderCut || isNewerCut }

    var ticks: [ArrivedTick] { older + newer }

    @inline(__always)
    mutating func add(_ tick: ArrivedTick, at now: Int64) {
        if !isFrozen, now >= began.later(by: Self.half) { turn(now) }
        guard newer.count < EngineLimits.borderTicksMax else {
            isNewerCut = true
            return
        }
        newer.append(tick)
    }

    mutating func freeze() { isFrozen = true }

    /// From here on: what comes after the outage.
    mutating func begin(_ now: Int64) {
        isFrozen = false
        older.removeAll(keepingCapacity: true)
        newer.removeAll(keepingCapacity: true)
        isOlderCut = false
        isNewerCut = false
        began = now
    }

    private mutating func turn(_ now: Int64) {
        swap(&older, &newer)
        newer.removeAll(keepingCapacity: true)
        isOlderCut = isNewerCut
        isNewerCut = false
        began = now
    }
}
