import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

/// What the exchange's documentation says that it refuses, and what a person is told of it. What it
/// refuses by a status of HTTP, the client of the connection says.
@Suite struct BinanceRefusalTests {
    @Test(
        "each documented refusal of a stream is one line with its words and what to do",
        arguments: [
            #"{"error":{"code":0,"msg":"Unknown property"},"id":1}"#,
            #"{"error":{"code":1,"msg":"Invalid value type: expected String"},"id":1}"#,
            #"{"error":{"code":2,"msg":"Invalid request: request ID must be a number"},"id":1}"#,
            #"{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}"#,
        ])
    func stream(answer: String) throws {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"])
        bench.opened(1)
        bench.receive(answer, on: 1)
        bench.pass(0)
        let said = try JSONValue.parse(Array(answer.utf8))
        let words = try #require((said.at("error", "msg") ?? said["msg"])?.string)
        let feed = try #require(bench.engine.status.feeds.first)
        #expect(feed.state == .refused)
        #expect(
            feed.reason
                == "the exchange refuses its stream: \(words): write it as the exchange does, "
                + "like BTCUSDT")
    }

    @Test(
        "a connection that is refused or ended says why",
        arguments: [
            "wss://x answers with status 451: it does not serve this country",
            "wss://x closed the connection with 1008: Too many requests: wait",
        ])
    func connection(why: String) {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"])
        bench.ended(1, why)
        let status = bench.engine.status
        #expect(status.feeds.allSatisfy { $0.reason.isEmpty } && status.reason == why)
        #expect(status.failures == 1)
    }
}
