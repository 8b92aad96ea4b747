internal import EngineKit
internal import MarketModel
internal import Primitives

/// Reads past trades again, some time after their reports: only so is it known which of them were
/// cancelled or corrected. It is a machine: answers go in, requests and records come out.
///
/// The trades of a symbol are read in spans, each at every age of the settings. One request is
/// under way at a time.
struct MassiveReread: Sendable {
    struct Settings: Sendable {
        /// How long after their report trades are read, in nanoseconds. Empty: never.
        var ages: [Int64]
        /// How much later the account's plan has them.
        var lag: Int64
        var flags: TickFlags
        var seed: UInt64
    }

    /// A symbol whose trades are wanted.
    struct Symbol: Hashable, Sendable {
        var feed: Int
        var instrument: UInt32
        var name: String
    }

    private struct Progress: Sendable {
        var symbol: Symbol
        /// By age: until which report trades were read.
        var done: [Timestamp]
    }

    /// What is read at present.
    private struct Reading: Sendable {
        var place: Int
        var age: Int
        var end: Timestamp
        /// The address of the next page, without its host; empty: it is the first.
        var next = ""
        var pages = 0
        /// The most pages that were read of it, also before it was begun again.
        var reached = 0
        /// Failures since a further page was read.
        var failures = 0
        /// The request without an answer; 0: there is none.
        var number: UInt64 = 0
    }

    private let settings: Settings
    private var list: [Progress] = []
    private var reading: Reading?
    private var lastNumber: UInt64 = 0
    private var pace: RequestPace
    /// When the next span is old enough.
    private var dueAt = Timestamp.undefined
    /// The changes on the tape, in two parts of which the older one is forgotten.
    private var told: (recent: Set<MassiveChangeKey>, older: Set<MassiveChangeKey>) = ([], [])
    private(set) var counters = StreamPastCounts()
    /// Why there are no answers; empty: there are.
    private(set) var problem = ""

    init(_ settings: Settings) {
        self.settings = settings
        var limits = MassiveLimits.requests
        limits.counted = .pages
        pace = RequestPace(limits, seed: settings.seed)
    }

    /// The time of the last turn.
    private var turn = Timestamp.undefined

    var status: StreamPastStatus {
        guard dueAt.isDefined, turn.isDefined else { return StreamPastStatus() }
        return StreamPastStatus(
            reached: list.lazy.map(\.done[0]).min() ?? .undefined,
            behind: max(0, turn.nanoseconds(since: dueAt)))
    }

    // MARK: what is wanted

    /// Changes which symbols are wanted. `since`: until when an earlier process has recorded.
    mutating func follow(_ symbols: [(symbol: Symbol, since: Timestamp)], _ now: Timestamp) {
        guard !settings.ages.isEmpty else { return }
        let before = Dictionary(list.map { ($0.symbol, $0.done) }) { $1 }
        let present = reading.map { list[$0.place].symbol }
        list = symbols.map { item in
            Progress(
                symbol: item.symbol,
                done: before[item.symbol] ?? settings.ages.map { begin(item.since, $0, now) })
        }
        reading?.place = list.firstIndex { $0.symbol == present } ?? -1
        if let place = reading?.place, place < 0 { reading = nil }
        dueAt = nextDue
    }

    /// What an earlier process has not read yet is read now, as far as that is of use.
    private func begin(_ since: Timestamp, _ age: Int64, _ now: Timestamp) -> Timestamp {
        let usual = now.advanced(byNanoseconds: -age - settings.lag)
        // Nothing was recorded before this process: its first trade comes later than now.
        guard since.isDefined else { return now.advanced(byNanoseconds: -settings.lag) }
        let left = since.advanced(
            byNanoseconds: -age - settings.lag - min(age, MassiveLimits.rereadSpan))
        return min(usual, max(left, now.advanced(byNanoseconds: -MassiveLimits.rereadBack)))
    }

    // MARK: requests

