import Primitives
import Testing

@Suite struct BackoffTests {
    @Test("every wait lies between half of its step and the step", arguments: 0..<20)
    func bounds(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var backoff = Backoff(first: .milliseconds(50), limit: .seconds(2))
        var step = Duration.milliseconds(50)
        for attempt in 0..<100 {
            #expect(backoff.attempt == attempt)
            let wait = backoff.next(using: &random)
            #expect(wait >= step / 2 && wait <= step, "seed \(seed), attempt \(attempt): \(wait)")
            step = min(.seconds(2), step * 2)
        }
    }

    @Test("waits of one step differ: callers that failed together do not come back together")
    func jitter() {
        var random = SeededRandom(seed: 1)
        var waits: Set<Duration> = []
        for _ in 0..<50 {
            var backoff = Backoff(first: .seconds(1), limit: .seconds(1))
            waits.insert(backoff.next(using: &random))
        }
        #expect(waits.count > 40)
    }

    @Test("after a reset it begins anew")
    func reset() {
        var random = SeededRandom(seed: 2)
        var backoff = Backoff(first: .milliseconds(10), limit: .seconds(60))
        for _ in 0..<8 { _ = backoff.next(using: &random) }
        backoff.reset()
        #expect(backoff.attempt == 0)
        #expect(backoff.next(using: &random) <= .milliseconds(10))
    }

    @Test("the limit is reached from the smallest first wait")
    func farApart() {
        var random = SeededRandom(seed: 3)
        var backoff = Backoff(first: .nanoseconds(1), limit: .seconds(30))
        for _ in 0..<40 { _ = backoff.next(using: &random) }
        #expect(backoff.next(using: &random) >= .seconds(15))
    }

    @Test("a first wait of zero, or above the limit, is a bug")
    func trapsMisuse() async {
        await #expect(processExitsWith: .failure) {
            _ = Backoff(first: .zero, limit: .seconds(1))
        }
        await #expect(processExitsWith: .failure) {
            _ = Backoff(first: .seconds(2), limit: .seconds(1))
        }
    }
}
