import DeploymentWatch
import Primitives
import ServiceRuntime

/// Asks the operations pages of services.
struct ServicePages: Sendable {
    /// The time for all pages together, and for one.
    private static let timeoutAll = Duration.seconds(2)
    private static let timeoutOne = Duration.milliseconds(500)

    let addresses: [ServiceAddress]
    let clock: SystemClock

    func ask() -> [Sighting.Service] {
        let end = clock.deadline(after: Self.timeoutAll)
        return addresses.map { address in
            let left = min(Self.timeoutOne, clock.remaining(until: end))
            guard left > .zero else {
                return Sighting.Service(
                    address: address.text, problem: "it was not asked: others took too long")
            }
            return Self.ask(address, left)
        }
    }

    private static func ask(_ address: ServiceAddress, _ timeout: Duration) -> Sighting.Service {
        var service = Sighting.Service(address: address.text)
        do {
            let answer = try HTTPProbe.get(
                host: address.host, port: address.port, path: "/status", timeout: timeout)
            guard answer.status == 200 else {
                service.problem = "its page has status \(answer.status)"
                return service
            }
            service.read(try JSONValue.parse(answer.body))
        } catch {
            service.problem = "\(error)"
        }
        return service
    }
}

extension Sighting.Service {
    /// The most reasons of one page that are kept.
    static let reasonsMax = 8

    mutating func read(_ status: JSONValue) {
        name = status["service"]?.string ?? ""
        isReady = status["ready"]?.bool ?? false
        let said = (status["reasons"]?.array ?? []) + (status["degraded"]?.array ?? [])
        reasons = said.prefix(Self.reasonsMax).compactMap(\.string)
        source = status.at("gateway", "source")?.string ?? ""
        providers = ProviderView.all(status)
        spooledTicks = status.at("gateway", "spool", "ticks")?.uint64 ?? 0
        queueRowsMax = status.at("writer", "queue", "capacity_rows")?.uint64
        let lanes = status.at("writer", "queue", "lanes")?.array
        queueRows = lanes?.compactMap { $0["rows"]?.uint64 }.reduce(0, &+)
    }
}
