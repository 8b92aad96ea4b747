import Testing

@testable import ServiceRuntime

@Suite struct ReadinessTests {
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

    @Test("A part works without a problem, once the service has said its first word")
    func works() {
        let readiness = Readiness()
        readiness.expectFirstReport()
        #expect(!readiness.works("a"))
        readiness.set("b", "down")
        #expect(readiness.works("a") && !readiness.works("b"))
        readiness.set("b", nil)
        #expect(readiness.works("b"))
        for number in 0...Readiness.partsMax { readiness.set("p\(number)", "down") }
        #expect((0...Readiness.partsMax).allSatisfy { !readiness.works("p\($0)") })
    }

    @Test("A long problem of many lines becomes a short one of one line")
    func longProblem() throws {
        let readiness = Readiness()
        readiness.set("a", "ä\n" + String(repeating: "ä", count: 1_000))
        let reason = try #require(readiness.health.reasons.first)
        #expect(reason.hasPrefix("a: ä ä") && !reason.contains("\n"))
        #expect(reason.utf8.count <= Readiness.problemBytesMax + 3)
    }

    @Test("A thread that hangs makes it dead, before all that is only not ready")
    func hungThread() {
        let readiness = Readiness()
        let beat = readiness.threads.thread("tape", within: .zero)
        readiness.set("bus", "down")
        _ = readiness.threads.turn()
        #expect(
            readiness.health
                == Health(
                    live: false, ready: false,
                    reasons: ["thread tape: no sign of life for 0 s", "bus: down"]))
        beat.retire()
        _ = readiness.threads.turn()
        #expect(readiness.health == Health(live: true, ready: false, reasons: ["bus: down"]))
    }

    @Test("Beyond the bound problems are counted, and it is ready when the last one has gone")
    func tooMany() throws {
        let readiness = Readiness()
        for n in 0...Readiness.partsMax { readiness.set("part \(n)", "down") }
        readiness.set("part \(Readiness.partsMax)", "still down")
        readiness.set("part 0", "down again")
        let health = readiness.health
        #expect(!health.ready)
        #expect(health.reasons.count == Readiness.partsMax + 1)
        #expect(health.reasons.first == "part 0: down again")
        #expect(health.reasons.last == "and 1 more")
        // A reason that was only counted is shown as soon as there is room for it.
        readiness.set("part 0", nil)
        readiness.set("part \(Readiness.partsMax)", "still down")
        #expect(readiness.health.reasons.count == Readiness.partsMax)
        for n in 0...Readiness.partsMax {
            #expect(!readiness.health.ready)
            readiness.set("part \(n)", nil)
        }
        #expect(readiness.health == Health(live: true, ready: true, reasons: []))
    }

    @Test("A part that no promise rests on makes it degraded, not unready")
    func degraded() {
        let readiness = Readiness()
        readiness.degrade("cache", "away")
        #expect(
            readiness.health
                == Health(live: true, ready: true, reasons: [], degraded: ["cache: away"]))
        readiness.set("database", "down")
        #expect(
            readiness.health
                == Health(
                    live: true, ready: false, reasons: ["database: down"],
                    degraded: ["cache: away"]))
        readiness.set("database", nil)
        readiness.degrade("cache", nil)
        #expect(readiness.health == Health(live: true, ready: true, reasons: []))
    }
}
