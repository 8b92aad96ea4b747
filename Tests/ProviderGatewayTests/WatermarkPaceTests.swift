import Primitives
import Testing

@testable import ProviderGateway

@Suite("When a watermark without ticks is published")
struct WatermarkPaceTests {
    private let second: Int64 = 1_000_000_000

    private func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }

    /// A pace whose last watermark, 7.3 s, was published at 0.
    private func begun() -> WatermarkPace {
        var pace = WatermarkPace()
        #expect(pace.publish(time(7_300_000_000), now: .at(0)) == time(7_300_000_000))
        return pace
    }

    @Test("the first one immediately, and then one as soon as it passes a full second")
    func seconds() {
        #expect(WatermarkPace().isDue(time(0), now: .at(0)))
        #expect(WatermarkPace().isDue(time(Int64.min), now: .at(0)))
        let pace = begun()
        #expect(!pace.isDue(time(8 * second - 1), now: .at(699_999_999)))
        #expect(pace.isDue(time(8 * second), now: .at(700_000_000)))
    }

    @Test("a thread that waits until it is due finds that the full second has passed")
    func due() {
        let pace = begun()
        let due = pace.dueAt(time(7_400_000_000), now: .at(100_000_000))
        #expect(due >= .at(700_000_000) && due < .at(701_000_000))
        #expect(pace.isDue(time(8 * second), now: due))
    }

    @Test("of a recording, whose time passes faster, at most four a second")
    func fast() {
        var pace = begun()
        #expect(!pace.isDue(time(90 * second), now: .at(249_999_999)))
        #expect(pace.dueAt(time(90 * second), now: .at(1)) == .at(250_000_000))
        #expect(pace.isDue(time(90 * second), now: .at(250_000_000)))
        #expect(pace.publish(time(90 * second), now: .at(250_000_000)) == time(90 * second))
        #expect(!pace.isDue(time(91 * second), now: .at(260_000_000)))
    }

    @Test("one that does not move is published again, so that the source is not silent")
    func stuck() {
        var pace = begun()
        let same = time(7_300_000_000)
        #expect(!pace.isDue(same, now: .at(1_249_999_999)))
        #expect(pace.isDue(same, now: .at(1_250_000_000)))
        #expect(pace.publish(same, now: .at(1_250_000_000)) == same)
        #expect(!pace.isDue(same, now: .at(2_499_999_999)))
    }

    @Test("one that is held back is looked at again soon, and its thread does not spin")
    func held() {
        let pace = begun()
        let now = MonotonicTime.at(800_000_000)
        #expect(pace.isDue(time(8_100_000_000), now: now))
        #expect(!pace.isDue(time(7_999_999_999), now: now))
        let due = pace.dueAt(time(8_100_000_000), now: now)
        #expect(due > now + 10_000_000 && due < now + 30_000_000)
    }

    @Test("it never goes back")
    func back() {
        var pace = begun()
        #expect(pace.publish(time(6 * second), now: .at(second)) == time(7_300_000_000))
        #expect(pace.last == time(7_300_000_000))
    }
}
