import TapeTransport
import ServiceRuntime
import StoreSinks

/// Records became dead letters, and the transaction of their batch was committed.
struct DeadLettersKept: TelemetryEvent {
    static let name = "writer.dead_letters.kept"

    /// One event covers the letters of a batch with the same table and reason.
    struct Kind: Hashable {
        let sink: String
        let reason: DeadLetter.Reason
    }

    let kind: Kind
    /// The number of records.
    let count: UInt64
    /// The id of the first letter.
    let first: String

    var level: LogLevel { .error }
    var message: String {
        "rows were refused and set aside, the rest is written: see 'tapeline dlq list'"
    }
    var fields: [(String, LogValue)] {
        [
            ("sink", .text(sink)), ("reason", .text(kind.reason.rawValue)),
            ("count", .unsigned(count)), ("first", .text(first)),
        ]
    }

    /// The label of the table; a label must not be empty.
    private var sink: String { kind.sink.isEmpty ? "unknown" : kind.sink }

    func count(in metrics: MetricRegistry) {
        metrics.deadLetters(sink: sink, reason: kind.reason).add(count)
    }
}

extension WriterSettings {
    /// Returns the output for dead letters, which all workers share.
    func deadLetterOutput(_ client: TapeClient, _ context: ServiceContext) -> DeadLetterOutput {
        DeadLetterOutput(
            client: client, context: context, folder: deadLetterFolder, bytesMax: deadLetterBytes,
            folderKey: "WRITER_DEAD_LETTERS")
    }
}

extension DeadLetterOutput {
    /// Reports letters whose transaction was committed, one event per table and reason.
    func committed(_ letters: [DeadLetter]) {
        var kinds: [DeadLettersKept.Kind: (count: UInt64, first: String)] = [:]
        for letter in letters {
            let kind = DeadLettersKept.Kind(sink: letter.sink, reason: letter.reason)
            let known = kinds[kind]
            kinds[kind] = ((known?.count ?? 0) &+ letter.count, known?.first ?? letter.id)
        }
        for (kind, value) in kinds {
            context.telemetry.emit(
                DeadLettersKept(kind: kind, count: value.count, first: value.first))
        }
    }
}
