import Membership
import Primitives
import Testing

@testable import TapeKeeping

@Suite struct LagTrendTests {
    private let second: Int64 = 1_000_000_000

    private func drains(_ lags: [(at: Int64, ticks: UInt64)]) -> [Int64?] {
        var trend = LagTrend()
        return lags.map {
            trend.drainNanoseconds(.store, ticks: $0.ticks, now: .at($0.at * second))
        }
    }

    @Test("a lag that falls is drained at the rate at which it fell lately")
    func falls() {
        // 100 a second; the first seconds give no answer.
        #expect(
            drains([(0, 1_000), (4, 600), (5, 500), (10, 100)])
                == [nil, nil, 5 * second, 1_111_111_111])
        // Data more than half a minute old no longer count: 10 a second since then.
        #expect(drains([(0, 90_000), (10, 400), (40, 100)]) == [nil, 44_642_857, 10 * second])
    }

    @Test("one that stands still or grows never is, one without ticks is already")
    func doesNotFall() {
        #expect(drains([(0, 500), (10, 500), (20, 900), (25, 0)]) == [nil, nil, nil, 0])
        #expect(drains([(0, 0)]) == [0])
    }

    @Test("a time beyond all limits is the longest, and groups are apart")
    func limits() {
        var trend = LagTrend()
        _ = trend.drainNanoseconds(.store, ticks: .max, now: .at(0))
        _ = trend.drainNanoseconds(.operators, ticks: 10, now: .at(0))
        let writers = trend.drainNanoseconds(
            .store, ticks: .max - 1_000_000, now: .at(30 * second))
        #expect(writers == .max)
        let operators = trend.drainNanoseconds(.operators, ticks: 5, now: .at(10 * second))
        #expect(operators == 10 * second)
    }

    @Test("what was forgotten says nothing of what comes, and only so much is kept")
    func forgotten() {
        var trend = LagTrend()
        _ = trend.drainNanoseconds(.store, ticks: 1_000, now: .at(0))
        trend.forget(.store)
        #expect(trend.drainNanoseconds(.store, ticks: 500, now: .at(10 * second)) == nil)
        trend.keep(only: [.operators])
        #expect(trend.drainNanoseconds(.store, ticks: 100, now: .at(20 * second)) == nil)
        trend.forget(.store)
        // Sampled a hundred times a second, it still looks back as far.
        var last: Int64?
        for step in Int64(0)...1_000 {
            last = trend.drainNanoseconds(
                .store, ticks: UInt64(2_000 - step), now: .at(60 * second + step * second / 100))
        }
        #expect(last == 10 * second)
    }
}
