internal import NatsTransport
internal import ServiceRuntime
internal import Synchronization
internal import TapeProtocol

/// Checks the server of each new link before the tape uses it.
///
/// During an upgrade, a cluster has servers of several versions, and a connection moves from one to
/// another. After a reconnect each check has a separate thread, because it asks the server and
/// waits.
final class ServerVetting: Sendable {
    /// The time between two checks of a server that is not good, or did not answer.
    private static let retry = Duration.milliseconds(500)
    private static let callTimeout = Duration.seconds(1)

    private let telemetry: TelemetryHub
    private let streams: [String]
    /// The number of copies that are wanted.
    private let wanted: Int
    /// The number of copies of the stream that has most, as last read, and at least `wanted`.
    private let copies: Atomic<Int>
    /// Closed when the client is, which ends the checks' waits.
    private let end = Mailbox<Int>(capacity: 1)

    init(_ names: TapeNames, _ telemetry: TelemetryHub, copies wanted: Int) {
        self.telemetry = telemetry
        self.wanted = wanted
        copies = Atomic(wanted)
        streams = (0..<TapeNames.tickStreams).map { names.tickStream($0) } + [names.barStream]
    }

    func close() { end.close() }

    /// Returns why the server must not be used with the wanted number of copies; `nil`: it may.
    func refusal(of connection: NatsConnection) -> String? {
        guard wanted > 1, case .refused(let reason)? = verdict(on: connection) else { return nil }
        return reason
    }

    /// Checks the server after the first connect, when the streams exist. Throws when the server is
    /// too old for their copies.
    func admit(_ connection: NatsConnection) throws(TapeError) {
        try TapeError.ofJetStream { () throws(JetStreamError) in try count(connection) }
        switch verdict(on: connection) {
        case .good, .old: return
        case .refused(let reason): throw .oldServer(reason)
        case nil: throw .oldServer("it gave no greeting in time")
        }
    }

    /// Starts a check; nothing is published or read on the new link before its end. `restored` is
    /// called when the link may be used, `refused` when the server is too old. In the latter case
    /// the check is repeated until the link changes.
    func reconnected(
        _ connection: NatsConnection, restored: @escaping @Sendable () -> Void,
        refused: @escaping @Sendable (String) -> Void
    ) {
        let link = connection.link
        let look = { [self, weak connection] in
            // The reason that was reported last.
            var reported: String?
            while !end.isClosed, let connection, connection.link == link {
                switch verdict(on: connection) {
                case .good, .old:
                    connection.useServer(link: link)
                    restored()
                    checkCopies(connection, refused)
                    return
                case .refused(let reason):
                    if reason != reported { refused(reason) }
                    reported = reason
                case nil: break
                }
                var nothing: [Int] = []
                _ = end.receive(into: &nothing, max: 1, timeout: Self.retry)
            }
        }
        do throws(ServiceError) {
            _ = try ServiceThread(name: "nats-vetting", look)
        } catch {
            refused("\(error)")
        }
    }

    /// Counts the copies again: an administrator may have given the streams more copies.
    private func checkCopies(_ connection: NatsConnection, _ refused: (String) -> Void) {
        let before = copies.load(ordering: .relaxed)
        do throws(JetStreamError) {
            try count(connection)
        } catch {
            telemetry.emit(.tapeCallFailed(reason: "\(error)"))
        }
        guard copies.load(ordering: .relaxed) > before,
            case .refused(let reason) = verdict(on: connection)
        else { return }
        connection.holdServer()
        refused(reason)
    }

    /// Returns the verdict; `nil` when the server does not answer at the moment.
    private func verdict(on connection: NatsConnection) -> ServerFloor.Verdict? {
        guard let version = connection.serverVersion else { return nil }
        let verdict = ServerFloor.verdict(
            version: version, copies: copies.load(ordering: .relaxed))
        if case .old(let reason) = verdict { telemetry.emit(.serverOld(reason: reason)) }
        return verdict
    }

    /// Counts the copies. Streams that do not exist yet have none.
    private func count(_ connection: NatsConnection) throws(JetStreamError) {
        let jetStream = JetStream(connection, timeout: Self.callTimeout)
        var most = wanted
        for stream in streams {
            most = max(most, try jetStream.streamInfo(stream)?.configuration.replicas ?? 1)
        }
        copies.store(most, ordering: .relaxed)
    }
}

extension ServiceEvent {
    /// The server is usable, but a newer one would be better.
    static func serverOld(reason: String) -> Self {
        Self(.warning, "nats.server.old", "nats-server should be upgraded: \(reason)")
    }

    /// The server must not be used. Nothing is published or read until the link is to another
    /// server.
    static func serverRefused(reason: String) -> Self {
        Self(.error, "nats.server.refused", "this nats-server is not used: \(reason)").counting(
            "mds_nats_servers_refused_total",
            "a server that was too old to be used: nothing is published or read over such a "
                + "connection", "upgrade it")
    }
}
