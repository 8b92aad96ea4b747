import DeadLetters
import Membership
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline dlq`.
struct DlqRun {
    /// Progress is reported after every so many letters.
    private static let progressLetters = 500

    let command: DlqCommand
    let terminal: Terminal

    func run(_ find: () throws(ToolError) -> Deployment) throws(ToolError) -> ExitCode {
        switch command.verb {
        case .list, .show, .export:
            if let file = command.file { return try look(LetterBox(file: file)) }
            let client = try find().openTape()
            defer { client.close() }
            return try look(Self.box(client))
        case .replay: return try replay(find())
        case .drop:
            let client = try find().openTape()
            defer { client.close() }
            return try drop(client)
        }
    }

    private static func box(_ client: TapeClient) throws(ToolError) -> LetterBox {
        do throws(JetStreamError) {
            return try LetterBox(client)
        } catch {
            throw .unreachable("the dead letters cannot be read: \(error)")
        }
    }

    /// Returns the selected letters. An unknown id is an error, and then nothing is done.
    private func chosen(_ box: LetterBox) throws(ToolError) -> [LetterBox.Entry] {
        for problem in box.problems { terminal.problem(problem) }
        let entries = box.chosen(by: command.selection)
        let known = Set(entries.flatMap { [$0.letter.id, $0.letter.messageID] })
        if let missing = command.selection.ids.first(where: { !known.contains($0) }) {
            throw .usage("there is no dead letter '\(missing.prefix(100))'")
        }
        return entries
    }

    // MARK: looking

    private func look(_ box: LetterBox) throws(ToolError) -> ExitCode {
        let letters = try chosen(box).map(\.letter)
        switch command.verb {
        case .show:
            for (index, letter) in letters.enumerated() {
                if command.asJSON {
                    terminal.line(String(decoding: letter.json, as: UTF8.self))
                } else {
                    if index > 0 { terminal.line() }
                    for line in LetterTable.page(letter) { terminal.line(line) }
                }
            }
        case .export: try export(letters)
        default:
            let table = LetterTable(letters: letters)
            let isAll = command.selection.isAll
            terminal.show(
                isAll ? table.lines : table.summary, json: table.json(withLetters: isAll),
                rows: isAll ? table.all.fields : table.groups.fields, command.asJSON)
        }
        return box.problems.isEmpty ? .success : .dataError
    }

    private func export(_ letters: [DeadLetter]) throws(ToolError) {
        guard let path = command.output else {
            for letter in letters { terminal.line(String(decoding: letter.json, as: UTF8.self)) }
            return
        }
        guard !FileSystem.exists(path) else {
            throw .refused("\(path) is there already: name another file, or remove it")
        }
        try FileSystem.write(
            letters.flatMap { $0.json + [UInt8(ascii: "\n")] }, to: path)
        terminal.line("\(Self.counted(letters.count)) in \(path)")
    }

    // MARK: dropping

    private func drop(_ client: TapeClient) throws(ToolError) -> ExitCode {
        let entries = try chosen(Self.box(client))
        guard !entries.isEmpty else {
            terminal.line("no dead letters to drop")
            return .success
        }
        for line in LetterTable(letters: entries.map(\.letter)).summary { terminal.line(line) }
        guard
            try Confirmation.ask(
                "Their ticks are in no table, and can only be read from the tape as long as it has "
                    + "them. Drop \(Self.counted(entries.count))?", isGiven: command.isConfirmed,
                terminal)
        else { return .failure }
        do throws(JetStreamError) {
            for sequence in entries.flatMap(\.sequences) {
                _ = try client.jetStream.deleteMessage(
                    stream: client.names.deadLetterStream, sequence: sequence)
            }
        } catch {
            throw .unreachable("not all of them were dropped: \(error)")
        }
        terminal.line("dropped \(Self.counted(entries.count))")
        return .success
    }

    private static func counted(_ count: Int) -> String {
        "\(count) dead letter\(count == 1 ? "" : "s")"
    }

    // MARK: replaying

    private func replay(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        let box: LetterBox
        if let file = command.file {
            box = try LetterBox(file: file)
        } else {
            let client = try deployment.openTape()
            defer { client.close() }
            box = try Self.box(client)
        }
        let chosen = try chosen(box).map(\.letter)
        func isOther(_ letter: DeadLetter) -> Bool {
            letter.owner != deployment.store.text && GroupName(letter.owner)?.isStore == true
        }
        for owner in Set(chosen.filter(isOther).map(\.owner)).sorted() {
            terminal.problem(
                "letters of \(owner) are left: set STORE_NAME, STORE_KIND and its database for it")
        }
        let letters = chosen.filter { !isOther($0) }
        for letter in letters where letter.namespace != deployment.names.namespace {
            throw .usage(
                "\(letter.id) is of the namespace \(letter.namespace), and this is "
                    + "\(deployment.names.namespace)")
        }
        let fates = try fates(of: letters, deployment)
        terminal.line(command.asJSON ? Self.json(fates) : Self.sum(fates))
        return fates.allSatisfy(\.fate.isFine) && box.problems.isEmpty ? .success : .failure
    }

    /// Replays letters in the store of the deployment.
    private func fates(
        of letters: [DeadLetter], _ deployment: Deployment
    ) throws(ToolError) -> [(letter: DeadLetter, fate: LetterFate)] {
        guard let server = deployment.server else {
            let database = try deployment.openDatabase()
            defer { database.close() }
            return try fates(of: letters) {
                try LetterReplay(database, isDryRun: command.isDryRun)
            }
        }
        let tape = try deployment.openTape()
        defer { tape.close() }
        return try fates(of: letters) {
            let store = deployment.store
            return try ServerReplay(
                FilledStore(store, tape, server.filled(store)), isDryRun: command.isDryRun)
        }
    }

    private func fates(
        of letters: [DeadLetter], by made: () throws -> any LetterReplaying
    ) throws(ToolError) -> [(letter: DeadLetter, fate: LetterFate)] {
        var fates: [(letter: DeadLetter, fate: LetterFate)] = []
        do {
            var replay = try made()
            let failure = Result {
                for letter in letters {
                    let fate = try replay.replay(letter)
                    fates.append((letter, fate))
                    if !command.asJSON { terminal.line("\(letter.id)  \(fate.sentence)") }
                    if fates.count % Self.progressLetters == 0 {
                        terminal.problem("\(fates.count) of \(Self.counted(letters.count))")
                    }
                }
            }
            let end = Result { try replay.end() }
            try failure.get()
            try end.get()
            return fates
        } catch {
            throw ToolError(error) {
                .unreachable(
                    "\(fates.count) of \(Self.counted(letters.count)) are done; run it again for "
                        + "the rest: \($0)")
            }
        }
    }

    private static func counts(
        _ fates: [(letter: DeadLetter, fate: LetterFate)]
    ) -> [(key: String, value: Int)] {
        Dictionary(grouping: fates) { $0.fate.word }.mapValues(\.count)
            .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    }

    private static func sum(_ fates: [(letter: DeadLetter, fate: LetterFate)]) -> String {
        guard !fates.isEmpty else { return "no dead letters to replay" }
        return "\(counted(fates.count)): "
            + counts(fates).map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    private static func json(_ fates: [(letter: DeadLetter, fate: LetterFate)]) -> String {
        JSONWriter.made { writer in
            for (word, count) in counts(fates) { writer.member(word, count) }
            writer.member("letters", each: fates) { pair, writer in
                let (letter, fate) = pair
                writer.member("id", letter.id)
                writer.member("fate", fate.word)
                if case .refused(let reason) = fate { writer.member("reason", reason) }
            }
        }.text
    }
}
