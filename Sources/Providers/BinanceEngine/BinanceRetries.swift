package import MarketModel
package import Primitives

/// When questions about the past leave, one after the other, and how often one that failed is
/// asked again. It has no clock and no connection.
package struct BinanceRetries: Sendable {
    package enum Step: Hashable, Sendable {
        case answered([UInt8])
        /// The question is to be asked again at `at`. The text says why.
        case again(String)
        /// It has no answer. The text says why.
        case failed(String)
    }

    private var pace: BinanceRequestPace
    /// Failures of the present question.
    private var failures = 0

    package init(seed: UInt64) { pace = BinanceRequestPace(seed: seed) }

    /// When the next question may leave.
    package var at: MonotonicTime { pace.at }

    /// Takes what became of a question. `interval` is how long the next one waits after an answer.
    package mutating func take(
        _ outcome: BinanceFetchOutcome, interval: Int64, _ now: Moment
    ) -> Step {
        let why: String
        switch outcome {
        case .page(let bytes):
            failures = 0
            pace.answered(now, interval: interval)
            return .answered(bytes)
        case .unknownSymbol: return failed("the exchange has no such symbol")
        case .refused(let reason): return failed(reason)
        case .limited(let retryAfter, let isBanned):
            why = BinanceFetchOutcome.words(isBanned: isBanned)
            let wait = (retryAfter ?? 0) / 1_000_000_000
            guard wait <= BinanceHistoryLimits.questionWaitMax else {
                return failed("\(why): try again in \(wait) seconds")
            }
            pace.limited(retryAfter, isBanned: isBanned, now)
        case .failed(let reason):
            why = reason
            pace.failed(now)
        }
        failures += 1
        guard failures < BinanceHistoryLimits.questionTriesMax else {
            return failed("\(why), \(failures) times in a row")
        }
        return .again(why)
    }

    private mutating func failed(_ why: String) -> Step {
        failures = 0
        return .failed(why)
    }
}
