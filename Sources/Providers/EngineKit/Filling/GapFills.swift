package import MarketModel
package import Primitives

/// Fills gaps of trades from a service's past, as a machine: answers go in, requests and records
/// come out. One page is asked for at a time, and the shortest gap first.
///
/// At its borders the past has trades that came live, too: their numbers tell which. What an
/// earlier process delivered there is not known, so these parts stay. The trades of a page go out
/// in the order of their times, and then the record that they fill that part: so a later process
/// continues with the rest.
package struct GapFills<Service: PagedHistory>: Sendable where Service.Request: PastRequest {
    /// What trades of the past have, to be as those of the stream.
    package struct Form: Sendable {
        let flags: TickFlags
        let resolution: TimeResolution

        package init(_ flags: TickFlags, _ resolution: TimeResolution) {
            self.flags = flags.union(.backfilled)
            self.resolution = resolution
        }

        /// Returns a time of the past as the stream writes it.
        func time(_ time: Timestamp) -> Timestamp {
            resolution == .millisecond ? time.floored(toNanoseconds: 1_000_000) : time
        }
    }

    private typealias Fill = GapFill<Service.Place>

    private let service: Service
    private let form: Form
    private var waiting: [Fill] = []
    /// The request without an answer, which is about the first one that waits.
    private var asked: UInt64?
    /// Numbers of requests are above those of others.
    private var lastNumber: UInt64 = 1 << 32
    private var pace: RequestPace
    /// How long the end of a gap has to be over.
    private var age: Int64
    /// Why nothing is answered; empty: it is.
    private var problem = ""
    private var fetched = TradeTimes(count: FillLimits.fetchedKept)

    package init(_ service: Service, _ form: Form, seed: UInt64) {
        self.service = service
        self.form = form
        var limits = service.limits
        limits.counted = .fills
        pace = RequestPace(limits, seed: seed)
        age = service.leastAge
    }

    /// The gaps that wait.
    package var count: Int { waiting.count }

    /// Whether a trade was fetched, which may be reported late all the same.
    package func hasFetched(_ number: UInt64, of feed: Int) -> Bool {
        fetched.time(of: number, of: feed) != nil
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        guard asked == nil, let due = waiting.lazy.map(\.dueAt).min() else { return .never }
        return max(pace.at, due)
    }

    /// Returns the service's limit, and the gaps that wait.
    package func limit(_ now: MonotonicTime) -> ProviderLimit {
        pace.limit(waiting: waiting.count { $0.dueAt <= now }, now)
    }

    // MARK: requests

    /// Takes the gaps that have ended, and asks for the next page.
    package mutating func timePassed(
        _ machine: inout StreamMachine, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        dropUnwanted(&machine, now, into: &out)
        let ended = machine.feeds.ended
        machine.feeds.ended = []
        for gap in ended { add(gap, &machine, now, into: &out) }
        guard asked == nil, now.monotonic >= pace.at else { return }
        while let old = waiting.firstIndex(where: { $0.until <= now.monotonic }) {
            leave(old, late, &machine, now, into: &out)
        }
        let due = waiting.indices.filter { waiting[$0].dueAt <= now.monotonic }
        let length = { [waiting] place in
            waiting[place].gap.span.upperBound.nanoseconds(since: waiting[place].reported)
        }
        guard let next = due.min(by: { length($0) < length($1) }) else { return }
        waiting.swapAt(0, next)
        waiting[0].begin(why(of: waiting[0]), at: now.wall, into: &out.records)
        lastNumber += 1
        asked = lastNumber
        machine.counters.fills.requests &+= 1
        let past = waiting[0].past
        out.wishes.append(
            .fetch(
                StreamFetch(
                    number: lastNumber, target: service.request(lastNumber, for: past).target,
                    symbol: past.name, span: past.range)))
    }

    private var late: String {
        problem.isEmpty ? "it was not given for a day" : "it was not given for a day: \(problem)"
    }

    private func why(of fill: Fill) -> String {
        fill.past.range.lowerBound > fill.gap.known.lowerBound ? "too old" : Self.unknownArrivals
    }

    private static var unknownArrivals: String { "what came of this part is not known" }

    private mutating func add(
        _ gap: EndedGap, _ machine: inout StreamMachine, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        let oldest = gap.span.upperBound.advanced(byNanoseconds: -FillLimits.spanMax)
        let from = max(gap.known.lowerBound, oldest)
        let range = from..<max(from, gap.known.upperBound)
        let since = now.wall.nanoseconds(since: gap.span.upperBound)
        let past = Service.Feed(
            filling: gap.instrument, name: gap.name, range, place: Service.Place())
        waiting.append(
            Fill(
                gap: gap, past: past, dueAt: now.monotonic + max(0, age - since),
                until: now.monotonic + FillLimits.ageMax, reported: gap.span.lowerBound))
        if range.isEmpty {
            leave(waiting.count - 1, Self.unknownArrivals, &machine, now, into: &out)
        } else if waiting.count > FillLimits.gapsMax {
            let why = "more than \(FillLimits.gapsMax) gaps wait"
            leave(waiting.count - 1, why, &machine, now, into: &out)
        }
    }

    /// What is not followed any more is not asked for.
    private mutating func dropUnwanted(
        _ machine: inout StreamMachine, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        for place in waiting.indices.reversed() {
            let gap = waiting[place].gap
            let feed = machine.feeds.list[gap.place]
            if feed.isWanted, feed.instrument == gap.instrument { continue }
            leave(place, "not followed any more", &machine, now, into: &out)
        }
    }

    // MARK: answers

    /// An answer came. Returns the trades that were added, with the place of their feed; `nil`: it
    /// is another machine's.
    package mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ machine: inout StreamMachine, _ now: Moment,
        into out: inout StreamMachine.Output
    ) -> (feed: Int, trades: [Trade])? {
        guard number > 1 << 32 else { return nil }
        guard asked == number, !waiting.isEmpty else { return (0, []) }
        asked = nil
        let feed = waiting[0].gap.place
        switch answer {
        case .page(let bytes):
            if let what = service.take(bytes, into: &waiting[0].past, now) {
                failed(what, now, &machine, into: &out)
                waiting[0].failures += 1
                guard waiting[0].failures >= HistoryLimits.uselessAnswersMax else { break }
                leave(0, what, &machine, now, into: &out)
                break
            }
            problem = ""
            pace.answered(now, interval: service.limits.unit)
            return (feed, take(&machine, now, into: &out))
        case .limited(let retryAfter, let isBanned):
            pace.limited(retryAfter, isBanned: isBanned, now)
            note(service.limits.words(isBanned: isBanned), &machine, into: &out)
        case .denied(let reason): denied(reason, &machine, now, into: &out)
        case .failed(let reason): failed(reason, now, &machine, into: &out)
        case .refused(let reason):
            pace.answered(now, interval: service.limits.unit)
            guard !service.asksOtherwise(for: &waiting[0].past) else { break }
            leave(0, reason, &machine, now, into: &out)
        case .unknownSymbol:
            pace.answered(now, interval: service.limits.unit)
            leave(0, service.limits.noSymbol(waiting[0].gap.name), &machine, now, into: &out)
        }
        return (feed, [])
    }

    /// The account does not get it, or not yet.
    private mutating func denied(
        _ reason: String, _ machine: inout StreamMachine, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        let isYoung =
            now.wall.nanoseconds(since: waiting[0].gap.span.upperBound) < FillLimits.deniedAge
        let wait = max(0, FillLimits.deniedAge - age)
        if isYoung {
            for place in waiting.indices { waiting[place].dueAt += wait }
            age += wait
            pace.answered(now, interval: service.limits.unit)
        } else {
            pace.answered(now, interval: FillLimits.deniedWait)
        }
        note(reason, &machine, into: &out)
    }

    private mutating func failed(
        _ reason: String, _ now: Moment, _ machine: inout StreamMachine,
        into out: inout StreamMachine.Output
    ) {
        pace.failed(reason, now)
        note(reason, &machine, into: &out)
    }

    /// Reports a new problem.
    private mutating func note(
        _ reason: String, _ machine: inout StreamMachine, into out: inout StreamMachine.Output
    ) {
        machine.counters.fills.failures &+= 1
        if reason != problem {
            out.note(
                .trouble(instrument: nil, "gaps are not filled, tried again by itself: \(reason)"))
        }
        problem = reason
    }

    /// Delivers the trades of a page that did not come, and records what that fills.
    private mutating func take(
        _ machine: inout StreamMachine, _ now: Moment, into out: inout StreamMachine.Output
    ) -> [Trade] {
        var fill = waiting[0]
        fill.pages += 1
        fill.failures = 0
        let arrivals = machine.feeds.list[fill.gap.place].arrivals
        let known = arrivals.numbers(in: fill.gap.span)
        if !fill.gap.isInherited {
            let first = min(arrivals.knownFrom, fill.past.range.upperBound)
            fill.report(
                .abandoned, to: first, Self.unknownArrivals, at: now.wall, into: &out.records)
        }
        var trades: [Trade] = []
        while let item = fill.past.takeHead() {
            guard item.time >= fill.reported, !known.contains(item.id) else { continue }
            switch item.what {
            case .record(let record): trades += add([record], to: &fill, &machine, into: &out)
            case .changed(let record, let later):
                trades += add([record, later], to: &fill, &machine, into: &out)
            case .misfit(let text):
                machine.counters.misfits &+= 1
                fill.fill(to: item.time, at: now.wall, into: &out.records)
                fill.misfits(text, item.time, at: now.wall, into: &out.records)
            }
        }
        waiting[0] = fill
        if fill.past.hasEnded {
            waiting[0].fill(
                to: fill.past.range.upperBound, at: now.wall, into: &out.records)
            leave(0, Self.unknownArrivals, &machine, now, into: &out)
        } else {
            waiting[0].fill(to: form.time(fill.past.reached), at: now.wall, into: &out.records)
            if fill.pages >= FillLimits.pagesMax {
                leave(0, "it has more than \(fill.pages) pages", &machine, now, into: &out)
            }
        }
        return trades
    }

    /// Delivers a trade, and what became of it.
    private mutating func add(
        _ records: [ProviderRecord], to fill: inout Fill, _ machine: inout StreamMachine,
        into out: inout StreamMachine.Output
    ) -> [Trade] {
        var trades: [Trade] = []
        for case .tape(.trade(var trade)) in records {
            trade.header.flags = form.flags
            trade.header.providerTime = form.time(trade.header.providerTime)
            trade.header.resolution = form.resolution.rawValue
            let (number, time) = (trade.header.providerID, trade.header.providerTime)
            fetched.keep(number, of: fill.gap.place, time)
            // Gaps may overlap.
            machine.feeds.arrived(fill.gap.place, number, time)
            out.records.append(.tape(.trade(trade)))
            trades.append(trade)
        }
        fill.added += 1
        machine.counters.fills.trades &+= 1
        return trades
    }

    /// Ends a gap. What is not filled of it stays.
    private mutating func leave(
        _ place: Int, _ why: String, _ machine: inout StreamMachine, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        if place == 0 { asked = nil }
        var fill = waiting.remove(at: place)
        if fill.reported < fill.gap.span.upperBound { machine.counters.fills.left &+= 1 }
        fill.report(
            .abandoned, to: fill.gap.span.upperBound, why, at: now.wall, into: &out.records)
        machine.feeds.settled(fill.gap.span, of: fill.gap.place)
    }
}
