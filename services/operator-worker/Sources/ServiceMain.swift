import TapeTransport
import Membership
import MembershipTransport
public import OperatorGraph
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTraces

/// The service, for a program that runs it: the product's own, or one with more custom operators.
public enum Main {
    /// Runs the service until its end. Graphs may name these custom operators.
    public static func run(operators: TickOperators = .ofThisProgram) -> Never {
        ServiceApplication.run(description(of: operators)) { try run($0, operators) }
    }

    /// The description of the product's own program, for tests.
    static let description = description(of: .ofThisProgram)

    private static func description(of operators: TickOperators) -> ServiceDescription {
        ServiceDescription(
            name: "operator-worker", version: ProductVersion.text,
            summary: "Reads partitions of the tape and publishes bars.",
            keys: OperatorSettings.keys,
            rules: [.tape, .member, OperatorSettings.rule(operators), TraceSettings.rule],
            questions: [GraphCheck.question(operators)],
            examples: [
                ServiceDescription.Example(
                    "operator-worker --operator-series 1s,5s,1m,1h",
                    "Makes bars of four widths in one pass."),
                ServiceDescription.Example(
                    "operator-worker --check-graph graphs/production.yaml",
                    "Prints the graph, or everything that is wrong with it."),
            ])
    }

    private static func run(
        _ context: ServiceContext, _ operators: TickOperators
    ) throws -> ExitCode {
        let tape = try TapeSettings(context.configuration)
        let settings = try OperatorSettings(context.configuration, operators: operators)
        try settings.requireFit(tape.names)
        let report = OperatorReport(settings)
        context.operations.addStatusSection("operator") { report.write(into: &$0) }
        context.readiness.set(ReadinessPart.tape, "the tape is not open yet")
        let client = try TapeClient.open(tape, context: context) { client throws(TapeError) in
            try client.ensureBarStream(bytesMax: settings.streamBytesMax)
            try GroupRegistry.make(client).register(
                .operators, reads: settings.reads(of: tape.names))
            for stream in 0..<TapeNames.tickStreams {
                try client.requireStream(tape.names.tickStream(stream))
            }
            _ = try client.jetStream.openOrMakeBucket(tape.names.operatorBucketConfiguration)
        }
        // The service has to stop before the tape could be opened.
        guard let client else { return .success }
        defer { client.close() }
        let watch = try TapeWatch(
            client, monitors: tape.monitors, streams: [tape.names.barStream], metrics: false)
        defer { watch.stop() }
        context.operations.addStatusSection("tape") { watch.write(into: &$0) }
        let live = settings.isLive ? try LivePublisher(tape, context: context) : nil
        defer { live?.close() }
        if let live { context.operations.addStatusSection("fan_out") { live.write(into: &$0) } }
        let worker = try Worker(
            settings, client: client, context: context, report: report, live: live)
        let member = try GroupMember(
            try membership(
                context.configuration, shares: settings.shares(of: tape.names),
                operationsPort: context.operations.port),
            tape: tape, context: context, ports: [worker.port])
        defer { member.close() }
        context.operations.addStatusSection("membership") { member.write(into: &$0) }
        return worker.run(as: member)
    }

    /// Returns the settings of the membership. Only workers of the highest generation get
    /// partitions, and of these only those whose release makes the newest output. `shares` is the
    /// number of partitions, with the share over all of them.
    static func membership(
        _ configuration: Configuration, shares: Int, operationsPort: UInt16
    ) throws -> GroupMember.Settings {
        var settings = try GroupMember.Settings(
            configuration, group: .operators, partitions: shares,
            rank: UInt64(configuration.integer("OPERATOR_GENERATION")),
            operationsPort: operationsPort)
        settings.semantics = UInt64(GraphProgram.semantics)
        return settings
    }
}

extension GroupMember: OwnershipMember {}
