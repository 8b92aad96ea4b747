/// A question to the operations port of a service that runs on this machine: what an image's health
/// check asks, where no other program could.
public struct OperationsProbe: Equatable, Sendable {
    /// Why nobody can be asked.
    struct Problem: Error, Equatable {
        let text: String
    }

    /// Shorter than any health check waits, and longer than a loaded machine needs.
    static let timeout: Duration = .seconds(2)
    private static let portKey = "OPS_PORT"
    private static let addressKey = "OPS_ADDRESS"

    let host: String
    let port: UInt16
    let path: String

    /// The same settings as the running service has, so the same address.
    static func of(
        _ configuration: Configuration, _ service: ServiceDescription, path: String
    ) -> Result<OperationsProbe, Problem> {
        guard service.names.isSuperset(of: [portKey, addressKey]) else {
            return .failure(Problem(text: "there is no operations port to ask"))
        }
        let number = configuration.integer(portKey)
        guard number > 0, let port = UInt16(exactly: number) else {
            return .failure(
                Problem(text: "\(portKey) is 0, and so nobody knows which port to ask: set it"))
        }
        let host = reachable(configuration.text(addressKey))
        return .success(OperationsProbe(host: host, port: port, path: path))
    }

    /// Who listens on all addresses is asked on loopback.
    private static func reachable(_ address: String) -> String {
        switch address {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: address
        }
    }

    /// The answer's text, and the code to end with.
    func ask() -> (text: String, code: ExitCode) {
        do throws(ServiceError) {
            let answer = try HTTPProbe.get(
                host: host, port: port, path: path, timeout: Self.timeout)
            let text = String(decoding: answer.body, as: UTF8.self)
            return (text, answer.status == 200 ? .success : .failure)
        } catch {
            return ("\(error)\n", .unavailable)
        }
    }
}
