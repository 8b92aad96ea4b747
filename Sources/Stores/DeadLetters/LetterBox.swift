package import NatsTransport
internal import TapeProtocol
package import TapeTransport

/// The letters of a stream or of a file, each once.
package struct LetterBox {
    /// A letter with its places.
    package struct Entry {
        package let letter: DeadLetter
        /// The letter's sequences on the stream. There is more than one after an outage; the list
        /// is empty for a letter from a file.
        package fileprivate(set) var sequences: [UInt64]
    }

    package private(set) var entries: [Entry] = []
    /// Lines and messages that are not letters.
    package private(set) var problems: [String] = []
    private var places: [String: Int] = [:]

    /// Makes a box without letters.
    package init() {}

    /// Reads the whole stream. Without a stream nothing was ever refused. Blocks.
    package init(_ client: TapeClient) throws(JetStreamError) {
        let stream = client.names.deadLetterStream
        guard let info = try client.jetStream.streamInfo(stream), info.messages > 0 else { return }
        // Letters that arrive during the reading are left for the next run.
        let reader = LetterReader(client)
        var next = info.firstSequence
        while let found = try reader.next(from: next, to: info.lastSequence) {
            next = found.sequence + 1
            switch found.letter {
            case .success(let letter): add(letter, found.sequence)
            case .failure(let error):
                problems.append("message \(found.sequence) of \(stream): \(error)")
            }
        }
    }

    /// Takes the letters of a file, and its lines that are none.
    package init(_ letters: [DeadLetter], problems: [String]) {
        self.problems = problems
        for letter in letters { add(letter, nil) }
    }

    private mutating func add(_ letter: DeadLetter, _ sequence: UInt64?) {
        let sequences = sequence.map { [$0] } ?? []
        if let known = places[letter.messageID] {
            entries[known].sequences += sequences
        } else {
            places[letter.messageID] = entries.count
            entries.append(Entry(letter: letter, sequences: sequences))
        }
    }
}
