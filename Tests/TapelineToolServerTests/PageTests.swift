import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline page, by what services say on NATS")
struct PageTests {
    /// Services of a namespace that say where their pages are.
    private final class Bench {
        let bench: TailBench
        let namespace: String
        private var responders: [ServiceResponder] = []

        init(_ namespace: String) throws {
            self.namespace = namespace
            bench = try TailBench(NatsServer.shared(), namespace: namespace)
        }

        func announce(_ member: String, _ service: String, _ port: UInt16) throws {
            let announcement = ServiceAnnouncement(
                name: service, version: "1.2.3", summary: "Has a page.",
                metadata: [
                    "namespace": namespace, "operations": "127.0.0.1:\(port)", "host": "h",
                    "member": member,
                ], started: SystemClock().now())
            responders.append(
                try ServiceResponder(announcement, on: bench.tape.client.connection))
            try bench.tape.client.connection.flush(timeout: patience)
        }

        func page(_ words: [String]) throws -> Said {
            try Said(["page"] + words, bench.tape.environment)
        }
    }

    private func page(_ readiness: Readiness = Readiness()) throws -> OperationsServer {
        try OperationsServer(
            address: "127.0.0.1", port: 0,
            identity: ServiceIdentity(name: "store-writer", version: "1.2.3"),
            readiness: readiness, metrics: { _ in [] }, limits: OperationsLimits())
    }

    @Test("by the name of the member, or of a service with one process")
    func found() throws {
        let bench = try Bench("page_a")
        let readiness = Readiness()
        let writer = try page(readiness)
        defer { writer.stop() }
        try bench.announce("w-1", "store-writer", writer.port)
        try bench.announce("w-11", "store-writer", freePort())
        try bench.announce("", "cockpit", writer.port)
        let said = try bench.page(["w-1"])
        #expect(said.code == .success)
        #expect(try said.json()["service"]?.string == "store-writer", "\(said.output)")
        #expect(try bench.page(["cockpit"]).code == .success)
        #expect(try bench.page(["h-\(writer.port)"]).code == .success)
        readiness.set("database", "it is not there")
        let ready = try bench.page(["w-1", "/readyz"])
        #expect(ready.code == .failure && ready.output.contains("it is not there"))
        #expect(
            complaint { try bench.page(["store-writer"]) }.contains("name one of w-1, w-11"))
        #expect(complaint { try bench.page(["w"]) }.contains("no process 'w' answers"))
        #expect(complaint { try bench.page(["w-11"]) }.contains("w-11 does not answer"))
    }

    @Test("a process that hangs is told, and so is a NATS that is away")
    func away() throws {
        let bench = try Bench("page_b")
        let silent = try SilentListener()
        try bench.announce("w", "store-writer", silent.port)
        var command = try PageCommand.parse(["w"])
        command.timeout = .milliseconds(200)
        let environment = bench.bench.tape.environment
        #expect(
            complaint {
                try Said { try command.run(Tool(terminal: $0, environment: environment)) }
            }.contains("w does not answer"))
        #expect(
            complaint {
                try Said(["page", "w", "--nats", "nats://127.0.0.1:\(freePort())"], environment)
            }.contains("ask it itself, with 'docker compose exec' or 'kubectl exec'"))
        // The host of that name is not there either.
        #expect(
            complaint {
                try Said(
                    ["page", "store-writer", "--nats", "nats://127.0.0.1:\(freePort())"],
                    environment)
            }.contains("NATS does not say where store-writer is"))
        let nobody = try Bench("page_c")
        #expect(complaint { try nobody.page(["w"]) }.contains("no process answers"))
    }
}
