import Primitives

// Many stored messages in one round: they are requested at the same time, so that reading them
// takes little longer than reading one.
extension JetStream {
    /// The most requests of a round. The answers, even of the longest packets, stay far below what
    /// the server lets wait for a connection.
    private static let roundMax = 32

    /// Returns what `lastMessage` returns for each of the places, in their order.
    package func lastMessages(
        _ places: [(stream: String, subject: String)]
    ) throws(JetStreamError) -> [StoredMessage?] {
        try storedMessages("read the last messages of \(places.count) subjects", places.count) {
            place, body in
            body.member("last_by_subj", places[place].subject)
            return places[place].stream
        }
    }

    /// Returns what `message` returns for each of the places, in their order. The sequences are
    /// above 0.
    package func messages(
        at places: [(stream: String, sequence: UInt64)]
    ) throws(JetStreamError) -> [StoredMessage?] {
        try storedMessages("read \(places.count) messages", places.count) { place, body in
            body.member("seq", places[place].sequence)
            return places[place].stream
        }
    }

    /// Asks `count` questions in rounds. `question` writes the question with this number, and
    /// returns its stream.
    private func storedMessages(
        _ operation: String, _ count: Int, _ question: (Int, inout JSONWriter) -> String
    ) throws(JetStreamError) -> [StoredMessage?] {
        var found: [StoredMessage?] = []
        found.reserveCapacity(count)
        while found.count < count {
            let round = found.count..<min(count, found.count + Self.roundMax)
            found += try storedMessages(operation, round: round, question)
        }
        return found
    }

    /// Asks all questions of a round at the same time, and awaits the answers within one timeout.
    func storedMessages(
        _ operation: String, round: some Sequence<Int>,
        _ question: (Int, inout JSONWriter) -> String
    ) throws(JetStreamError) -> [StoredMessage?] {
        var asked: [(number: UInt64, path: String)] = []
        // This also covers requests that are no longer awaited after one has failed.
        defer { for request in asked { connection.requests.forget(request.number) } }
        onCall(timeout)
        let deadline = ContinuousClock.now + timeout
        for number in round {
            var stream = ""
            var body = JSONWriter(capacity: 96)
            body.object { stream = question(number, &$0) }
            try requireToken(stream, operation)
            let path = "$JS.API.STREAM.MSG.GET.\(stream)"
            do throws(NatsError) {
                let request = try connection.beginRequest(body.bytes, to: path, headers: [])
                asked.append((request, path))
            } catch {
                throw failure(error, operation)
            }
        }
        var messages: [StoredMessage?] = []
        messages.reserveCapacity(asked.count)
        for (number, path) in asked {
            let reply: NatsMessage
            do throws(NatsError) {
                reply = try connection.finishRequest(
                    number, to: path, timeout: max(.zero, deadline - .now))
            } catch {
                throw failure(error, operation)
            }
            messages.append(try storedMessage(in: reply, operation))
        }
        return messages
    }
}
