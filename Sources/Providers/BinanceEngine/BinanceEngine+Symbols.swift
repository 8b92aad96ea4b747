internal import EngineKit
internal import MarketModel
internal import Primitives

// Which symbols the exchange has. It accepts a stream of any name, and one that it does not have
// never trades: a mistake in a list would look like a quiet market.
extension BinanceEngine {
    /// Has the exchange asked about feeds that begin.
    mutating func lookUp(_ places: [Int]) {
        guard settings.fills else { return }
        var rest = places[...]
        while !rest.isEmpty, holes.lookUps.count < BinanceLimits.lookUpsMax {
            holes.lookUps.append(Array(rest.prefix(BinanceLookUp.countMax)))
            rest = rest.dropFirst(BinanceLookUp.countMax)
        }
    }

    /// Asks about the next group. Returns false if there is none.
    mutating func askAboutSymbols(into out: inout BinanceOutput) -> Bool {
        guard let group = holes.lookUps.first else { return false }
        holes.lastNumber &+= 1
        holes.asked = holes.lastNumber
        holes.isLookUp = true
        counters.fills.requests &+= 1
        out.wishes.append(
            .lookUp(
                BinanceLookUp(number: holes.lastNumber, symbols: group.map { feeds[$0].name })))
        return true
    }

    /// The answer about a group of symbols.
    mutating func lookedUp(
        _ outcome: BinanceFetchOutcome, _ now: Moment, into out: inout BinanceOutput
    ) {
        guard let group = holes.lookUps.first else { return }
        switch outcome {
        case .page(let bytes):
            guard let facts = BinanceSymbolList.read(bytes) else {
                return noAnswer("the answer is no list of symbols", now, into: &out)
            }
            holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
            holes.lookUps.removeFirst()
            for place in group { judge(place, facts[feeds[place].name], now, into: &out) }
        case .unknownSymbol where group.count > 1:
            // One of them is unknown. The exchange does not say which.
            holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
            let half = group.count / 2
            holes.lookUps.replaceSubrange(
                0..<1, with: [Array(group.prefix(half)), Array(group.dropFirst(half))])
        case .unknownSymbol:
            holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
            holes.lookUps.removeFirst()
            judge(group[0], nil, now, into: &out)
        case .limited(let retryAfter, let isBanned):
            wait(retryAfter, isBanned: isBanned, now, into: &out)
        case .refused(let reason), .denied(let reason), .failed(let reason):
            noAnswer(reason, now, into: &out)
        }
    }

    /// What a person can do about a refused symbol.
    static let symbolAdvice = "write it as the exchange does, like BTCUSDT"

    /// Asks again later. Trades come without an answer, too, so after a while nobody asks any more.
    private mutating func noAnswer(
        _ reason: String, _ now: Moment, into out: inout BinanceOutput
    ) {
        holes.pace.failed(reason, now)
        counters.fills.failures &+= 1
        out.note(.fetchesWait(reason: reason))
        holes.lookUpFailures += 1
        guard holes.lookUpFailures >= BinanceLimits.uselessAnswersMax else { return }
        holes.lookUpFailures = 0
        holes.lookUps.removeFirst()
    }

    private mutating func judge(
        _ place: Int, _ facts: BinanceSymbolFacts?, _ now: Moment, into out: inout BinanceOutput
    ) {
        holes.lookUpFailures = 0
        guard feeds[place].isWanted else { return }
        let instrument = feeds[place].instrument
        if let facts {
            if facts.status != "TRADING" {
                feeds[place].reason =
                    "the exchange does not trade it now: \(facts.status): wait, or choose another"
            }
            if !facts.misfit.isEmpty {
                out.note(.mayNotFit(instrument: instrument, text: facts.misfit))
            }
        } else if feeds[place].last.id == 0, !feeds[place].side.last.isDefined {
            let reason = "the exchange has no symbol \(feeds[place].name): \(Self.symbolAdvice)"
            for feed in feeds.indices
            where feeds[feed].isWanted && feeds[feed].instrument == instrument {
                feeds[feed].refusal = BinanceRefusal(reason: reason, isUnknown: true)
                report(.refused, of: feed, now, into: &out)
            }
            out.note(.refused(instrument: instrument, reason: reason))
        }
    }
}
