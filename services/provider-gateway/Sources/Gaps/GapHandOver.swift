import MarketModel
import Primitives

/// What a tenure makes of what is missing from before it: it goes to whoever feeds the instrument
/// now, whoever left it, or is given up on the tape. Pure.
struct GapHandOver: Equatable {
    /// A gap record that the gateway itself has to write.
    struct Settlement: Hashable {
        var symbol: Symbol
        var part: MissingPart
        var state: GapState
        var detail: String
    }

    static let notAsked = "the instrument is no longer asked for"
    static let otherKinds = "this kind of data is no longer asked for"
    static let cameBefore = "came before the gateway ended"
    static let inDoubt = "the gateway ended while this part was filled in"
    static let barsOnly = "bars only: the gateway ended while they were filled in"
    static let tooMany = "more than \(ProviderLimits.gapsMax) gaps wait"

    /// By their beginning.
    private(set) var gaps: [OpenGap] = []
    private(set) var settlements: [Settlement] = []
    /// Of these how many there was no room for.
    private(set) var tooMany = 0

    /// `asked`: the number and the feeds of what is wanted now.
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
                        reason: GapReason(rawValue: rest.reason) ?? .unknown)
                ))
        }
        // Those that last are as many as there are feeds, and end when these are back.
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

    private static func isBefore(
        _ left: (symbol: Symbol, part: MissingPart), _ right: (symbol: Symbol, part: MissingPart)
    ) -> Bool {
        (left.part.from, left.symbol.text, left.part.kind)
            < (right.part.from, right.symbol.text, right.part.kind)
    }

    /// Ticks stand on the tape, and nothing says of them that they fill the gap. What is surely
    /// whole is put on record as filled, what may be half there as given up: asked for again, it
    /// would be there twice. Answers what is still missing.
    private mutating func settleBegun(_ symbol: Symbol, _ part: MissingPart) -> MissingPart? {
        guard let begun = part.begun else { return part }
        var rest = part
        rest.begun = nil
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
        var half = rest
        (half.from, half.to) = (done.to, doubtful)
        if half.from < half.to {
            settlements.append(
                Settlement(symbol: symbol, part: half, state: .abandoned, detail: Self.inDoubt))
        }
        rest.from = doubtful
        return rest.from < rest.to ? rest : nil
    }

    /// One that lasts ends first.
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
