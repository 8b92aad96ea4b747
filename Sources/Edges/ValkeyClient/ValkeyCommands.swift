internal import Primitives

/// Commands in the form that the server reads, written word by word into one buffer.
///
/// It is for writing many commands with many words: no word becomes a separate `String` or array,
/// and the buffer is reused. For other cases `ValkeyConnection.command` is simpler.
package struct ValkeyCommands: Sendable {
    package private(set) var bytes: [UInt8] = []
    package private(set) var count = 0
    /// The missing words of the command that was begun last.
    private var wordsLeft = 0
    /// The buffer for a word whose length is not known before it is written.
    private var word: [UInt8] = []

    package init() {}

    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
        wordsLeft = 0
    }

    /// Begins a command of `words` words, including its name. They must follow before the next
    /// command begins.
    package mutating func begin(words: Int) {
        precondition(wordsLeft == 0, "the command before lacks \(wordsLeft) words")
        precondition(words > 0, "a command has a name")
        bytes.append(UInt8(ascii: "*"))
        bytes.append(digitsOf: UInt64(words))
        endLine()
        wordsLeft = words
        count += 1
    }

    package mutating func append(_ text: StaticString) {
        beginWord(text.utf8CodeUnitCount)
        // Safety: a static string's bytes exist for ever.
        text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
        endLine()
    }

    package mutating func append(_ content: [UInt8]) {
        beginWord(content.count)
        bytes.append(contentsOf: content)
        endLine()
    }

    /// Appends one word that consists of two parts.
    package mutating func append(_ first: [UInt8], _ second: [UInt8]) {
        beginWord(first.count + second.count)
        bytes.append(contentsOf: first)
        bytes.append(contentsOf: second)
        endLine()
    }

    package mutating func append(_ value: Int64) {
        append { $0.append(digitsOf: value) }
    }

    /// Appends one word: the bytes that `write` appends.
    package mutating func append(_ write: (inout [UInt8]) -> Void) {
        word.removeAll(keepingCapacity: true)
        write(&word)
        beginWord(word.count)
        bytes.append(contentsOf: word)
        endLine()
    }

    /// True when every command has all its words.
    package var isComplete: Bool { wordsLeft == 0 }

    private mutating func beginWord(_ byteCount: Int) {
        precondition(wordsLeft > 0, "the command has all its words")
        wordsLeft -= 1
        bytes.append(UInt8(ascii: "$"))
        bytes.append(digitsOf: UInt64(byteCount))
        endLine()
    }

    private mutating func endLine() {
        bytes.append(UInt8(ascii: "\r"))
        bytes.append(UInt8(ascii: "\n"))
    }
}
