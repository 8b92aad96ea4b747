import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives

@testable import AlpacaEngine

typealias AlpacaBench = ServiceBench<AlpacaWords>

/// An engine with a clock that the test moves.
extension AlpacaBench {
    init(
        _ feed: AlpacaFeedName = .sip, at time: Int64 = 0,
        _ change: (inout AlpacaSettings) -> Void = { _ in }
    ) {
        var settings = AlpacaSettings(feed, seed: 1)
        settings.stream.tradesKept = 1_024
        change(&settings)
        self.init(AlpacaEngine(settings), at: time)
    }

    /// The present time as the service writes it.
    var stamp: String { present.description }

    static func error(_ code: Int, _ text: String = "a reason") -> String {
        AlpacaWords.error(code, text)
    }

    /// Answers the requests that were sent: the service takes all.
    mutating func confirm(_ lists: String, on number: UInt32) {
        receive("[{\"T\":\"subscription\",\(lists)}]", on: number)
        pass(StreamLimits.requestInterval)
    }

    /// A trade as the service writes it.
    func trade(
        _ symbol: String, _ id: UInt64, exchange: String = "V", size: String = "100",
        at time: String? = nil
    ) -> String {
        "{\"T\":\"t\",\"S\":\"\(symbol)\",\"i\":\(id),\"x\":\"\(exchange)\",\"p\":126.55,"
            + "\"s\":\(size),\"c\":[\"@\",\"I\"],\"z\":\"C\",\"t\":\"\(time ?? stamp)\"}"
    }

    func cancel(
        _ symbol: String, _ id: UInt64, exchange: String = "V", size: String = "100"
    ) -> String {
        "{\"T\":\"x\",\"S\":\"\(symbol)\",\"i\":\(id),\"x\":\"\(exchange)\",\"p\":126.55,"
            + "\"s\":\(size),\"a\":\"C\",\"z\":\"C\",\"t\":\"\(stamp)\"}"
    }

    func correction(
        _ symbol: String, _ id: UInt64, to next: UInt64, price: String, exchange: String = "V",
        size: String = "100"
    ) -> String {
        "{\"T\":\"c\",\"S\":\"\(symbol)\",\"x\":\"\(exchange)\",\"oi\":\(id),\"op\":126.55,"
            + "\"os\":\(size),"
            + "\"oc\":[\"@\"],\"ci\":\(next),\"cp\":\(price),\"cs\":40,\"cc\":[\"@\"],"
            + "\"z\":\"C\",\"t\":\"\(stamp)\"}"
    }
}
