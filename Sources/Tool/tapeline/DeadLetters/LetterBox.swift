import TapeTransport
import NatsTransport
import TapeProtocol

/// The letters of a stream or of a file, each once.
struct LetterBox {
    struct Entry {
        let letter: DeadLetter
        /// The letter's sequences on the stream. There is more than one after an outage; the list
        /// is empty for a letter from a file.
        var sequences: [UInt64]
    }

    private(set) var entries: [Entry] = []
    /// Lines and messages that are not letters.
    private(set) var problems: [String] = []
    private var places: [String: Int] = [:]

    init() {}

    /// Without a stream nothing was ever refused.
    init(_ client: TapeClient) throws(JetStreamError) {
        let stream = client.names.deadLetterStream
        guard let info = try client.jetStream.streamInfo(stream), info.messages > 0 else { return }
        var next = info.firstSequence
        // Letters that arrive during the reading are left for the next run.
        while next <= info.lastSequence,
            let message = try client.jetStream.firstMessage(
                stream: stream, from: next, subject: client.names.deadLetters),
            message.sequence <= info.lastSequence
        {
            next = message.sequence + 1
            do throws(DeadLetter.Unreadable) {
                add(try DeadLetter(json: message.payload), message.sequence)
            } catch {
                problems.append("message \(message.sequence) of \(stream): \(error)")
            }
        }
    }

    init(file path: String) throws(ToolError) {
        do throws(DeadLetterFileError) {
            let (letters, problems) = try DeadLetterFolder.read(path)
            for letter in letters { add(letter, nil) }
            self.problems = problems.map { "\($0)" }
        } catch {
            throw .usage("\(error)")
        }
    }

    mutating func add(_ letter: DeadLetter, _ sequence: UInt64?) {
        let sequences = sequence.map { [$0] } ?? []
        if let known = places[letter.messageID] {
            entries[known].sequences += sequences
        } else {
            places[letter.messageID] = entries.count
            entries.append(Entry(letter: letter, sequences: sequences))
        }
    }

    func chosen(by selection: LetterSelection) -> [Entry] {
        entries.filter { selection.wants($0.letter) }
    }
}
