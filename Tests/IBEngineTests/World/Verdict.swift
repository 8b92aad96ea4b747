import IBEngine
import MarketModel
import Primitives

/// A kind of value that the market reports separately. Each event has one value in each of them.
enum Track: Hashable, CaseIterable {
    case trade, quote, midpoint, volume, depth, bar, computation, news

    /// The kind of data in gap records.
    var kind: DataKind {
        switch self {
        case .trade: .trade
        case .quote: .quote
        case .midpoint, .volume: .indicator
        case .depth: .depth
        case .bar: .providerBar
        case .computation: .optionComputation
        case .news: .news
        }
    }
}

/// The output of an engine, as the tape would have it.
struct Verdict {
    struct GapKey: Hashable {
        var instrument: UInt32
        var kind: UInt8
        var from: Timestamp
    }

    struct Seen: Hashable {
        var instrument: UInt32
        var track: Track
        var number: Int
    }

    var isDelayed = false
    /// What is checked is the source of delayed data.
    var isOfDelayed = false
    /// The ticks of the source of delayed data, and its subscriptions in order: true for a start.
    var delayedTicks: [TickHeader] = []
    var delayedStarts: [UInt32: [Bool]] = [:]
    /// The same of the source of live data.
    var liveStarts: [UInt32: [Bool]] = [:]
    var delayedFloor = Timestamp.undefined
    var delayedGaps: [GapRecord] = []
    /// How many pieces a server reports as one in a size.
    var lot = 1
    var floor = Timestamp.undefined
    var problems: [String] = []
    var records = 0
    var checksum: UInt64 = 0
    /// How often each value came, without those that were states.
    var values: [Seen: Int] = [:]
    var states: Set<Seen> = []
    var books: [UInt32: RecordedBook] = [:]
    var dailyBars: [UInt32: [Timestamp]] = [:]
    var documents: [UInt32: Int] = [:]
    var bulletins: [UInt64: Int] = [:]
    var firstStart: [GapKey: Timestamp] = [:]
    /// The end of each gap; undefined while it lasts.
    var gaps: [GapKey: Timestamp] = [:]
    var abandoned: [GapKey: [Range<Timestamp>]] = [:]
    var filled: [GapKey: [Range<Timestamp>]] = [:]
    /// The details in the records of gaps.
    var details: Set<String> = []
    var gapsBegun = 0
    var headlines: [NewsHeadline] = []
    var indicators: [IndicatorValue] = []
    var sessionStates: Set<SessionState> = []
    /// The numbers of trades that are marked as unreported.
    var unreported: [Int] = []
    /// The numbers of the latest quotes by instrument, as far as level 1 delivered them.
    var lastOfLevel1: [UInt32: Int] = [:]
    /// The latest quote that came live.
    var quote: Quote?
    /// The header of the latest trade.
    var latest: TickHeader?
    /// The reports about numbers that the scale cannot hold: instrument and count.
    var numbers: [[UInt64?]] = []

    mutating func take(_ output: inout IBEngine.Output, _ now: Int64) {
        takeDelayed(output)
        for record in output.live.records { take(record) }
        if isOfDelayed { for record in output.delayed.records { take(record) } }
        (output.live.records, output.delayed.records) = ([], [])
        for news in output.events {
            if case .state(let state, _) = news { sessionStates.insert(state) }
            if case .unsendable(let what) = news { problems.append("unsendable: \(what)") }
            if case .numbers(let instrument, let count) = news {
                numbers.append([instrument.map { UInt64($0) }, count])
            }
        }
        if output.eventsLost > 0 { problems.append("news were lost") }
        output.events = []
        let next = isOfDelayed ? output.delayed.floor : output.live.floor
        guard next.isDefined else { return }
        if floor.isDefined, next < floor { problems.append("the floor went back") }
        if next.nanoseconds > now { problems.append("the floor is ahead") }
        floor = next
    }

    /// Checks that the two sources have nothing in common.
    private mutating func takeDelayed(_ output: IBEngine.Output) {
        for case .tape(let record) in output.live.records {
            if record.header?.flags.contains(.delayed) == true {
                problems.append("a delayed record is in the live source")
            }
            note(record, in: \.liveStarts)
        }
        for case .tape(let record) in output.delayed.records {
            note(record, in: \.delayedStarts)
            if case .gap(let gap) = record { delayedGaps.append(gap) }
            guard let header = record.header, record.kind != nil else { continue }
            delayedTicks.append(header)
            if !isOfDelayed, !header.flags.contains(.delayed) {
                problems.append("a live record is in the delayed source")
            }
            if delayedFloor.isDefined, header.eventTime < delayedFloor {
                problems.append("a delayed record at \(header.eventTime) is below its floor")
            }
        }
        guard output.delayed.floor.isDefined else { return }
        if delayedFloor.isDefined, output.delayed.floor < delayedFloor {
            problems.append("the delayed floor went back")
        }
        delayedFloor = output.delayed.floor
    }

    private mutating func note(
        _ record: TapeRecord, in starts: WritableKeyPath<Verdict, [UInt32: [Bool]]>
    ) {
        guard case .subscription(let subscription) = record,
            subscription.kind == DataKind.quote.rawValue
        else { return }
        let isStart = subscription.action == SubscriptionAction.start.rawValue
        self[keyPath: starts][subscription.header.symbol, default: []].append(isStart)
    }

