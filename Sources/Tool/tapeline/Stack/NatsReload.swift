import Primitives
import ServiceRuntime

/// Has the NATS server of a local stack read its configuration again, and waits until it has.
/// Before that, it refuses connections now and then, and has no JetStream for a moment.
struct NatsReload {
    private static let timeout = Duration.seconds(30)
    private static let callTimeout = Duration.seconds(5)
    private static let lookEvery = Duration.milliseconds(20)
    /// At this signal nats-server reads its configuration again.
    private static let hangup: Int32 = 1

    let home: StackHome

    /// Returns whether it has read it, or does not run.
    func run() throws(ToolError) -> Bool {
        let unit = try StackState.read(home)?.alive.first { $0.name == "nats-server" }
        guard let process = unit?.process else { return true }
        let port = try StackPorts.present(home)[.natsMonitor]
        let clock = SystemClock()
        let deadline = clock.deadline(after: Self.timeout)
        let pause = Mailbox<Int>(capacity: 1)
        var before: String?
        while process.isAlive, clock.remaining(until: deadline) > .zero {
            let loaded = loadTime(port)
            if let loaded, before == nil {
                before = loaded
                guard process.signal(Self.hangup) else { return true }
            } else if let loaded, loaded != before {
                return true
            }
            var nothing: [Int] = []
            _ = pause.receive(into: &nothing, max: 1, timeout: Self.lookEvery)
        }
        return !process.isAlive
    }

    /// Returns when the server last read its configuration; `nil` while it does not answer.
    private func loadTime(_ port: UInt16) -> String? {
        do {
            let answer = try HTTPProbe.get(
                host: StackPlan.loopback, port: port, path: "/varz", timeout: Self.callTimeout)
            return try JSONValue.parse(answer.body)["config_load_time"]?.string
        } catch {
            return nil
        }
    }
}
