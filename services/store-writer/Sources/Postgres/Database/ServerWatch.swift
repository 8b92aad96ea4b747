import PostgresClient
import Primitives
import ServiceRuntime

/// The thread that notices a promotion while no session ends: the earlier primary may be alive, and
/// accept writes.
///
/// It reads the record in NATS once a second, because another writer may have seen the promotion.
/// With several hosts it also looks at each of them every `lookEvery`.
struct ServerWatch {
    static let lookEvery = Duration.seconds(5)
    private static let connectTimeout = Duration.seconds(2)

    private let postgres: PostgresConfiguration
    private let fence: ServerFence
    private let context: ServiceContext

    static func start(
        _ settings: PostgresSettings, _ fence: ServerFence, context: ServiceContext
    ) throws(ServiceError) -> ServiceThread {
        var postgres = settings.connection
        postgres.applicationName += " watch"
        let watch = ServerWatch(postgres: postgres, fence: fence, context: context)
        return try ServiceThread(name: "server-watch") { watch.run() }
    }

    /// Runs until shutdown is requested.
    private func run() {
        let beat = context.threads.thread("server-watch", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        var lookAt = context.clock.deadline(after: Self.lookEvery)
        while !context.shutdown.wait(timeout: ServerFence.refreshEvery) {
            beat.beat()
            fence.refresh()
            if postgres.hosts.count > 1, context.clock.monotonic() >= lookAt {
                for host in postgres.hosts { look(at: postgres.on(host), beat) }
                lookAt = context.clock.deadline(after: Self.lookEvery)
            }
            beat.beat(before: ServerFence.refreshEvery)
        }
    }

    /// Compares a server with the record. One that cannot be reached, or accepts no writes, is no
    /// danger.
    private func look(at one: PostgresConfiguration, _ beat: ThreadBeat) {
        beat.beat(before: ThreadWatch.systemTime)
        do throws(PostgresError) {
            let session = try PostgresConnection(
                one, timeout: Self.connectTimeout, onWait: { beat.beat() })
            defer { session.close() }
            guard let identity = try session.identity(timeout: Self.connectTimeout) else { return }
            try fence.note(identity, peer: session.peer)
        } catch {
            fence.noteAbsent(one.peer)
        }
    }
}
