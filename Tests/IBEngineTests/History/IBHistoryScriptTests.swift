import EngineKit
import MarketModel
import Primitives
import Testing

@testable import IBEngine
@testable import IBProtocol

/// A load against a server that is written by hand: it can answer as the simulator never does.
@Suite("A load of the past, answer by answer")
struct IBHistoryScriptTests {
    private static let day: Int64 = 86_400
    /// Midnight of a Monday in UTC.
    private static let monday: Int64 = 1_780_272_000

    private struct Server {
        /// The seconds of trades, in order. A second may be there several times.
        var trades: [Int64] = []
        /// The beginnings of bars that have trades.
        var calendar: [Int64] = []
        /// Answers end with the day.
        var endsDays = false
        /// Answers have no more trades than this, even if a second has more.
        var most = Int.max
        var questions: [IBHistoryQuestion] = []

        mutating func reply(_ question: IBHistoryQuestion) -> HistoryReply {
            questions.append(question)
            switch question {
            case .contracts(let contract):
                var details = ContractDetails()
                details.contract = contract
                details.contract.id = 7
                return .contracts([details])
            case .bars: return calendar.isEmpty ? .nothing : .bars(calendar.map(Self.bar))
            case .trades(_, _, let seconds):
                let start = seconds.lowerBound
                var found = trades.filter { $0 >= start }
                if endsDays { found = found.filter { $0 / day == start / day } }
                let last = found.count > 1_000 ? found[999] : Int64.max
                found = Array(found.prefix { $0 <= last }.prefix(most))
                var page = HistoryPage()
                page.add(found.map(Self.tick), in: seconds)
                return .trades(HistoryTrades(page, of: seconds))
            }
        }

        private static func bar(_ second: Int64) -> HistoricalBar {
            let price = Price(raw: 1_000_000_000)
            return HistoricalBar(
                time: .instant(Timestamp(nanoseconds: second * 1_000_000_000)), open: price,
                high: price, low: price, close: price, vwap: price, volume: 1, trades: 3)
        }

        private static func tick(_ second: Int64) -> TradeTick {
            TradeTick(
                time: Timestamp(nanoseconds: second * 1_000_000_000),
                price: Price(raw: 1_000_000_000), size: Quantity(raw: 100_000_000),
                exchange: .empty, conditions: .empty, attributes: [])
        }
    }

    private struct Outcome {
        var phase: HistoryPhase
        var seconds: [Int64] = []
        var ids: [UInt64] = []
        var gaps: [GapRecord] = []
        var floor: Timestamp
    }

