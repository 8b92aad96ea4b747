import Testing

@testable import ServiceRuntime

@Suite struct ShutdownSignalTests {
    @Test("Without a request a wait ends with its timeout")
    func quiet() {
        let shutdown = ShutdownSignal()
        #expect(!shutdown.isRequested)
        #expect(shutdown.reason == nil)
        #expect(!shutdown.wait(timeout: .milliseconds(1)))
    }

    @Test("The first request counts: its reason stays, its callbacks run once and in order")
    func firstCounts() {
        let shutdown = ShutdownSignal()
        let calls = Calls()
        shutdown.onRequest { calls.add(1) }
        shutdown.onRequest { calls.add(2) }
        shutdown.request("disk full")
        shutdown.request("later")
        #expect(shutdown.reason == "disk full")
        #expect(calls.all == [1, 2])
        #expect(shutdown.wait(timeout: .zero))
    }

    @Test("Who registers after the request is told at once")
    func late() {
        let shutdown = ShutdownSignal()
        shutdown.request()
        let calls = Calls()
        shutdown.onRequest { calls.add(3) }
        #expect(calls.all == [3])
    }

    @Test("A request wakes a thread that waits")
    func wakes() throws {
        let shutdown = ShutdownSignal()
        let thread = try ServiceThread(name: "waiter") {
            _ = shutdown.wait(timeout: .seconds(3_600))
        }
        shutdown.request()
        #expect(thread.join(timeout: .seconds(60)))
    }

    @Test("A callback may ask for the state and request again without a deadlock")
    func reentrant() {
        let shutdown = ShutdownSignal()
        let calls = Calls()
        shutdown.onRequest {
            shutdown.request("again")
            calls.add(shutdown.isRequested ? 1 : 0)
        }
        shutdown.request("once")
        #expect(calls.all == [1])
    }
}

final class Calls: Sendable {
    private let numbers = ConditionLock<[Int]>([])
    var all: [Int] { numbers.withLock { $0 } }
    func add(_ number: Int) { numbers.withLock { $0.append(number) } }
}
