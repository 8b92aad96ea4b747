import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import AlpacaEngine

/// What a list of the service lacks, and what an account has no room for.
@Suite("Lists and room of an account of Alpaca") struct AlpacaListTests {
    /// An account with so many symbols.
    private struct Account {
        var max: Int
        var symbols: [String] = []
        var requests = 0

        /// Answers the requests that were sent, as long as there are some.
        mutating func serve(_ bench: inout AlpacaBench, on number: UInt32) {
            while true {
                let texts = bench.takeRequests()
                guard !texts.isEmpty else { return }
                for text in texts {
                    requests += 1
                    bench.receive(answer(text), on: number)
                }
                bench.pass(StreamLimits.requestInterval)
            }
        }

        private mutating func answer(_ text: String) -> String {
            let request = try? JSONValue.parse(text)
            let names = request?["trades"]?.array?.compactMap(\.string) ?? []
            if request?["action"]?.string == "unsubscribe" {
                symbols.removeAll { names.contains($0) }
            } else {
                let all = symbols + names.filter { !symbols.contains($0) }
                guard all.count <= max else {
                    return AlpacaBench.error(405, "symbol limit exceeded")
                }
                symbols = all
            }
            let list = symbols.map { "\"\($0)\"" }.joined(separator: ",")
            return "[{\"T\":\"subscription\",\"trades\":[\(list)]}]"
        }
    }

    /// Lets time pass while trades of a symbol come, so that the connection is not silent.
    private func wait(
        _ seconds: Int, _ symbol: String, _ bench: inout AlpacaBench, on number: UInt32
    ) {
        for _ in 0..<seconds {
            bench.receive("[\(bench.trade(symbol, UInt64(bench.time)))]", on: number)
            bench.pass(AlpacaBench.second)
        }
    }

    @Test("a feed that one list lacks is taken when it flows, and else asked for again")
    func lackedByOneList() throws {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL", "SPY")
        bench.follow(["AAPL", "SPY", "TSLA"])
        _ = bench.takeRequests()
        bench.confirm(#""trades":["TSLA"]"#, on: number)
        #expect(bench.engine.status.feeds.map(\.state) == [.refused, .refused, .live])
        #expect(bench.gaps.count == 2 && bench.gaps.allSatisfy { !$0.to.isDefined })
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        #expect(bench.trades.count == 1)
        #expect(bench.engine.status.feeds.map(\.state) == [.live, .refused, .live])
        #expect(bench.engine.status.feeds[0].reason.isEmpty)
        // Its gap has an end.
        #expect(bench.gaps.filter { $0.header.symbol == 0 }.last?.to.isDefined == true)
        wait(601, "AAPL", &bench, on: number)
        #expect(bench.takeRequests() == [#"{"action":"subscribe","trades":["SPY"]}"#])
        bench.confirm(#""trades":["AAPL","SPY","TSLA"]"#, on: number)
        #expect(bench.engine.status.feeds.allSatisfy { $0.state == .live && !$0.hasOpenGap })
        wait(601, "AAPL", &bench, on: number)
        #expect(bench.takeRequests().isEmpty)
        // What came although it was not listed is taken back when it ends.
        bench.follow([], ended: [0])
        #expect(bench.takeRequests() == [#"{"action":"unsubscribe","trades":["AAPL"]}"#])
    }

    @Test("what comes of a refused feed before it is asked for again is taken")
    func beforeTheRequest() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL", "SPY")
        bench.follow(["AAPL", "SPY", "TSLA"])
        _ = bench.takeRequests()
        bench.confirm(#""trades":["AAPL","TSLA"]"#, on: number)
        #expect(bench.engine.status.feeds.map(\.state) == [.live, .refused, .live])
        wait(598, "AAPL", &bench, on: number)
        // Another request waits for its answer while the time to ask comes.
        let other = BegunInstrument(
            number: 3, instrument: AlpacaBench.instrument("QQQ"), reached: .undefined)
        bench.engine.follow(begun: [other], ended: [], bench.now, into: &bench.out)
        bench.pass(0)
        #expect(bench.takeRequests().count == 1)
        wait(4, "AAPL", &bench, on: number)
        #expect(bench.takeRequests().isEmpty)
        bench.receive("[\(bench.trade("SPY", 1))]", on: number)
        #expect(bench.trades.last?.header.symbol == 1)
        #expect(bench.engine.status.feeds[1].state == .live)
    }

    @Test("a symbol without room begins when another one is removed")
    func room() throws {
        var bench = AlpacaBench()
        let symbols = (0..<31).map { "S\($0)" }
        var account = Account(max: 30)
        bench.follow(symbols)
        let number = bench.connect()
        account.serve(&bench, on: number)
        #expect(account.symbols.count == 30)
        #expect(bench.engine.status.feeds[30].state == .refused)
        #expect(bench.engine.status.feeds[30].reason.contains("symbol limit exceeded"))
        bench.follow([], ended: [4])
        account.serve(&bench, on: number)
        #expect(bench.engine.status.feeds.allSatisfy { $0.state == .live && $0.reason.isEmpty })
        #expect(account.symbols.contains("S30") && !account.symbols.contains("S4"))
        let limit = bench.engine.limits(bench.now.monotonic).first { $0.name == .symbols }
        #expect(limit?.used == 30 && limit?.waiting == 0)
    }

    @Test("a list far beyond the room takes few requests, and goes on when the account has more")
    func muchMore() {
        var bench = AlpacaBench()
        let symbols = (0..<300).map { "S\($0)" }
        var account = Account(max: 30)
        bench.follow(symbols)
        let number = bench.connect()
        account.serve(&bench, on: number)
        #expect(account.symbols == Array(symbols.prefix(30)) && account.requests < 30)
        #expect(bench.engine.status.feeds.count { $0.state == .refused } == 270)
        let notes = bench.notes.count
        account.requests = 0
        wait(601, "S0", &bench, on: number)
        account.serve(&bench, on: number)
        // One symbol is tried, and nobody is told again.
        #expect(account.requests == 1 && account.symbols.count == 30)
        #expect(bench.notes.count - notes <= 1)
        account.max = 200
        wait(601, "S0", &bench, on: number)
        account.serve(&bench, on: number)
        #expect(account.symbols.count == 200)
        #expect(bench.engine.status.feeds.count { $0.state == .live } == 200)
        #expect(bench.engine.status.feeds.count { $0.state == .refused } == 100)
    }
}
