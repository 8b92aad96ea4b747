import Foundation
import GraphLanguage
import MarketModel
import NatsTransport
import OperatorGraph
import PostgresClient
import ServiceRuntime
import StreamCore
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("Which servers a command of the tape works on")
struct DeploymentTests {
    private func find(
        _ target: TapeTarget, _ environment: [String: String], executable: String = "/x"
    ) throws -> Deployment {
        try Deployment.find(target, environment: environment, executable: executable)
    }

    private func problem(
        _ target: TapeTarget, _ environment: [String: String], executable: String = "/x"
    ) -> String {
        do {
            return "found \(try find(target, environment, executable: executable).title)"
        } catch {
            return "\(error)"
        }
    }

    @Test("the services' own environment names them; --nats is stronger")
    func environment() throws {
        let folder = try TemporaryFolder("deployment")
        let secret = try folder.write("s3cret\n", to: "password")
        let keys = [
            "NATS_URL": "nats://a:4222,nats://b:4222", "NATS_USER": "tool",
            "NATS_PASSWORD_FILE": secret, "MDS_NAMESPACE": "acme", "MDS_PARTITIONS": "8",
            "POSTGRES_HOST": "db", "POSTGRES_USER": "reader", "POSTGRES_PASSWORD": "p",
            "NATS_MONITOR_URL": "http://a:8222,http://b:8223", "WRITER_THREADS": "7",
        ]
        let found = try find(TapeTarget(), keys)
        #expect(found.nats.urls == ["nats://a:4222", "nats://b:4222"])
        #expect(found.nats.user == "tool" && found.nats.password == "s3cret")
        #expect(found.names.namespace == "acme" && found.names.partitions == 8)
        #expect(
            found.postgres?.hosts == [PostgresHost("db", port: 5_432)]
                && found.postgres?.user == "reader")
        #expect(
            found.monitors == [
                TapeWatch.Monitor(host: "a", port: 8_222),
                TapeWatch.Monitor(host: "b", port: 8_223),
            ])
        #expect(found.allStreams.last == "ACME_BARS" && found.title == "a:4222,b:4222")
        let other = try find(TapeTarget(natsURL: "nats://c:1"), keys)
        #expect(other.nats.urls == ["nats://c:1"])
        let bare = try find(TapeTarget(natsURL: "nats://c:1"), [:])
        #expect(bare.postgres == nil && bare.monitors.isEmpty && bare.names.partitions == 8)
        #expect(complaint { try bare.openDatabase() }.contains("set POSTGRES_HOST"))
    }

    @Test("a mistake in the environment is said, and no secret with it")
    func mistakes() {
        let url = ["NATS_URL": "nats://a:1"]
        func said(_ more: [String: String]) -> String {
            problem(TapeTarget(), url.merging(more) { $1 })
        }
        #expect(said(["MDS_PARTITIONS": "x"]).contains("MDS_PARTITIONS"))
        #expect(said(["NATS_PASWORD": "s3cret"]).contains("NATS_PASSWORD"))
        #expect(!said(["NATS_PASWORD": "s3cret"]).contains("s3cret"))
        #expect(said(["MDS_NAMESPACE": "9"]).contains("MDS_NAMESPACE"))
        #expect(said(["NATS_PASSWORD_FILE": "/nowhere"]).contains("/nowhere"))
        #expect(problem(TapeTarget(natsURL: "http://a"), [:]).contains("--nats is"))
    }

    @Test("where a namespace is not on the server, those that are there are named")
    func namespaces() throws {
        // Other tests have namespaces there, and the first of all are named.
        let bench = try TailBench(NatsServer.shared(), namespace: "aapresent")
        var deployment = try bench.deployment
        deployment.names = try #require(TapeNames(namespace: "zz", partitions: 8))
        let error = #expect(throws: ToolError.self) { try deployment.openTape().close() }
        let text = error?.description ?? ""
        #expect(text.contains("ZZ_TICKS_0 does not exist yet") && text.contains("aapresent"))
    }

    @Test("without an environment it is a local stack, and one that is up")
    func local() throws {
        #expect(problem(TapeTarget(), [:]).contains("NATS_URL is not set"))
        let folder = try TemporaryFolder("deployment")
        try linkCheckout(at: folder)
        let home = TapeTarget(home: folder.path)
        #expect(problem(home, [:]).hasPrefix("no local stack is up and NATS_URL is not set"))
        let named = TapeTarget(home: folder.path, stack: "mine")
        #expect(problem(named, ["NATS_URL": "nats://a:1"]).hasPrefix("the stack mine is not up"))
        for name in ["one", "two"] {
            let stack = try testHome(folder.path, name: name)
            try stack.makeFolders()
            try FileSystem.write(try state(of: name).json, to: stack.state)
        }
        #expect(problem(home, [:]).hasPrefix("several stacks are up (one, two)"))
        // A stack that is up reports where its servers are.
        let one = TapeTarget(home: folder.path, stack: "one")
        #expect(problem(one, [:]).contains("no ports of a stack"))
        _ = try StackPorts.open(try testHome(folder.path, name: "one"))
        let found = try find(one, ["MDS_NAMESPACE": "acme"])
        #expect(found.title == "the stack one" && found.names.namespace == "acme")
        #expect(found.nats.user == "tool" && found.postgres?.settings.first?.1 == "acme")
        #expect(found.monitors.first?.host == "127.0.0.1")
    }

    @Test("bars of a local stack are proven by its own graph, unless the environment names another")
    func graph() throws {
        let folder = try TemporaryFolder("deployment")
        try linkCheckout(at: folder)
        let home = try testHome(folder.path, name: "one")
        try home.makeFolders()
        _ = try StackPorts.open(home)
        try FileSystem.write(try state(of: "one").json, to: home.state)
        let arguments = ["--set", "OPERATOR_SERIES=7s", "--set", "OPERATOR_SERIES=5s,1m"]
        try KeptGraph(of: StackSettings(of: arguments)).write(home, "md")
        let found = try find(TapeTarget(home: folder.path, stack: "one"), [:])
        #expect(found.operators == ["OPERATOR_SERIES": "5s,1m"])
        for (environment, same) in [
            ([:], ["OPERATOR_SERIES": "5s,1m"]),
            (["OPERATOR_SERIES": ""], ["OPERATOR_SERIES": "5s,1m"]),
            (["OPERATOR_SERIES": "2s"], ["OPERATOR_SERIES": "2s"]),
        ] {
            let definition = try found.proofGraph(environment).definition
            #expect(try definition == ProofGraph.find(same).definition)
        }
        // Bars are those of the text with which the workers began.
        let text = { (series: String) in
            """
            version: 1
            name: desk
            nodes: {bars: {operator: bars, input: trades, series: [\(series)]}}

            """
        }
        let path = try folder.write(text("5s"), to: "g.yaml")
        try KeptGraph(of: StackSettings(of: ["--set", "OPERATOR_GRAPH=\(path)"])).write(home, "md")
        try folder.write(text("7s"), to: "g.yaml")
        let stack = TapeTarget(home: folder.path, stack: "one")
        let series = try find(stack, [:]).proofGraph([:]).definition.allSeries
        #expect(series.map(\.name.text) == ["5s"])
    }

    private func state(of name: String) throws -> StackState {
        let me = try #require(ProcessIdentity.current)
        return StackState(
            phase: .running, supervisor: me, started: SystemClock().now(),
            units: [
                StackState.Unit(
                    name: "nats-server", kind: .server, stage: 0, state: "works", process: me)
            ])
    }
}
