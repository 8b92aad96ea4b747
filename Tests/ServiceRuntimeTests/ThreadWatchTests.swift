import Primitives
import ServiceRuntime
import Testing

@testable import ServiceRuntime

@Suite("The watch of a service's threads")
struct ThreadWatchTests {
    private static let second = ThreadWatch.turns(in: .seconds(1))

    private func turns(_ watch: ThreadWatch, seconds: Int) -> [ThreadWatch.Finding] {
        (0..<(seconds * Self.second)).map { _ in watch.turn() }
    }

    @Test("A thread hangs when more turns than its limit has went by without a beat of it")
    func limit() {
        let watch = ThreadWatch()
        let (beats, stops) = (watch.thread("beats"), watch.thread("stops"))
        for _ in 0..<ThreadWatch.turns(in: ThreadWatch.loopLimit) {
            #expect(watch.turn() == ThreadWatch.Finding())
            beats.beat()
        }
        #expect(!watch.isHung && watch.problems.isEmpty)
        let finding = watch.turn()
        #expect(finding.fell.map(\.thread) == ["stops"] && finding.end == nil)
        #expect(watch.isHung && watch.problems == ["thread stops: no sign of life for 5 s"])
        // It is reported once, and so is its recovery.
        #expect(watch.turn() == ThreadWatch.Finding())
        stops.beat()
        #expect(watch.turn() == ThreadWatch.Finding(rose: ["stops"]))
        #expect(!watch.isHung && watch.problems.isEmpty)
    }

    @Test("Time in which the watch itself did not turn counts for nothing")
    func pausedMachine() {
        let watch = ThreadWatch()
        let beat = watch.thread("loop")
        // A process is stopped for an hour repeatedly. Each time one missed turn is excused.
        for _ in 0..<100 {
            beat.beat()
            #expect(watch.turn() == ThreadWatch.Finding())
        }
        #expect(!watch.isHung)
    }

    @Test("A call with a deadline of its own adds that to the limit, until the next beat")
    func calls() {
        let watch = ThreadWatch()
        let beat = watch.thread("calls", within: .seconds(5))
        beat.beat(before: .seconds(30))
        #expect(turns(watch, seconds: 35).allSatisfy { $0 == ThreadWatch.Finding() })
        #expect(watch.turn().fell.map(\.thread) == ["calls"])
        beat.beat()
        #expect(turns(watch, seconds: 5).allSatisfy(\.fell.isEmpty) && !watch.isHung)
    }

    @Test("The process is to end when a thread hangs for its time, and not while it retires")
    func end() {
        let watch = ThreadWatch(hungTimeMax: .seconds(30))
        let (stops, retires) = (watch.thread("stops"), watch.thread("retires"))
        retires.retire()
        let before = turns(watch, seconds: 35)
        #expect(before.allSatisfy { $0.end == nil })
        #expect(before.flatMap(\.fell).map(\.thread) == ["stops"])
        #expect(watch.turn().end?.thread == "stops")
        stops.retire()
        #expect(watch.turn() == ThreadWatch.Finding(rose: ["stops"]))
    }

    @Test("What was registered before and after shows its silence; what has retired shows none")
    func metrics() {
        let (watch, registry) = (ThreadWatch(), MetricRegistry())
        let early = watch.thread("early")
        watch.show(in: registry)
        let late = watch.thread("late")
        _ = turns(watch, seconds: 2)
        late.beat(before: .seconds(9))
        var page: String { String(decoding: registry.render(), as: UTF8.self) }
        #expect(page.contains("mds_threads_hung 0\n"))
        #expect(page.contains("mds_thread_silence_seconds{thread=\"early\"} 2\n"))
        #expect(page.contains("mds_thread_silence_seconds{thread=\"late\"} 0\n"))
        early.retire()
        #expect(!page.contains("early"))
        _ = turns(watch, seconds: 15)
        #expect(page.contains("mds_threads_hung 1\n"))
    }

    @Test("More threads than a program can name are a bug")
    func trapsTooMany() async {
        await #expect(processExitsWith: .failure) {
            let watch = ThreadWatch()
            for n in 0...ThreadWatch.threadsMax { _ = watch.thread("thread-\(n)") }
        }
    }
}
