package import EngineKit
package import IBProtocol
package import MarketModel
internal import Primitives

/// A load of the past of Interactive Brokers.
package typealias IBHistory = HistoryMachine<IBHistoryService>

/// A question of a load.
package struct IBHistoryRequest: EngineKit.HistoryRequest {
    package let number: UInt64
    package let question: IBHistoryQuestion
    /// Whether the load goes on without an answer.
    package let isOptional: Bool

    package init(number: UInt64, question: IBHistoryQuestion, isOptional: Bool) {
        self.number = number
        self.question = question
        self.isOptional = isOptional
    }

    /// `IBHistoryClient` keeps the broker's limits.
    package var interval: Int64 { 0 }
}

/// An answer of the broker, with what is needed to read it.
package struct IBHistoryAnswer: Sendable {
    package var reply: HistoryReply
    /// Sizes of stocks come in lots.
    package var sizesAreLots: Bool
    /// The rules of the zone of the contract that the answer names; `nil`: none, or not known.
    package var zone: ZoneRules?

    package init(_ reply: HistoryReply, sizesAreLots: Bool = false, zone: ZoneRules? = nil) {
        self.reply = reply
        self.sizesAreLots = sizesAreLots
        self.zone = zone
    }

    /// The name of the zone whose rules are needed; `nil`: none.
    package static func zone(in reply: HistoryReply) -> String? {
        guard case .contracts(let found) = reply, found.count == 1, let zone = found.first?.zone
        else { return nil }
        return zone.isEmpty ? nil : zone
    }

    /// What the answer means for the load. A contract that is not the only one, or a refusal, ends
    /// it, unless the load goes on without an answer.
    package func outcome(of request: IBHistoryRequest) -> FetchOutcome<IBHistoryAnswer> {
        switch reply {
        case .contracts(let found) where found.count != 1:
            .refused(Self.notOne(found.count))
        case .refused where request.isOptional, .failed(_, true) where request.isOptional:
            .page(IBHistoryAnswer(.nothing, sizesAreLots: sizesAreLots))
        case .refused(let why): .refused(why)
        case .failed(let why, _): .failed(why)
        case .contracts, .trades, .bars, .nothing: .page(self)
        }
    }

    /// `count` is 0, or 2 and more.
    package static func notOne(_ count: Int) -> String {
        count == 0
            ? "no such contract: give its exchange, currency or kind in a list of instruments"
            : "several contracts are meant: name its exchange, currency or expiry in a list of "
                + "instruments"
    }
}

