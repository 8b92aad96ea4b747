package import NatsTransport
package import ServiceRuntime
internal import Synchronization
package import TapeProtocol

/// The connection of a service or a tool to the tape. Any thread may use it. It ends with `close`.
package final class TapeClient: Sendable {
    /// The oldest version of a server that is used; `ServerFloor` has the reasons.
    package static let serverVersionMin = (major: 2, minor: 10, patch: 26)

    package let connection: NatsConnection
    package let jetStream: JetStream
    package let names: TapeNames
    package let telemetry: TelemetryHub
    /// The watch to which threads that work on the tape send their beats.
    package let threads: ThreadWatch
    private let listeners: ConnectionListeners
    private let responder = Mutex<ServiceResponder?>(nil)

    /// Connects, with one try. Throws when NATS does not answer or refuses. Later events of the
    /// connection change the NATS part of `readiness`; this does not.
    package init(
        _ configuration: NatsConfiguration, names: TapeNames, telemetry: TelemetryHub,
        readiness: Readiness
    ) throws(TapeError) {
        let listeners = ConnectionListeners(
            vetting: ServerVetting(names, telemetry, copies: configuration.replicas),
            telemetry: telemetry, readiness: readiness)
        do throws(NatsError) {
            connection = try NatsConnection(configuration, vetsServers: true) {
                listeners.handle($0)
            }
            listeners.follow(connection)
            try connection.requireServer(atLeast: Self.serverVersionMin)
        } catch {
            listeners.willClose()
            throw .nats(error)
        }
        if let reason = listeners.vetting.refusal(of: connection) {
            listeners.willClose()
            connection.close()
            throw .oldServer(reason)
        }
        self.listeners = listeners
        self.names = names
        self.telemetry = telemetry
        threads = readiness.threads
        jetStream = JetStream(connection)
    }

    private init(_ client: TapeClient, _ jetStream: JetStream) {
        connection = client.connection
        self.jetStream = jetStream
        names = client.names
        telemetry = client.telemetry
        threads = client.threads
        listeners = client.listeners
    }

    /// Returns a client on the same connection for one thread. Each call that blocks informs the
    /// thread's beat, so that the watch does not treat the thread as stuck.
    package func calling(_ beat: ThreadBeat) -> TapeClient {
        TapeClient(
            self, JetStream(connection, timeout: jetStream.timeout, onCall: beat.onCall))
    }

    /// Throws when the server is too old for the number of copies of the streams, for which it asks
    /// the server.
    func admitServer() throws(TapeError) { try listeners.vetting.admit(connection) }

    /// From now on, sends `reconnected` and `closed` to the mailbox.
    package func notify(_ mailbox: TapeMailbox) { listeners.add(mailbox) }

    /// The server's last refusal in its own words, including permissions; `nil` if there was none.
    package var complaint: String? { listeners.complaint }

    /// Closes the connection. The caller reports why: the connection's own last event does not
    /// change the readiness.
    package func close() {
        listeners.willClose()
        connection.close()
    }

    /// Makes the service discoverable on NATS until the connection ends.
    package func announce(_ announcement: ServiceAnnouncement) throws(TapeError) {
        let telemetry = telemetry
        do throws(NatsError) {
            let made = try ServiceResponder(announcement, on: connection) { question, failure in
                telemetry.emit(.questionAnswered(question: question, failure: failure))
            }
            responder.withLock { $0 = made }
        } catch {
            throw .nats(error)
        }
    }

    // MARK: streams

    /// Ensures that the stream exists as wanted. On a server without users it is made, and gets the
    /// subjects, the room and the copies that it lacks. On a server with users only `tapeline
    /// setup` may do that; a stream that is missing or lacks subjects then throws an error that is
    /// retryable. A size that still differs is used as it is; every difference is reported.
    package func ensureStream(
        _ name: String, subjects: [String], bytesMax: Int64
    ) throws(TapeError) {
        try ensureStream(names.tapeStream(name, subjects: subjects, bytesMax: bytesMax))
    }

    private func ensureStream(_ wanted: StreamConfiguration) throws(TapeError) {
        let existing: StreamConfiguration?
        do throws(JetStreamError) {
            existing = try jetStream.streamInfo(wanted.name)?.configuration
            if let existing, wanted.differences(from: existing).isEmpty,
                existing.replicas >= connection.replicas
            {
                return
            }
            guard connection.demandsAuthorization else {
                report(try jetStream.setUpStream(wanted), before: existing)
                return
            }
        } catch {
            throw TapeError(making: error)
        }
        guard let existing else { throw .missingStream(wanted.name) }
        try requireUse(of: existing, as: wanted)
    }

    /// Checks a stream that this service may not change. Only its size may differ from `wanted`.
    private func requireUse(
        of existing: StreamConfiguration, as wanted: StreamConfiguration
    ) throws(TapeError) {
        let lacking = Set(wanted.subjects).subtracting(existing.subjects)
        var same = wanted
        same.maxBytes = existing.maxBytes
        if Set(existing.subjects).isSubset(of: wanted.subjects) {
            same.subjects = existing.subjects
        }
        guard same.differences(from: existing).isEmpty else {
            throw .otherNamespace(
                stream: wanted.name, differences: wanted.differences(from: existing))
        }
        guard lacking.isEmpty else {
            throw .olderStream(wanted.name, lacks: lacking.sorted())
        }
        if existing.maxBytes != wanted.maxBytes {
            telemetry.emit(
                .tapeStreamSize(
                    stream: wanted.name, before: existing.maxBytes, wanted: wanted.maxBytes,
                    refusal: "'tapeline setup' does that"))
        }
        if existing.replicas < connection.replicas {
            telemetry.emit(
                .tapeStreamCopies(
                    stream: wanted.name, before: existing.replicas, wanted: connection.replicas,
                    refusal: "'tapeline setup' does that"))
        }
    }

    /// Reports a stream whose size or number of copies differs from the settings.
    private func report(_ setup: StreamSetup, before: StreamConfiguration?) {
        guard let before else { return }
        if setup.copies.before < setup.copies.wanted {
            telemetry.emit(
                .tapeStreamCopies(
                    stream: setup.stream, before: setup.copies.before,
                    wanted: setup.copies.wanted,
                    refusal: setup.copies.refusal.map { "\($0)" }))
        }
        guard before.maxBytes != setup.wanted else { return }
        var refusal: String?
        if case .refused(let error) = setup.outcome { refusal = "\(error)" }
        telemetry.emit(
            .tapeStreamSize(
                stream: setup.stream, before: before.maxBytes, wanted: setup.wanted,
                refusal: refusal))
    }

    /// Ensures that all streams of ticks exist, as `ensureStream` does; for gateways.
    package func ensureTickStreams(bytesMax: Int64) throws(TapeError) {
        for stream in names.tickStreamConfigurations(bytesMax: bytesMax) {
            try ensureStream(stream)
        }
    }

    /// Ensures that the stream of bars exists, as `ensureStream` does; for operators.
    package func ensureBarStream(bytesMax: Int64) throws(TapeError) {
        try ensureStream(names.barStreamConfiguration(bytesMax: bytesMax))
    }

    /// Checks, without making anything, that a stream exists and belongs to this namespace.
    package func requireStream(_ name: String) throws(TapeError) {
        let info = try TapeError.ofJetStream { () throws(JetStreamError) in
            try jetStream.streamInfo(name)
        }
        guard let info else { throw .missingStream(name) }
        let record = info.configuration.metadata
        let differences = names.record.sorted { $0.key < $1.key }.compactMap { key, value in
            record[key] == value ? nil : "\(key) is \(record[key] ?? "absent"), not \(value)"
        }
        guard differences.isEmpty else {
            throw .otherNamespace(stream: name, differences: differences)
        }
    }
}

