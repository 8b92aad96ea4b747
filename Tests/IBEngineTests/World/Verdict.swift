import IBEngine
import MarketModel
import Primitives
import ProviderModel

/// What came out of an engine, as the tape would see it.
struct Verdict {
    struct GapKey: Hashable {
        var instrument: UInt32
        var kind: UInt8
        var from: Timestamp
    }

    struct Seen: Hashable {
        var instrument: UInt32
        var number: Int
    }

    var floor = Timestamp.undefined
    var problems: [String] = []
    var records = 0
    var checksum: UInt64 = 0
    /// How often each trade and quote came, without those that were states.
    var trades: [Seen: Int] = [:]
    var quotes: [Seen: Int] = [:]
    var firstStart: [GapKey: Timestamp] = [:]
    /// Until when data are missing; undefined while it lasts.
    var gaps: [GapKey: Timestamp] = [:]
    var abandoned: [GapKey: [Range<Timestamp>]] = [:]
    var gapsBegun = 0
    var headlines: [NewsHeadline] = []
    var indicators: [IndicatorValue] = []
    var states: Set<SessionState> = []

    mutating func take(_ output: inout IBEngine.Output, _ now: Int64) {
        for record in output.records { take(record) }
        output.records = []
        for news in output.news {
            if case .state(let state, _) = news { states.insert(state) }
        }
        if output.newsLost > 0 { problems.append("news were lost") }
        output.news = []
        guard output.floor.isDefined else { return }
        if floor.isDefined, output.floor < floor { problems.append("the floor went back") }
        if output.floor.nanoseconds > now { problems.append("the floor is ahead") }
        floor = output.floor
    }

    private mutating func take(_ record: ProviderRecord) {
        records += 1
        switch record {
        case .trade(let trade):
            live(trade.header)
            guard !trade.header.flags.contains(.snapshot) else { return }
            let number = MarketTrade.number(ofPrice: trade.price.raw)
            trades[Seen(instrument: trade.header.symbol, number: number), default: 0] += 1
        case .quote(let quote):
            live(quote.header)
            guard quote.bidPrice.isDefined, !quote.header.flags.contains(.snapshot) else { return }
            let number = Int(quote.bidPrice.raw / 1_000_000_000) - 1
            quotes[Seen(instrument: quote.header.symbol, number: number), default: 0] += 1
        case .gap(let gap):
            take(gap)
        case .news(let headline): headlines.append(headline)
        case .indicator(let value): indicators.append(value)
        case .subscription(let start):
            let key = GapKey(
                instrument: start.header.symbol, kind: start.kind, from: .undefined)
            if firstStart[key] == nil, start.action == SubscriptionAction.start.rawValue {
                firstStart[key] = start.header.receiveTime
            }
        default: break
        }
    }

    private mutating func live(_ header: TickHeader) {
        checksum =
            checksum &* 31 &+ UInt64(bitPattern: header.receiveTime.nanoseconds)
            &+ UInt64(header.symbol)
        guard header.flags.isDisjoint(with: [.backfilled, .delayed]) else { return }
        if floor.isDefined, header.eventTime < floor {
            problems.append("a record at \(header.eventTime) is below the floor \(floor)")
        }
    }

    private mutating func take(_ gap: GapRecord) {
        let key = GapKey(instrument: gap.header.symbol, kind: gap.kind, from: gap.from)
        switch gap.state {
        case GapState.open.rawValue:
            if gap.to.isDefined, gaps[key] == nil {
                problems.append("a gap ended that had not begun")
            }
            if gap.to.isDefined, gap.to <= gap.from { problems.append("an empty gap") }
            if gaps[key] == nil { gapsBegun += 1 }
            gaps[key] = gap.to
        case GapState.abandoned.rawValue:
            let of = GapKey(instrument: key.instrument, kind: key.kind, from: .undefined)
            abandoned[of, default: []].append(gap.from..<max(gap.from, gap.to))
        default: break
        }
    }

    // MARK: the verdict

    /// Of all that happened, what is neither there nor told to be missing, and what is there twice.
    func problems(in trades: [MarketTrade], isFilled: Bool, kind: DataKind) -> [String] {
        let seen = kind == .trade ? self.trades : quotes
        var found = problems
        for trade in trades {
            let instrument = UInt32(trade.instrument)
            let count = seen[Seen(instrument: instrument, number: trade.number)] ?? 0
            if count > 1 { found.append("\(kind) \(trade.number) is there \(count) times") }
            let key = GapKey(instrument: instrument, kind: kind.rawValue, from: .undefined)
            guard count == 0, let start = firstStart[key], trade.time > start.nanoseconds
            else { continue }
            // It lies where its stamp says, or where it happened.
            let stamp = Timestamp(nanoseconds: trade.time / second * second)
            let exact = Timestamp(nanoseconds: trade.time)
            let isTold =
                isFilled
                ? (abandoned[key] ?? []).contains { $0.contains(stamp) || $0.contains(exact) }
                : isInGap(instrument, kind, stamp) || isInGap(instrument, kind, exact)
            if !isTold { found.append("\(kind) \(trade.number) of \(instrument) at \(exact)") }
        }
        for (key, end) in gaps where !end.isDefined {
            found.append("a gap of \(key.instrument) from \(key.from) has no end")
        }
        return found
    }

    private func isInGap(_ instrument: UInt32, _ kind: DataKind, _ time: Timestamp) -> Bool {
        gaps.contains { key, end in
            key.instrument == instrument && key.kind == kind.rawValue && key.from <= time
                && time < end
        }
    }
}
