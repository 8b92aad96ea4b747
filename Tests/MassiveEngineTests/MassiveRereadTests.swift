import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import MassiveEngine

/// Trades are read again after a while, which tells what was cancelled or corrected. A row is as
/// the description of `/v3/trades` in Massive's Python client (481e5c2) has it.
@Suite("Trades of Massive that are read again") struct MassiveRereadTests {
    private static let first = 20 * MassiveBench.minute
    private static let last = 12 * 60 * MassiveBench.minute
    private static let span = MassiveLimits.rereadSpan

    private static func bench(
        _ symbols: [String] = ["AAPL"], ages: [Int64] = [first, last],
        reached: Timestamp = .undefined, feed: MassiveFeedName = .realTime
    ) -> MassiveBench {
        var bench = MassiveBench(feed) { $0.rereadAges = ages }
        // Whether the stream is there does not matter.
        bench.follow(symbols, reached: reached)
        return bench
    }

    private static func row(
        _ number: UInt64, correction: Int? = nil, price: String = "114.125",
        size: String = "100", at time: Timestamp = MassiveBench.origin
    ) -> String {
        let fate = correction.map { "\"correction\":\($0)," } ?? ""
        return "{\"conditions\":[0,12],\(fate)\"decimal_size\":\"\(size)\",\"exchange\":4,"
            + "\"id\":\"12345\",\"participant_timestamp\":\(time.nanoseconds),\"price\":\(price),"
            + "\"sequence_number\":\(number),\"sip_timestamp\":\(time.nanoseconds),\"size\":100,"
            + "\"tape\":3,\"trf_id\":202,\"trf_timestamp\":\(time.nanoseconds)}"
    }

    private static func page(_ rows: [String], next: String? = nil) -> StreamAnswer {
        let link = next.map { ",\"next_url\":\"https://api.massive.com/v3/trades/AAPL?\($0)\"" }
        let text =
            "{\"results\":[\(rows.joined(separator: ","))],\"status\":\"OK\","
            + "\"request_id\":\"0\"\(link ?? "")}"
        return .page(Array(text.utf8))
    }

