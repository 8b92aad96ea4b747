internal import EngineKit
package import MarketModel
package import Primitives

/// The polling of one service, as a machine: what happens goes in, and requests, records and notes
/// come out. It has no clock, no socket and no key.
///
/// Each series is asked for once in `every`. What an answer says differently from before becomes a
/// record, whose event time is the time at which the answer came: nothing is ever there before it
/// could be known. A request that fails begins an outage, from the last good one on.
package struct PolledEngine: ProviderEngine {
    package typealias Answer = PolledOutcome
    package typealias Output = PolledOutput

    let settings: PolledSettings
    private let reader: PolledReader
    var series: [PolledSeries] = []
    /// Instruments that can never be delivered.
    var refused: [ShownFeed] = []
    private(set) var underWay: PolledUnderWay?
    private var lastNumber: UInt64 = 0
    var retry: PolledRetry
    private var state = PolledState.idle
    /// Why the last request failed; empty: it did not.
    private(set) var reason = ""
    private var floorAt = MonotonicTime.distantPast
    package internal(set) var counters = PolledCounters()
    private var isStopped = false

    /// How often the floor moves.
    private static let floorInterval: Int64 = 1_000_000_000

    package init(_ settings: PolledSettings) {
        precondition(settings.every > 0, "a period is positive, not \(settings.every)")
        self.settings = settings
        reader = PolledReader(table: settings.table, hidden: settings.hidden)
        retry = PolledRetry(settings)
    }

    var isAnythingWanted: Bool { series.contains { $0.isWanted } }

    // MARK: time

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout PolledOutput) {
        guard !isStopped else { return }
        if !isAnythingWanted { state = .idle }
        noteLate(now, into: &out)
        noteSilence(now, into: &out)
        ask(now, into: &out)
        guard now.monotonic >= floorAt else { return }
        floorAt = now.monotonic + Self.floorInterval
        // Later records have later receive times, whatever the service sends. So windows and values
        // over several sources never wait for this one.
        out.floor = now.wall
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        guard !isStopped else { return .never }
        var due = floorAt
        let wanted = series.filter(\.isWanted)
        if underWay == nil, let first = wanted.map(\.dueAt).min() {
            due = min(due, max(first, retry.at))
        }
        for one in wanted where [.live, .starting].contains(one.feed.state) {
            due = min(due, one.heardAt + settings.silentAfter)
        }
        return due
    }

    private mutating func ask(_ now: Moment, into out: inout PolledOutput) {
        guard underWay == nil, now.monotonic >= retry.at else { return }
        let due = series.indices.filter {
            series[$0].isWanted && series[$0].dueAt <= now.monotonic
        }.sorted { (series[$0].dueAt, $0) < (series[$1].dueAt, $1) }
        guard let first = due.first else { return }
        lastNumber &+= 1
        let request: PolledRequest
        var places = [first]
        if let facts = series[first].facts {
            let currency = series[first].currency
            if settings.table == .coingecko { places = together(currency, now.monotonic) }
            request = PolledRequest(
                settings.table, places.map { series[$0].name }, facts, currency: currency,
                window: settings.window, number: lastNumber)
        } else {
            request = PolledRequest(factsOf: series[first].name, number: lastNumber)
        }
        if state == .idle { state = .asking }
        counters.requests &+= 1
        retry.sent(now.monotonic, pace: settings.table.pace)
        underWay = PolledUnderWay(request: request, places: places, asked: now)
        out.request = request
    }

    /// Returns the coins that one request asks for: those that are due, and those that soon are, so
    /// that coins that began at different times become one request.
    private func together(_ currency: String, _ now: MonotonicTime) -> [Int] {
        let soon = now + settings.every / 2
        let coins = series.indices.filter {
            series[$0].isWanted && series[$0].currency == currency && series[$0].dueAt <= soon
        }
        var bytes = 0
        return Array(
            coins.sorted { (series[$0].dueAt, $0) < (series[$1].dueAt, $1) }
                .prefix(PolledLimits.coinsPerRequest)
                .prefix { place in
                    bytes += Self.bytesInAddress(series[place].name)
                    return bytes <= PolledLimits.coinBytesPerRequest
                })
    }

    /// What a name and its comma take in an address, where most bytes are written as three.
    private static func bytesInAddress(_ name: String) -> Int {
        name.utf8.reduce(3) { sum, byte in
            let isPlain = (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
            return sum + (isPlain || byte == UInt8(ascii: "-") ? 1 : 3)
        }
    }

    // MARK: answers

    /// A request has ended.
    package mutating func answered(
        _ number: UInt64, _ outcome: PolledOutcome, _ now: Moment, into out: inout PolledOutput
    ) {
        guard !isStopped, let asked = underWay, asked.request.number == number else { return }
        underWay = nil
        let places = asked.places.filter { series[$0].isWanted }
        switch reader.meaning(of: outcome, to: asked.request) {
        case .facts(let facts):
            succeeded(into: &out)
            for place in places { series[place].facts = facts }
        case .values(let values, let absent):
            succeeded(into: &out)
            for place in places {
                let name = series[place].name
                if absent.contains(name) {
                    let example = settings.table.example
                    refuse(
                        place,
                        "\(settings.table.title) has no '\(name)': write its name like \(example)",
                        now, into: &out)
                } else {
                    let own = values.filter { $0.series == name }
                    take(own, of: place, asked: asked.asked, now, into: &out)
                }
            }
        case .refusedSeries(let reason):
            succeeded(into: &out)
            for place in places { refuse(place, reason, now, into: &out) }
        case .refusedKey(let reason): refusedKey(reason, now, into: &out)
        case .limited(let reason, let retryAfter):
            counters.limited &+= 1
            retry.limited(retryAfter, now.monotonic)
            failed(reason, now, into: &out)
        case .failed(let reason):
            retry.failed(now.monotonic)
            failed(reason, now, into: &out)
        }
    }

    private mutating func succeeded(into out: inout PolledOutput) {
        retry.succeeded()
        reason = ""
        guard state != .good else { return }
        state = .good
        out.note(.good)
    }

    private mutating func failed(
        _ reason: String, _ now: Moment, into out: inout PolledOutput
    ) {
        counters.failures &+= 1
        self.reason = reason
        state = .failing
        out.note(.failed(failures: retry.failures, reason: reason))
        noteLate(now, into: &out)
    }

    /// A series that is due while requests fail is not polled in time, and neither is one that has
    /// been due for long.
    private mutating func noteLate(_ now: Moment, into out: inout PolledOutput) {
        let isFailing = retry.failures > 0
        let wait = isFailing ? 0 : PolledLimits.askedWithin
        let why = isFailing ? reason : "no answer came in time"
        for place in series.indices
        where series[place].isWanted && now.monotonic >= series[place].dueAt + wait {
            series[place].feed.reason = why
            beginOutage(of: place, why, now, into: &out)
        }
    }

    private mutating func refusedKey(
        _ reason: String, _ now: Moment, into out: inout PolledOutput
    ) {
        counters.failures &+= 1
        self.reason = reason
        if state != .refused { out.note(.refusedKey(reason: reason)) }
        state = .refused
        retry.refused(now.monotonic)
        for place in series.indices where series[place].isWanted {
            beginOutage(of: place, reason, now, into: &out)
            show(place, .refused, reason, now, into: &out)
        }
    }

    /// The service does not have a series. It is asked for again later.
    private mutating func refuse(
        _ place: Int, _ reason: String, _ now: Moment, into out: inout PolledOutput
    ) {
        if series[place].feed.state != .refused {
            out.note(.refused(instrument: series[place].instrument, reason: reason))
        }
        series[place].refusals += 1
        let wait = PolledLimits.wait(afterRefusals: series[place].refusals)
        series[place].dueAt = now.monotonic + max(wait, settings.every)
        beginOutage(of: place, reason, now, into: &out)
        show(place, .refused, reason, now, into: &out)
    }

    /// A series without a good answer for three periods is down.
    private mutating func noteSilence(_ now: Moment, into out: inout PolledOutput) {
        for place in series.indices
        where series[place].isWanted
            && now.monotonic >= series[place].heardAt + settings.silentAfter
            && [.live, .starting].contains(series[place].feed.state)
        {
            let said = series[place].feed.reason
            show(place, .down, said.isEmpty ? "no answer came" : said, now, into: &out)
        }
    }

    // MARK: the end

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into out: inout PolledOutput) {
        guard !isStopped else { return }
        isStopped = true
        underWay = nil
        for place in series.indices where series[place].feed.isAnnounced {
            let one = series[place]
            if one.openGap == nil, one.polledTo.isDefined {
                out.records.append(
                    one.gap(
                        (from: one.polledTo, to: .undefined), .gatewayLost, .open, at: now.wall))
            }
            out.records.append(.tape(.subscription(subscription(place, .stop, now))))
            series[place].feed.isAnnounced = false
        }
    }

    package var status: PolledStatus {
        let wanted = series.filter(\.isWanted)
        let polled = wanted.filter { $0.feed.state != .refused }.map(\.polledTo)
        let isWhole = polled.allSatisfy(\.isDefined)
        return PolledStatus(
            state: state, failures: retry.failures, reason: reason,
            polledTo: isWhole ? polled.min() ?? .undefined : .undefined,
            feeds: wanted.map {
                var shown = ShownFeed(
                    instrument: $0.instrument, name: $0.name, state: $0.feed.state,
                    reason: $0.feed.reason, hasOpenGap: $0.openGap != nil)
                shown.polledTo = $0.polledTo
                return shown
            } + refused,
            counters: counters)
    }
}

