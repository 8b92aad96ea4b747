package import MarketModel
package import Primitives

/// When questions to a service leave, one after the other, and how often one that failed is asked
/// again. It has no clock and no connection.
package struct QuestionRetries<Answer: Sendable>: Sendable {
    /// What became of a question.
    package enum Step: Sendable {
        case answered(Answer)
        /// The question is to be asked again at `at`. The text says why.
        case again(String)
        /// This question has no answer. The text says why.
        case refused(String)
        /// The service answers no question now. The text says why.
        case failed(String)
    }

    private var pace: RequestPace
    /// Failures of the present question.
    private var failures = 0

    package init(_ limits: RequestLimits, seed: UInt64) {
        pace = RequestPace(limits, seed: seed)
    }

    /// When the next question may leave.
    package var at: MonotonicTime { pace.at }

    /// Takes what became of a question. `interval` is how long the next one waits after an answer.
    package mutating func take(
        _ outcome: FetchOutcome<Answer>, interval: Int64, _ now: Moment
    ) -> Step {
        let why: String
        switch outcome {
        case .page(let answer):
            failures = 0
            pace.answered(now, interval: interval)
            return .answered(answer)
        case .unknownSymbol: return refused(pace.limits.noSymbol("of this name"))
        case .refused(let reason): return refused(reason)
        case .denied(let reason): return failed(reason)
        case .limited(let retryAfter, let isBanned):
            why = pace.limits.words(isBanned: isBanned)
            let wait = (retryAfter ?? 0) / 1_000_000_000
            guard wait <= HistoryLimits.questionWaitMax else {
                return failed("\(why): try again in \(wait) seconds")
            }
            pace.limited(retryAfter, isBanned: isBanned, now)
        case .failed(let reason):
            why = reason
            pace.failed(reason, now)
        }
        failures += 1
        guard failures < HistoryLimits.questionTriesMax else {
            return failed("\(why), \(failures) times in a row")
        }
        return .again(why)
    }

    private mutating func refused(_ why: String) -> Step {
        failures = 0
        return .refused(why)
    }

    private mutating func failed(_ why: String) -> Step {
        failures = 0
        return .failed(why)
    }
}

extension QuestionRetries.Step: Equatable where Answer: Equatable {}
