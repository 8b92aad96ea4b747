internal import MarketModel
internal import Primitives

/// The unit of the sizes of an instrument's trades, as the volume of its day shows it.
package enum SizeUnit: Hashable, Sendable {
    /// No stretch has shown it yet.
    case unknown
    case shares
    /// Lots of about this many shares.
    case lots(Int)

    package var isLots: Bool { if case .lots = self { true } else { false } }
}

/// The witness of units. It compares the growth of the volume of the day, which is in shares, with
/// the sum of the sizes of the trades that came meanwhile. A switch of the platform sends sizes in
/// lots, and no version of the protocol shows it.
///
/// A *stretch* begins with a volume. The first volume after `stretchMin` that has seen `tradesMin`
/// trades judges it, and begins the next one. A stretch consists of *parts*, each from one volume
/// to another, and the parts vote. So a block that is in the volume and never came as a trade
/// counts as one part, however large it is. `begin` ends a stretch unjudged, because some of its
/// trades may be missing.
struct UnitWitness: Sendable {
    /// The shortest time of a stretch, in nanoseconds, and the fewest trades in it.
    static let stretchMin = 60 * EngineLimits.second
    static let tradesMin: Int64 = 20
    /// The fewest parts of a stretch. There are that many if a volume follows each fourth trade.
    static let partsMin = 5
    /// The shortest time of a part, in nanoseconds, and the fewest trades in it. A trade that comes
    /// shortly before or after its volume has little weight then.
    private static let partMin = EngineLimits.second
    private static let partTradesMin: Int64 = 4
    /// The lots of US stocks. The largest one that fits is named.
    private static let lots = [100, 40, 10]

    /// From one volume to another.
    private struct Part: Sendable {
        var growth: Int64 = 0
        var sum: Int64 = 0
        var trades: Int64 = 0
        var began = MonotonicTime.distantPast

        /// The volume has grown by what was traded, or by not much more: it has trades that are
        /// not reported.
        var isInShares: Bool { Int128(growth) <= 3 * Int128(sum) }

        /// Returns whether the sizes are lots of about this many shares, whole ones or with a
        /// fraction.
        func fits(_ lot: Int) -> Bool {
            let least = Int128(lot) * Int128(sum)
            let most = least + Int128(lot) * Int128(trades) * Int128(Quantity.oneShare.raw)
            return 5 * Int128(growth) >= 3 * least && 3 * Int128(growth) <= 5 * most
        }
    }

    /// What the last stretch with a clear result has shown.
    private(set) var unit = SizeUnit.unknown
    /// The last volume; undefined: no stretch has begun.
    private var volume = Quantity.undefined
    /// When the stretch began.
    private var began = MonotonicTime.distantPast
    /// The parts that have ended, how many trades they have, and what they vote for: shares, and
    /// each of `lots`.
    private var parts = 0
    private var trades: Int64 = 0
    private var inShares = 0
    private var fitting = InlineArray<3, Int>(repeating: 0)
    /// The part that has not ended.
    private var open = Part()

    /// Ends the stretch unjudged. The next one begins with the next volume.
    mutating func begin() { volume = .undefined }

    /// Takes over what the witness of the same contract has shown.
    mutating func take(over earlier: UnitWitness) { unit = earlier.unit }

    /// Notes a trade. All trades have to come here, or `begin` be called: a tenth of them looks
    /// like lots of ten shares.
    @inline(__always)
    mutating func traded(_ size: Quantity) {
        guard volume.isDefined else { return }
        let (sum, isTooLarge) = open.sum.addingReportingOverflow(size.raw)
        guard size.isDefined, size.raw >= 0, !isTooLarge else { return begin() }
        open.sum = sum
        open.trades &+= 1
    }

    /// Notes the volume of the day. Returns true when sizes are in lots that were not before, or
    /// are in shares again.
    mutating func grew(to now: Quantity, _ time: MonotonicTime) -> Bool {
        guard now.isDefined, now.raw >= 0 else {
            begin()
            return false
        }
        // A smaller volume is that of another day.
        guard volume.isDefined, now >= volume else {
            restart(now, time)
            return false
        }
        // It cannot overflow: neither volume is negative.
        open.growth &+= now.raw &- volume.raw
        volume = now
        guard open.growth > 0, open.trades >= Self.partTradesMin,
            time - open.began >= Self.partMin
        else { return false }
        endPart(time)
        guard trades >= Self.tradesMin, parts >= Self.partsMin, time - began >= Self.stretchMin
        else { return false }
        let shown = judged
        restart(now, time)
        // Lots of another number of shares are no other state.
        guard shown != .unknown, shown != unit, !(shown.isLots && unit.isLots) else { return false }
        defer { unit = shown }
        return shown.isLots || unit.isLots
    }

    private mutating func restart(_ now: Quantity, _ time: MonotonicTime) {
        (volume, began) = (now, time)
        (parts, trades, inShares) = (0, 0, 0)
        fitting = InlineArray(repeating: 0)
        open = Part(began: time)
    }

    private mutating func endPart(_ time: MonotonicTime) {
        parts += 1
        trades &+= open.trades
        if open.isInShares { inShares += 1 }
        for place in fitting.indices where open.fits(Self.lots[place]) { fitting[place] += 1 }
        open = Part(began: time)
    }

    /// What the parts show together: four of five have to agree, and hardly any may look like
    /// shares if sizes are in lots.
    private var judged: SizeUnit {
        if 5 * inShares >= 4 * parts { return .shares }
        guard 10 * inShares <= parts else { return .unknown }
        var best = 0
        for place in fitting.indices where fitting[place] > fitting[best] { best = place }
        return 5 * fitting[best] >= 4 * parts ? .lots(Self.lots[best]) : .unknown
    }
}

extension Quantity {
    /// One share, in units of 1e-8.
    fileprivate static var oneShare: Quantity { Quantity(raw: 100_000_000) }
}
