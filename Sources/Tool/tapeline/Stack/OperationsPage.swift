import Primitives
import ServiceRuntime

/// The page for people and tools of a service on this machine.
enum OperationsPage {
    /// Nil: it does not answer, or not with JSON; a service that is being restarted does not.
    static func status(_ port: UInt16, timeout: Duration) -> JSONValue? {
        do {
            let answer = try HTTPProbe.get(
                host: StackPlan.loopback, port: port, path: "/status", timeout: timeout)
            return answer.status == 200 ? parsedJSON(answer.body) : nil
        } catch {
            return nil
        }
    }
}
