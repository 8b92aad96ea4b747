import Synchronization
import Testing

@testable import ServiceRuntime

@Suite struct ServiceThreadTests {
    /// Not `Sendable`, but the body takes it along.
    private final class Counter { var value = 0 }

    @Test("The body runs on a thread that carries the name")
    func name() throws {
        let seen = ConditionLock("")
        let thread = try ServiceThread(name: "tape-reader-0") {
            seen.withLock { $0 = nameOfThisThread() }
        }
        thread.join()
        #expect(seen.withLock { $0 } == "tape-reader-0")
        #expect(thread.isFinished)
    }

    @Test("A long name is cut between characters, to what the kernel keeps")
    func longName() throws {
        let thread = try ServiceThread(name: "äöüäöüäöüäöü") {}
        #expect(thread.name == "äöüäöüä")
        thread.join()
    }

    @Test("The body may take state with it that is not Sendable")
    func takesState() throws {
        let result = ConditionLock(0)
        let counter = Counter()
        let thread = try ServiceThread(name: "counter") {
            for _ in 0..<1_000 { counter.value += 1 }
            result.withLock { $0 = counter.value }
        }
        thread.join()
        #expect(result.withLock { $0 } == 1_000)
    }

    @Test("Joining twice, from two threads, and with a deadline are all allowed")
    func joins() throws {
        let gate = Mailbox<Int>(capacity: 1)
        let thread = try ServiceThread(name: "waiting") {
            var buffer: [Int] = []
            _ = gate.receive(into: &buffer, max: 1, timeout: .seconds(60))
        }
        #expect(!thread.join(timeout: .milliseconds(1)))
        #expect(!thread.isFinished)
        let other = try ServiceThread(name: "joiner") { thread.join() }
        #expect(gate.send(1))
        thread.join()
        thread.join()
        other.join()
        #expect(thread.join(timeout: .zero))
    }

    @Test("What the body held is released before join returns")
    func releases() throws {
        final class Held: Sendable {
            let released: Flag
            init(_ released: Flag) { self.released = released }
            deinit { released.raise() }
        }
        let released = Flag()
        let thread = try ServiceThread(name: "holder") { [held = Held(released)] in _ = held }
        thread.join()
        #expect(released.isRaised)
    }

    @Test("A thread whose handle is gone goes on")
    func detached() throws {
        let mailbox = Mailbox<Int>(capacity: 1)
        do { _ = try ServiceThread(name: "alone") { _ = mailbox.send(7) } }
        var buffer: [Int] = []
        #expect(mailbox.receive(into: &buffer, max: 1, timeout: .seconds(60)) == 1)
    }

    @Test("A thread that joins itself is a bug and says so")
    func trapsJoinsItself() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let box = Mailbox<ServiceThread>(capacity: 1)
            let thread = try ServiceThread(name: "ouroboros") {
                var buffer: [ServiceThread] = []
                _ = box.receive(into: &buffer, max: 1, timeout: .seconds(60))
                buffer.first?.join()
            }
            _ = box.send(thread)
            thread.join()
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("the thread ouroboros waits for its own end"))
    }
}

final class Flag: Sendable {
    private let state = Atomic(false)
    var isRaised: Bool { state.load(ordering: .acquiring) }
    func raise() { state.store(true, ordering: .releasing) }
}

/// Returns the name of the calling thread as the kernel has it.
private func nameOfThisThread() -> String {
    do {
        return String(try textOfFile("/proc/thread-self/comm").dropLast())
    } catch {
        return "no name: \(error)"
    }
}
