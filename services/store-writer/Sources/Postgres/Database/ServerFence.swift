import Membership
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import Synchronization
import TapeKeeping
import TapeTransport

/// Decides which server of the database this process writes to: the one that was promoted last, as
/// far as any writer has seen. Any thread may call it; `admit`, `note` and `refresh` block.
///
/// The highest (system identifier, timeline) is a record in NATS. A server below it is refused even
/// where it accepts writes and is listed first. A session with a server that is replaced later ends
/// within `refreshEvery`, before its next COMMIT. That is not a fence: what makes an earlier
/// primary harmless is outside of Tapeline (Patroni, CloudNativePG, a person). It bounds for how
/// long and how much is written there in vain.
final class ServerFence: Sendable {
    /// How often the record is read.
    static let refreshEvery = Duration.seconds(1)
    private static let identityTimeout = Duration.seconds(5)
    /// The number of tries of a write that another writer's write refuses.
    private static let triesMax = 8

    private struct State {
        /// The record, as last read or written.
        var current: DatabaseServer?
        /// The bucket's number of that write. A read that was answered late changes nothing.
        var revision: UInt64 = 0
        var store: DatabaseServerStore?
        /// Why a server is not used, by its address. Bounded by the number of hosts.
        var refused: [String: String] = [:]
        /// Whether it was reported that a server does not say what it is.
        var isBlind = false
    }

    private let client: TapeClient
    /// The store whose servers these are.
    private let name: GroupName
    private let telemetry: TelemetryHub
    private let clock = SystemClock()
    private let state = Mutex(State())
    private let timeline: Gauge
    private let refusedServers: Gauge
    private let failedReads: Counter

    init(_ client: TapeClient, of name: GroupName, _ telemetry: TelemetryHub) {
        self.client = client
        self.name = name
        self.telemetry = telemetry
        timeline = telemetry.metrics.gauge(
            "mds_store_timeline",
            "timeline of the database's server, as recorded in NATS: each promotion raises it",
            "rises: a standby was promoted")
        refusedServers = telemetry.metrics.gauge(
            "mds_store_refused_servers",
            "servers of `POSTGRES_HOST` that accept writes and are not used, because of another "
                + "one", "above 0: [DatabaseServerRefused](runbooks/DatabaseServerRefused.md)")
        refusedServers.set(0)
        failedReads = telemetry.metrics.counter(
            "mds_writer_server_reads_failed_total",
            "a look at the record of the database's server that NATS did not answer",
            "rises for long: check NATS")
    }

    // MARK: sessions

    /// Takes a new session, or throws why its server is not used. Returns the server's identity;
    /// `nil` when it does not say what it is, so that nothing can be compared.
    func admit(_ session: PostgresConnection) throws(PostgresError) -> ServerIdentity? {
        guard let identity = try session.identity(timeout: Self.identityTimeout) else {
            noteBlind(session.peer)
            return nil
        }
        switch try note(identity, peer: session.peer) {
        case .same, .promoted: return identity
        case .superseded, .foreign:
            throw .refused(peer: session.peer, reason: reason(identity))
        }
    }

    /// Throws when a session with this server must not be used any more.
    func check(_ identity: ServerIdentity?, peer: String) throws(PostgresError) {
        guard let identity, let current = state.withLock({ $0.current }) else { return }
        switch current.verdict(system: identity.system, timeline: identity.timeline) {
        case .same, .promoted: return
        case .superseded, .foreign:
            throw .refused(peer: peer, reason: Self.reason(identity, current))
        }
    }

    // MARK: the record

