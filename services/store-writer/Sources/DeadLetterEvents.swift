import Membership
import TapeTransport
import ServiceRuntime
import StoreSinks

/// One event covers the letters of a batch with the same table and reason.
struct DeadLetterKind: Hashable {
    let sink: String
    let reason: DeadLetter.Reason
}

extension ServiceEvent {
    /// Records became dead letters, and the transaction of their batch was committed: `count`
    /// records, and the id of the first letter.
    static func deadLettersKept(kind: DeadLetterKind, count: UInt64, first: String) -> Self {
        // The label of the table; a label must not be empty.
        let sink = kind.sink.isEmpty ? "unknown" : kind.sink
        return Self(
            .error, "writer.dead_letters.kept",
            "rows were refused and set aside, the rest is written: see 'tapeline dlq list'",
            ("sink", .text(sink)), ("reason", .text(kind.reason.rawValue)),
            ("count", .unsigned(count)), ("first", .text(first))
        ) { $0.deadLetters(sink: sink, reason: kind.reason).add(count) }
    }
}

extension WriterSettings {
    /// Returns the output for dead letters, which all workers share.
    func deadLetterOutput(_ client: TapeClient, _ context: ServiceContext) -> DeadLetterOutput {
        DeadLetterOutput(
            client: client, context: context, owner: store.text, storeKind: kind.name,
            folder: deadLetterFolder, bytesMax: deadLetterBytes, folderKey: "WRITER_DEAD_LETTERS")
    }
}

extension DeadLetterOutput {
    /// Reports letters whose transaction was committed, one event per table and reason.
    func committed(_ letters: [DeadLetter]) {
        var kinds: [DeadLetterKind: (count: UInt64, first: String)] = [:]
        for letter in letters {
            let kind = DeadLetterKind(sink: letter.sink, reason: letter.reason)
            let known = kinds[kind]
            kinds[kind] = ((known?.count ?? 0) &+ letter.count, known?.first ?? letter.id)
        }
        for (kind, value) in kinds {
            context.telemetry.emit(
                .deadLettersKept(kind: kind, count: value.count, first: value.first))
        }
    }
}