/// How the broker is asked for its past, and what its answers say.
///
/// Past trades have whole seconds and no ids, and several of one second may be equal. So a trade
/// gets an id: its second since 1970 times a million, and its number among the trades of that
/// second. An answer is taken up to the last second that is complete with it, and
/// the next one begins with the second after that. So an id says how much of its second is on the
/// tape.
package struct IBHistoryService: HistoryService {
    /// What is asked for next of a symbol.
    enum State: Hashable, Sendable {
        case contract
        /// When it was traded: bars of the range.
        case calendar
        case data
    }

    /// Where a symbol is.
    package struct Place: Sendable {
        var state = State.contract
        var contract: Contract
        /// Trades that do not count for the last price are wanted as well.
        let wantsUnreported: Bool
        var zone: ZoneRules?
        /// The second since 1970 from which on the next answer is wanted.
        var next: Int64
        /// Answers without anything in a row.
        var emptyAnswers = 0
        /// When bars begin that were traded in; empty: that is not known.
        var calendar: [Int64] = []
        /// What the broker does not give although there was trading, from these seconds on.
        var losses: [(from: Int64, detail: String)] = []

        /// The last of them, while no trade followed it, and how many there are in a row.
        var openLoss: (from: Int64, detail: String)?
        var lossesInRow = 0

        /// When the last bar of the calendar begins that has no trades, and the last second of
        /// which trades came.
        var lastLost = Int64.min
        var lastSecond = Int64.min

        /// More losses are not told one by one.
        static let lossesMax = 1_024
        /// After so many in a row there is nothing more: each costs two requests.
        static let lossesInRowMax = 3

        mutating func lose(from second: Int64, _ detail: String) {
            openLoss = (second, detail)
            lossesInRow += 1
            guard losses.count < Self.lossesMax else { return }
            losses.append((second, detail))
        }

        /// Trades came, of seconds before this one.
        mutating func gotTrades(until second: Int64) {
            lastSecond = second - 1
            emptyAnswers = 0
            openLoss = nil
            lossesInRow = 0
        }
    }

    package typealias Request = IBHistoryRequest
    package typealias Answer = IBHistoryAnswer

    /// The length of bars, for instruments with them.
    let length: IBBarLength

    package init(bars: IBBarLength = .day) { length = bars }

    package var limits: RequestLimits {
        RequestLimits(service: "TWS", failedWait: .seconds(5))
    }

    package func name(of instrument: Instrument) -> String { instrument.symbol.text }

    package func problem(of instrument: Instrument) -> String? {
        Self.problem(of: instrument)
    }

    package static func problem(of instrument: Instrument) -> String? {
        guard !instrument.isOfPastBars,
            SecurityKind(instrument.contract.security).tradeHistory == nil
        else { return nil }
        return "it has no trades at Interactive Brokers: --bars loads bars of its midpoints"
    }

    package func place(of instrument: Instrument, after last: LastOfHistory?) -> Place {
        let feeds = instrument.feeds
        return Place(
            contract: Contract(instrument),
            wantsUnreported: feeds.contains(.allTrades) || !feeds.contains(.trades), next: 0,
            lastSecond: last.map { WholeSecond.floor($0.time) } ?? Int64.min)
    }

    // MARK: requests

    package func request(_ number: UInt64, for feed: Feed) -> IBHistoryRequest {
        let place = feed.place
        let end = WholeSecond.ceiling(feed.range.upperBound)
        switch place.state {
        case .contract:
            return IBHistoryRequest(
                number: number, question: .contracts(place.contract), isOptional: false)
        case .calendar:
            let seconds = WholeSecond.floor(feed.range.lowerBound)..<end
            return IBHistoryRequest(
                number: number, question: Self.calendar(place.contract, seconds),
                isOptional: true)
        case .data where feed.isOfBars:
            let until = until(feed)
            return IBHistoryRequest(
                number: number,
                question: .bars(
                    place.contract,
                    length.request(place.next..<until, place.contract.kind.barKind)),
                isOptional: false)
        case .data:
            return IBHistoryRequest(
                number: number,
                question: .trades(
                    place.contract, place.contract.kind.tradeHistory ?? .trades,
                    seconds: place.next..<max(place.next, end)),
                isOptional: false)
        }
    }

    /// The length of the bars that say when a contract was traded.
    package static func calendarLength(_ seconds: Range<Int64>) -> IBBarLength {
        seconds.count <= IBBarLength.minute.secondsPerRequest ? .minute : .day
    }

    /// Returns the question when a contract was traded, and how much. Bars of a minute and more are
    /// not counted by the vendor.
    package static func calendar(
        _ contract: Contract, _ seconds: Range<Int64>
    ) -> IBHistoryQuestion {
        let kind = contract.kind.tradeHistory ?? contract.kind.barKind
        var request = calendarLength(seconds).request(seconds, kind)
        request.regularHoursOnly = false
        return .bars(contract, request)
    }

    // MARK: answers

    package func take(_ answer: IBHistoryAnswer, into feed: inout Feed, _ now: Moment) -> String? {
        switch (feed.place.state, answer.reply) {
        case (.contract, .contracts(let found)):
            guard found.count == 1 else { return IBHistoryAnswer.notOne(found.count) }
            describe(found[0], answer.zone, &feed)
        case (.calendar, .bars(let bars)): takeCalendar(bars, into: &feed)
        case (.calendar, .nothing): feed.place.state = .data
        case (.data, .bars(let found)) where feed.isOfBars:
            return takeBars(found, answer, into: &feed, now)
        case (.data, .nothing) where feed.isOfBars: return takeBars([], answer, into: &feed, now)
        case (.data, .trades(let found)) where !feed.isOfBars:
            return takeTrades(found, answer, into: &feed, now)
        case (.data, .nothing) where !feed.isOfBars: gotNothing(&feed)
        case (_, .contracts), (_, .trades), (_, .bars), (_, .nothing), (_, .refused),
            (_, .failed):
            return "the answer is to another question"
        }
        return nil
    }

    private func describe(_ details: ContractDetails, _ zone: ZoneRules?, _ feed: inout Feed) {
        feed.place.contract.id = details.contract.id
        if feed.place.contract.primaryExchange.isEmpty {
            feed.place.contract.primaryExchange = details.contract.primaryExchange
        }
        feed.place.zone = zone
        if feed.isOfBars {
            // The watermark may be just before the end of a bar that was not handed out. It is
            // whole only in a request that begins before it.
            let known = WholeSecond.floor(max(feed.from, feed.last?.time ?? feed.from))
            feed.place.next = max(
                WholeSecond.floor(feed.range.lowerBound), known - length.seconds)
            feed.place.state = .data
        } else {
            // The last second may be on the tape in part. The ids say in which.
            feed.place.next =
                feed.last.map { max(WholeSecond.floor($0.time), WholeSecond.floor(feed.from)) }
                ?? WholeSecond.ceiling(feed.from)
            feed.place.state = .calendar
        }
    }

    private func takeCalendar(_ bars: [HistoricalBar], into feed: inout Feed) {
        feed.place.calendar = bars.filter { $0.trades > 0 }
            .compactMap { Self.start(of: $0, feed.place.zone) }.map(WholeSecond.floor).sorted()
        feed.place.state = .data
    }

    /// When a bar begins; `nil`: its time is none.
    static func start(of bar: HistoricalBar, _ zone: ZoneRules?) -> Timestamp? {
        let days = DailyBars(number: 0, zone: zone, kind: .trades, isInLots: false)
        return days.record(bar, .undefined)?.openTime
    }
}
