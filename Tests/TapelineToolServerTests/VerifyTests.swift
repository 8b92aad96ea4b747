import NatsTransport
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline tape verify")
struct VerifyTests {
    private func runVerify(_ urls: [String], _ arguments: [String]) throws -> Said {
        try Said(
            ["tape", "verify"] + arguments,
            ["NATS_URL": urls.joined(separator: ","), "MDS_REPLICAS": "3"])
    }

    @Test("each server's copy is read, what is wrong is listed, and how far it came is noted")
    func cluster() throws {
        let cluster = try NatsCluster()
        var configuration = NatsConfiguration(urls: cluster.urls, clientName: "test")
        configuration.replicas = 3
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let client = try TapeClient(
            configuration, names: names,
            telemetry: TelemetryHub(
                logger: Logger(
                    service: "test", level: .error, format: .json, sink: .standardError),
                metrics: MetricRegistry()),
            readiness: Readiness())
        defer { client.close() }
        try client.ensureTickStreams(bytesMax: 1 << 20)
        try client.ensureBarStream(bytesMax: 1 << 20)
        _ = try GroupRegistry.make(client)
        let empty = try runVerify(cluster.urls, [])
        #expect(empty.code == .success && empty.errors.isEmpty, "\(empty.errors)")
        #expect(empty.output.split(separator: "\n").count == 15)
        // No packet, so every copy is damaged there.
        _ = try client.connection.request(
            Array("junk".utf8), to: "md.bars.0", timeout: patience)
        let found = try runVerify(cluster.urls, ["--node", "n1", "--json"])
        #expect(found.code == .failure)
        let copies = try #require(try JSONValue.parse(found.output)["copies"]?.array)
        #expect(copies.count == 5 && copies.allSatisfy { $0["server"]?.string == "n1" })
        let bars = try #require(copies.last)
        #expect(bars["stream"]?.string == "MD_BARS" && bars["packets"]?.int == 1)
        #expect(bars["findings"]?.array?.count == 1)
        let text = try runVerify(cluster.urls, ["--node", "n1", "--rate", "1"])
        #expect(text.output.contains("sequence 1 is damaged, and no other copy has it intact"))
        #expect(text.errors.contains("docs/runbooks/TapeCopies.md"))
        let bucket = try #require(
            try client.jetStream.bucketAsFound(GroupRegistry.configuration(names).bucket))
        let record = try CopyRecord.read(bucket, stream: "MD_BARS", server: "n1")
        #expect(record?.sequence == 0 && record?.findings == 1)
        #expect(
            complaint { try runVerify(cluster.urls, ["--node", "n7"]) }.contains(
                "no stream of the tape has a copy on n7"))
    }

    @Test("what makes no sense is refused")
    func arguments() throws {
        let usual = try TapeCommand.parse(["verify", "--new", "--rate", "5"])
        #expect(usual.verification == .init(server: nil, mebibytes: 5, onlyNew: true))
        #expect(try TapeCommand.parse([]).verification == nil)
    }
}