    /// Loads a range of seconds.
    private func load(
        _ range: Range<Int64>, _ server: inout Server, after last: LastOfHistory? = nil,
        mark: Timestamp = .undefined
    ) throws -> Outcome {
        func time(_ second: Int64) -> Timestamp { Timestamp(nanoseconds: second * 1_000_000_000) }
        var history = IBHistory(
            IBHistoryService(),
            IBHistory.Settings(
                provider: "ibkr-history", from: time(range.lowerBound), to: time(range.upperBound),
                seed: 1))
        var out = IBHistory.Output()
        var now = Moment(
            wall: time(range.upperBound + 100), monotonic: MonotonicTime(nanoseconds: 0))
        let instrument = Instrument(
            symbol: try #require(Symbol("AAPL")), contract: .init(.stock), feeds: .trades)
        history.begin(
            [HistoryBegun(number: 0, instrument: instrument, last: last, mark: mark)],
            promised: mark, now, into: &out)
        for _ in 0..<1_000 where history.phase == .loading {
            now.monotonic = now.monotonic + 60_000_000_000
            history.timePassed(now, into: &out)
            guard let request = out.request else { continue }
            out.request = nil
            let answer = IBHistoryAnswer(server.reply(request.question))
            history.answered(request.number, answer.outcome(of: request), now)
        }
        var found = Outcome(phase: history.phase, floor: out.floor)
        for case .tape(let record) in out.records {
            switch record {
            case .trade(let trade):
                found.seconds.append(trade.header.eventTime.nanoseconds / 1_000_000_000)
                found.ids.append(trade.header.providerID)
            case .gap(let gap): found.gaps.append(gap)
            default: continue
            }
        }
        return found
    }

    @Test("answers that end with the day are continued on the next day with trading")
    func days() throws {
        let trades = [0, 1, 2, 4].flatMap { day in
            (0..<3).map { Self.monday + day * Self.day + 50_000 + $0 * 100 }
        }
        var server = Server(trades: trades, endsDays: true)
        server.calendar = [0, 1, 2, 4].map { Self.monday + $0 * Self.day }
        let found = try load(Self.monday..<Self.monday + 5 * Self.day, &server)
        #expect(found.phase == .ending && found.seconds == trades && found.gaps.isEmpty)
        // Without the calendar nothing tells that there is more.
        server.calendar = []
        let blind = try load(Self.monday..<Self.monday + 5 * Self.day, &server)
        #expect(blind.seconds == Array(trades.prefix(3)))
    }

    @Test("a day whose bar shows trading, and that has no trades, is a gap on record")
    func withheld() throws {
        let trades = [0, 3].map { Self.monday + $0 * Self.day + 50_000 }
        var server = Server(trades: trades, endsDays: true)
        server.calendar = (0..<4).map { Self.monday + $0 * Self.day }
        let found = try load(Self.monday..<Self.monday + 4 * Self.day, &server)
        #expect(found.seconds == trades && found.gaps.count == 1)
        let gap = try #require(found.gaps.first)
        #expect(gap.state == GapState.abandoned.rawValue)
        #expect(gap.detail.contains("history has no trades"))
        #expect(gap.to.nanoseconds / 1_000_000_000 == trades[1])
    }

    @Test("a past that is withheld as a whole is on record, and asked for a few times only")
    func withheldEnd() throws {
        for trades in [[], [Self.monday + 50]] as [[Int64]] {
            var server = Server(trades: trades)
            server.calendar = (0..<9).map { Self.monday + $0 * Self.day }
            let found = try load(Self.monday..<Self.monday + 9 * Self.day, &server)
            #expect(found.seconds == trades && found.gaps.count == 1)
            let gap = try #require(found.gaps.first)
            #expect(gap.from.nanoseconds == (trades.first ?? Self.monday) * 1_000_000_000)
            #expect(gap.to.nanoseconds == (Self.monday + 9 * Self.day) * 1_000_000_000)
            #expect(server.questions.count <= 20)
        }
    }

    @Test("a second with more trades than an answer is on record as cut, and the load goes on")
    func cut() throws {
        let second = Self.monday + 50
        var server = Server(
            trades: Array(repeating: second, count: 1_500) + [second + 9], most: 1_000)
        let found = try load(Self.monday..<Self.monday + 100, &server)
        #expect(found.seconds.count == 1_001 && found.seconds.last == second + 9)
        #expect(found.gaps.count == 1)
        #expect(found.gaps.first?.from.nanoseconds == second * 1_000_000_000)
    }

    @Test(
        "equal trades of a second are continued by their number",
        arguments: [(0, UInt64(0)), (1, 1), (2, 2), (3, 3), (3, 0)])
    func resumed(taken: Int, marked: UInt64) throws {
        let second = Self.monday + 50
        var server = Server(trades: [second - 9, second, second, second, second + 9])
        let time = Timestamp(nanoseconds: second * 1_000_000_000)
        let last: LastOfHistory? =
            taken == 0 ? nil : (UInt64(second) * 1_000_000 + UInt64(taken), time)
        // With a watermark of the second, all before it is on the tape; without one, the last trade
        // alone says so.
        let mark = marked == 0 && taken > 0 ? Timestamp.undefined : time
        let found = try load(Self.monday..<Self.monday + 100, &server, after: last, mark: mark)
        let rest = Array(repeating: second, count: 3 - taken)
        #expect(found.seconds == rest + [second + 9])
        let number = taken < 3 ? UInt64(taken) + 1 : 1
        let first = UInt64(taken < 3 ? second : second + 9) * 1_000_000 + number
        #expect(found.ids.first == first)
    }

    @Test("a range that is on the tape is asked for no more")
    func done() throws {
        var server = Server(trades: [Self.monday + 5])
        let end = Timestamp(nanoseconds: (Self.monday + 10) * 1_000_000_000)
        let found = try load(Self.monday..<Self.monday + 10, &server, mark: end)
        #expect(found.phase == .ending && server.questions.isEmpty && found.floor == end)
    }

    @Test("several contracts, and none, are refused with what to do")
    func contracts() {
        let request = IBHistoryRequest(
            number: 1, question: .contracts(Contract(.stock, "AAPL")), isOptional: false)
        for (found, word) in [
            ([], "no such"), ([ContractDetails(), ContractDetails()], "several"),
        ] {
            let outcome = IBHistoryAnswer(.contracts(found)).outcome(of: request)
            guard case .refused(let why) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(why.contains(word) && why.contains("list of instruments"))
        }
    }
}
