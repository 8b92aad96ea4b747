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
        rules: [.tape, .partitions("OPERATOR_PARTITIONS"), .of { _ = try OperatorSettings($0) }],
        examples: [
            ServiceDescription.Example(
                "operator-worker --operator-partitions 0-15",
                "Works on the first half of 32 partitions."),
            ServiceDescription.Example(
                "operator-worker --operator-series 1s,5s,1m,1h",
                "Makes bars of four widths in one pass."),
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
        return try Worker(settings, client: client, context: context, report: report).run()
    }
}
