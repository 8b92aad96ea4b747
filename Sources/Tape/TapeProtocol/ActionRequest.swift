package import MarketModel
package import Primitives

/// What a person asks of a deployment from afar: a command of `tapeline`, which the process carries
/// out that 'tapeline actions serve' runs. It is a request on NATS.
package struct ActionRequest: Equatable, Sendable {
    package static let version = 1
    /// The user of NATS whose requests are taken, by the shipped rights.
    package static let user = "cockpit"
    package static let bytesMax = 8_192
    package static let wordsMax = 80
    /// It is not begun later than this after it was asked for: the person may have gone on.
    package static let beginNanosecondsMax: Int64 = 20_000_000_000

    /// Joins what the tape says of the action.
    package var number: UInt64
    /// The process that is to carry it out, by the number that it has given itself.
    package var carrier: UInt64
    /// When it was asked for, by the sender's clock.
    package var asked: Timestamp
    /// Who asks. The sender has made sure of it.
    package var person: String
    /// The address of the person's browser.
    package var origin: String
    package var reason: String
    /// The words after `tapeline`. None: the question whether somebody would carry it out.
    package var words: [String]

    package init(
        number: UInt64 = 0, carrier: UInt64 = 0, asked: Timestamp = .undefined,
        person: String = "", origin: String = "", reason: String = "", words: [String] = []
    ) {
        self.number = number
        self.carrier = carrier
        self.asked = asked
        self.person = person
        self.origin = origin
        self.reason = reason
        self.words = words
    }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 512, version: Self.version) { json in
            // As text: a number in JSON keeps no 64 bits.
            json.member("number", String(number))
            json.member("carrier", String(carrier))
            json.member("asked_ns", asked.nanoseconds)
            json.member("person", person)
            json.member("origin", origin)
            json.member("reason", reason)
            json.member("words", values: words)
        }.bytes
    }

    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        guard bytes.count <= Self.bytesMax else {
            throw .damaged("it has more than \(Self.bytesMax) bytes")
        }
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let number = json["number"]?.string.flatMap({ UInt64($0) }),
            let carrier = json["carrier"]?.string.flatMap({ UInt64($0) }),
            let asked = json["asked_ns"]?.int,
            let person = json["person"]?.string, let origin = json["origin"]?.string,
            let reason = json["reason"]?.string, let found = json["words"]?.array
        else { throw .damaged("it is no request for an action") }
        let words = found.compactMap(\.string)
        guard words.count == found.count, words.count <= Self.wordsMax else {
            throw .damaged("its words are no texts, or more than \(Self.wordsMax)")
        }
        self.init(
            number: number, carrier: carrier, asked: Timestamp(nanoseconds: Int64(asked)),
            person: person, origin: origin, reason: reason, words: words)
    }

    /// Whether it may still be begun. Clocks of two machines that differ too much say no.
    package func isDue(at now: Timestamp) -> Bool {
        let (age, overflow) = now.nanoseconds.subtractingReportingOverflow(asked.nanoseconds)
        return !overflow && abs(age) <= Self.beginNanosecondsMax
    }

    /// The command as a person would type it after `tapeline`.
    package var command: String { Self.command(words) }

    package static func command(_ words: [String]) -> String {
        words.map(ShellWord.of).joined(separator: " ")
    }
}

/// What came of an action.
package struct ActionAnswer: Equatable, Sendable {
    package var stage: ActionStage
    /// One or more lines for the person.
    package var outcome: String
    /// The number of the process that answers: a request has to name it.
    package var carrier: UInt64
    /// How many messages the process has not taken since its start. It says so to who asks whether
    /// actions are carried out.
    package var notTaken: UInt64

    package init(
        _ stage: ActionStage, _ outcome: String, carrier: UInt64 = 0, notTaken: UInt64 = 0
    ) {
        self.stage = stage
        self.outcome = outcome
        self.carrier = carrier
        self.notTaken = notTaken
    }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 512, version: ActionRequest.version) { json in
            json.member("stage", "\(stage)")
            json.member("outcome", outcome)
            json.member("carrier", String(carrier))
            json.member("not_taken", String(notTaken))
        }.bytes
    }

    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: ActionRequest.version)
        let word = json["stage"]?.string
        guard let stage = ActionStage.allCases.first(where: { "\($0)" == word }),
            let outcome = json["outcome"]?.string,
            let carrier = json["carrier"]?.string.flatMap({ UInt64($0) }),
            let notTaken = json["not_taken"]?.string.flatMap({ UInt64($0) })
        else { throw .damaged("it is no answer to an action") }
        self.init(stage, outcome, carrier: carrier, notTaken: notTaken)
    }
}

extension TapeNames {
    /// The subject of requests for actions. The user `cockpit` may publish there.
    package var actions: String { "\(namespace).act" }
}