    private mutating func take(_ told: ProviderRecord) {
        records += 1
        guard case .tape(let record) = told else { return }
        switch record {
        case .trade(let trade):
            live(trade.header)
            if trade.size != Quantity(raw: 100 * 100_000_000) {
                problems.append("a trade's size is \(trade.size)")
            }
            let number = WorldTrade.number(ofPrice: trade.price.raw)
            if trade.header.flags.contains(.unreported) { unreported.append(number) }
            latest = trade.header
            note(.trade, number, trade.header)
        case .quote(let quote):
            live(quote.header)
            self.quote = quote
            guard quote.bidPrice.isDefined else { return }
            take(quote, Int(quote.bidPrice.raw / 1_000_000_000) - 1)
        case .gap(let gap): take(gap)
        case .subscription(let start):
            let key = GapKey(instrument: start.header.symbol, kind: start.kind, from: .undefined)
            if firstStart[key] == nil, start.action == SubscriptionAction.start.rawValue {
                firstStart[key] = start.header.receiveTime
            }
        default: takeOther(record)
        }
    }

    /// Takes a quote. The first one that comes tick by tick may be the last one of level 1, and
    /// does not count then.
    private mutating func take(_ quote: Quote, _ number: Int) {
        let flags = quote.header.flags
        guard !flags.contains(.backfilled) else { return note(.quote, number, quote.header) }
        let last = lastOfLevel1.removeValue(forKey: quote.header.symbol)
        if flags.contains(.conflated) {
            lastOfLevel1[quote.header.symbol] = number
        } else if last == number {
            return
        }
        note(.quote, number, quote.header)
    }

    private mutating func takeOther(_ record: TapeRecord) {
        switch record {
        case .indicator(let value) where value.header.flags.contains(.backfilled):
            indicators.append(value)
        case .indicator(let value):
            let number = Int(clamping: value.value / 1_000_000_000)
            switch value.name {
            case "ib.mark-price": break
            case "ib.midpoint": note(.midpoint, number - 1, value.header)
            case "ib.volume": note(.volume, number / lot - 1, value.header)
            default: problems.append("what is \(value.name)?")
            }
        case .option(let option):
            let number = Int(option.underlyingPrice.raw / 1_000_000_000) - 1
            note(.computation, number, option.header)
        case .news(let news) where !news.article.hasPrefix("N"):
            headlines.append(news)
        case .news(let news): note(.news, Int(news.article.dropFirst()) ?? -1, news.header)
        case .providerBar(let bar): take(bar)
        case .depth(let update):
            let number = Int(update.size.raw / 100_000_000) / lot - 1
            if update.operation == DepthOperation.update.rawValue {
                note(.depth, number, update.header)
            } else {
                // A complete book is a state, and so is its last change.
                states.insert(Seen(instrument: update.header.symbol, track: .depth, number: number))
            }
            let isInPlace = books[update.header.symbol, default: RecordedBook()].apply(
                update, number)
            if !isInPlace { problems.append("row \(update.position) of \(number) has no place") }
        case .depthReset(let reset): books[reset.header.symbol] = RecordedBook()
        case .fundamental(let part): documents[part.header.symbol, default: 0] += 1
        case .bulletin(let bulletin): bulletins[bulletin.header.providerID, default: 0] += 1
        default: break
        }
    }

    private mutating func take(_ bar: ProviderBar) {
        guard bar.closeTime.nanoseconds(since: bar.openTime) == 5 * second else {
            return dailyBars[bar.header.symbol, default: []].append(bar.openTime)
        }
        live(bar.header)
        if bar.volume != 100 * 100_000_000 { problems.append("a bar's volume is \(bar.volume)") }
        note(.bar, Int(bar.openTime.nanoseconds / (5 * second)), bar.header)
    }

    private mutating func note(_ track: Track, _ number: Int, _ header: TickHeader) {
        if isDelayed != header.flags.contains(.delayed) {
            problems.append("\(track) \(number) is delayed, or should be")
        }
        let seen = Seen(instrument: header.symbol, track: track, number: number)
        if header.flags.contains(.snapshot) {
            states.insert(seen)
        } else {
            values[seen, default: 0] += 1
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
            details.insert(gap.detail)
        case GapState.filled.rawValue:
            let of = GapKey(instrument: key.instrument, kind: key.kind, from: .undefined)
            filled[of, default: []].append(gap.from..<max(gap.from, gap.to))
        default: break
        }
    }
}

/// A book as the updates on the tape make it.
struct RecordedBook: Equatable {
    /// The numbers of the events that last changed the rows, by side.
    var rows: [[Int]] = [[], []]

    /// Applies an update. Returns false when there is no such row.
    mutating func apply(_ update: DepthUpdate, _ number: Int) -> Bool {
        let side = update.side == BookSide.bid.rawValue ? 1 : 0
        let position = Int(update.position)
        if update.operation == DepthOperation.insert.rawValue {
            guard position <= rows[side].count, rows[side].count < 3 else { return false }
            rows[side].insert(number, at: position)
        } else {
            guard rows[side].indices.contains(position) else { return false }
            rows[side][position] = number
        }
        return true
    }
}
