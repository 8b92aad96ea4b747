import MarketModel
import Primitives

/// Decides at the start of a tenure about the gaps from before it. A gap goes to the provider that
/// feeds the instrument now, regardless of which provider left it, or is given up on the tape.
/// Pure.
struct GapHandOver: Equatable {
    /// A gap record that the gateway itself has to write.
    struct Settlement: Hashable {
        var symbol: Symbol
        var part: MissingPart
        /// `filled`, `abandoned`, or `open` to record the end of a gap that lasted.
        var state: GapState
        /// The reason, for persons.
        var detail: String
    }

    static let notAsked = "the instrument is no longer asked for"
    static let otherKinds = "this kind of data is no longer asked for"
    static let cameBefore = "came before the gateway ended"
    static let inDoubt = "the gateway ended while this part was filled in"
    static let barsOnly = "bars only: the gateway ended while they were filled in"
    static let tooMany = "more than \(ProviderLimits.gapsMax) gaps wait"

    /// The gaps for providers, by their beginning.
    private(set) var gaps: [OpenGap] = []
    private(set) var settlements: [Settlement] = []
    /// How many gaps were given up because there were too many.
    private(set) var tooMany = 0

    /// `asked` returns the number and the feeds of an instrument that is requested now, and `nil`
    /// for others.
    init(
        _ missing: [(symbol: Symbol, part: MissingPart)], now: Timestamp,
        asked: (Symbol) -> (number: UInt32, feeds: Instrument.Feeds)?
    ) {
        var waiting: [(symbol: Symbol, gap: OpenGap)] = []
        for (symbol, part) in missing.sorted(by: Self.isBefore) {
            guard let rest = settleBegun(symbol, part) else { continue }
            guard let kind = DataKind(rawValue: rest.kind) else { continue }
            guard let (number, feeds) = asked(symbol) else {
                giveUp(symbol, rest, Self.notAsked, now)
                continue
            }
            guard kind == .any || feeds.kinds.contains(kind) else {
                giveUp(symbol, rest, Self.otherKinds, now)
                continue
            }
            waiting.append(
                (
                    symbol,
                    OpenGap(
                        instrument: number, kind: kind, from: rest.from, to: rest.to,
                        reason: GapReason(rawValue: rest.reason) ?? .unknown,
                        ids: rest.ids.map { ClosedRange($0) })
                ))
        }
        // Gaps that last do not count: there is one per feed at most, and it ends when the feed is
        // back.
        var excess = waiting.count { $0.gap.to.isDefined } - ProviderLimits.gapsMax
        for (symbol, gap) in waiting {
            guard gap.to.isDefined, excess > 0 else {
                gaps.append(gap)
                continue
            }
            excess -= 1
            tooMany += 1
            giveUp(symbol, MissingPart(gap), Self.tooMany, now)
        }
    }

    /// Orders gaps by their beginning.
    private static func isBefore(
        _ left: (symbol: Symbol, part: MissingPart), _ right: (symbol: Symbol, part: MissingPart)
    ) -> Bool {
        (left.part.from, left.symbol.text, left.part.kind)
            < (right.part.from, right.symbol.text, right.part.kind)
    }

    /// Settles the part of a gap whose ticks are on the tape without a record that they fill it,
    /// and returns the rest that is still missing. The part that is certainly complete is recorded
    /// as filled. The part that may be incomplete is recorded as given up: if it were requested
    /// again, its ticks could be on the tape twice.
    ///
    /// Where the ids are known, there is no doubt: the whole part is handed over, with the ids that
    /// are not there, or is filled.
    private mutating func settleBegun(_ symbol: Symbol, _ part: MissingPart) -> MissingPart? {
        var rest = part
        rest.begun = nil
        if let ids = part.ids {
            guard ids.isEmpty else { return rest }
            settlements.append(
                Settlement(symbol: symbol, part: rest, state: .filled, detail: Self.cameBefore))
            return nil
        }
        guard let begun = part.begun else { return part }
        let doubtful = min(begun.doubtful, part.to)
        var done = rest
        done.to = begun.areBars ? doubtful : max(part.from, begun.done)
        if done.from < done.to {
            settlements.append(
                begun.areBars
                    ? Settlement(
                        symbol: symbol, part: done, state: .abandoned, detail: Self.barsOnly)
                    : Settlement(
                        symbol: symbol, part: done, state: .filled, detail: Self.cameBefore))
        }
        var inDoubt = rest
        (inDoubt.from, inDoubt.to) = (done.to, doubtful)
        if inDoubt.from < inDoubt.to {
            settlements.append(
                Settlement(symbol: symbol, part: inDoubt, state: .abandoned, detail: Self.inDoubt))
        }
        rest.from = doubtful
        return rest.from < rest.to ? rest : nil
    }

    /// Records the part as given up. The end of a gap that lasts is recorded first.
    private mutating func giveUp(
        _ symbol: Symbol, _ part: MissingPart, _ detail: String, _ now: Timestamp
    ) {
        var ended = part
        if !part.hasEnded {
            ended.to = max(now, part.from.advanced(byNanoseconds: 1))
            settlements.append(
                Settlement(symbol: symbol, part: ended, state: .open, detail: ""))
        }
        settlements.append(
            Settlement(symbol: symbol, part: ended, state: .abandoned, detail: detail))
    }
}

extension MissingPart {
    init(_ gap: OpenGap) {
        self.init(
            kind: gap.kind.rawValue, reason: gap.reason.rawValue, from: gap.from, to: gap.to)
    }
}
