import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline setup")
struct SetupTests {
    private func runSetup(
        _ server: NatsServer, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Said {
        try Said(["setup"] + arguments, environment.merging(["NATS_URL": server.url]) { $1 })
    }

    private func rows(_ said: Said) -> [[Substring]] {
        said.lines.map { $0.split(separator: " ") }
    }

    private static let streams = [
        "MD_DLQ", "KV_md_owners", "KV_md_groups", "KV_md_sources", "KV_md_operator", "MD_TICKS_0",
        "MD_TICKS_1", "MD_TICKS_2", "MD_TICKS_3", "MD_BARS",
    ]

    @Test("it makes all streams and buckets, leaves those that are there, and makes them larger")
    func all() throws {
        let server = try NatsServer()
        let first = try runSetup(server, ["--stream-bytes", "2MiB"])
        #expect(first.code == .success && first.errors.isEmpty, "\(first.errors)")
        #expect(rows(first).map { String($0[0]) } == Self.streams)
        #expect(rows(first).allSatisfy { $0[1] == "made" }, "\(first.output)")
        let second = try runSetup(server, [], environment: ["MDS_STREAM_BYTES": "2MiB"])
        #expect(rows(second).allSatisfy { $0[1] == "left" }, "\(second.output)")
        let larger = try runSetup(
            server, ["--stream-bytes=4MiB"], environment: ["MDS_STREAM_BYTES": "2MiB"])
        #expect(rows(larger).filter { $0[1] == "enlarged" }.count == 5, "\(larger.output)")
        #expect(larger.output.contains("MD_BARS                  enlarged  2.0 MiB before, 4.0"))
        let smaller = try runSetup(server, ["--stream-bytes", "1MiB", "--json"])
        let json = try JSONValue.parse(smaller.output)
        #expect(json["namespace"]?.string == "md" && json["partitions"]?.int == 8)
        let bars = try #require(json["streams"]?.array?.last)
        #expect(bars["stream"]?.string == "MD_BARS" && bars["outcome"]?.string == "left")
        #expect(bars["bytes_max"]?.int == 4 << 20 && bars["bytes_wanted"]?.int == 1 << 20)
        #expect(
            try runSetup(server, ["--stream-bytes", "1MiB"]).output.contains("none is made smaller")
        )
    }

