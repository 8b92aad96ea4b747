import Primitives
import Testing

@Suite struct MonotonicTimeTests {
    @Test(
        "moving a moment stays inside the range",
        arguments: [
            (0, 5, 5), (7, -5, 2), (Int64.max - 1, 1, Int64.max), (1, Int64.max, Int64.max),
            (-1, Int64.min, Int64.min), (Int64.min, 5, Int64.min + 5), (Int64.max, 5, Int64.max),
        ] as [(Int64, Int64, Int64)])
    func moved(start: Int64, span: Int64, end: Int64) {
        let (start, end) = (MonotonicTime(nanoseconds: start), MonotonicTime(nanoseconds: end))
        #expect(start + span == end && start.advanced(by: .nanoseconds(span)) == end)
    }

    @Test(
        "so does moving it back",
        arguments: [
            (5, 5, 0), (0, -5, 5), (Int64.min, 1, Int64.min), (0, Int64.min, Int64.max),
            (-2, Int64.max, Int64.min), (7, Int64.max, 7 - Int64.max),
        ] as [(Int64, Int64, Int64)])
    func movedBack(start: Int64, span: Int64, end: Int64) {
        #expect(MonotonicTime(nanoseconds: start) - span == MonotonicTime(nanoseconds: end))
    }

    @Test(
        "a distance is held at the ends of the range",
        arguments: [
            (7, 3, 4), (3, 7, -4), (Int64.min, 1, Int64.min), (Int64.max, -2, Int64.max),
            (0, Int64.min, Int64.max), (Int64.max, Int64.max, 0),
        ] as [(Int64, Int64, Int64)])
    func distance(later: Int64, earlier: Int64, distance: Int64) {
        let later = MonotonicTime(nanoseconds: later)
        let earlier = MonotonicTime(nanoseconds: earlier)
        #expect(later - earlier == distance)
        #expect(later.duration(since: earlier) == .nanoseconds(distance))
    }

    @Test(
        "the next moment of an interval is later, and at most the interval later",
        arguments: [
            (0, 10, 10), (1, 10, 10), (9, 10, 10), (10, 10, 20), (-1, 10, 0), (-10, 10, 0),
            (-11, 10, -10), (Int64.max - 1, 10, Int64.max), (Int64.max, 10, Int64.max),
            (Int64.min, 10, Int64.min + 8), (7, 1, 8),
        ] as [(Int64, Int64, Int64)])
    func repeated(time: Int64, interval: Int64, next: Int64) {
        #expect(
            MonotonicTime(nanoseconds: time).next(every: interval)
                == MonotonicTime(nanoseconds: next))
    }

    @Test("the distant past is past after any span, and never is after every moment")
    func ends() {
        let boot = MonotonicTime(nanoseconds: 0)
        #expect(MonotonicTime.distantPast + Int64.max < boot)
        #expect(boot.advanced(by: .seconds(Int64.max)) == .never && boot < .never)
        #expect(boot - .distantPast == Int64.max)
    }
}
