import Primitives
import MarketModel
import Testing

@testable import IBEngine

@Suite("The provider's clock and the floor") struct ProviderClockTests {
    private static let start: Int64 = 1_000_000 * second

    private static func moment(_ milliseconds: Int64, step: Int64 = 0) -> Moment {
        let time = milliseconds * 1_000_000
        return Moment(wall: Timestamp(nanoseconds: start + time + step), monotonic: .at(time))
    }

    @Test(
        "Of whole seconds only the difference that is certain counts",
        arguments: [(0, 0), (-400, 0), (-999, 0), (-2_500, -1_500), (3_000, 3_000)])
    func difference(_ told: Int64, _ certain: Int64) {
        var clock = ProviderClock()
        let second = Timestamp(nanoseconds: Self.start + told * 1_000_000)
        #expect(clock.answered(second, Self.moment(0)) == certain * 1_000_000)
    }

    @Test("An answer that was long on its way proves no difference")
    func late() {
        var clock = ProviderClock()
        clock.ask(Self.moment(0))
        clock.ask(Self.moment(5_000))
        let told = Timestamp(nanoseconds: Self.start + second)
        #expect(clock.answered(told, Self.moment(9_000)) == 0)
        clock.ask(Self.moment(9_000))
        #expect(clock.answered(told, Self.moment(9_100)) == -7 * second)
        clock.ask(Self.moment(0))
        clock.disconnected()
        #expect(clock.answered(told, Self.moment(9_000)) == -7 * second)
    }

    @Test("The floor is the delay behind now, and never goes back")
    func floor() {
        var clock = ProviderClock()
        _ = clock.drained(Self.moment(5_000), delay: second)
        #expect(clock.floor == Timestamp(nanoseconds: Self.start + 4 * second))
        _ = clock.drained(Self.moment(5_500), delay: 3 * second)
        #expect(clock.floor == Timestamp(nanoseconds: Self.start + 4 * second))
    }

    @Test("A step of the clock holds the floor for a minute")
    func step() {
        var clock = ProviderClock()
        _ = clock.drained(Self.moment(1_000), delay: 0)
        let floor = clock.floor
        let isStep = clock.drained(Self.moment(2_000, step: 5 * second), delay: 0)
        #expect(isStep)
        #expect(clock.floor == floor)
        let isStepAgain = clock.drained(Self.moment(3_000, step: 5 * second), delay: 0)
        #expect(!isStepAgain)
        _ = clock.drained(Self.moment(63_000, step: 5 * second), delay: 0)
        #expect(clock.floor == Timestamp(nanoseconds: Self.start + 68 * second))
    }

    @Test("Another step of the clock within the minute holds the floor for a minute of its own")
    func secondStep() {
        var clock = ProviderClock()
        _ = clock.drained(Self.moment(0), delay: 0)
        func drain(_ milliseconds: Int64, step: Int64) -> Bool {
            clock.drained(Self.moment(milliseconds, step: step * second), delay: 0)
        }
        let areSteps = [
            drain(1_000, step: 10), drain(2_000, step: 10), drain(60_000, step: 1_000),
            drain(61_000, step: 1_000), drain(119_999, step: 1_000),
        ]
        #expect(areSteps == [true, false, true, false, false])
        #expect(clock.floor == Timestamp(nanoseconds: Self.start))
        // The second step is undone, and the first one is accepted after a minute.
        _ = drain(120_000, step: 10)
        #expect(clock.floor == Timestamp(nanoseconds: Self.start))
        _ = drain(180_000, step: 10)
        #expect(clock.floor == Timestamp(nanoseconds: Self.start + 190 * second))
    }
}