    @Test("what is there with other fixed settings is a line each, and stays as it is")
    func others() throws {
        let server = try NatsServer()
        _ = try runSetup(server, ["--stream-bytes", "2MiB"])
        let other = try runSetup(
            server, ["--stream-bytes", "2MiB"], environment: ["MDS_PARTITIONS": "16"])
        #expect(other.code == .failure)
        let lines = other.errors.split(separator: "\n")
        #expect(lines.count == 8, "\(other.errors)")
        #expect(
            lines.allSatisfy {
                $0.contains("was made with other settings") && $0.contains("set MDS_PARTITIONS")
            })
        #expect(try runSetup(server, ["--stream-bytes", "2MiB"]).code == .success)
        // A size that no disk has.
        let huge = try runSetup(server, ["--stream-bytes", "1000000GiB", "--json"])
        #expect(huge.code == .failure)
        #expect(huge.errors.contains("stream MD_TICKS_0 holds 2.0 MiB and was not made larger"))
        #expect(try JSONValue.parse(huge.output)["problems"]?.array?.count == 5)
    }

    @Test("a stream that an administrator has given something more stays so, and gets room")
    func compressed() throws {
        let server = try NatsServer()
        _ = try runSetup(server, ["--stream-bytes", "2MiB"])
        let connection = try NatsConnection(
            NatsConfiguration(urls: [server.url], clientName: "administrator")
        ) { _ in }
        func ask(_ call: String, _ body: String) throws -> JSONValue {
            try JSONValue.parse(
                try connection.request(
                    Array(body.utf8), to: "$JS.API.STREAM.\(call)", timeout: .seconds(5)
                ).payload)
        }
        let found = try #require(try ask("INFO.MD_BARS", "")["config"])
        var body = JSONWriter()
        body.object { json in
            for member in found.members ?? [] where member.key != "compression" {
                json.key(member.key)
                json.value(member.value)
            }
            json.member("compression", "s2")
        }
        #expect(try ask("UPDATE.MD_BARS", body.text)["error"] == nil)
        let larger = try runSetup(server, ["--stream-bytes", "4MiB"])
        #expect(larger.code == .success, "\(larger.errors)")
        let now = try #require(try ask("INFO.MD_BARS", "")["config"])
        #expect(now["compression"]?.string == "s2" && now["max_bytes"]?.int == 4 << 20)
    }

    @Test("a cluster without a leader is waited for, and it says so once")
    func waits() throws {
        let cluster = try NatsCluster()
        for node in cluster.nodes.dropFirst() { node.pause() }
        let folder = try TemporaryFolder()
        let tool = "\(FileSystem.folder(of: try Checkout.ownExecutable()))/tapeline"
        let setup = try ServerProcess(
            tool, ["setup", "--stream-bytes", "2MiB"],
            environment: ["NATS_URL": cluster.nodes[0].url, "MDS_REPLICAS": "3"],
            logPath: folder.file("log"))
        #expect(eventually { setup.log.contains("waiting: ") }, "\(setup.log)")
        for node in cluster.nodes.dropFirst() { node.resume() }
        #expect(setup.waitUntilExit() == 0, "\(setup.log)")
        #expect(setup.log.split(separator: "\n").count { $0.contains("waiting: ") } == 1)
        #expect(setup.log.contains("MD_BARS"))
    }

    @Test("on a cluster it makes three copies, adds those that lack, and takes none away")
    func copies() throws {
        let cluster = try NatsCluster()
        let server = cluster.nodes[0]
        func setUp(_ copies: Int, _ arguments: [String] = []) throws -> Said {
            try runSetup(
                server, ["--stream-bytes", "2MiB"] + arguments,
                environment: ["MDS_REPLICAS": "\(copies)"])
        }
        #expect(try setUp(1).code == .success)
        // A busy cluster may refuse one for the moment: to run it again does no harm.
        var raised = ""
        #expect(
            eventually {
                guard let said = try? setUp(3) else { return false }
                raised += said.output
                return said.code == .success
            }, "\(raised)")
        for stream in Self.streams {
            #expect(
                raised.split(separator: "\n").contains {
                    $0.hasPrefix("\(stream) ") && $0.hasSuffix("1 copies before, 3 now")
                }, "\(stream): \(raised)")
        }
        // Each stream elects its first leader.
        #expect(
            eventually {
                let lines = (try? setUp(3))?.output.split(separator: "\n") ?? []
                return lines.count == 10 && lines.allSatisfy { $0.hasSuffix("; 3 copies") }
            })
        let kept = try setUp(1)
        #expect(kept.code == .success)
        #expect(kept.output.contains("3 copies, MDS_REPLICAS=1 takes none away"))
        let bars = try #require(try JSONValue.parse(try setUp(1, ["--json"]).output)["streams"])
        #expect(bars.array?.allSatisfy { $0["replicas"]?.int == 3 } == true)
    }

    @Test("one server is no place for three copies: a line each, and nothing is changed")
    func tooSmall() throws {
        let server = try NatsServer()
        #expect(
            complaint {
                try runSetup(
                    server, ["--stream-bytes", "2MiB"], environment: ["MDS_REPLICAS": "3"])
            }.contains("NATS is no cluster of 3 servers"))
        _ = try runSetup(server, ["--stream-bytes", "2MiB"])
        let raised = try runSetup(
            server, ["--stream-bytes", "2MiB"], environment: ["MDS_REPLICAS": "3"])
        #expect(raised.code == .failure)
        let problems = raised.errors.split(separator: "\n")
        #expect(problems.count == 10, "\(raised.errors)")
        #expect(
            problems.allSatisfy {
                $0.contains("keeps 1 of the 3 copies that MDS_REPLICAS says")
            })
        for wrong in ["2", "0", "5", "three"] {
            #expect(throws: ToolError.self) {
                try runSetup(server, [], environment: ["MDS_REPLICAS": wrong])
            }
        }
    }

    @Test("a user who may not make streams is told who may")
    func refused() throws {
        var options = NatsServer.Options()
        options.extra = """
            authorization { users: [{
                user: gateway, password: secret
                permissions { publish: ["$JS.API.STREAM.INFO.*"], subscribe: ["_INBOX_gateway.>"] }
            }] }
            """
        let server = try NatsServer(options)
        let error = #expect(throws: ToolError.self) {
            try runSetup(
                server, [],
                environment: ["NATS_USER": "gateway", "NATS_PASSWORD": "secret"])
        }
        #expect(error?.description.contains("name the user 'tool' by NATS_USER") == true)
        #expect(error?.exitCode == .failure)
    }

    @Test("what makes no sense is refused, and a wrong size is named as it was given")
    func wrong() throws {
        let command = try SetupCommand.parse(["--stream-bytes", "1KiB", "--dead-letter-bytes=few"])
        let error = #expect(throws: ToolError.self) { try command.sizes([:]) }
        guard case .configuration(let problems) = try #require(error) else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(
            problems.map { $0.prefix { $0 != ":" } }.sorted() == [
                #"--dead-letter-bytes is "few""#, #"--stream-bytes is "1KiB""#,
            ])
        #expect(error?.exitCode == .usage)
        #expect(
            complaint { try SetupCommand.parse([]).sizes(["MDS_STREAM_BYTES": "1KiB"]) }.contains(
                "MDS_STREAM_BYTES (environment) is"))
        let usual = try SetupCommand.parse([]).sizes([:])
        #expect(usual == SetupCommand.Sizes(stream: 1 << 30, deadLetters: 64 << 20))
    }
}
