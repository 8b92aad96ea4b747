internal import CLinux
internal import Glibc
internal import Primitives
internal import Synchronization

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

/// The main loop of a server's thread.
final class WebLoop {
    /// The most connections that are accepted between two turns of the library.
    static let acceptBatchMax = 32
    /// The pause in accepting when the process has no descriptors left and no connection that could
    /// be cut. Without it the loop would spin.
    static let shortagePause = Duration.milliseconds(100)
    /// The longest sleep. Only a descriptor ends it earlier.
    static let sleepMax = Duration.seconds(60)
    /// How often another certificate is looked for.
    static let renewalInterval = Duration.seconds(5)

    private let listener: ListeningSocket
    private let daemon: HTTPDaemon
    private let control: OperationsControl
    /// Readable when the streams have news. `nil` without streams.
    private let news: WakeEvent?
    private let successor: WebCertificate.Successor?
    /// Any thread may ask it.
    let inUse: CertificateInUse
    private let clock = SystemClock()
    private var acceptsAgain: MonotonicTime
    private var looksAgain: MonotonicTime

    init(
        listener: consuming ListeningSocket, daemon: HTTPDaemon, control: OperationsControl,
        news: WakeEvent? = nil, certificate: WebCertificate? = nil
    ) {
        self.listener = listener
        self.daemon = daemon
        self.control = control
        self.news = news
        successor = certificate?.successor
        inUse = CertificateInUse(certificate)
        acceptsAgain = clock.monotonic()
        looksAgain = successor == nil ? .never : clock.deadline(after: Self.renewalInterval)
    }

    var port: UInt16 { listener.port }

    func run() {
        while !control.isStopping {
            let isAsked = waitForWork()
            renewCertificate()
            if isAsked { acceptConnections() }
            daemon.turn()
        }
    }

    private func renewCertificate() {
        guard let successor, clock.monotonic() >= looksAgain else { return }
        looksAgain = clock.deadline(after: Self.renewalInterval)
        successor { certificate in
            let isUsed = daemon.use(certificate)
            if isUsed { inUse.changed(to: certificate) }
            return isUsed
        }
    }

    /// Returns true when a connection waits.
    private func waitForWork() -> Bool {
        let now = clock.monotonic()
        let isPaused = now < acceptsAgain
        let pause = isPaused ? acceptsAgain.duration(since: now) : WebLoop.sleepMax
        let limit = min(pause, max(.zero, looksAgain.duration(since: now)))
        let timeout = daemon.sleepMax(at: now, atMost: limit)
        // `poll` skips a negative descriptor.
        let waits = [
            isPaused ? -1 : listener.descriptor, daemon.readinessDescriptor, control.descriptor,
            news?.descriptor ?? -1, daemon.formerDescriptor,
        ]
        var polls = waits.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let ready = unsafe poll(&polls, nfds_t(polls.count), timeout.pollMilliseconds)
        if ready > 0 && polls[3].revents != 0 {
            news?.clear()
            daemon.resumeStreams()
        }
        return ready > 0 && polls[0].revents != 0
    }

    private func acceptConnections() {
        for _ in 0..<WebLoop.acceptBatchMax {
            switch listener.accept() {
            case .connection(let descriptor, let address): daemon.add(descriptor, from: address)
            case .nobody: return
            case .shortage:
                // The library's next turn frees the descriptor of the cut connection.
                if !daemon.cutOne() {
                    acceptsAgain = clock.deadline(after: WebLoop.shortagePause)
                }
                return
            }
        }
    }
}
