import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization

@testable import StoreWriter

/// Packets that are published while the test continues.
final class PublishedLoad {
    /// The ticks of each packet.
    static let ticksPerPacket = 10

    private let thread: ServiceThread
    private let failure: Failure

    private final class Failure: Sendable {
        let outcome = Mutex<Result<Void, any Error>?>(nil)
    }

    init(_ bench: WriterBench, partitions: Int, packets: Int) throws {
        let failure = Failure()
        self.failure = failure
        let work: @Sendable () -> Void = {
            let outcome = Result { try PublishedLoad.publish(bench, partitions, packets) }
            failure.outcome.withLock { $0 = outcome }
        }
        thread = try ServiceThread(name: "load") { work() }
    }

    private static func publish(_ bench: WriterBench, _ partitions: Int, _ packets: Int) throws {
        var load = try TestTicks(bench, partitions: partitions)
        try load.publish(packets: packets, of: ticksPerPacket)
    }

    /// Waits until all are published. Throws what the thread threw.
    func waitUntilPublished() throws {
        thread.join()
        try failure.outcome.withLock { $0 }?.get()
    }
}