    /// When the span that is due first is old enough.
    private var nextDue: Timestamp {
        var due = Timestamp.undefined
        for progress in list {
            for (age, done) in zip(settings.ages, progress.done) {
                let own = done.advanced(
                    byNanoseconds: min(age, MassiveLimits.rereadSpan) + age + settings.lag)
                if !due.isDefined || own < due { due = own }
            }
        }
        return due
    }

    /// Returns the request that is due; `nil`: none is.
    mutating func timePassed(_ now: Moment) -> StreamFetch? {
        turn = now.wall
        guard dueAt.isDefined, now.monotonic >= pace.at else { return nil }
        if reading == nil {
            guard now.wall >= dueAt else { return nil }
            reading = nextReading(now.wall)
        }
        guard var present = reading, present.number == 0 else { return nil }
        lastNumber &+= 1
        counters.requests &+= 1
        present.number = lastNumber
        reading = present
        let progress = list[present.place]
        let from = progress.done[present.age]
        let span = from..<max(from, present.end)
        return StreamFetch(
            number: lastNumber,
            target: present.next.isEmpty
                ? MassivePastRequest.trades(
                    of: progress.symbol.name, span, rows: MassivePastLimits.tradesMax)
                : present.next,
            symbol: progress.symbol.name, span: span)
    }

    /// Returns the span that is due longest.
    private func nextReading(_ now: Timestamp) -> Reading? {
        var found: (late: Int64, reading: Reading)?
        for place in list.indices {
            for (age, done) in list[place].done.enumerated() {
                guard let late = late(age, done, now), late > found?.late ?? 0 else { continue }
                let end = done.advanced(byNanoseconds: min(late, MassiveLimits.rereadSpanMax))
                found = (late, Reading(place: place, age: age, end: end))
            }
        }
        return found?.reading
    }

    /// Returns the length of what is old enough to be read; `nil`: less than a span is.
    private func late(_ age: Int, _ done: Timestamp, _ now: Timestamp) -> Int64? {
        let span = settings.ages[age]
        let late = now.advanced(byNanoseconds: -span - settings.lag).nanoseconds(since: done)
        return late >= min(span, MassiveLimits.rereadSpan) ? late : nil
    }

    /// Returns the requests of the last minute, and the spans that wait; `nil`: nothing is read.
    func limit(_ now: MonotonicTime) -> ProviderLimit? {
        guard !settings.ages.isEmpty else { return nil }
        let waiting = list.reduce(0) { sum, progress in
            sum + progress.done.enumerated().count { late($0.offset, $0.element, turn) != nil }
        }
        return pace.limit(waiting: turn.isDefined ? waiting : 0, now)
    }

    // MARK: answers