    @Test("a span is read when it is old enough, at each age")
    func spans() throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span - 1)
        #expect(bench.takeFetches().isEmpty)
        bench.pass(1)
        let fetch = try #require(bench.takeFetches().first)
        #expect(fetch.symbol == "AAPL" && fetch.target.contains("timestamp.gte="))
        #expect(fetch.span.lowerBound == MassiveBench.origin)
        #expect(fetch.span.upperBound == MassiveBench.origin.advanced(byNanoseconds: Self.span))
        #expect(bench.engine.status.reread.behind == 0)
        bench.pass(MassiveBench.minute)
        #expect(bench.takeFetches().isEmpty, "one request at a time")
        #expect(bench.engine.status.reread.behind == MassiveBench.minute)
        bench.answer(fetch.number, Self.page([]))
        #expect(bench.engine.status.reread.reached == fetch.span.upperBound)
        bench.pass(Self.span)
        let second = try #require(bench.takeFetches().first)
        #expect(second.span.lowerBound == fetch.span.upperBound)
        bench.answer(second.number, Self.page([]))
        bench.time = Self.last + Self.span
        bench.pass(0)
        var spans: [Int64] = []
        while let next = bench.takeFetches().first {
            spans.append(next.span.upperBound.nanoseconds(since: next.span.lowerBound))
            bench.answer(next.number, Self.page([]))
            bench.pass(MassiveLimits.requestsInterval)
        }
        // What is late is read in long spans.
        #expect(spans.max() == MassiveLimits.rereadSpanMax && spans.count == 13)
        let shortest = try #require(spans.min())
        #expect((Self.span..<Self.span + MassiveBench.minute).contains(shortest))
    }

    @Test("a change has the number and the time that the stream gave the trade")
    func change() throws {
        var bench = Self.bench()
        let connection = bench.connect()
        bench.confirm(on: connection)
        let stamp = MassiveBench.origin.nanoseconds / 1_000_000
        bench.receive("[\(bench.trade("AAPL", 3_681_328, at: stamp))]", on: connection)
        let trade = try #require(bench.trades.first)
        bench.records = []
        bench.pass(Self.first + Self.span)
        let reported = MassiveBench.origin.advanced(byNanoseconds: 123_456)
        bench.answer(
            try #require(bench.takeFetches().first).number,
            Self.page([
                Self.row(3_681_327, at: reported),
                Self.row(3_681_328, correction: 8, at: reported),
            ]))
        let change = try #require(bench.trades.first)
        #expect(bench.trades.count == 1)
        #expect(change.header.action == TradeAction.cancel.rawValue)
        #expect(change.header.providerID == trade.header.providerID)
        #expect(change.header.providerTime == trade.header.providerTime)
        #expect(change.header.symbol == trade.header.symbol)
        #expect(change.exchange == trade.exchange && change.conditions == trade.conditions)
        #expect(change.price == trade.price && change.size == trade.size)
        #expect(bench.engine.status.counters.past.cancels == 1)
        #expect(bench.engine.status.counters.past.read == 2)
    }

    @Test(
        "what the indicator means",
        arguments: [
            (0, UInt8?.none), (1, TradeAction.correction.rawValue),
            (7, TradeAction.cancel.rawValue), (8, TradeAction.cancel.rawValue),
            // Records about other ones.
            (10, nil), (11, nil), (12, nil), (99, nil),
        ])
    func indicators(indicator: Int, action: UInt8?) throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span)
        bench.answer(
            try #require(bench.takeFetches().first).number,
            Self.page([Self.row(7, correction: indicator, price: "114.2", size: "0.5")]))
        #expect(bench.trades.map(\.header.action) == (action.map { [$0] } ?? []))
        let isRight = bench.trades.allSatisfy {
            $0.price.description == "114.2" && $0.size.description == "0.5"
        }
        #expect(isRight)
    }

    @Test("pages follow each other, and a change is told once, unless it says something else")
    func pages() throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span)
        let fetch = try #require(bench.takeFetches().first)
        bench.answer(
            fetch.number,
            Self.page([Self.row(1, correction: 8)], next: "cursor=YWN0aXZlPTE%3D&x=1"))
        bench.pass(MassiveLimits.requestsInterval)
        let second = try #require(bench.takeFetches().first)
        #expect(
            second.target == "/v3/trades/AAPL?cursor=YWN0aXZlPTE%3D&x=1"
                && second.span.lowerBound == fetch.span.lowerBound)
        bench.answer(second.number, Self.page([Self.row(2, correction: 1, price: "5")]))
        #expect(
            bench.trades.count == 2 && bench.engine.status.reread.reached == fetch.span.upperBound)
        bench.time = Self.last + Self.span
        bench.pass(0)
        var rows = [Self.row(1, correction: 8), Self.row(2, correction: 1, price: "5")]
        rows.append(Self.row(2, correction: 1, price: "6"))
        while let next = bench.takeFetches().first {
            bench.answer(next.number, Self.page(rows))
            bench.pass(MassiveLimits.requestsInterval)
        }
        #expect(bench.trades.count == 3 && bench.trades.last?.price.description == "6")
    }

    @Test("as shipped, 131,072 changes are known again at most")
    func changesAsShipped() {
        #expect(MassiveLimits.changesKept == 131_072)
    }

    @Test("a page that is refused is asked for from the beginning of its span")
    func refusedPage() throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span)
        let fetch = try #require(bench.takeFetches().first)
        bench.answer(fetch.number, Self.page([Self.row(1, correction: 8)], next: "cursor=abc"))
        bench.pass(MassiveLimits.requestsInterval)
        let second = try #require(bench.takeFetches().first)
        #expect(second.target.contains("cursor=abc"))
        bench.answer(second.number, .refused("the cursor is too old"))
        bench.pass(2 * MassiveLimits.requests.failedWait)
        let again = try #require(bench.takeFetches().first)
        #expect(again.target == fetch.target)
        bench.answer(again.number, Self.page([Self.row(1, correction: 8)]))
        #expect(bench.trades.count == 1 && bench.engine.status.reread.behind == 0)
    }

    @Test("a trade that does not fit the tape is counted only if it was changed")
    func unreadable() throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span)
        bench.answer(
            try #require(bench.takeFetches().first).number,
            Self.page([
                Self.row(1, price: "1e30"), Self.row(2, correction: 8, price: "1e30"),
                Self.row(3, correction: 10, price: "1e30"),
            ]))
        #expect(bench.engine.status.counters.past.unreadable == 1 && bench.trades.isEmpty)
    }

    @Test("after a start, what an earlier process had not read yet is read")
    func restart() throws {
        let reached = MassiveBench.origin.advanced(byNanoseconds: -MassiveBench.minute)
        var bench = Self.bench(reached: reached)
        let fetch = try #require(bench.takeFetches().first)
        let left = reached.advanced(byNanoseconds: -Self.first - Self.span)
        let late = reached.advanced(byNanoseconds: -Self.last - Self.span)
        #expect([left, late].contains(fetch.span.lowerBound))
        #expect(bench.engine.status.reread.reached == left)
        let old = MassiveBench.origin.advanced(byNanoseconds: -30 * 24 * 60 * MassiveBench.minute)
        bench = Self.bench(ages: [Self.first], reached: old)
        let most = MassiveBench.origin.advanced(byNanoseconds: -MassiveLimits.rereadBack)
        #expect(try #require(bench.takeFetches().first).span.lowerBound == most)
    }

    @Test("a delayed account reads later by its delay, and its changes are marked")
    func delayed() throws {
        var bench = Self.bench(ages: [Self.first], feed: .delayed)
        let lag = MassiveFeedName.delayed.lag.upperBound
        bench.pass(Self.first + Self.span - 1)
        #expect(bench.takeFetches().isEmpty)
        bench.pass(1)
        let fetch = try #require(bench.takeFetches().first)
        #expect(fetch.span.lowerBound == MassiveBench.origin.advanced(byNanoseconds: -lag))
        bench.answer(fetch.number, Self.page([Self.row(1, correction: 7)]))
        #expect(bench.trades.first?.header.flags == .delayed)
    }

    @Test(
        "a failure is waited for, and told once",
        arguments: [
            (StreamAnswer.failed("cut"), Int64(1_500_000_000)),
            (.limited(retryAfter: nil, isBanned: false), MassiveLimits.requests.limitedWait),
            (.limited(retryAfter: 2_000_000_000, isBanned: false), 2_000_000_000),
            (.limited(retryAfter: .max, isBanned: false), MassiveLimits.requests.limitedWaitMax),
            (.denied("not entitled"), StreamLimits.refusedWait),
            (.refused("bad request"), 1_500_000_000),
            (.page(Array("{\"results\":3}".utf8)), 1_500_000_000),
        ])
    func failures(answer: StreamAnswer, wait: Int64) throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span)
        let fetch = try #require(bench.takeFetches().first)
        bench.answer(fetch.number, answer)
        #expect(bench.takeFetches().isEmpty)
        bench.pass(wait)
        let again = try #require(bench.takeFetches().first)
        #expect(
            again.span.lowerBound == fetch.span.lowerBound
                && again.span.upperBound == fetch.span.upperBound)
        bench.answer(again.number, answer)
        let told = bench.notes.count {
            if case .trouble(nil, let text) = $0 { text.contains("cannot be read") } else { false }
        }
        #expect(told == 1 && bench.engine.status.counters.past.failures == 2)
    }

    @Test("a span that cannot be read is left out in the end, and told")
    func leftOut() throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span)
        var tries = 0
        var first: StreamFetch?
        while let fetch = bench.takeFetches().first,
            first == nil || fetch.span.lowerBound == first?.span.lowerBound
        {
            if first == nil { first = fetch }
            tries += 1
            bench.answer(fetch.number, .failed("cut"))
            bench.pass(MassiveLimits.requests.failedWaitMax * 2)
        }
        #expect(tries == MassiveLimits.spanFailuresMax)
        #expect(bench.engine.status.counters.past.leftOut == 1)
        let told = bench.notes.contains {
            if case .trouble(_?, let text) = $0 { text.contains("not read again") } else { false }
        }
        #expect(told)
    }

    @Test("a span whose second page is refused each time is left out in the end, too")
    func refusedAgain() throws {
        var bench = Self.bench()
        bench.pass(Self.first + Self.span)
        var refusals = 0
        while bench.engine.status.counters.past.leftOut == 0 {
            let fetch = try #require(bench.takeFetches().first)
            if fetch.target.contains("cursor") {
                refusals += 1
                bench.answer(fetch.number, .refused("the cursor is too old"))
            } else {
                bench.answer(fetch.number, Self.page([], next: "cursor=abc"))
            }
            try #require(refusals <= MassiveLimits.spanFailuresMax)
            bench.pass(MassiveLimits.requests.failedWaitMax * 2)
        }
        #expect(refusals == MassiveLimits.spanFailuresMax)
    }

    @Test("an instrument that is not wanted any more is not read, and its answer changes nothing")
    func ended() throws {
        var bench = Self.bench(["AAPL", "SPY"])
        bench.pass(Self.first + Self.span)
        let fetch = try #require(bench.takeFetches().first)
        bench.follow([], ended: [fetch.symbol == "AAPL" ? 0 : 1])
        bench.answer(fetch.number, Self.page([Self.row(1, correction: 8)]))
        #expect(bench.trades.isEmpty)
        bench.pass(0)
        let other = try #require(bench.takeFetches().first)
        #expect(other.symbol != fetch.symbol)
        bench.answer(other.number, Self.page([Self.row(1, correction: 8)]))
        #expect(bench.trades.map(\.header.symbol) == [fetch.symbol == "AAPL" ? 1 : 0])
    }

    @Test("the limits have the requests of the last minute, and the spans that wait")
    func limits() throws {
        var bench = Self.bench(["AAPL", "MSFT"])
        func limit() -> ProviderLimit? {
            bench.engine.limits(bench.now.monotonic).first { $0.name == .pages }
        }
        #expect(limit() == ProviderLimit(.pages, used: 0, max: nil))
        bench.pass(Self.first + Self.span)
        let fetch = try #require(bench.takeFetches().first)
        #expect(limit() == ProviderLimit(.pages, used: 0, max: nil, waiting: 2))
        bench.answer(fetch.number, .limited(retryAfter: 7 * MassiveBench.second, isBanned: false))
        #expect(
            limit()
                == ProviderLimit(
                    .pages, used: 1, max: nil, waiting: 2,
                    until: bench.now.monotonic + 7 * MassiveBench.second,
                    reason: "429: too many requests"))
        bench.pass(7 * MassiveBench.second)
        while let fetch = bench.takeFetches().first {
            bench.answer(fetch.number, Self.page([]))
            bench.pass(MassiveBench.second)
        }
        #expect(limit() == ProviderLimit(.pages, used: 3, max: nil))
        let none = Self.bench(ages: [])
        #expect(none.engine.limits(none.now.monotonic).allSatisfy { $0.name != .pages })
    }

    @Test("without an age nothing is read")
    func never() {
        var bench = Self.bench(ages: [])
        bench.pass(Self.last * 3)
        #expect(bench.takeFetches().isEmpty && !bench.engine.status.reread.reached.isDefined)
    }
}
