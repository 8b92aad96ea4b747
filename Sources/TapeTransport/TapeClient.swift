public import NatsTransport
public import ServiceRuntime
internal import Synchronization
public import TapeProtocol
public import Telemetry

/// The connection of a service to the tape. Any thread may use it; it ends with `close`.
public final class TapeClient: Sendable {
    /// 2.10.25 stored one packet twice, under the same expected sequence, after the newest message
    /// of its subject had been deleted.
    public static let serverVersionMin = (major: 2, minor: 10, patch: 26)

    public let connection: NatsConnection
    public let jetStream: JetStream
    public let names: TapeNames
    public let telemetry: TelemetryHub
    private let listeners: ConnectionListeners
    private let responder = Mutex<ServiceResponder?>(nil)

    /// Connects once; throws when NATS does not answer or refuses. What `readiness` says of NATS is
    /// changed by what happens to the connection later, not by this.
    public init(
        _ configuration: NatsConfiguration, names: TapeNames, telemetry: TelemetryHub,
        readiness: Readiness
    ) throws(TapeError) {
        let listeners = ConnectionListeners(telemetry: telemetry, readiness: readiness)
        do throws(NatsError) {
            connection = try NatsConnection(configuration) { listeners.handle($0) }
            try connection.requireServer(atLeast: Self.serverVersionMin)
        } catch {
            listeners.willClose()
            throw .nats(error)
        }
        self.listeners = listeners
        self.names = names
        self.telemetry = telemetry
        jetStream = JetStream(connection)
    }

    /// Tells the mailbox of reconnects and of the connection's end, from now on.
    public func notify(_ mailbox: TapeMailbox) { listeners.add(mailbox) }

    /// What the server refused last, in its own words, permissions included; nil: nothing.
    public var complaint: String? { listeners.complaint }

    /// The owner says why it closes: the connection's own last word changes no readiness.
    public func close() {
        listeners.willClose()
        connection.close()
    }

    /// From now on the service can be discovered on NATS, until the connection ends.
    public func announce(_ announcement: ServiceAnnouncement) throws(TapeError) {
        let telemetry = telemetry
        do throws(NatsError) {
            let made = try ServiceResponder(announcement, on: connection) { question, failure in
                telemetry.emit(QuestionAnswered(question: question, failure: failure))
            }
            responder.withLock { $0 = made }
        } catch {
            throw .nats(error)
        }
    }

    // MARK: streams

    /// Makes the stream, or checks that the one that is there was made the same way. One of an
    /// earlier version may lack subjects, and gets them; one that is smaller is made larger. None
    /// is made smaller, and one that may not be made larger serves as it is: both are told.
    public func ensureStream(
        _ name: String, subjects: [String], bytesMax: Int64
    ) throws(TapeError) {
        var wanted = StreamConfiguration(
            name: name, subjects: subjects, maxBytes: bytesMax, metadata: names.record)
        // Message ids are not used: order and doubles are settled by compare-and-set.
        wanted.duplicateWindow = .seconds(1)
        let found: StreamInfo
        do throws(JetStreamError) {
            // A size that the server has no room for is refused, also for a stream that is there.
            if let existing = try jetStream.streamInfo(name) {
                wanted.maxBytes = existing.configuration.maxBytes
            }
            found = try jetStream.createOrExtendStream(wanted)
        } catch {
            throw TapeError(making: error)
        }
        let room = found.configuration.maxBytes
        guard room != bytesMax else { return }
        var refusal: JetStreamError?
        do throws(JetStreamError) {
            _ = try jetStream.growStream(found, to: bytesMax)
        } catch {
            refusal = error
        }
        telemetry.emit(
            TapeStreamSize(stream: name, before: room, wanted: bytesMax, refusal: refusal))
    }

    public func ensureTickStreams(bytesMax: Int64) throws(TapeError) {
        for index in 0..<TapeNames.tickStreams {
            try ensureStream(
                names.tickStream(index), subjects: names.tickStreamSubjects(index),
                bytesMax: bytesMax)
        }
    }

    public func ensureBarStream(bytesMax: Int64) throws(TapeError) {
        try ensureStream(
            names.barStream, subjects: names.barStreamSubjects, bytesMax: bytesMax)
    }

    /// Checks, without making anything, that a stream exists and is of this namespace.
    public func requireStream(_ name: String) throws(TapeError) {
        let info: StreamInfo?
        do throws(JetStreamError) {
            info = try jetStream.streamInfo(name)
        } catch {
            throw .jetStream(error)
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
public enum ReadinessPart {
    public static let nats = "nats"
    public static let tape = "tape"
}

/// Turns what happens to the connection into telemetry, readiness and events of the mailboxes.
private final class ConnectionListeners: Sendable {
    /// How long a full mailbox may hold up the callback thread; a reader that misses the event
    /// notices by its stall detector.
    private static let sendTimeout = Duration.milliseconds(100)

    private let mailboxes = Mutex<[TapeMailbox]>([])
    private let isClosing = Atomic<Bool>(false)
    private let refused = Mutex<String?>(nil)
    private let telemetry: TelemetryHub
    private let readiness: Readiness

    init(telemetry: TelemetryHub, readiness: Readiness) {
        self.telemetry = telemetry
        self.readiness = readiness
    }

    /// The last event comes on another thread, and could come behind the reason the owner gave.
    func willClose() { isClosing.store(true, ordering: .releasing) }

    var complaint: String? { refused.withLock { $0 } }

    func add(_ mailbox: TapeMailbox) { mailboxes.withLock { $0.append(mailbox) } }

    func handle(_ event: NatsConnectionEvent) {
        switch event {
        case .disconnected(let reason):
            readiness.set(ReadinessPart.nats, reason)
            telemetry.emit(ConnectionLost(reason: reason))
        case .refused(let reason):
            readiness.set(ReadinessPart.nats, reason)
            telemetry.emit(ConnectionRefused(reason: reason))
        case .reconnected:
            readiness.set(ReadinessPart.nats, nil)
            telemetry.emit(ConnectionRestored())
            send(.reconnected)
        case .closed(let reason):
            if !isClosing.load(ordering: .acquiring) { readiness.set(ReadinessPart.nats, reason) }
            send(.closed(reason))
        case .lameDuck: telemetry.emit(ServerLeaving())
        case .asyncError(let text):
            refused.withLock { $0 = text }
            telemetry.emit(ConnectionComplaint(text: text))
        }
    }

    private func send(_ event: TapeEvent) {
        for mailbox in mailboxes.withLock({ $0 }) {
            _ = mailbox.sendWaiting(event, timeout: Self.sendTimeout)
        }
    }
}
