import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline doctor, on real servers") struct DoctorTests {
    @Test("options") func words() throws {
        var pages = DoctorCommand.Pages()
        pages.services = [.init(host: "a", port: 1), .init(host: "::1", port: 2)]
        pages.prometheus = .init(host: "p", port: 9090)
        #expect(
            try DoctorCommand.parse([
                "--service", "a:1", "--service", "http://[::1]:2", "--prometheus",
                "p:9090", "--json", "--name", "x",
            ]) == DoctorCommand(target: TapeTarget(stack: "x"), pages: pages, asJSON: true)
        )
    }

    private func examine(
        _ environment: [String: String], _ pages: DoctorCommand.Pages = .init()
    ) throws -> DoctorReport {
        let deployment = try Deployment.find(
            TapeTarget(), environment: environment, executable: "/x")
        return try Examination(deployment, environment, pages).report()
    }

    private func wrong(_ report: DoctorReport) -> [String] {
        report.findings.filter { $0.level == .wrong }.map(\.text)
    }

    @Test("three things are wrong; each is found, and mending one leaves the others")
    func threeWrong() throws {
        let monitor = freePort()
        var options = NatsServer.Options()
        options.extra = "http: \"127.0.0.1:\(monitor)\""
        let nats = try NatsServer(options)
        let valkey = try ValkeyServer()
        let scene = try MarketCommandTests.Scene()
        let environment = scene.environment.merging([
            "NATS_URL": nats.url, "NATS_MONITOR_URL": "http://127.0.0.1:\(monitor)",
            "MDS_STREAM_BYTES": "1MiB", "WRITER_DEAD_LETTERS_BYTES": "1MiB",
            "WRITER_MIGRATIONS": "\(ServerPrograms.checkout)/deploy/postgres",
            "VALKEY_HOST": "127.0.0.1", "VALKEY_PORT": "\(valkey.port)",
            "VALKEY_PASSWORD": ValkeyServer.password,
        ]) { $1 }

        let report = try examine(environment)
        let found = wrong(report)
        // The servers of tests do not sync, and nobody has made the streams.
        #expect(found.contains { $0.contains("on disk within 120 s") }, "\(found)")
        #expect(found.contains { $0.hasPrefix("missing: KV_md_") }, "\(found)")
        #expect(found.contains { $0.hasPrefix("fsync is off") }, "\(found)")
        #expect(report.exitCode == .failure)
        #expect(report.verdict.hasPrefix("NOT IN ORDER: "))
        #expect(report.lines.allSatisfy { !$0.contains(ValkeyServer.password) })
        for good in [
            "nats-server 2.", "PostgreSQL 17.", "migrations are applied", "and remove no row",
            "version 8.", "can read the hot state", "the clocks of this machine and of NATS agree",
            "the clocks of this machine and of PostgreSQL agree",
        ] {
            let isFine = report.findings.contains { $0.level == .fine && $0.text.contains(good) }
            #expect(isFine, "\(good): \(report.lines)")
        }

        try run(ProductPrograms.path("tapeline"), ["setup"], environment: environment)
        let mended = wrong(try examine(environment))
        #expect(mended.count == found.count - 1 && !mended.contains { $0.hasPrefix("missing: ") })
        let json = try JSONValue.parse(report.json())
        #expect(json["wrong"]?.int == found.count)
        #expect(json["findings"]?.array?.count == report.findings.count)
    }

    @Test("the clocks of senders go by the last packet of a partition, not by the highest times")
    func senders() throws {
        let tape = try TestTape(try NatsServer.shared(), namespace: "doctor_clocks")
        let partition = Partition(0)
        let place = (stream: tape.names.barStream, subject: tape.names.output(partition))
        func look() throws -> NatsFacts.Packet? {
            try NatsLook.lastPackets(of: [place], in: [place.stream], tape.client).first
        }
        #expect(try look() == nil)
        var lane = TestSource(tape, partition, source: .operator, kind: .bars)
        let now = SystemClock().now()
        // The clock of the operator was an hour ahead, and was set right.
        for ahead in [3_600, 0] as [Int64] {
            lane.sendTime = Timestamp(nanoseconds: now.nanoseconds + ahead * 1_000_000_000)
            try lane.publish(watermark: .undefined)
        }
        #expect(try look()?.sent == now)
        try TestSource.put([1, 2, 3], on: place.subject, of: tape)
        #expect(try look() == nil, "a damaged packet is left out")
        #expect(try NatsLook.lastPackets(of: [("NONE", "x")], in: [], tape.client).isEmpty)
    }

    @Test(
        "a Prometheus with the shipped rules has each alert that has a page; another server is none"
    )
    func prometheus() throws {
        let prometheus = try PrometheusServer(targets: [])
        var pages = DoctorCommand.Pages()
        pages.prometheus = .init(host: "127.0.0.1", port: prometheus.port)
        func alerts() throws -> [Finding] {
            try examine(["NATS_URL": "nats://127.0.0.1:\(freePort())"], pages).findings
                .filter { $0.part == .alerts }
        }
        let found = try alerts()
        #expect(found.first?.text.hasPrefix("Prometheus evaluates ") == true, "\(found)")
        #expect(found.first?.level == .fine && !found.contains { $0.level == .wrong }, "\(found)")
        pages.prometheus = .init(host: "127.0.0.1", port: freePort())
        #expect(try alerts().map(\.level) == [.wrong])
    }

    @Test("what is not there is a finding, and the rest is looked at all the same")
    func absent() throws {
        let nobody = freePort()
        let report = try examine([
            "NATS_URL": "nats://127.0.0.1:\(nobody)", "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": "\(nobody)", "POSTGRES_PASSWORD": "hunted",
            "VALKEY_HOST": "127.0.0.1", "VALKEY_PORT": "\(nobody)",
        ])
        #expect(
            wrong(report).map { $0.prefix { $0 != ":" } } == [
                "NATS cannot be used", "the database cannot be used", "Valkey cannot be used",
            ])
        #expect(report.findings.contains { $0.part == .machine && $0.level == .fine })
        #expect(!report.json().contains("hunted"))
        let bare = try examine(["NATS_URL": "nats://127.0.0.1:\(nobody)"])
        #expect(bare.findings.filter { $0.level == .skipped }.map(\.part).contains(.database))
    }
}
