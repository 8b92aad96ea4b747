import Glibc
import Primitives
import TestSupport
import Testing

@testable import ServiceRuntime

/// `--probe-alive` and `--probe-ready`, with which a container checks its own service.
@Suite struct OperationsProbeTests {
    private static let service = ServiceDescription(
        name: "writer", version: "1", summary: "Writes.",
        keys: ConfigurationKey.operations(port: 8_502))

    private func decide(
        _ flag: String, _ environment: [String: String] = [:],
        _ service: ServiceDescription = service
    ) -> CommandLineDecision {
        ServiceCommandLine(service).decide(arguments: [flag], environment: environment)
    }

    @Test(
        "The settings of the running service say whom to ask; of all addresses it is loopback",
        arguments: [
            ([:], "127.0.0.1", 8_502), (["OPS_ADDRESS": "0.0.0.0"], "127.0.0.1", 8_502),
            (["OPS_ADDRESS": "::", "OPS_PORT": "9"], "::1", 9),
            (["OPS_ADDRESS": "10.0.0.7"], "10.0.0.7", 8_502),
        ])
    func address(environment: [String: String], host: String, port: UInt16) {
        for (flag, path) in [("--probe-alive", "/healthz"), ("--probe-ready", "/readyz")] {
            guard case .ask(let probe) = decide(flag, environment) else {
                Issue.record("not asked")
                continue
            }
            #expect(probe == OperationsProbe(host: host, port: port, path: path))
        }
    }

    @Test(
        "A port with a certificate is asked by TLS",
        .enabled(if: Certificates.obstacle == nil, "\(Certificates.obstacle ?? "")"))
    func certificate() throws {
        let certificates = try Certificates()
        try certificates.make("ops", name: "localhost")
        let environment = [
            "OPS_TLS_CERTIFICATE": certificates.certificate("ops"),
            "OPS_TLS_KEY": certificates.key("ops"),
        ]
        guard case .ask(let probe) = decide("--probe-alive", environment) else {
            Issue.record("not asked")
            return
        }
        #expect(probe.trust == .own)
    }

    @Test("Who has no fixed port cannot be asked")
    func noPort() {
        guard case .refuse(let text) = decide("--probe-alive", ["OPS_PORT": "0"]) else {
            Issue.record("not refused")
            return
        }
        #expect(text.contains("OPS_PORT is 0"))
        let without = ServiceDescription(name: "tool", version: "1", summary: "x", keys: [])
        guard case .refuse(let text) = decide("--probe-ready", [:], without) else {
            Issue.record("not refused")
            return
        }
        #expect(text.contains("no operations port"))
    }

    @Test("The answer's status is the exit code")
    func answers() throws {
        let readiness = Readiness()
        let operations = try OperationsServer(
            address: "127.0.0.1", port: 0,
            identity: ServiceIdentity(name: "writer", version: "1"), readiness: readiness,
            metrics: { _ in [] }, limits: OperationsLimits())
        defer { operations.stop() }
        func ask(_ path: String) -> (text: String, code: ExitCode) {
            OperationsProbe(host: "127.0.0.1", port: operations.port, path: path).ask()
        }
        readiness.set("database", "it is not there")
        #expect(ask("/healthz").code == .success)
        #expect(ask("/readyz").code == .failure)
        #expect(ask("/readyz").text.contains("database: it is not there"))
        readiness.set("database", nil)
        #expect(ask("/readyz").code == .success)
        let nobody = OperationsProbe(host: "127.0.0.1", port: freePort(), path: "/readyz").ask()
        #expect(nobody.code == .unavailable)
        #expect(nobody.text.contains("refused"))
    }
}
