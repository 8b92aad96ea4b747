import MarketModel
import Membership
import MembershipTransport
import ServiceRuntime
import TapeProtocol
import TapeTransport
import Telemetry

@main
struct Main {
    static func main() {
        ServiceApplication.run(description, run)
    }

    static let description = ServiceDescription(
        name: "operator-worker", version: ProductVersion.text,
        summary: "Reads partitions of the tape and publishes bars.",
        keys: OperatorSettings.keys,
        rules: [.tape, .of { _ = try OperatorSettings($0) }],
        examples: [
            ServiceDescription.Example(
                "operator-worker --operator-series 1s,5s,1m,1h",
                "Makes bars of four widths in one pass.")
        ])

    static func run(_ context: ServiceContext) throws -> ExitCode {
        let tape = try TapeSettings(context.configuration)
        let settings = try OperatorSettings(context.configuration)
        let report = OperatorReport()
        context.operations.addStatusSection("operator") { report.write(into: &$0) }
        context.readiness.set(ReadinessPart.tape, "the tape is not open yet")
        let client = try TapeClient.open(tape, context: context) { client throws(TapeError) in
            try client.ensureBarStream(bytesMax: settings.streamBytesMax)
            for stream in 0..<TapeNames.tickStreams {
                try client.requireStream(tape.names.tickStream(stream))
            }
        }
        guard let client else { return .success }
        defer { client.close() }
        let watch = try TapeWatch(
            client, monitor: tape.monitor, streams: [tape.names.barStream], metrics: false)
        defer { watch.stop() }
        context.operations.addStatusSection("tape") { watch.write(into: &$0) }
        let worker = try Worker(settings, client: client, context: context, report: report)
        return worker.run(as: SoleMember(of: worker.port))
    }
}

/// A worker that shares its partitions with nobody.
private final class SoleMember: OwnershipMember {
    private let port: OwnershipPort

    init(of port: OwnershipPort) {
        self.port = port
        port.steady(until: Int64.max)
        let claim = Claim(tenure: 1, epoch: 1, previous: nil, wasReleased: true)
        for partition in port.partitions { _ = port.send(.take(partition, claim)) }
    }

    func leave() {
        for partition in port.partitions { _ = port.send(.release(partition, tenure: 1)) }
    }

    private var left: Set<Partition> = []

    var hasLeft: Bool {
        var news: [OwnershipNews] = []
        port.hear(into: &news)
        for word in news {
            if case .opened = word { continue }
            left.insert(word.partition)
        }
        return left == port.partitions
    }
}
