import TapeTransport
import Membership
import MembershipTransport
public import ProviderKit
import MarketModel
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTraces

/// The entry point of the service, for the product's own program or one with more providers.
public enum Main {
    /// Runs the service until its end. `providers` are added to those of the product.
    public static func run(providers: [ProviderKind] = []) -> Never {
        let kinds = GatewayProviders.ofThisProgram + providers
        ServiceApplication.run(description(of: kinds)) { try run($0, kinds) }
    }

    static let description = description(of: GatewayProviders.ofThisProgram)

    static func description(of providers: [ProviderKind]) -> ServiceDescription {
        ServiceDescription(
            name: "provider-gateway", version: ProductVersion.text,
            summary: "Takes ticks from a provider and puts them on the tape.",
            keys: GatewaySettings.keys(providers),
            rules: GatewaySettings.rules(providers) + [.tape, .member, TraceSettings.rule],
            subcommands: [FeedTrial.subcommand, HistoryPlanRun.subcommand],
            questions: [InstrumentCheck.text, InstrumentCheck.json],
            examples: [
                ServiceDescription.Example(
                    "provider-gateway --synthetic-rate 5000",
                    "5,000 made-up ticks per second onto the tape at NATS_URL."),
                ServiceDescription.Example(
                    "provider-gateway --config default.env --check-config",
                    "Only says whether the settings are right."),
                ServiceDescription.Example(
                    "provider-gateway --check-instruments instruments/watchlist.yaml",
                    "Prints what the list comes to, or everything that is wrong with it."),
                ServiceDescription.Example(
                    "provider-gateway try --gateway-provider binance "
                        + "--gateway-instruments instruments/coins.yaml",
                    "Reports the exchange's first ticks, without NATS."),
            ])
    }

    private static func run(
        _ context: ServiceContext, _ kinds: [ProviderKind]
    ) throws -> ExitCode {
        let settings = try GatewaySettings(context.configuration, providers: kinds)
        if let warning = settings.foreignName(kinds) {
            context.telemetry.emit(warning)
        }
        if context.configuration.subcommand == FeedTrial.subcommand.name {
            return try FeedTrial(settings: settings, context: context).run()
        }
        if context.configuration.subcommand == HistoryPlanRun.subcommand.name {
            return try HistoryPlanRun(settings: settings, context: context).run()
        }
        let tape = try TapeSettings(context.configuration)
        let report = GatewayReport(settings)
        context.operations.addStatusSection("gateway") { report.write(into: &$0) }
        context.readiness.set(ReadinessPart.tape, "the tape is not open yet")
        let client = try TapeClient.open(tape, context: context) { client throws(TapeError) in
            try client.ensureTickStreams(bytesMax: settings.streamBytesMax)
            // Groups register themselves in this bucket.
            _ = try GroupRegistry.make(client)
            _ = try client.jetStream.openOrMakeBucket(tape.names.sourceBucketConfiguration)
        }
        guard let client else { return .success }
        defer { client.close() }
        let streams = (0..<TapeNames.tickStreams).map { tape.names.tickStream($0) }
        let watch = try TapeWatch(
            client, monitors: tape.monitors,
            streams: streams + [tape.names.barStream], metrics: true)
        defer { watch.stop() }
        context.telemetry.metrics.gauge(
            "mds_tape_durability_promised",
            "1 when the gateway's `GATEWAY_TAPE_DURABLE` says that the tape is on disk when it "
                + "acknowledges, else 0"
        ).set(context.configuration.flag("GATEWAY_TAPE_DURABLE") ? 1 : 0)
        context.operations.addStatusSection("tape") { watch.write(into: &$0) }
        let duties = try TapeHousekeeping(settings, tape: tape, client: client, context: context)
        defer { duties.stop() }
        report.reportHeads(
            by: HeadReporter(client, source: settings.source, input: .ticks))
        let live = settings.isLive ? try LivePublisher(tape, context: context) : nil
        defer { live?.close() }
        if let live { context.operations.addStatusSection("fan_out") { live.write(into: &$0) } }
        var membership = SourceMembership()
        let member = try join(membership.port, settings, tape, context)
        defer { member.close() }
        membership.leave = { member.leave() }
        membership.hasLeft = { member.hasLeft }
        return try Gateway.run(
            settings, client: client, context: context, report: report, membership: membership,
            live: live, headroom: { watch.headroom(ofStreams: streams) },
            backlog: { duties.backlog(of: $0) })
    }

    /// Joins the group of the source, which has one partition.
    private static func join(
        _ port: OwnershipPort, _ settings: GatewaySettings, _ tape: TapeSettings,
        _ context: ServiceContext
    ) throws -> GroupMember {
        let member = try GroupMember(
            GroupMember.Settings(
                context.configuration, group: .source(settings.source), partitions: 1,
                operationsPort: context.operations.port),
            tape: tape, context: context, ports: [port])
        context.operations.addStatusSection("membership") { member.write(into: &$0) }
        return member
    }
}
