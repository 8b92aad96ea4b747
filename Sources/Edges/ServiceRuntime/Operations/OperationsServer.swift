internal import CLinux
internal import Glibc
package import Primitives
internal import Synchronization

/// The operations port: `/metrics`, `/healthz`, `/readyz`, `/status` and what a service adds.
///
/// A separate thread accepts, parses and answers, so the pages answer however busy or stuck the
/// other threads are. Closures on that thread read what a page needs: they must not block.
package final class OperationsServer: Sendable {
    /// The port on which it listens, chosen by the system if 0 was requested. 0: without a port.
    package let port: UInt16
    package let address: String

    private let router = OperationsRouter()
    private let status: StatusPage
    private let counters = OperationsCounters()
    /// `nil` without a port.
    private let running: (control: OperationsControl, thread: ServiceThread)?

    /// Opens the port; it listens when this returns. `address` is an IPv4 or IPv6 address, or
    /// `localhost`.
    package init(
        address: String, port: UInt16, identity: ServiceIdentity, readiness: Readiness,
        metrics: @escaping @Sendable (MetricFormat) -> [UInt8],
        limits: OperationsLimits = OperationsLimits()
    ) throws(ServiceError) {
        limits.check()
        self.address = address
        status = StatusPage(
            identity: identity, readiness: readiness,
            sectionBytesMax: limits.statusSectionBytesMax)
        router.addStandardPages(status: status, readiness: readiness, metrics: metrics)
        let control = try OperationsControl()
        let loop = try OperationsLoop(
            address: address, port: port, router: router, limits: limits, control: control,
            counters: counters)
        self.port = loop.port
        running = (control, try ServiceThread(name: "operations") { loop.run() })
    }

    /// Makes a server without a port, for a program that runs beside a service which has the port.
    /// It accepts pages and sections that cannot be read.
    package init(withoutPort identity: ServiceIdentity, readiness: Readiness) {
        port = 0
        address = ""
        running = nil
        status = StatusPage(
            identity: identity, readiness: readiness,
            sectionBytesMax: OperationsLimits().statusSectionBytesMax)
    }

    deinit { running?.control.stop() }

    /// The number of connections since the start.
    package var acceptedConnections: UInt64 { counters.accepted.load(ordering: .relaxed) }
    /// The number of open connections. Cut ones count until the library has released them.
    package var openConnections: Int { counters.open.load(ordering: .relaxed) }
    /// The number of connections since the start that a limit or a deadline has ended.
    package var cutConnections: UInt64 { counters.cut.load(ordering: .relaxed) }

    /// Adds or replaces a page. `respond` runs on the operations thread and must not block.
    package func addEndpoint(
        _ path: String, _ respond: @escaping @Sendable () -> OperationsResponse
    ) {
        router.add(path) { _ in respond() }
    }

    /// Adds or replaces a section of `/status`. `write` writes the members of the section's object,
    /// on the operations thread; it must not block.
    package func addStatusSection(
        _ name: String, _ write: @escaping @Sendable (inout JSONWriter) -> Void
    ) {
        status.addSection(name, write)
    }

    /// Closes the port and all connections, and returns when that is done. Idempotent.
    package func stop() {
        guard let running else { return }
        running.control.stop()
        running.thread.join()
    }
}

/// Counters that the operations thread writes and any thread may read.
final class OperationsCounters: Sendable {
    let accepted = Atomic<UInt64>(0)
    let cut = Atomic<UInt64>(0)
    let open = Atomic<Int>(0)
}

/// Tells the server's loop to end.
final class OperationsControl: Sendable {
    /// Readable after `stop` was called.
    let descriptor: Int32
    private let stopping = Atomic(false)

    init() throws(ServiceError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        if descriptor < 0 { throw .system(operation: "eventfd", .current) }
    }

    deinit { close(descriptor) }

    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    func stop() {
        stopping.store(true, ordering: .releasing)
        // It fails only when the counter is full, and then the descriptor is readable anyway.
        _ = eventfd_write(descriptor, 1)
    }
}

/// The main loop of the operations thread.
final class OperationsLoop {
    /// The most connections that are accepted between two turns of the library.
    static let acceptBatchMax = 32
    /// The pause in accepting when the process has no descriptors left and no connection that could
    /// be cut. Without it the loop would spin.
    static let shortagePause = Duration.milliseconds(100)
    /// The longest sleep. Only a descriptor ends it earlier.
    static let sleepMax = Duration.seconds(60)

    private let listener: ListeningSocket
    private let daemon: HTTPDaemon
    private let control: OperationsControl
    private let clock = SystemClock()
    private var acceptsAgain: MonotonicTime

    init(
        address: String, port: UInt16, router: OperationsRouter, limits: OperationsLimits,
        control: OperationsControl, counters: OperationsCounters
    ) throws(ServiceError) {
        listener = try ListeningSocket(address: address, port: port)
        daemon = try HTTPDaemon(router: router, limits: limits, counters: counters)
        self.control = control
        acceptsAgain = clock.monotonic()
    }

    var port: UInt16 { listener.port }

    func run() {
        while !control.isStopping {
            if waitForWork() { acceptConnections() }
            daemon.turn()
        }
    }

    /// Returns true when a connection waits.
    private func waitForWork() -> Bool {
        let now = clock.monotonic()
        let isPaused = now < acceptsAgain
        let limit = isPaused ? acceptsAgain.duration(since: now) : OperationsLoop.sleepMax
        let timeout = daemon.sleepMax(at: now, atMost: limit)
        // `poll` skips a negative descriptor.
        let waits = [
            isPaused ? -1 : listener.descriptor, daemon.readinessDescriptor, control.descriptor,
        ]
        var polls = waits.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let ready = unsafe poll(&polls, nfds_t(polls.count), timeout.pollMilliseconds)
        return ready > 0 && polls[0].revents != 0
    }

    private func acceptConnections() {
        for _ in 0..<OperationsLoop.acceptBatchMax {
            switch listener.accept() {
            case .connection(let descriptor, let address): daemon.add(descriptor, from: address)
            case .nobody: return
            case .shortage:
                // The library's next turn frees the descriptor of the cut connection.
                if !daemon.cutOne() {
                    acceptsAgain = clock.deadline(after: OperationsLoop.shortagePause)
                }
                return
            }
        }
    }
}
