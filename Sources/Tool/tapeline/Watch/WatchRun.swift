import Primitives
import ServiceRuntime
import TapeProtocol

/// Carries out `tapeline watch`.
struct WatchRun {
    let command: WatchCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let feed = try WatchFeed(deployment)
        defer { feed.close() }
        let isLive = terminal.isInteractive && !command.isOnce && !command.asJSON
        let screen = WatchScreen(terminal, isLive: isLive)
        // Restores the screen immediately, also while a server is being waited for.
        shutdown.onRequest { screen.end() }
        defer { screen.end() }
        let title = "\(deployment.title), namespace \(deployment.names.namespace)"
        var before: WatchSample?
        var shown: [String] = []
        while !shutdown.isRequested {
            let started = SystemClock().monotonic()
            do throws(ToolError) {
                var sample = try feed.sample()
                if let source = command.source { sample.ticks.removeAll { $0.source != source } }
                let view = WatchView(title: title, sample, before: before)
                // The first sample has no rates.
                if before != nil || !(command.isOnce || command.asJSON) {
                    shown = view.lines
                    if command.asJSON { terminal.line(view.json()) } else { screen.show(shown) }
                    if command.isOnce { return .success }
                }
                before = sample
            } catch {
                // A person who watches wants to see when the server is back.
                guard isLive, before != nil else { throw error }
                screen.show(["\(error)", ""] + shown)
            }
            let passed = SystemClock().monotonic() - started
            let left = command.interval.clampedNanoseconds - passed
            _ = shutdown.wait(timeout: .nanoseconds(max(0, left)))
        }
        return .success
    }
}
