import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport

@Suite("What ends a thread's wait on its mailbox")
struct MailboxWakeTests {
    /// A wait of this time ends within the patience of a test only when something ends it.
    private static let always = Duration.seconds(3_600)

    /// A mailbox to which messages come below a prefix.
    private struct Bench {
        let server: NatsServer
        let rig: TapeRig
        let mailbox: TapeMailbox
        let prefix: String

        init(waitMax: Duration = MailboxWakeTests.always) throws {
            server = try NatsServer()
            rig = try TapeRig(
                server, names: try #require(TapeNames(namespace: "md", partitions: 8)))
            mailbox = TapeMailbox(capacity: 16, waitMaxWoken: waitMax)
            prefix = try mailbox.attach(rig.client, .readers)
            try mailbox.wakeByMessages(rig.client)
        }

        /// Has a thread wait for so many events. `each` is called between them, on this thread.
        func receive(_ count: Int, _ each: () throws -> Void) throws {
            let mailbox = mailbox
            let counts = Mailbox<Int>(capacity: count)
            let thread = try ServiceThread(name: "waits") {
                var events: [TapeEvent] = []
                while events.count < count, !mailbox.isClosed {
                    if mailbox.receive(
                        into: &events, max: 16, timeout: MailboxWakeTests.always) > 0
                    {
                        _ = counts.send(events.count)
                    }
                }
            }
            defer {
                mailbox.close()
                // This ends the wait of a thread that nothing has woken.
                rig.client.close()
                #expect(thread.join(timeout: patience))
            }
            for number in 1...count {
                try each()
                var seen: [Int] = []
                _ = counts.receive(into: &seen, max: 1, timeout: patience)
                try #require(seen == [number])
            }
        }
    }

    @Test("an event of another thread ends it, at whatever moment it is sent")
    func events() throws {
        let bench = try Bench()
        try bench.receive(1_000) { #expect(bench.mailbox.send(.wake)) }
    }

    @Test("a message ends it")
    func messages() throws {
        let bench = try Bench()
        try bench.receive(100) {
            try bench.rig.client.connection.publish([1], to: "\(bench.prefix).0.0")
        }
    }

    /// libnats counts whole milliseconds, so a wait may end before its time by one of them.
    @Test("its time ends it, and not much earlier")
    func deadline() throws {
        let bench = try Bench()
        let clock = SystemClock()
        var events: [TapeEvent] = []
        for microseconds in [1, 900, 1_100, 20_000] {
            let timeout = Duration.microseconds(microseconds)
            let deadline = clock.deadline(after: timeout)
            #expect(bench.mailbox.receive(into: &events, max: 16, timeout: timeout) == 0)
            #expect(clock.monotonic() >= deadline.advanced(by: .milliseconds(-1)))
        }
    }

    @Test("without a link an event is received after the longest wait")
    func noLink() throws {
        let bench = try Bench(waitMax: .milliseconds(5))
        bench.server.stop()
        try bench.receive(10) { #expect(bench.mailbox.send(.wake)) }
    }
}
