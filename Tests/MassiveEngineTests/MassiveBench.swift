import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives

@testable import MassiveEngine

typealias MassiveBench = ServiceBench<MassiveWords>

/// An engine with a clock that the test moves.
extension MassiveBench {
    static var occupied: String { MassiveWords.occupied }

    init(
        _ feed: MassiveFeedName = .realTime, at time: Int64 = 0,
        _ change: (inout MassiveSettings) -> Void = { _ in }
    ) {
        var settings = MassiveSettings(feed, seed: 1)
        settings.stream.tradesKept = 8_192
        change(&settings)
        self.init(MassiveEngine(settings), at: time)
    }

    /// The present time as the service writes it, in milliseconds.
    var stamp: Int64 { present.nanoseconds / 1_000_000 }

    static func status(_ status: String, _ message: String) -> String {
        MassiveWords.status(status, message)
    }

    static func subscribed(_ words: String...) -> String {
        "["
            + words.map {
                "{\"ev\":\"status\",\"status\":\"success\",\"message\":\"subscribed to: \($0)\"}"
            }.joined(separator: ",") + "]"
    }

    /// What the number on the tape of such a trade has of its id.
    static var mark: UInt64 { mark(of: "12345") }

    /// Returns what tells a trade with this id from another one of its number.
    static func mark(of id: String) -> UInt64 {
        id.utf8.reduce(0 as UInt64) { $0 * 10 + UInt64($1) } & 0xff
    }

    /// A trade as the service writes it.
    func trade(
        _ symbol: String, _ number: UInt64, id: String = "12345", size: String = "100",
        at time: Int64? = nil
    ) -> String {
        MassiveWords.trade(symbol, number, id: id, size: size, at: time ?? stamp)
    }
}