/// The request that is under way.
struct PolledUnderWay: Sendable {
    let request: PolledRequest
    /// The places of its series.
    let places: [Int]
    /// When it was sent.
    let asked: Moment
}

/// When the next request may leave.
struct PolledRetry: Sendable {
    private var random: SeededRandom
    private var backoff: Backoff
    /// When the next request may leave.
    private(set) var at = MonotonicTime.distantPast
    /// Requests that failed in a row.
    private(set) var failures = 0
    /// How often the key was refused in a row.
    private var refusals = 0
    /// The requests of the last minute.
    private(set) var window = MinuteWindow()

    init(_ settings: PolledSettings) {
        random = SeededRandom(seed: settings.seed)
        let first = min(PolledLimits.retryFirst, settings.every)
        backoff = Backoff(first: .nanoseconds(first), limit: .nanoseconds(settings.every))
    }

    mutating func sent(_ now: MonotonicTime, pace: Int64) {
        at = now + pace
        window.add(1, now)
    }

    mutating func succeeded() {
        failures = 0
        refusals = 0
        backoff.reset()
    }

    mutating func failed(_ now: MonotonicTime) {
        failures += 1
        at = max(at, now.advanced(by: backoff.next(using: &random)))
    }

    /// Waits as long as the service says, at least as after any failure.
    mutating func limited(_ retryAfter: Int64?, _ now: MonotonicTime) {
        failed(now)
        at = max(at, now + max(0, retryAfter ?? PolledLimits.limitedWait))
    }

    mutating func refused(_ now: MonotonicTime) {
        failures += 1
        refusals += 1
        let limit = PolledLimits.refusedKeyWait
        at = max(at, now + PolledLimits.wait(afterRefusals: refusals, atMost: limit))
    }
}
