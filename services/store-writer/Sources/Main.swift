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
        name: "store-writer", version: ProductVersion.text,
        summary: "Writes ticks and bars to the database, and the hot state to Valkey.",
        keys: WriterSettings.keys, rules: [.tape, .partitions("WRITER_PARTITIONS")],
        subcommands: [
            ServiceDescription.Subcommand(
                MigrateCommand.name, "Make or update the database schema, and stop.")
        ],
        examples: [
            ServiceDescription.Example(
                "store-writer migrate", "Brings the schema of MDS_NAMESPACE up to date."),
            ServiceDescription.Example(
                "store-writer --writer-partitions 0-15 --writer-threads 4",
                "Writes the first half of 32 partitions with four threads."),
        ])

    static func run(_ context: ServiceContext) throws -> ExitCode {
        if context.configuration.subcommand == MigrateCommand.name {
            return try MigrateCommand(context: context).run()
        }
        let tape = try TapeSettings(context.configuration)
        let settings = WriterSettings(context.configuration)
        let report = WriterReport()
        context.operations.addStatusSection("writer") { report.write(into: &$0) }
        context.readiness.set(ReadinessPart.tape, "the tape is not open yet")
        let client = try TapeClient.open(tape, context: context) { client throws(TapeError) in
            try client.requireStream(tape.names.barStream)
            for stream in 0..<TapeNames.tickStreams {
                try client.requireStream(tape.names.tickStream(stream))
            }
        }
        guard let client else { return .success }
        defer { client.close() }
        return try Writer(settings, client: client, context: context, report: report).run()
    }
}
