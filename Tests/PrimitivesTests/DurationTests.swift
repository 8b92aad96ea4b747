import Primitives
import Testing

@Suite struct DurationTests {
    @Test(
        "nanoseconds are whole, and held at both ends",
        arguments: [
            (Duration.seconds(Int64.max), Int64.max), (.seconds(Int64.min), Int64.min),
            (.nanoseconds(7), 7), (.seconds(-2), -2_000_000_000), (.milliseconds(-3), -3_000_000),
            (
                Duration(
                    secondsComponent: 9_223_372_036,
                    attosecondsComponent: 854_775_808 * 1_000_000_000), Int64.max
            ),
        ])
    func clamped(duration: Duration, nanoseconds: Int64) {
        #expect(duration.clampedNanoseconds == nanoseconds)
    }
}
