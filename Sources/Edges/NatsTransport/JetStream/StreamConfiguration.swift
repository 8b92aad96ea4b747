import Primitives

/// The wanted configuration of a stream. Everything that is not set here keeps the server's
/// default.
package struct StreamConfiguration: Equatable, Sendable {
    package enum Discard: String, Sendable {
        /// A full stream refuses new messages.
        case new
        /// A full stream deletes old messages.
        case old
    }

    /// The largest numbers of messages; -1: no limit.
    package struct MessageLimits: Equatable, Sendable {
        package var all: Int64 = -1
        /// Above it, the oldest messages of the subject are removed.
        package var perSubject: Int64 = -1
    }

    package enum Storage: String, Sendable { case file, memory }
    package enum Retention: String, Sendable { case limits, interest, workqueue }

    /// The meaning of a stream's acknowledgements.
    package enum Persistence: String, Sendable {
        case standard = "default"
        /// Acknowledged before it is written (from 2.12 on).
        case asynchronous = "async"
    }

    /// Options that are off by default, with the API's names.
    package enum Flag: String, CaseIterable, Sendable {
        /// A message may replace the earlier ones on its subject.
        case allowRollup = "allow_rollup_hdrs"
        /// Copies of the stream may answer reads, too, with what they have by then.
        case allowDirect = "allow_direct"
        case denyDelete = "deny_delete"
        case denyPurge = "deny_purge"
        case discardNewPerSubject = "discard_new_per_subject"
        case noAcknowledgement = "no_ack"
        /// Read-only for ever. The server sets it; a client cannot request it.
        case sealed
    }

    package var name: String
    package var subjects: [String]
    /// -1: no limit.
    package var maxBytes: Int64
    /// -1: no limit except the server's.
    package var maxMessageBytes: Int
    package var replicas: Int
    package var metadata: [String: String]
    package var discard = Discard.new
    package var storage = Storage.file
    package var retention = Retention.limits
    /// Zero: messages do not expire.
    package var maxAge = Duration.zero
    /// The time for which message ids are remembered. The server's minimum is 100 ms.
    package var duplicateWindow = Duration.seconds(120)
    package var messagesMax = MessageLimits()
    package var persistence = Persistence.standard
    /// The server deletes a consumer, whoever made it and whatever it asked for, when it was not
    /// pulled from for so long. Zero: the consumer's own threshold counts.
    package var consumerInactiveMax = Duration.zero
    package var flags: Set<Flag> = []

    package init(
        name: String, subjects: [String], maxBytes: Int64 = -1, maxMessageBytes: Int = -1,
        replicas: Int = 1, metadata: [String: String] = [:]
    ) {
        self.name = name
        self.subjects = subjects
        self.maxBytes = maxBytes
        self.maxMessageBytes = maxMessageBytes
        self.replicas = replicas
        self.metadata = metadata
    }

    /// Returns one sentence per field that differs: "discard is old, not new". Metadata that only
    /// the existing stream has is no difference, because others may keep notes there. The number of
    /// copies is no difference either: it does not change what the stream means, and it can be
    /// raised at any time (`replicateStream`). Nor is the limit of its consumers
    /// (`limitConsumers`).
    package func differences(from existing: StreamConfiguration) -> [String] {
        var found: [String] = []
        func compare<Value: Equatable>(_ name: String, _ wanted: Value, _ present: Value) {
            if wanted != present { found.append("\(name) is \(present), not \(wanted)") }
        }
        compare("name", name, existing.name)
        compare("subjects", list(subjects), list(existing.subjects))
        compare("retention", retention.rawValue, existing.retention.rawValue)
        compare("storage", storage.rawValue, existing.storage.rawValue)
        compare("discard", discard.rawValue, existing.discard.rawValue)
        compare("max_bytes", max(maxBytes, -1), existing.maxBytes)
        compare("max_msg_size", max(maxMessageBytes, -1), existing.maxMessageBytes)
        compare("max_age", maxAge, existing.maxAge)
        compare("duplicate_window", duplicateWindow, existing.duplicateWindow)
        compare("max_msgs", messagesMax.all, existing.messagesMax.all)
        compare("max_msgs_per_subject", messagesMax.perSubject, existing.messagesMax.perSubject)
        compare("persist_mode", persistence.rawValue, existing.persistence.rawValue)
        for flag in Flag.allCases {
            compare(flag.rawValue, flags.contains(flag), existing.flags.contains(flag))
        }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            compare("metadata \(key)", value, existing.metadata[key] ?? "absent")
        }
        return found
    }

    private func list(_ subjects: [String]) -> String {
        subjects.sorted().joined(separator: " ")
    }

    /// Writes only fields that nats-server 2.10 knows, because 2.12 and later refuse unknown ones.
    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("name", name)
            json.member("subjects", values: subjects)
            json.member("retention", retention.rawValue)
            json.member("max_consumers", -1)
            json.member("max_msgs", messagesMax.all)
            json.member("max_msgs_per_subject", messagesMax.perSubject)
            json.member("max_bytes", maxBytes)
            json.member("max_msg_size", maxMessageBytes)
            json.member("max_age", maxAge.clampedNanoseconds)
            json.member("storage", storage.rawValue)
            json.member("discard", discard.rawValue)
            json.member("num_replicas", replicas)
            json.member("duplicate_window", duplicateWindow.clampedNanoseconds)
            if consumerInactiveMax > .zero {
                json.key("consumer_limits")
                json.value(consumerLimits)
            }
            // Options that are off are not sent: 2.10 does not know the persistence, for example.
            if persistence != .standard { json.member("persist_mode", persistence.rawValue) }
            for flag in Flag.allCases where flags.contains(flag) {
                json.member(flag.rawValue, true)
            }
            if !metadata.isEmpty {
                json.key("metadata")
                json.object { json in
                    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
                        json.member(key, value)
                    }
                }
            }
        }
    }

    var consumerLimits: JSONValue {
        .object([
            JSONValue.Member(
                key: "inactive_threshold",
                value: .number(String(consumerInactiveMax.clampedNanoseconds)))
        ])
    }

    /// Reads the `config` of an answer. Fails when it lacks a field that every version sends.
    init?(_ value: JSONValue?) {
        guard let value, let name = value["name"]?.string,
            let retention = value["retention"]?.string.flatMap(Retention.init),
            let storage = value["storage"]?.string.flatMap(Storage.init),
            let discard = value["discard"]?.string.flatMap(Discard.init)
        else { return nil }
        self.init(
            name: name, subjects: value["subjects"]?.array?.compactMap(\.string) ?? [],
            maxBytes: value["max_bytes"]?.int.map { Int64($0) } ?? -1,
            maxMessageBytes: value["max_msg_size"]?.int ?? -1,
            replicas: value["num_replicas"]?.int ?? 1)
        self.retention = retention
        self.storage = storage
        self.discard = discard
        maxAge = .nanoseconds(value["max_age"]?.int ?? 0)
        duplicateWindow = .nanoseconds(value["duplicate_window"]?.int ?? 0)
        messagesMax.all = Self.limit(value["max_msgs"])
        messagesMax.perSubject = Self.limit(value["max_msgs_per_subject"])
        persistence = value["persist_mode"]?.string == "async" ? .asynchronous : .standard
        consumerInactiveMax = .nanoseconds(
            value["consumer_limits"]?["inactive_threshold"]?.int ?? 0)
        flags = Set(Flag.allCases.filter { value[$0.rawValue]?.bool == true })
        for member in value["metadata"]?.members ?? [] {
            // From 2.11 on the server stores its own data there.
            guard !member.key.hasPrefix("_nats."), let text = member.value.string else { continue }
            metadata[member.key] = text
        }
    }

    /// Returns the limit. The server omits it, or sends 0 or -1, when there is none.
    private static func limit(_ value: JSONValue?) -> Int64 {
        guard let limit = value?.int, limit > 0 else { return -1 }
        return Int64(limit)
    }
}
