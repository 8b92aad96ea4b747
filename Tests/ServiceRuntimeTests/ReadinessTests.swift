import Primitives
import Synchronization
import Testing

@testable import ServiceRuntime

@Suite struct ReadinessTests {
    private final class TestClock: Sendable {
        private let time = Atomic<Int64>(0)
        func advance(_ seconds: Int64) { time.add(seconds * 1_000_000_000, ordering: .relaxed) }
        var now: Timestamp { Timestamp(nanoseconds: time.load(ordering: .relaxed)) }
    }

    @Test("Without a problem it is ready; each part has one reason, the last one")
    func parts() {
        let readiness = Readiness()
        #expect(readiness.health == Health(live: true, ready: true, reasons: []))
        readiness.set("b", "old")
        readiness.set("b", "new")
        readiness.set("a", "other")
        #expect(
            readiness.health
                == Health(live: true, ready: false, reasons: ["a: other", "b: new"]))
        readiness.set("a", nil)
        readiness.set("b", nil)
        readiness.set("never set", nil)
        #expect(readiness.health.ready)
    }

    @Test("A long problem of many lines becomes a short one of one line")
    func longProblem() throws {
        let readiness = Readiness()
        readiness.set("a", "ä\n" + String(repeating: "ä", count: 1_000))
        let reason = try #require(readiness.health.reasons.first)
        #expect(reason.hasPrefix("a: ä ä") && !reason.contains("\n"))
        #expect(reason.utf8.count <= Readiness.problemBytesMax + 3)
    }

    @Test("A heartbeat that stops makes it dead, one that beats or retires does not")
    func heartbeats() {
        let clock = TestClock()
        let readiness = Readiness(now: { clock.now })
        let beats = readiness.heartbeat("beats", within: .seconds(10))
        let stops = readiness.heartbeat("stops", within: .seconds(10))
        let retires = readiness.heartbeat("retires", within: .seconds(10))
        clock.advance(10)
        #expect(readiness.health.live)
        beats.beat()
        retires.retire()
        clock.advance(5)
        readiness.set("bus", "down")
        #expect(
            readiness.health
                == Health(
                    live: false, ready: false,
                    reasons: ["stops: no sign of life for 15 s", "bus: down"]))
        stops.beat()
        #expect(readiness.health.live)
    }

    @Test("More parts than a program can name are a bug")
    func trapsTooMany() async {
        await #expect(processExitsWith: .failure) {
            let readiness = Readiness()
            for n in 0...Readiness.partsMax { readiness.set("part-\(n)", "down") }
        }
    }
}