    /// Compares a server with the record, and raises the record if the server was promoted later.
    /// Throws when NATS does not answer, because then an earlier primary could not be told.
    @discardableResult
    func note(
        _ identity: ServerIdentity, peer: String
    ) throws(PostgresError) -> DatabaseServer.Verdict {
        do throws(TapeError) {
            for _ in 0..<Self.triesMax {
                let store = try opened()
                let stored = try store.read()
                let verdict =
                    stored.server?.verdict(system: identity.system, timeline: identity.timeline)
                    ?? .promoted
                guard verdict == .promoted else {
                    took(stored, isJudged: true)
                    show(verdict, identity, peer)
                    return verdict
                }
                let server = DatabaseServer(
                    system: identity.system, timeline: identity.timeline, peer: peer,
                    noted: clock.now())
                // After a conflict, or without an answer, the record is read and judged again.
                let outcome = try store.write(server, after: stored)
                guard case .stored(let revision) = outcome else { continue }
                took(
                    DatabaseServerStore.Stored(server: server, revision: revision), isJudged: true)
                show(verdict, identity, peer)
                telemetry.emit(.serverPromoted(server: server, before: stored.server))
                return verdict
            }
        } catch {
            throw .refused(
                peer: peer, reason: "NATS does not say which server has the database: \(error)")
        }
        throw .refused(peer: peer, reason: "the record of the database's server keeps changing")
    }

    /// Reads the record again, as another writer or a person may have changed it. Without an answer
    /// the last one stays.
    func refresh() {
        do throws(TapeError) {
            took(try opened().read())
        } catch {
            // Nothing else is needed: without NATS this process is not steady, and writes nothing.
            failedReads.add()
        }
    }

    /// Notes that a server is not reachable, or accepts no writes.
    func noteAbsent(_ host: String) { setRefusal(nil, host) }

    private func opened() throws(TapeError) -> DatabaseServerStore {
        if let store = state.withLock({ $0.store }) { return store }
        let store = try DatabaseServerStore(client, of: name)
        state.withLock { $0.store = store }
        return store
    }

    /// `isJudged`: sessions are admitted by it, so it counts, whatever was known before.
    private func took(_ stored: DatabaseServerStore.Stored, isJudged: Bool = false) {
        guard let server = stored.server else { return }
        let isNews = state.withLock { state in
            // A bucket that was made again counts from 1.
            let isPromoted =
                state.current?.verdict(system: server.system, timeline: server.timeline)
                == .promoted
            guard isJudged || stored.revision > state.revision || isPromoted else { return false }
            (state.current, state.revision) = (server, stored.revision)
            return true
        }
        if isNews { timeline.set(Double(server.timeline)) }
    }

    // MARK: reports

    private func show(_ verdict: DatabaseServer.Verdict, _ identity: ServerIdentity, _ peer: String)
    {
        switch verdict {
        case .same, .promoted: setRefusal(nil, peer)
        case .superseded, .foreign: setRefusal(reason(identity), peer)
        }
    }

    private func setRefusal(_ reason: String?, _ peer: String) {
        let (isNew, count) = state.withLock { state in
            let isNew = reason != nil && state.refused[peer] != reason
            state.refused[peer] = reason
            return (isNew, state.refused.count)
        }
        refusedServers.set(Double(count))
        if isNew, let reason { telemetry.emit(.serverRefused(peer: peer, reason: reason)) }
    }

    private func noteBlind(_ peer: String) {
        let isFirst = state.withLock { state in
            defer { state.isBlind = true }
            return !state.isBlind
        }
        if isFirst { telemetry.emit(.serverUnknown(peer: peer)) }
    }

    private func reason(_ identity: ServerIdentity) -> String {
        guard let current = state.withLock({ $0.current }) else { return "another server is used" }
        return Self.reason(identity, current)
    }

    /// The sentence for a person.
    static func reason(_ identity: ServerIdentity, _ current: DatabaseServer) -> String {
        identity.system == current.system
            ? "it accepts writes on timeline \(identity.timeline), but was replaced: the database "
                + "is at timeline \(current.timeline) since \(current.noted), at \(current.peer); "
                + "stop it, or make it a standby of that one; after a restore of an older state, "
                + "'tapeline database accept' takes it"
            : "it is another server (system \(identity.system)) than the one that has the rows "
                + "(system \(current.system), at \(current.peer)): after a move or a restore to a "
                + "new server, 'tapeline database accept' takes it"
    }
}
