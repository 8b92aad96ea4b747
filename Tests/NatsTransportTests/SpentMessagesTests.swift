import Testing

@testable import NatsTransport

@Suite("Messages that nobody uses any more")
struct SpentMessagesTests {
    /// Adds a message, as the end of a `NatsMessage` does.
    private func add(_ byteCount: Int, to spent: SpentMessages) throws {
        _ = try NatsMessage(subject: "a", payload: [])
        let message = try unsafe createMessage(
            [UInt8](repeating: 1, count: byteCount).span.bytes, to: "a", replyTo: nil,
            headers: [], peer: "no server")
        unsafe spent.add(message, byteCount: byteCount)
    }

    @Test("so many are kept, and then all are freed")
    func count() throws {
        let spent = SpentMessages()
        for number in 1..<SpentMessages.countMax {
            try add(10, to: spent)
            #expect(spent.count == number)
        }
        try add(10, to: spent)
        #expect(spent.count == 0)
        try add(10, to: spent)
        #expect(spent.count == 1)
    }

    @Test("large ones are freed earlier")
    func bytes() throws {
        let spent = SpentMessages()
        try add(SpentMessages.bytesMax - 1, to: spent)
        #expect(spent.count == 1)
        try add(1, to: spent)
        #expect(spent.count == 0)
        try add(SpentMessages.bytesMax, to: spent)
        #expect(spent.count == 0)
    }
}
