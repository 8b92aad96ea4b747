internal import Primitives
internal import Synchronization

/// An HTTP server for people's browsers, on a thread of its own, with the deadlines and limits of
/// the operations port. It answers requests by one closure, and sends the events of a feed.
package final class WebServer: Sendable {
    /// The port on which it listens, chosen by the system if 0 was requested.
    package let port: UInt16

    private let counters = OperationsCounters()
    private let control: OperationsControl
    private let inUse: CertificateInUse
    private let thread: ServiceThread

    /// Opens the port; it listens when this returns. With a certificate it speaks TLS only, and on
    /// later connections with the successor of that.
    /// `answer` runs on the server's thread and must not block.
    package init(
        address: String, port: UInt16, limits: OperationsLimits, admission: WebAdmission,
        feed: EventFeed, certificate: WebCertificate? = nil,
        answer: @escaping @Sendable (WebRequest) -> WebAnswer
    ) throws(ServiceError) {
        limits.check()
        let control = try OperationsControl()
        let exchange = HTTPExchange(
            limits: limits, admission: admission, feed: feed, answer: answer)
        let loop = try WebLoop(
            listener: ListeningSocket(address: address, port: port),
            daemon: HTTPDaemon(
                exchange, limits: limits, counters: counters, named: "the pages",
                certificate: certificate),
            control: control, news: feed.wake, certificate: certificate)
        self.port = loop.port
        inUse = loop.inUse
        self.control = control
        thread = try ServiceThread(name: "web") { loop.run() }
    }

    deinit { control.stop() }

    /// The number of connections since the start.
    package var acceptedConnections: UInt64 { counters.accepted.load(ordering: .relaxed) }
    /// The number of open connections. Cut ones count until the library has released them.
    package var openConnections: Int { counters.open.load(ordering: .relaxed) }
    /// The number of connections since the start that a limit or a deadline has ended.
    package var cutConnections: UInt64 { counters.cut.load(ordering: .relaxed) }
    /// When the certificate of the connections that come now ends, in seconds since 1970.
    package var certificateEnd: Int64? { inUse.end }

    /// Closes the port and all connections, and returns when that is done. Idempotent.
    package func stop() {
        control.stop()
        thread.join()
    }
}
