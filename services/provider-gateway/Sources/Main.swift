import Membership
import MembershipTransport
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTransport
import Telemetry

@main
struct Main {
    static func main() {
        ServiceApplication.run(description, run)
    }

    static let description = ServiceDescription(
        name: "provider-gateway", version: ProductVersion.text,
        summary: "Takes ticks from a provider and puts them on the tape.",
        keys: GatewaySettings.keys, rules: GatewaySettings.rules + [.tape],
        examples: [
            ServiceDescription.Example(
                "provider-gateway --synthetic-rate 5000",
                "5,000 made-up ticks per second onto the tape at NATS_URL."),
            ServiceDescription.Example(
                "provider-gateway --config default.env --check-config",
                "Only says whether the settings are right."),
        ])

    static func run(_ context: ServiceContext) throws -> ExitCode {
        let settings = try GatewaySettings(context.configuration)
        let tape = try TapeSettings(context.configuration)
        let report = GatewayReport(settings)
        context.operations.addStatusSection("gateway") { report.write(into: &$0) }
        context.readiness.set(ReadinessPart.tape, "the tape is not open yet")
        let client = try TapeClient.open(tape, context: context) { client throws(TapeError) in
            try client.ensureTickStreams(bytesMax: settings.streamBytesMax)
            // Groups register themselves there, and some may not make it.
            _ = try GroupRegistry.make(client)
        }
        guard let client else { return .success }
        defer { client.close() }
        let watch = try TapeWatch(
            client, monitor: tape.monitor,
            streams: (0..<TapeNames.tickStreams).map { tape.names.tickStream($0) }
                + [tape.names.barStream], metrics: true)
        defer { watch.stop() }
        context.operations.addStatusSection("tape") { watch.write(into: &$0) }
        let duties = try TapeDuties(settings, tape: tape, client: client, context: context)
        defer { duties.stop() }
        report.tellHeads(
            by: HeadTeller(client, source: settings.source, input: .ticks))
        let membership = SourceMembership()
        membership.port.steady(until: .max)
        _ = membership.port.send(
            .take(
                SourceMembership.seat,
                Claim(tenure: 1, epoch: 1, previous: nil, wasReleased: false)))
        return try Gateway.run(
            settings, client: client, context: context, report: report, membership: membership)
    }
}
