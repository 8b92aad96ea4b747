import EngineKit
import MarketModel
import Primitives
import Testing

@Suite("Questions about the past that are asked again")
struct QuestionRetriesTests {
    private typealias Retries = QuestionRetries<[UInt8]>

    private static let second: Int64 = 1_000_000_000
    private static let limits = RequestLimits(
        service: "the exchange", failedWait: second / 2, limitedWait: 30 * second)

    private static func now(_ seconds: Int64 = 0) -> Moment {
        Moment(
            wall: Timestamp(nanoseconds: seconds * second),
            monotonic: MonotonicTime(nanoseconds: seconds * second))
    }

    private static func take(
        _ retries: inout Retries, _ outcome: StreamAnswer
    ) -> Retries.Step {
        retries.take(outcome, interval: 40_000_000, now())
    }

    @Test("too many requests wait as long as the exchange says, and its own usual time else")
    func limited() {
        for (after, isBanned, wait) in [
            (nil, false, 30), (nil, true, 300), (7, false, 7), (600, true, 600),
        ] as [(Int64?, Bool, Int64)] {
            var retries = Retries(Self.limits, seed: 1)
            let step = Self.take(
                &retries, .limited(retryAfter: after.map { $0 * Self.second }, isBanned: isBanned))
            let why = isBanned ? "the exchange has banned this address" : "too many requests"
            #expect(step == .again(why))
            #expect(retries.at.nanoseconds == wait * Self.second)
        }
    }

    @Test("a longer wait than a person would wait for is said, and nothing is asked")
    func tooLong() {
        var retries = Retries(Self.limits, seed: 1)
        let step = Self.take(
            &retries, .limited(retryAfter: 3_601 * Self.second, isBanned: true))
        #expect(
            step == .failed("the exchange has banned this address: try again in 3601 seconds"))
    }

    @Test("failures are asked again with longer waits, and no more often than five times")
    func bounded() {
        var retries = Retries(Self.limits, seed: 1)
        var last: Int64 = 0
        for _ in 0..<HistoryLimits.questionTriesMax - 1 {
            #expect(Self.take(&retries, .failed("status 503")) == .again("status 503"))
            #expect(retries.at.nanoseconds > 0)
            last = max(last, retries.at.nanoseconds)
        }
        #expect(last > Self.limits.failedWait && last <= Self.limits.failedWaitMax)
        #expect(
            Self.take(&retries, .failed("status 503")) == .failed("status 503, 5 times in a row"))
        // The next question has all of its tries.
        #expect(Self.take(&retries, .failed("x")) == .again("x"))
    }

    @Test("an answer ends the count, and the next question waits for what this one has cost")
    func answered() {
        var retries = Retries(Self.limits, seed: 1)
        for _ in 0..<20 {
            #expect(Self.take(&retries, .failed("x")) == .again("x"))
            #expect(Self.take(&retries, .page([1])) == .answered([1]))
            #expect(retries.at.nanoseconds == 40_000_000)
        }
        #expect(
            Self.take(&retries, .unknownSymbol)
                == .refused("the exchange has no symbol of this name: check how it is written"))
        #expect(Self.take(&retries, .refused("no")) == .refused("no"))
    }
}
