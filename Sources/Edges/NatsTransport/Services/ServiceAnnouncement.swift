package import Primitives

/// The description of a service for the tools that discover services on NATS (ADR-32).
package struct ServiceAnnouncement: Equatable, Sendable {
    /// `[A-Za-z0-9_-]`, at most 64 characters. All instances of one service share it.
    package let name: String
    /// One token that only this instance has.
    package let id: String
    /// SemVer.
    package let version: String
    package let summary: String
    package let metadata: [String: String]
    package let started: Timestamp

    package init(
        name: String, id: String = ServiceAnnouncement.randomID(), version: String, summary: String,
        metadata: [String: String] = [:], started: Timestamp
    ) {
        self.name = name
        self.id = id
        self.version = version
        self.summary = summary
        self.metadata = metadata
        self.started = started
    }

    /// Returns a practically unique id: 128 random bits.
    package static func randomID() -> String {
        var random = SystemRandomNumberGenerator()
        let bits = (random.next() as UInt64, random.next() as UInt64)
        return String(bits.0, radix: 36) + String(bits.1, radix: 36)
    }

    /// The problem of the announcement, or `nil`.
    var problem: String? {
        guard Self.isName(name), Self.isName(id) else {
            return "a service's name and id have 1 to 64 characters A-Z a-z 0-9 _ -"
        }
        return Self.isSemanticVersion(version) ? nil : "the version \(version) is not like 1.2.3"
    }

    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            || (0x61...0x7a).contains(byte) || byte == 0x5f || byte == 0x2d
    }

    /// Three numbers without leading zeros, then "-pre.release" and "+build", if any.
    private static func isSemanticVersion(_ text: String) -> Bool {
        let build = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        let release = build[0].split(
            separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = release[0].split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 3,
            numbers.allSatisfy({ number in
                !number.isEmpty && number.utf8.allSatisfy { (0x30...0x39).contains($0) }
                    && (number.utf8.count == 1 || number.utf8.first != 0x30)
            })
        else { return false }
        return (release.dropFirst() + build.dropFirst()).allSatisfy { tail in
            tail.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty && part.utf8.allSatisfy { isNameByte($0) && $0 != 0x5f }
            }
        }
    }
}

/// The requests of the service protocol.
package enum ServiceQuestion: String, CaseIterable, Sendable {
    case ping = "PING"
    case info = "INFO"
    case statistics = "STATS"

    /// The name of the answer's schema.
    private var type: String {
        switch self {
        case .ping: "io.nats.micro.v1.ping_response"
        case .info: "io.nats.micro.v1.info_response"
        case .statistics: "io.nats.micro.v1.stats_response"
        }
    }

    func answer(of service: ServiceAnnouncement) -> [UInt8] {
        JSONWriter.made(capacity: 512) { json in
            json.member("type", type)
            json.member("name", service.name)
            json.member("id", service.id)
            json.member("version", service.version)
            json.object("metadata") { json in
                for (key, value) in service.metadata.sorted(by: { $0.key < $1.key }) {
                    json.member(key, value)
                }
            }
            switch self {
            case .ping: break
            case .info: json.member("description", service.summary)
            case .statistics: json.member("started", service.started.description)
            }
            // Endpoints serve requests. These services work through the tape, and their numbers are
            // at the address in the metadata.
            if self != .ping { json.array("endpoints") { _ in } }
        }.bytes
    }
}
