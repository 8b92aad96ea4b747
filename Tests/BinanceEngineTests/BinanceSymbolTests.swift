import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

/// The exchange is asked which symbols it has.
@Suite struct BinanceSymbolTests {
    private static let second: Int64 = 1_000_000_000

    @Test("a symbol that the exchange does not have is refused, until it trades nevertheless")
    func unknown() {
        var bench = EngineBench(unknown: ["ETHUSD", "XRPUSD"]) { $0.merge.fills = true }
        bench.follow(["BTCUSDT", "ETHUSD", "SOLUSDT", "XRPUSD", "ADAUSDT"])
        bench.connect()
        for _ in 0..<12 {
            bench.pass(Self.second)
            bench.answerAll()
        }
        func states() -> [FeedState.State] { bench.engine.status.feeds.map(\.state) }
        #expect(states() == [.live, .refused, .live, .refused, .live])
        let reason = bench.engine.status.feeds[1].reason
        #expect(reason.hasPrefix("the exchange has no symbol ETHUSD: "))
        #expect(bench.notes.count { if case .refused = $0 { true } else { false } } == 2)
        // It takes the stream on the next connection, too, and that says nothing.
        bench.ended(1)
        bench.pass(2 * Self.second)
        bench.connect()
        #expect(states() == [.live, .refused, .live, .refused, .live])
        bench.trade("ETHUSD", 1, on: 2)
        #expect(states()[1] == .live && bench.engine.status.feeds[1].reason.isEmpty)
        #expect(bench.ids == [1])
    }

    @Test("what the exchange says of a symbol is shown")
    func facts() throws {
        var bench = EngineBench(unknown: nil) { $0.merge.fills = true }
        bench.follow(["BTCUSDT", "PEPEUSDT"])
        let asked = bench.takeQuestion()
        let question = try #require(asked)
        #expect(question.symbols == ["BTCUSDT", "PEPEUSDT"])
        let list = EngineBench.list(
            question.symbols, status: "BREAK", largest: "123456789012345.00000000")
        bench.answer(question.number, .page(list))
        bench.connect()
        let feed = try #require(bench.engine.status.feeds.first)
        #expect(feed.state == .live)
        #expect(feed.reason.hasPrefix("the exchange does not trade it now: BREAK: "))
        let text = "a size of 123456789012345.00000000"
        #expect(bench.troubles.contains { $0.contains("limits allow \(text), which does not fit") })
    }

    @Test("an answer that does not come is asked for again, for a while; trades come without it")
    func failures() throws {
        var bench = EngineBench(unknown: nil) { $0.merge.fills = true }
        bench.follow(["BTCUSDT"])
        var asked = 0
        for turn in 0..<40 {
            bench.pass(BinanceLimits.requests.failedWaitMax)
            let asking = bench.takeQuestion()
            bench.connect()
            guard let question = asking else { continue }
            asked += 1
            let outcome: StreamAnswer =
                turn % 2 == 0 ? .failed("no answer") : .page(Array("[]".utf8))
            bench.answer(question.number, outcome)
        }
        #expect(
            asked == DenseLimits.uselessAnswersMax
                && bench.engine.status.feeds.first?.state != .refused)
        #expect(bench.engine.lookUps.groups.isEmpty)
    }

    @Test(
        "what is no list of symbols is none",
        arguments: ["", "[]", "{}", #"{"symbols":[1]}"#, #"{"symbols":[{"symbol":"A"}]}"#])
    func lists(text: String) {
        #expect(BinanceSymbolFacts.list(Array(text.utf8)) == nil)
    }
}
