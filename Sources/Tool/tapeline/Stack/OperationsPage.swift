import Primitives
import ServiceRuntime

/// Reads the operations page of a service on this machine.
enum OperationsPage {
    /// Returns `nil` if the service does not answer, or not with JSON. A service that is being
    /// restarted does not answer.
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
