import Primitives
import ServiceRuntime
import StoreHTTP
import Synchronization

/// Measures the tables, for the status page and the cockpit. It changes nothing.
final class BlockUpkeep: Sendable {
    private static let every = Duration.seconds(60)

    private struct State {
        var bytes: [(table: String, bytes: Int64)] = []
        /// When they were measured, by the wall clock; undefined before.
        var measuredAt = Timestamp.undefined
        /// Why the last try failed; `nil` when it did not.
        var problem: String?
    }

    private let state = Mutex(State())
    private let product: BlockStore.Product
    private let context: ServiceContext

    private init(_ product: BlockStore.Product, _ context: ServiceContext) {
        self.product = product
        self.context = context
    }

    static func start(
        _ product: BlockStore.Product, _ context: ServiceContext
    ) throws(ServiceError) -> ServiceThread {
        let upkeep = BlockUpkeep(product, context)
        context.operations.addStatusSection("database") { upkeep.write(into: &$0) }
        return try ServiceThread(name: "maintenance") { upkeep.run() }
    }

    private func run() {
        let beat = context.threads.thread("maintenance", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        var wait = Duration.zero
        while !context.shutdown.wait(timeout: wait) {
            do throws(StoreServerError) {
                let bytes = try product.tableBytes { beat.beat(before: $0) }
                let now = SystemClock().now()
                state.withLock { $0 = State(bytes: bytes, measuredAt: now) }
            } catch {
                // The workers' own calls say whether rows are stored.
                state.withLock { $0.problem = error.description }
            }
            wait = Self.every
            beat.beat(before: wait)
        }
    }

    private func write(into json: inout JSONWriter) {
        let state = state.withLock { $0 }
        json.key("problem")
        if let problem = state.problem { json.value(problem) } else { json.null() }
        json.object("bytes") { json in
            for (table, bytes) in state.bytes { json.member(table, bytes) }
        }
        if state.measuredAt.isDefined {
            json.member("bytes_at", time: state.measuredAt)
        } else {
            json.key("bytes_at")
            json.null()
        }
    }
}
