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
    /// `localhost`. With a certificate it speaks TLS only, and on later connections with the
    /// successor of that.
    package init(
        address: String, port: UInt16, identity: ServiceIdentity, readiness: Readiness,
        metrics: @escaping @Sendable (MetricFormat) -> [UInt8],
        limits: OperationsLimits = OperationsLimits(), certificate: WebCertificate? = nil
    ) throws(ServiceError) {
        limits.check()
        self.address = address
        status = StatusPage(
            identity: identity, readiness: readiness,
            sectionBytesMax: limits.statusSectionBytesMax)
        router.addStandardPages(status: status, readiness: readiness, metrics: metrics)
        let control = try OperationsControl()
        let router = router
        let exchange = HTTPExchange(limits: limits, admission: .operations, feed: nil) { request in
            .whole(router.response(to: request.path, accept: request.headers["accept"]))
        }
        let loop = try WebLoop(
            listener: ListeningSocket(address: address, port: port),
            daemon: HTTPDaemon(
                exchange, limits: limits, counters: counters, named: "the operations port",
                certificate: certificate),
            control: control, certificate: certificate)
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
