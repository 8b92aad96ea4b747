import Foundation
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite(
    "An operations port with TLS",
    .enabled(if: Certificates.obstacle == nil, "\(Certificates.obstacle ?? "")"))
struct OperationsTLSTests {
    private let certificates: Certificates
    private let folder: TemporaryFolder
    private let kept = ConditionLock(0)

    init() throws {
        certificates = try Certificates()
        // Ports are found by addresses, so no probe looks at this name.
        try certificates.make("ops", name: "operator-worker")
        try certificates.make("next", name: "operator-worker", by: "otherAuthority")
        folder = try TemporaryFolder("operations")
        try put("ops", key: "ops")
    }

    private func put(_ certificate: String, key: String) throws {
        func copy(_ path: String, _ name: String) throws {
            try folder.write(String(contentsOfFile: path, encoding: .utf8), to: name)
        }
        try copy(certificates.certificate(certificate), "ops.crt")
        try copy(certificates.key(key), "ops.key")
    }

    private func settings(_ changes: [String: String] = [:]) throws -> CommandLineDecision {
        let service = ServiceDescription(
            name: "writer", version: "1", summary: "Writes.",
            keys: ConfigurationKey.operations(port: 8_502) + [.operationsTrust])
        let own = [
            "OPS_TLS_CERTIFICATE": folder.file("ops.crt"), "OPS_TLS_KEY": folder.file("ops.key"),
        ]
        return ServiceCommandLine(service).decide(
            arguments: [], environment: own.merging(changes) { $1 })
    }

    private func start() throws -> OperationsServer {
        guard case .run(let configuration) = try settings() else { throw Refused() }
        let made = try #require(try WebCertificate.ofOperations(configuration))
        return try OperationsServer(
            address: "127.0.0.1", port: 0, identity: ServiceIdentity(name: "writer", version: "1"),
            readiness: Readiness(), metrics: { _ in Array(repeating: 0x61, count: 200_000) },
            certificate: made.following(
                folder.file("ops.crt"), key: folder.file("ops.key"),
                kept: { [kept] in kept.withLock { $0 += 1 } }))
    }

    private struct Refused: Error {}

    private func get(
        _ server: OperationsServer, _ path: String, _ trust: ProbeTrust
    ) throws -> [UInt8] {
        let answer = try HTTPProbe.get(
            host: "127.0.0.1", port: server.port, path: path, timeout: patience, trust: trust)
        #expect(answer.status == 200)
        return answer.body
    }

    private func trust(_ authority: String) -> ProbeTrust {
        .authorities(certificates.certificate(authority))
    }

    private func problem(_ server: OperationsServer, _ trust: ProbeTrust) -> String {
        do {
            _ = try get(server, "/healthz", trust)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test("its pages are for those that trust its authority, and nothing else is answered")
    func verified() throws {
        let server = try start()
        defer { server.stop() }
        #expect(try get(server, "/healthz", trust("authority")) == Array("alive\n".utf8))
        // It has many records of TLS.
        #expect(try get(server, "/metrics", trust("authority")).count == 200_000)
        #expect(try get(server, "/healthz", .own) == Array("alive\n".utf8))
        let foreign = problem(server, trust("otherAuthority"))
        #expect(foreign.contains("OPS_TLS_CA: its certificate is refused"), "\(foreign)")
        #expect(foreign.contains("https://127.0.0.1:\(server.port)/healthz"), "\(foreign)")
        #expect(!problem(server, .plain).isEmpty)
        let nothing = problem(server, .authorities(folder.file("nothing")))
        #expect(nothing.contains("has no certificates in PEM"), "\(nothing)")
        #expect(problem(server, trust("authority")).isEmpty)
    }

    @Test("a port without TLS is no answer to a probe with it")
    func plain() throws {
        let server = try OperationsServer(
            address: "127.0.0.1", port: 0, identity: ServiceIdentity(name: "writer", version: "1"),
            readiness: Readiness(), metrics: { _ in [] })
        defer { server.stop() }
        #expect(problem(server, .plain).isEmpty)
        let refused = problem(server, trust("authority"))
        #expect(refused.contains("https://127.0.0.1:\(server.port)"), "\(refused)")
    }

    @Test("a new certificate counts on the connections that come after it, a broken one never")
    func renewed() throws {
        let server = try start()
        defer { server.stop() }
        #expect(problem(server, trust("authority")).isEmpty)
        // A key that belongs to another one.
        try put("next", key: "ops")
        #expect(eventually { kept.withLock { $0 } == 1 })
        #expect(problem(server, trust("authority")).isEmpty)
        try put("next", key: "next")
        #expect(eventually { problem(server, trust("otherAuthority")).isEmpty })
        #expect(!problem(server, trust("authority")).isEmpty)
        #expect(kept.withLock { $0 } == 1)
    }

    @Test("files that cannot be used end a start in one line")
    func refused() throws {
        let cases: [([String: String], String)] = [
            (["OPS_TLS_KEY": ""], "OPS_TLS_CERTIFICATE and OPS_TLS_KEY belong together"),
            (["OPS_TLS_KEY": "/nowhere/key"], "OPS_TLS_KEY: /nowhere/key "),
            (
                ["OPS_TLS_KEY": certificates.key("authority")],
                "OPS_TLS_CERTIFICATE, OPS_TLS_KEY: "
            ),
        ]
        for (changes, words) in cases {
            guard case .refuse(let text) = try settings(changes) else {
                Issue.record("\(changes) was taken")
                continue
            }
            let lines = text.split(separator: "\n")
            #expect(lines.count == 2 && lines[0].contains(words), "\(text)")
        }
    }
}
