import Primitives
import Testing

@testable import ServiceRuntime

@Suite struct SystemClockTests {
    let clock = SystemClock()

    @Test("The wall clock is in this century, and the monotonic one never goes back")
    func clocks() {
        #expect(clock.now() > Timestamp(nanoseconds: 1_700_000_000_000_000_000))
        let first = clock.monotonic()
        #expect(clock.monotonic() >= first)
    }

    @Test(
        "A deadline is held at the ends of the range",
        arguments: [Duration.seconds(Int64.max), .seconds(10_000_000_000)])
    func farDeadline(timeout: Duration) {
        let deadline = clock.deadline(after: timeout)
        #expect(clock.remaining(until: deadline) > .seconds(1_000_000_000))
    }

    @Test("A negative timeout has passed already")
    func pastDeadline() {
        #expect(clock.deadline(after: .seconds(-1)) < clock.monotonic())
        #expect(clock.deadline(after: .seconds(Int64.min)) < clock.monotonic())
        #expect(clock.remaining(until: clock.deadline(after: .seconds(-1))) == .zero)
    }

    @Test(
        "Milliseconds for poll are rounded up, never negative, never too many",
        arguments: [
            (Duration.nanoseconds(1), Int32(1)), (.milliseconds(1), 1), (.microseconds(1_001), 2),
            (.zero, 0), (.seconds(-5), 0), (.seconds(100_000_000), Int32.max),
        ])
    func pollMilliseconds(duration: Duration, milliseconds: Int32) {
        #expect(duration.pollMilliseconds == milliseconds)
    }
}