    /// An answer came. Returns what is to be said of it; `nil`: nothing.
    mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment,
        into records: inout [ProviderRecord]
    ) -> StreamNote? {
        guard var present = reading, present.number == number else { return nil }
        present.number = 0
        reading = present
        switch answer {
        case .page(let bytes):
            guard
                let page = MassivePage(
                    bytes, instrument: list[present.place].symbol.instrument, length: nil, now.wall)
            else {
                return failed("an answer is no list of trades", present, now)
            }
            problem = ""
            pace.answered(now, interval: MassiveLimits.requestsInterval)
            return take(page, present, now, into: &records)
        case .limited(let retryAfter, let isBanned):
            counters.failures &+= 1
            pace.limited(retryAfter, isBanned: isBanned, now)
            return said(MassiveLimits.requests.words(isBanned: isBanned))
        // Nothing is answered with this key or plan.
        case .denied(let reason):
            counters.failures &+= 1
            pace.answered(now, interval: StreamLimits.refusedWait)
            return said(reason)
        case .refused(let reason):
            // The address of a page may be too old. Then the span is read from its beginning.
            reading?.next = ""
            reading?.pages = 0
            return failed(reason, present, now)
        case .unknownSymbol: return failed("it has no such symbol", present, now)
        case .failed(let reason): return failed(reason, present, now)
        }
    }

    private mutating func said(_ reason: String) -> StreamNote? {
        defer { problem = reason }
        let text =
            "trades cannot be read again, so nothing is known of cancels; tried again by itself: "
        return reason == problem ? nil : .trouble(instrument: nil, text + reason)
    }

    /// A span that cannot be read must not hold up the others for ever.
    private mutating func failed(
        _ reason: String, _ present: Reading, _ now: Moment
    ) -> StreamNote? {
        counters.failures &+= 1
        pace.failed(reason, now)
        reading?.failures += 1
        guard present.failures + 1 >= MassiveLimits.spanFailuresMax else { return said(reason) }
        return leftOut(present, reason)
    }

    /// Gives up the rest of a span.
    private mutating func leftOut(_ present: Reading, _ reason: String) -> StreamNote {
        counters.leftOut &+= 1
        let note = StreamNote.trouble(
            instrument: list[present.place].symbol.instrument,
            "trades reported from \(list[present.place].done[present.age]) to \(present.end) were "
                + "not read again, so nothing is known of their cancels: \(reason)")
        finish(present)
        return note
    }

    private mutating func take(
        _ page: MassivePage, _ present: Reading, _ now: Moment,
        into records: inout [ProviderRecord]
    ) -> StreamNote? {
        let symbol = list[present.place].symbol
        counters.read &+= UInt64(page.rows.count)
        for row in page.rows {
            switch row {
            case .trade(let trade, let fate):
                guard let change = fate.map({ change(trade, $0) }), tell(change, symbol) else {
                    continue
                }
                records.append(.tape(.trade(change)))
            case .misfit(_, _, let fate): counters.unreadable &+= fate == nil ? 0 : 1
            case .bar: continue
            }
        }
        guard !page.next.isEmpty else {
            finish(present)
            return nil
        }
        guard present.pages + 1 < MassiveLimits.pagesMax else {
            return leftOut(present, "it has more than \(MassiveLimits.pagesMax) pages")
        }
        reading?.next = page.next
        reading?.pages += 1
        // A span that begins again and again, and gets no further, fails.
        if present.pages + 1 > present.reached {
            reading?.reached = present.pages + 1
            reading?.failures = 0
        }
        return nil
    }

    /// Returns the record that says what has become of a trade.
    private func change(_ trade: Trade, _ fate: MassiveFate) -> Trade {
        var change = trade
        change.header.flags = settings.flags
        change.header.action = fate.action.rawValue
        // On the stream times are in milliseconds, and a change has the time of its trade.
        change.header.providerTime = trade.header.providerTime.floored(toNanoseconds: 1_000_000)
        change.header.resolution = TimeResolution.millisecond.rawValue
        return change
    }

    /// Counts a change. Returns false if it is on the tape: later ages find it again.
    private mutating func tell(_ change: Trade, _ symbol: Symbol) -> Bool {
        let isCancel = change.header.action == TradeAction.cancel.rawValue
        let key = MassiveChangeKey(
            feed: symbol.feed, number: change.header.providerID, action: change.header.action,
            price: isCancel ? .undefined : change.price,
            size: isCancel ? .undefined : change.size)
        guard !told.older.contains(key), told.recent.insert(key).inserted else { return false }
        if told.recent.count >= MassiveLimits.changesKept / 2 { told = ([], told.recent) }
        if isCancel { counters.cancels &+= 1 } else { counters.corrections &+= 1 }
        return true
    }

    private mutating func finish(_ present: Reading) {
        list[present.place].done[present.age] = present.end
        reading = nil
        dueAt = nextDue
    }
}

/// What a change says, to know it again.
private struct MassiveChangeKey: Hashable, Sendable {
    var feed: Int
    var number: UInt64
    var action: UInt8
    var price: Price
    var size: Quantity
}