/// The parts of readiness that the tape sets.
package enum ReadinessPart {
    package static let nats = "nats"
    package static let tape = "tape"
    /// The tape of a gateway's source of delayed data.
    package static let delayed = "delayed"
}

/// Turns events of the connection into telemetry, readiness and events of the mailboxes.
private final class ConnectionListeners: Sendable {
    /// The longest time for which a full mailbox may delay the thread of the connection's events. A
    /// reader that does not get `reconnected` stalls, and then makes its consumer again, too.
    private static let sendTimeout = Duration.milliseconds(100)

    private let mailboxes = Mutex<[TapeMailbox]>([])
    private let isClosing = Atomic<Bool>(false)
    /// The server's last complaint; `nil` if there was none.
    private let lastComplaint = Mutex<String?>(nil)
    let vetting: ServerVetting
    private let telemetry: TelemetryHub
    private let readiness: Readiness
    private let connection = Mutex<WeakConnection>(WeakConnection())

    /// A weak reference: the connection holds these listeners and calls them with its events.
    private struct WeakConnection {
        weak var value: NatsConnection?
    }

    init(vetting: ServerVetting, telemetry: TelemetryHub, readiness: Readiness) {
        self.vetting = vetting
        self.telemetry = telemetry
        self.readiness = readiness
    }

    /// Call it before the owner closes the connection. The connection's last event comes on another
    /// thread, and could overwrite the reason that the owner gave.
    func willClose() {
        isClosing.store(true, ordering: .releasing)
        vetting.close()
    }

    /// Sets the connection whose events these are.
    func follow(_ connection: NatsConnection) {
        self.connection.withLock { $0.value = connection }
    }

    var complaint: String? { lastComplaint.withLock { $0 } }

    /// Adds a mailbox, and forgets those that are closed.
    func add(_ mailbox: TapeMailbox) {
        mailboxes.withLock {
            $0.removeAll(where: \.isClosed)
            $0.append(mailbox)
        }
    }

    /// Handles an event of the connection, on the connection's thread of events.
    func handle(_ event: NatsConnectionEvent) {
        switch event {
        case .disconnected(let reason):
            readiness.set(ReadinessPart.nats, reason)
            telemetry.emit(.connectionLost(reason: reason))
        case .refused(let reason):
            readiness.set(ReadinessPart.nats, reason)
            telemetry.emit(.connectionRefused(reason: reason))
        case .reconnected:
            guard let connection = connection.withLock({ $0.value }) else { return }
            vetting.reconnected(connection, restored: { self.restored() }) { reason in
                self.readiness.set(ReadinessPart.nats, reason)
                self.telemetry.emit(.serverRefused(reason: reason))
            }
        case .closed(let reason):
            if !isClosing.load(ordering: .acquiring) { readiness.set(ReadinessPart.nats, reason) }
            send(.closed(reason))
        case .lameDuck: telemetry.emit(.serverLeaving())
        case .asyncError(let text):
            lastComplaint.withLock { $0 = text }
            telemetry.emit(.connectionComplaint(text: text))
        }
    }

    /// Handles a link that may be used again.
    private func restored() {
        readiness.set(ReadinessPart.nats, nil)
        telemetry.emit(.connectionRestored())
        send(.reconnected)
    }

    private func send(_ event: TapeEvent) {
        for mailbox in mailboxes.withLock({ $0 }) {
            _ = mailbox.sendWaiting(event, timeout: Self.sendTimeout)
        }
    }
}
