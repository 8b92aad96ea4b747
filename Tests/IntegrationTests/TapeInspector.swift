import Foundation
import Primitives

/// Reads the tape without the code under test. It implements the text protocol of NATS itself, and
/// finds header fields at the offsets that `tape.sbe.xml` gives them.
final class TapeInspector {
    private let connection: LoopbackConnection
    private var requests = 0

    /// The content of a subject's last packet.
    struct Head {
        let subject: String
        let lastOrdinal: UInt64
        let epoch: UInt64
    }

    init(port: UInt16, user: String, password: String) throws {
        connection = try LoopbackConnection(port: port)
        _ = try connection.line()
        try connection.send(
            #"CONNECT {"verbose":false,"pedantic":false,"user":"\#(user)","#
                + #""pass":"\#(password)"}"# + "\r\nSUB _INBOX.look.* 1\r\n")
    }

    /// Returns the head of each subject that matches the filter.
    func heads(stream: String, filter: String) throws -> [Head] {
        let info = try request(
            "$JS.API.STREAM.INFO.\(stream)", #"{"subjects_filter":"\#(filter)"}"#)
        let subjects = info.at("state", "subjects")?.members?.map(\.key) ?? []
        return try subjects.sorted().map { subject in
            let answer = try request(
                "$JS.API.STREAM.MSG.GET.\(stream)", #"{"last_by_subj":"\#(subject)"}"#)
            guard let text = answer.at("message", "data")?.string,
                let data = Data(base64Encoded: text)
            else {
                throw LoopbackConnection.Failed(description: "no last message on \(subject)")
            }
            return head(subject, Array(data))
        }
    }

    /// The recorded owner of a partition.
    struct Owner: Hashable {
        let member: String
        let epoch: UInt64
    }

    /// Returns the owners by key, such as `operator.7`. Partitions without an owner are missing.
    func owners(namespace: String) throws -> [String: Owner] {
        let prefix = "$KV.\(namespace)_owners."
        let stream = "KV_\(namespace)_owners"
        let info = try request(
            "$JS.API.STREAM.INFO.\(stream)", #"{"subjects_filter":"\#(prefix)>"}"#)
        var owners: [String: Owner] = [:]
        for subject in info.at("state", "subjects")?.members?.map(\.key) ?? [] {
            let answer = try request(
                "$JS.API.STREAM.MSG.GET.\(stream)", #"{"last_by_subj":"\#(subject)"}"#)
            guard let text = answer.at("message", "data")?.string,
                let data = Data(base64Encoded: text), !data.isEmpty
            else { continue }
            let record = try JSONValue.parse(String(decoding: data, as: UTF8.self))
            guard record["state"]?.string == "held", let member = record["owner"]?.string,
                let epoch = record["epoch"]?.uint64
            else { continue }
            owners[String(subject.dropFirst(prefix.count))] = Owner(member: member, epoch: epoch)
        }
        return owners
    }

    private func head(_ subject: String, _ packet: [UInt8]) -> Head {
        func number(at offset: Int, bytes: Int) -> UInt64 {
            packet[offset..<offset + bytes].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        // An epoch marker has no ticks, and the next ordinal.
        return Head(
            subject: subject,
            lastOrdinal: number(at: 32, bytes: 8) + number(at: 20, bytes: 4) - 1,
            epoch: number(at: 24, bytes: 8))
    }

    /// Returns the answers to a request: at least the expected number, and all those that came
    /// until the server had handled everything before a last request of this connection.
    func answers(_ subject: String, _ count: Int) throws -> [JSONValue] {
        let inbox = try ask(subject, "")
        var found: [JSONValue] = []
        for _ in 0..<count { found.append(try answer(inbox)) }
        let last = try ask("$JS.API.INFO", "")
        var isLast = false
        while !isLast {
            let (subject, value) = try nextMessage()
            isLast = subject == last
            if subject == inbox { found.append(value) }
        }
        return found
    }

    private func request(_ subject: String, _ payload: String) throws -> JSONValue {
        try answer(try ask(subject, payload))
    }

    /// Sends a request. Returns the subject of the answers.
    private func ask(_ subject: String, _ payload: String) throws -> String {
        requests += 1
        let inbox = "_INBOX.look.\(requests)"
        try connection.send(
            "PUB \(subject) \(inbox) \(payload.utf8.count)\r\n\(payload)\r\n")
        return inbox
    }

    private func answer(_ inbox: String) throws -> JSONValue {
        while true {
            let (subject, value) = try nextMessage()
            if subject == inbox { return value }
        }
    }

    private func nextMessage() throws -> (subject: String, value: JSONValue) {
        while true {
            let words = try connection.line().split(separator: " ")
            switch words.first {
            case "MSG":
                guard let count = words.last.flatMap({ Int($0) }) else { continue }
                let body = try connection.bytes(count + 2).dropLast(2)
                return (
                    String(words[1]), try JSONValue.parse(String(decoding: body, as: UTF8.self))
                )
            case "PING": try connection.send("PONG\r\n")
            case "-ERR":
                throw LoopbackConnection.Failed(description: words.joined(separator: " "))
            default: continue
            }
        }
    }
}
