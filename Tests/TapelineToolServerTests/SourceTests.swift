import MarketModel
import Membership
@testable import MembershipTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline source")
struct SourceTests {
    private func runSource(_ bench: TailBench, _ arguments: [String]) throws -> Said {
        try Said(["source"] + arguments, bench.tape.environment)
    }

    /// Publishes a watermark of the source in each stream, and ticks in partition 1.
    private func publish(_ bench: TailBench, _ name: String, epoch: UInt64 = 3) throws {
        let source = try #require(SourceName(name))
        let now = SystemClock().now()
        for stream in 0..<4 {
            var marks = TestSource(
                bench.tape, Partition(stream), source: source, kind: .watermark)
            (marks.epoch, marks.sendTime) = (epoch, now)
            try TestSource.put(
                marks.seal(watermark: now).bytes,
                on: bench.tape.names.watermarks(stream: stream, source), of: bench.tape)
        }
        var ticks = try bench.source(1, ["SPY"], name: name)
        ticks.append(TailBench.trade(0, 1))
        try ticks.publish(watermark: now)
    }

    private func headers(_ bench: TailBench, _ name: String) throws -> [PacketHeader?] {
        try SourceStanding(bench.tape.client, of: try #require(SourceName(name)))
            .lasts.map { $0?.header }
    }

    @Test("a source is retired in each stream under an epoch of its own, once, and resumed")
    func retired() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "source_a")
        #expect(try runSource(bench, ["list"]).output.hasPrefix("no source has put anything"))
        try publish(bench, "old")
        try publish(bench, "new-delayed")
        let retired = try runSource(bench, ["retire", "old"])
        #expect(retired.code == .success && retired.output.contains("old is retired"))
        #expect(try headers(bench, "old").allSatisfy { $0?.retiresSource == true })
        #expect(try headers(bench, "old").allSatisfy { $0?.epoch == 4 })
        #expect(try headers(bench, "new-delayed").allSatisfy { $0?.epoch == 3 })
        #expect(try runSource(bench, ["retire", "old"]).output.contains("retired already"))
        #expect(try headers(bench, "old").allSatisfy { $0?.epoch == 4 })

        let lines = try runSource(bench, ["list"]).output.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[1].contains("new-delayed  made      delayed  alive"), "\(lines)")
        #expect(lines[2].contains("old          made      real     retired"), "\(lines)")
        let json = try JSONValue.parse(try runSource(bench, ["list", "--json"]).output)
        let old = try #require(json["sources"]?.array?.last)
        #expect(old["source"]?.string == "old" && old["state"]?.string == "retired")
        #expect(old["partitions"]?.array?.compactMap(\.int) == [1])
        #expect(old["streams"]?.array?.count == 4 && old["since"]?.string != nil)

        #expect(try runSource(bench, ["resume", "old"]).output.contains("no longer retired"))
        #expect(try headers(bench, "old").allSatisfy { $0?.retiresSource == false })
        #expect(try headers(bench, "old").allSatisfy { $0?.epoch == 5 })
        #expect(try runSource(bench, ["resume", "old"]).output.contains("is not retired"))
    }

    @Test("a retirement that stands in some streams is completed, and taken back there")
    func partly() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "source_b")
        try publish(bench, "old", epoch: 1)
        _ = try runSource(bench, ["retire", "old"])
        // A gateway opened one stream again and died.
        let source = try #require(SourceName("old"))
        var marks = TestSource(bench.tape, Partition(2), source: source, kind: .watermark)
        marks.epoch = 9
        try TestSource.put(
            marks.seal(watermark: SystemClock().now()).bytes,
            on: bench.tape.names.watermarks(stream: 2, source), of: bench.tape)
        let standing = try SourceStanding(bench.tape.client, of: source)
        #expect(standing.retiredStreams == [0, 1, 3] && !standing.isRetired)
        #expect(standing.retirement?.epoch == 2 && standing.epoch == 9)
        #expect(try runSource(bench, ["retire", "old"]).output.contains("is retired"))
        #expect(try headers(bench, "old").map { $0?.epoch } == [2, 2, 10, 2])
        #expect(try runSource(bench, ["resume", "old"]).code == .success)
        #expect(try headers(bench, "old").allSatisfy { $0?.epoch == 11 })
    }

    @Test("a source with a living gateway is not retired, nor one that the tape does not know")
    func refused() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "source_c")
        try publish(bench, "live")
        try publish(bench, "live-delayed")
        let description = ServiceDescription(
            name: "member", version: "1.2.3", revision: "abc12", summary: "Is a member.",
            keys: ConfigurationKey.tape, rules: [.tape])
        let service = try TestService(description, bench.tape.environment)
        let port = OwnershipPort(partitions: [Partition(0)], wake: {})
        let member = try GroupMember(
            GroupMember.Settings(
                group: .source(try #require(SourceName("live"))),
                member: try #require(MemberName("gate-1")), lease: .milliseconds(200),
                partitions: 1),
            tape: try TapeSettings(service.context.configuration), context: service.context,
            ports: [port])
        defer { member.close() }
        #expect(eventually { member.held.count == 1 })
        // The gateway of the live source opens that of its delayed data, too.
        for name in ["live", "live-delayed"] {
            #expect(
                reason { try runSource(bench, ["retire", name]) }?.contains("(gate-1)") == true)
            #expect(try headers(bench, name).allSatisfy { $0?.retiresSource == false })
        }
        let lines = try runSource(bench, ["list"]).output.split(separator: "\n").dropFirst()
        #expect(lines.count == 2)
        #expect(lines.allSatisfy { $0.contains("gate-1 (ready)") }, "\(lines)")
        #expect(reason { try runSource(bench, ["retire", "x"]) }?.contains("put nothing") == true)
    }

    private func reason(_ body: () throws -> Said) -> String? {
        do {
            _ = try body()
            return nil
        } catch {
            return "\(error)"
        }
    }
}
