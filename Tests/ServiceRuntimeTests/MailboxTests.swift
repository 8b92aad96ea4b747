import Glibc
import ServiceRuntime
import Testing

@testable import ServiceRuntime

@Suite struct MailboxTests {
    private func drain(_ mailbox: Mailbox<Int>, max: Int = 100) -> [Int] {
        var buffer: [Int] = []
        _ = mailbox.receive(into: &buffer, max: max, timeout: .zero)
        return buffer
    }

    @Test("What goes in comes out in order, at most as many as asked for")
    func order() {
        let mailbox = Mailbox<Int>(capacity: 10)
        for n in 0..<10 { #expect(mailbox.send(n)) }
        #expect(drain(mailbox, max: 4) == [0, 1, 2, 3])
        #expect(mailbox.count == 6)
        #expect(drain(mailbox) == [4, 5, 6, 7, 8, 9])
        #expect(mailbox.count == 0)
    }

    @Test("Its depth and its capacity are shown as long as it is there")
    func watched() {
        let registry = MetricRegistry()
        let page = { String(decoding: registry.render(), as: UTF8.self) }
        var mailbox: Mailbox<Int>? = Mailbox(capacity: 5)
        if let mailbox { registry.watch(mailbox, as: "letters") }
        _ = mailbox?.send(1)
        #expect(page().contains("mds_queue_depth{queue=\"letters\"} 1\n"))
        #expect(page().contains("mds_queue_capacity{queue=\"letters\"} 5\n"))
        let next = Mailbox<Int>(capacity: 7)
        registry.watch(next, as: "letters")
        #expect(page().contains("mds_queue_capacity{queue=\"letters\"} 7\n"))
        registry.watch(Mailbox<Int>(capacity: 1), as: "gone")
        #expect(!page().contains("gone"))
        mailbox = nil
        #expect(page().contains("mds_queue_depth{queue=\"letters\"} 0\n") && next.count == 0)
    }

    @Test("A full mailbox refuses at once and keeps what it has")
    func full() {
        let mailbox = Mailbox<Int>(capacity: 2)
        #expect(mailbox.send(1) && mailbox.send(2))
        #expect(!mailbox.send(3))
        #expect(!mailbox.sendWaiting(3, timeout: .milliseconds(2)))
        #expect(drain(mailbox) == [1, 2])
    }

    @Test("Receiving appends and leaves alone what the buffer holds")
    func appends() {
        let mailbox = Mailbox<Int>(capacity: 2)
        #expect(mailbox.send(2))
        var buffer = [1]
        #expect(mailbox.receive(into: &buffer, max: 10, timeout: .zero) == 1)
        #expect(buffer == [1, 2])
    }

    @Test("An empty mailbox answers 0 when the time is over, also when it was negative")
    func timeout() {
        let mailbox = Mailbox<Int>(capacity: 1)
        var buffer: [Int] = []
        for timeout in [Duration.milliseconds(2), .zero, .seconds(-1)] {
            #expect(mailbox.receive(into: &buffer, max: 1, timeout: timeout) == 0)
        }
        #expect(!mailbox.isClosed)
    }

    @Test("A receive and a send without time enter no condition wait")
    func withoutTime() throws {
        let mailbox = Mailbox<Int>(capacity: 1)
        let outcomes = Calls()
        // A condition wait ends a thread that was cancelled. Nothing else here does.
        let thread = try ServiceThread(name: "cancelled") {
            pthread_cancel(pthread_self())
            var buffer: [Int] = []
            let received = mailbox.receive(into: &buffer, max: 1, timeout: .zero)
            _ = mailbox.send(1)
            let isSent = mailbox.sendWaiting(2, timeout: .zero)
            pthread_setcancelstate(Int32(PTHREAD_CANCEL_DISABLE), nil)
            outcomes.add(received + (isSent ? 1 : 0))
        }
        #expect(thread.join(timeout: .seconds(10)))
        #expect(outcomes.all == [0])
    }

    @Test("The ring goes round as often as it likes")
    func wrapsAround() {
        let mailbox = Mailbox<Int>(capacity: 3)
        for n in 0..<100 {
            #expect(mailbox.send(2 * n) && mailbox.send(2 * n + 1))
            #expect(drain(mailbox) == [2 * n, 2 * n + 1])
        }
    }

    @Test("After the close nothing goes in, what is inside still comes out, then it is 0 at once")
    func close() {
        let mailbox = Mailbox<Int>(capacity: 2)
        #expect(mailbox.send(1))
        mailbox.close()
        mailbox.close()
        #expect(mailbox.isClosed)
        #expect(!mailbox.send(2))
        #expect(!mailbox.sendWaiting(2, timeout: .seconds(3_600)))
        var buffer: [Int] = []
        #expect(mailbox.receive(into: &buffer, max: 9, timeout: .seconds(3_600)) == 1)
        #expect(mailbox.receive(into: &buffer, max: 9, timeout: .seconds(3_600)) == 0)
    }

    @Test("A close wakes the consumer that waits")
    func closeWakesConsumer() throws {
        let mailbox = Mailbox<Int>(capacity: 1)
        let thread = try ServiceThread(name: "consumer") {
            var buffer: [Int] = []
            _ = mailbox.receive(into: &buffer, max: 1, timeout: .seconds(3_600))
        }
        mailbox.close()
        #expect(thread.join(timeout: .seconds(60)))
    }

    @Test("A close wakes the producers that wait for room, and none of them succeeds")
    func closeWakesProducers() throws {
        let mailbox = Mailbox<Int>(capacity: 1)
        #expect(mailbox.send(0))
        let sent = Calls()
        let threads = try (0..<4).map { n in
            try ServiceThread(name: "producer-\(n)") {
                if mailbox.sendWaiting(n, timeout: .seconds(3_600)) { sent.add(n) }
            }
        }
        mailbox.close()
        for thread in threads { #expect(thread.join(timeout: .seconds(60))) }
        #expect(sent.all == [])
        #expect(drain(mailbox) == [0])
    }

    @Test("A free slot holds nothing alive")
    func releases() {
        final class Held: Sendable {}
        let mailbox = Mailbox<Held>(capacity: 4)
        var held: Held? = Held()
        weak let observed = held
        if let held { #expect(mailbox.send(held)) }
        held = nil
        #expect(observed != nil)
        var buffer: [Held] = []
        #expect(mailbox.receive(into: &buffer, max: 1, timeout: .zero) == 1)
        buffer = []
        #expect(observed == nil)
    }

    @Test("A capacity below one is a bug", arguments: [0, -1])
    func trapsBadCapacity(capacity: Int) async {
        await #expect(processExitsWith: .failure) { [capacity] in
            _ = Mailbox<Int>(capacity: capacity)
        }
    }

    @Test(
        "Under contention nothing is lost, nothing is doubled, and each producer keeps its order",
        arguments: [1, 2, 64])
    func contention(capacity: Int) throws {
        let producers = 4
        let each = 2_000
        let mailbox = Mailbox<(Int, Int)>(capacity: capacity)
        let threads = try (0..<producers).map { producer in
            try ServiceThread(name: "producer-\(producer)") {
                for n in 0..<each {
                    // Half of the messages use the non-waiting call first, so that both calls are
                    // mixed.
                    if n % 2 == 0 && mailbox.send((producer, n)) { continue }
                    while !mailbox.sendWaiting((producer, n), timeout: .milliseconds(50)) {}
                }
            }
        }
        var next = [Int](repeating: 0, count: producers)
        var buffer: [(Int, Int)] = []
        while next.reduce(0, +) < producers * each {
            buffer.removeAll(keepingCapacity: true)
            let count = mailbox.receive(into: &buffer, max: 17, timeout: .seconds(60))
            #expect(count > 0 && count <= 17 && count == buffer.count)
            if count == 0 { break }
            for (producer, n) in buffer {
                #expect(n == next[producer])
                next[producer] = n + 1
            }
        }
        for thread in threads { #expect(thread.join(timeout: .seconds(60))) }
        #expect(next == [Int](repeating: each, count: producers))
        #expect(mailbox.count == 0)
    }
}
