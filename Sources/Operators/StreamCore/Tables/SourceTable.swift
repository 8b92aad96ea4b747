public import MarketModel
public import Primitives

/// The sources of one partition, in order of their first appearance on the tape. The index of a
/// source in `entries` is its number in all machines of the partition.
public struct SourceTable: Sendable {
    public struct Entry: Hashable, Sendable {
        public let name: SourceName
        /// Whether a provider's past is loaded into it, so that its watermark says nothing of the
        /// present.
        let isHistory: Bool
        /// For a past: the time from which on its ticks were received; the lowest time when none
        /// had been removed before, undefined before its first tick. It begins before the tape.
        var start = Timestamp.undefined
        /// The send time of its last packet; `noWatermark` before the first.
        public internal(set) var lastSent: Timestamp
        /// The partition's clock at its last packet, in nanoseconds.
        public internal(set) var lastHeard: Int64
        /// The last watermark, which never goes backwards; `noWatermark` until the source has given
        /// one.
        public internal(set) var watermark: Timestamp
        /// How often the source gave a watermark below its last one. Such a watermark changes
        /// nothing.
        public internal(set) var regressions: UInt64
        /// The epoch in which the source was retired; 0 while it is not.
        var retiredEpoch: UInt64 = 0

        /// Whether the source was retired. Until it sends a packet of a higher epoch, it counts for
        /// nothing that is derived from several sources.
        public var isRetired: Bool { retiredEpoch > 0 }

        init(
            _ name: SourceName, lastSent: Timestamp = SourceTable.noWatermark, lastHeard: Int64
        ) {
            self.name = name
            isHistory = name.isHistory
            self.lastSent = lastSent
            self.lastHeard = lastHeard
            watermark = SourceTable.noWatermark
            regressions = 0
        }
    }

    /// The watermark of a source that has given none: a time before all usable times.
    public static let noWatermark = Timestamp(nanoseconds: Int64.min)

    public private(set) var entries: [Entry] = []
    /// Packets of sources for which there was no room.
    public private(set) var refused: UInt64 = 0

    /// Returns the index of a source, which is given out when it first appears; `nil` when there is
    /// no room. Retired sources take no room from others, but their names do. One that returns has
    /// its index, and so may be there beyond `sourcesMax`.
    public mutating func index(of name: SourceName) -> Int? {
        if let known = entries.firstIndex(where: { $0.name == name }) { return known }
        guard hasRoom, entries.count < StreamLimits.sourcesKnownMax else {
            refused += 1
            return nil
        }
        entries.append(Entry(name, lastHeard: clock))
        return entries.count - 1
    }

    /// Whether one more source may be there that is not retired.
    private var hasRoom: Bool {
        entries.count < StreamLimits.sourcesMax
            || entries.count(where: { !$0.isRetired }) < StreamLimits.sourcesMax
    }

    /// Sets when a past begins.
    mutating func starts(_ source: Int, at time: Timestamp) {
        guard entries.indices.contains(source) else { return }
        entries[source].start = time
    }

    // MARK: retirement

    /// Retires a source in this epoch.
    mutating func retire(_ source: Int, epoch: UInt64) {
        guard entries.indices.contains(source) else { return }
        entries[source].retiredEpoch = max(entries[source].retiredEpoch, epoch, 1)
    }

    /// Notes the epoch of a packet that retires nothing: one above that of the source's retirement
    /// takes the retirement back.
    mutating func heard(_ source: Int, epoch: UInt64) {
        guard entries.indices.contains(source), epoch > entries[source].retiredEpoch else { return }
        entries[source].retiredEpoch = 0
    }

    // MARK: watermarks

    /// Sets the watermark of a source, given as its index. An undefined one changes nothing.
    mutating func advance(_ source: Int, to watermark: Timestamp) {
        guard entries.indices.contains(source), watermark.isDefined else { return }
        if watermark < entries[source].watermark { entries[source].regressions += 1 }
        entries[source].watermark = max(entries[source].watermark, watermark)
    }

    // MARK: silence

    /// The longest time by which one packet moves the clock. Each source sends a packet a second.
    /// So a sender whose time jumps, and one whose packets waited in its spool, move the clock no
    /// further than this.
    static let clockStepMax: Int64 = 2_000_000_000

    /// The greatest time of the clock that a checkpoint may have: more than a century.
    static let clockMax = Int64.max / 2

    /// The partition's clock in nanoseconds, which begins at 0 and never goes back. Each packet
    /// moves it: it reads at least what it read at the sender's last packet, and the time between
    /// the two on the sender's own clock. So it needs no two clocks that agree.
    private var clock: Int64 { entries.reduce(0) { max($0, $1.lastHeard) } }

    /// Notes that a source sent a packet at this time. A time that no gateway can have is ignored.
    mutating func sent(_ source: Int, at time: Timestamp) {
        guard entries.indices.contains(source), time.isUsable else { return }
        let last = entries[source].lastSent
        entries[source].lastSent = time
        let step =
            last.isUsable
            ? min(max(0, time.nanoseconds - last.nanoseconds), Self.clockStepMax) : 0
        entries[source].lastHeard = max(clock, entries[source].lastHeard &+ step)
    }

    /// Returns for each source whether it is silent: the clock has moved on by `silentAfter`
    /// nanoseconds since its last packet.
    public func silences(after silentAfter: Int64) -> [Bool] {
        let clock = clock
        return entries.map { clock - $0.lastHeard >= silentAfter }
    }

    /// The least watermark of the sources that are neither silent nor retired. A source that has
    /// given no watermark has no bars, and does not count. A provider's past counts only where
    /// nothing else does: while it is loaded, it must not hold up what comes from the present.
    /// Returns `noWatermark` when no source counts.
    func leastWatermark(silentAfter: Int64) -> Timestamp {
        let clock = clock
        var least = Timestamp.undefined
        var leastOfPast = Timestamp.undefined
        for entry in entries
        where entry.watermark != Self.noWatermark && !entry.isRetired
            && clock - entry.lastHeard < silentAfter
        {
            if entry.isHistory {
                leastOfPast = min(leastOfPast, entry.watermark)
            } else {
                least = min(least, entry.watermark)
            }
        }
        if least.isDefined { return least }
        return leastOfPast.isDefined ? leastOfPast : Self.noWatermark
    }

    /// In a repair, this bit is set in the ordinal of a tick that a person put on the tape. Such
    /// ticks are the last ones of their nanosecond, in their own order, whichever source feeds the
    /// symbol where they are on the tape.
    package static let byHand: UInt64 = 1 << 63

    /// Returns whether the left tick comes before the right one, with the same event time. The
    /// names of sources decide, so that the order does not depend on which was seen first, and
    /// then the ordinals. The feed `.foreign` comes before all others.
    func isBefore(
        _ left: (feed: SymbolTable.Feed, ordinal: UInt64),
        _ right: (feed: SymbolTable.Feed, ordinal: UInt64)
    ) -> Bool {
        if left.feed.source == right.feed.source
            || (left.ordinal | right.ordinal) & Self.byHand != 0
        {
            return left.ordinal < right.ordinal
        }
        if left.feed == .foreign || right.feed == .foreign { return left.feed == .foreign }
        return entries[left.feed.source].name < entries[right.feed.source].name
    }
}
