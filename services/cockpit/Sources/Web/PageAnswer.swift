import Primitives

/// A document, or why there is none, with the status of its answer.
struct PageAnswer: Equatable, Sendable {
    var status = 200
    let json: [UInt8]

    init(json: [UInt8]) { self.json = json }

    /// What is known of a question with parameters, with its time.
    init<Key: Choosable>(_ look: QuestionBook<Key, [UInt8]>.Look, at now: MonotonicTime) {
        switch look {
        case .refused(let reason): self.init(refused: reason)
        case .known(let known):
            var json = JSONWriter(capacity: 256 + (known.value?.count ?? 0))
            json.object { json in
                json.state(of: known, at: now)
                if let value = known.value {
                    json.key("value")
                    json.literal(String(decoding: value, as: UTF8.self))
                }
            }
            self.init(json: json.bytes)
        }
    }

    /// Why there is no document, in words for a person.
    init(refused reason: String, status: Int = 200) {
        var json = JSONWriter()
        json.object { $0.member("refused", reason) }
        self.json = json.bytes
        self.status = status
    }
}
