/// A request to the operations port of a service on this machine. An image uses it as its health
/// check where no other program is available.
package struct OperationsProbe: Equatable, Sendable {
    /// Why there is no port to ask.
    struct Problem: Error, Equatable {
        let text: String
    }

    /// Shorter than the timeouts of health checks, and longer than a loaded machine needs.
    static let timeout: Duration = .seconds(2)
    private static let portKey = "OPS_PORT"
    private static let addressKey = "OPS_ADDRESS"

    let host: String
    let port: UInt16
    let path: String
    var trust = ProbeTrust.plain

    /// Makes a probe from the same settings as the running service, so that it has the same
    /// address.
    static func of(
        _ configuration: Configuration, _ service: ServiceDescription, path: String
    ) -> Result<OperationsProbe, Problem> {
        let certificateKey = ConfigurationKey.operationsCertificate
        guard service.names.isSuperset(of: [portKey, addressKey, certificateKey]) else {
            return .failure(Problem(text: "there is no operations port to ask"))
        }
        let number = configuration.integer(portKey)
        guard number > 0, let port = UInt16(exactly: number) else {
            return .failure(
                Problem(text: "\(portKey) is 0, and so nobody knows which port to ask: set it"))
        }
        let host = reachable(configuration.text(addressKey))
        var probe = OperationsProbe(host: host, port: port, path: path)
        if configuration.optionalText(certificateKey) != nil { probe.trust = .own }
        return .success(probe)
    }

    /// Returns an address to connect to: loopback for a service that listens on all addresses.
    private static func reachable(_ address: String) -> String {
        switch address {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: address
        }
    }

    /// Returns the answer's text, and the exit code.
    func ask() -> (text: String, code: ExitCode) {
        do throws(ServiceError) {
            let answer = try HTTPProbe.get(
                host: host, port: port, path: path, timeout: Self.timeout, trust: trust)
            let text = String(decoding: answer.body, as: UTF8.self)
            return (text, answer.status == 200 ? .success : .failure)
        } catch {
            return ("\(error)\n", .unavailable)
        }
    }
}
