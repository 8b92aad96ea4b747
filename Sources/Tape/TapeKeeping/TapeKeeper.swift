internal import MarketModel
package import MembershipTransport
package import Primitives
internal import ServiceRuntime
internal import Synchronization
package import TapeTransport

/// Keeps the streams of the tape below their marks while its process owns partition 0 of group
/// `keeper`. It also stores the positions of the registered groups. It has a separate thread.
package final class TapeKeeper: Sendable {
    private static let eventsMax = 64
    /// The longest time for which stopping waits for the call in progress.
    private static let stopTimeout = Duration.seconds(3)

    /// The orders to own and release come through this port. Nothing is done before the first
    /// `take`.
    package let port: OwnershipPort
    private let mailbox: TapeMailbox
    private let shared = Shared()
    private let thread: ServiceThread

    final class Shared: Sendable {
        let report = Mutex(KeeperReport())
    }

    /// Nothing younger than `keep` is purged. Throws when the thread cannot be started.
    package init(_ client: TapeClient, keep: Duration) throws {
        let mailbox = TapeMailbox(capacity: Self.eventsMax)
        client.notify(mailbox)
        let port = OwnershipPort(partitions: [Partition(0)]) { _ = mailbox.send(.wake) }
        (self.mailbox, self.port) = (mailbox, port)
        let shared = shared
        let positions = try GroupPositionListener(client)
        thread = try ServiceThread(name: "tape-keeper") {
            let beat = client.threads.thread("tape-keeper", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            KeeperLoop(
                client.calling(beat), port: port, mailbox: mailbox, positions: positions,
                shared: shared,
                keep: keep, beat: beat
            ).run()
        }
    }

    deinit { mailbox.close() }

    package func stop() {
        mailbox.close()
        _ = thread.join(timeout: Self.stopTimeout)
    }

    /// Writes the section "keeper" of `/status`.
    package func write(into json: inout JSONWriter) {
        shared.report.withLock { $0 }.write(into: &json)
    }
}
