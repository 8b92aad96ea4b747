import Primitives
import ServiceRuntime

/// The operations page of a service, on any machine.
struct ServicePage: Sendable {
    static let timeout: Duration = .seconds(2)

    let name: String
    let host: String
    let port: UInt16
    var trust = ProbeTrust.plain

    /// Returns the body of a page, or the error with which the service did not give it.
    func body(_ path: String) throws(ServiceError) -> (status: Int, body: [UInt8]) {
        try HTTPProbe.get(host: host, port: port, path: path, timeout: Self.timeout, trust: trust)
    }

    /// Asks whether the service is ready, and what its status page finds degraded.
    func process() -> ServiceFacts.Process {
        var process = ServiceFacts.Process(name: name)
        do {
            let status = try JSONValue.parse(try body("/status").body)
            func reasons(_ name: String) -> [String] {
                (status[name]?.array ?? []).compactMap(\.string)
            }
            process.degraded = reasons("degraded")
            guard status["ready"]?.bool == true else {
                process.degraded = []
                let why = reasons("reasons").prefix(3).joined(separator: "; ")
                process.problem = why.isEmpty ? UnitPlan.notReady : "\(UnitPlan.notReady): \(why)"
                return process
            }
        } catch {
            process.problem = "\(UnitPlan.noAnswer): \(error)"
        }
        return process
    }
}
