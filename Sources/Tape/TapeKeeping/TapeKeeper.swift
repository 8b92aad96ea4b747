internal import MarketModel
public import MembershipTransport
public import Primitives
internal import ServiceRuntime
internal import Synchronization
public import TapeTransport

/// Keeps the streams of the tape below their marks, while its process owns partition 0 of group
/// `keeper`; and puts on record how far the registered groups are. A thread of its own.
public final class TapeKeeper: Sendable {
    private static let eventsMax = 64
    /// How long the end of a call under way may take.
    private static let stopTimeout = Duration.seconds(3)

    /// The orders come here; nothing is done before the first `take`.
    public let port: OwnershipPort
    private let mailbox: TapeMailbox
    private let shared = Shared()
    private let thread: ServiceThread

    final class Shared: Sendable {
        let report = Mutex(KeeperReport())
    }

    /// `keep`: nothing younger is purged. Throws that there is no thread.
    public init(_ client: TapeClient, keep: Duration) throws {
        let mailbox = TapeMailbox(capacity: Self.eventsMax)
        client.notify(mailbox)
        let port = OwnershipPort(partitions: [Partition(0)]) { _ = mailbox.send(.wake) }
        (self.mailbox, self.port) = (mailbox, port)
        let shared = shared
        let heard = try PositionsHeard(client)
        thread = try ServiceThread(name: "tape-keeper") {
            let beat = client.threads.thread("tape-keeper", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            KeeperLoop(
                client.calling(beat), port: port, mailbox: mailbox, heard: heard, shared: shared,
                keep: keep, beat: beat
            ).run()
        }
    }

    deinit { mailbox.close() }

    public func stop() {
        mailbox.close()
        _ = thread.join(timeout: Self.stopTimeout)
    }

    /// The section "keeper" of `/status`.
    public func write(into json: inout JSONWriter) {
        shared.report.withLock { $0 }.write(into: &json)
    }
}
