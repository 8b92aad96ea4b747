import NatsTransport
import ServiceRuntime

/// How long `tapeline setup` waits for servers that have just started: a cluster elects a leader
/// for itself and for each stream, and does not answer meanwhile.
final class SetupPatience {
    /// For all streams together.
    private static let most = Duration.seconds(60)
    /// A server that is missing may come. Mostly there are too few, which a person has to know.
    private static let mostForServers = Duration.seconds(15)
    private static let askEvery = Duration.milliseconds(500)

    private let shutdown: ShutdownSignal
    private let terminal: Terminal
    private let begun = ContinuousClock.now
    private var isTold = false

    init(_ shutdown: ShutdownSignal, _ terminal: Terminal) {
        self.shutdown = shutdown
        self.terminal = terminal
    }

    /// Waits a moment, and says so the first time. Returns false when it is not worth asking again.
    func waits(for error: JetStreamError) -> Bool {
        guard ContinuousClock.now - begun < Self.most(for: error) else { return false }
        if !isTold { terminal.problem("waiting: \(error)") }
        isTold = true
        return !shutdown.wait(timeout: Self.askEvery)
    }

    private static func most(for error: JetStreamError) -> Duration {
        switch error {
        case .transport(.timedOut), .leaderless: most
        case .refused: error.isRetryable ? most : .zero
        case .fewServers: mostForServers
        case .transport, .unavailable, .differs, .invalid, .malformed: .zero
        }
    }
}
