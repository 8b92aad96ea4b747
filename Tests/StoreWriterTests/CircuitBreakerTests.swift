import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The breaker towards the database")
struct CircuitBreakerTests {
    private let second: Int64 = 1_000_000_000

    /// Returns how long an open breaker still waits. `nil` if it is not open.
    private func left(_ machine: CircuitBreaker, _ now: MonotonicTime) -> Int64? {
        guard case .open(let until) = machine.state else { return nil }
        return until - now
    }

    private func opened(
        _ random: inout SeededRandom, now: MonotonicTime = .at(0)
    ) -> CircuitBreaker {
        var machine = CircuitBreaker()
        let failuresMax = CircuitBreaker.Settings().failuresMax
        for _ in 0..<failuresMax { machine.failed(now: now, using: &random) }
        return machine
    }

    @Test("four failures are none, and one success forgets them")
    func closed() {
        var random = SeededRandom(seed: 1)
        var machine = CircuitBreaker()
        for _ in 0..<3 {
            for _ in 0..<4 { machine.failed(now: .at(5), using: &random) }
            #expect(machine.state == .closed && machine.permission(now: .at(5)) == .go)
            machine.succeeded()
        }
        #expect(machine.failures == 0)
    }

    @Test("how many failures open it, and for how long at most, are settings")
    func settings() throws {
        var random = SeededRandom(seed: 4)
        var machine = CircuitBreaker(
            CircuitBreaker.Settings(failuresMax: 2, waitMax: .milliseconds(100)))
        machine.failed(now: .at(0), using: &random)
        #expect(machine.state == .closed)
        machine.failed(now: .at(0), using: &random)
        #expect(try #require(left(machine, .at(0))) <= second / 10)
    }

    @Test("the fifth in a row opens it for a moment; then one may probe, and the others ask again")
    func opens() throws {
        var random = SeededRandom(seed: 2)
        var machine = opened(&random, now: .at(100))
        let wait = try #require(left(machine, .at(100)))
        #expect((100_000_000...200_000_000).contains(wait))
        #expect(machine.permission(now: .at(100)) == .wait(until: .at(100 + wait)))
        #expect(machine.permission(now: .at(100 + wait - 1)) == .wait(until: .at(100 + wait)))
        #expect(machine.permission(now: .at(100 + wait)) == .probe)
        #expect(
            machine.permission(now: .at(100 + wait))
                == .wait(until: .at(100 + wait + CircuitBreaker.askNanoseconds)))
        machine.succeeded()
        #expect(machine.state == .closed && machine.permission(now: .at(100 + wait)) == .go)
    }

    @Test(
        "a probe that fails opens it for longer, up to 30 seconds with jitter; success resets that")
    func backsOff() throws {
        var random = SeededRandom(seed: 3)
        var machine = opened(&random)
        var now = MonotonicTime(nanoseconds: 0)
        var waits: [Int64] = []
        for _ in 0..<12 {
            let wait = try #require(left(machine, now))
            waits.append(wait)
            now += wait
            #expect(machine.permission(now: now) == .probe)
            machine.failed(now: now, using: &random)
        }
        for (index, wait) in waits.enumerated() {
            let step = min(30 * second, (second / 5) << Int64(index))
            #expect(wait >= step / 2 && wait <= step, "\(index): \(wait)")
        }
        machine.succeeded()
        for _ in 0..<5 { machine.failed(now: now, using: &random) }
        #expect(try #require(left(machine, now)) <= second / 5)
    }

    @Test("who had begun before it opened neither prolongs the wait nor opens a second one")
    func stragglers() {
        var random = SeededRandom(seed: 4)
        var machine = opened(&random)
        let state = machine.state
        for _ in 0..<9 { machine.failed(now: .at(50), using: &random) }
        #expect(machine.state == state)
        // But a successful write proves that the database works.
        machine.succeeded()
        #expect(machine.state == .closed)
    }

    @Test("a probe that nobody speaks of again is given to another one")
    func lostProbe() throws {
        var random = SeededRandom(seed: 5)
        var machine = opened(&random)
        let due = MonotonicTime.at(try #require(left(machine, .at(0))))
        #expect(machine.permission(now: due) == .probe)
        let late = due + CircuitBreaker.probeNanoseconds
        #expect(machine.permission(now: late - 1) == .wait(until: late))
        #expect(machine.permission(now: late) == .probe)
    }

    @Test("the process's breaker shows its state and tells each transition once")
    func shared() throws {
        let log = CapturedLog()
        let hub = TelemetryHub(
            logger: Logger(service: "test", level: .debug, format: .json, sink: log.sink),
            metrics: MetricRegistry())
        let breaker = StoreBreaker(CircuitBreaker.Settings(), hub)
        func gauge() -> String? {
            String(decoding: hub.metrics.render(), as: UTF8.self).split(separator: "\n")
                .first { $0.hasPrefix("mds_coord_circuit_state ") }.map { String($0.suffix(1)) }
        }
        #expect(gauge() == "0")
        for _ in 0..<5 { breaker.failed(now: .at(0)) }
        #expect(gauge() == "2")
        guard case .wait(let until) = breaker.permission(now: .at(0)) else {
            Issue.record("it is open")
            return
        }
        #expect(breaker.permission(now: until) == .probe && gauge() == "1")
        breaker.succeeded()
        breaker.succeeded()
        #expect(gauge() == "0" && breaker.permission(now: until) == .go)
        let states = log.text.split(separator: "\n").filter { $0.contains("breaker.changed") }
        #expect(states.count == 3, "\(log.text)")
    }

    @Test("times at the end of the clock's range do not trap")
    func ends() {
        var random = SeededRandom(seed: 6)
        var machine = opened(&random, now: .never)
        #expect(machine.permission(now: .never) == .probe)
        machine.failed(now: .never, using: &random)
        _ = machine.permission(now: .distantPast)
    }
}
