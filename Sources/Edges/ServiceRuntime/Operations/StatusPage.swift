internal import Primitives

/// Writes `/status`: the service's identity, its health, and the sections of its parts.
final class StatusPage: Sendable {
    typealias Section = @Sendable (inout JSONWriter) -> Void

    /// More sections are a bug, because code names them.
    static let sectionsMax = 64
    /// What each status has. A section of the same name would be its second member of that name.
    static let ownMembers = [
        "service", "version", "revision", "startedAt", "uptimeSeconds", "live", "ready", "reasons",
        "degraded",
    ]

    private let identity: ServiceIdentity
    private let readiness: Readiness
    private let sectionBytesMax: Int
    private let startedAt = SystemClock().now()
    private let started = SystemClock().monotonic()
    private let sections = ConditionLock<[(name: String, write: Section)]>([])

    init(identity: ServiceIdentity, readiness: Readiness, sectionBytesMax: Int) {
        self.identity = identity
        self.readiness = readiness
        self.sectionBytesMax = sectionBytesMax
    }

    func addSection(_ name: String, _ write: @escaping Section) {
        precondition(!StatusPage.ownMembers.contains(name), "each /status has a \(name) of its own")
        sections.withLock { sections in
            sections.removeAll { $0.name == name }
            precondition(
                sections.count < StatusPage.sectionsMax,
                "/status has more than \(StatusPage.sectionsMax) sections")
            sections.append((name, write))
        }
    }

    func response() -> OperationsResponse {
        let health = readiness.health
        let sections = sections.withLock { $0 }
        let uptime = SystemClock().monotonic() - started
        return .json { json in
            json.member("service", identity.name)
            json.member("version", identity.version)
            json.member("revision", identity.revision)
            json.member("startedAt", startedAt.description)
            json.member("uptimeSeconds", Double(uptime / 1_000_000) / 1_000)
            json.member("live", health.live)
            json.member("ready", health.ready)
            json.member("reasons", values: health.reasons)
            json.member("degraded", values: health.degraded)
            for section in sections { write(section.name, section.write, into: &json) }
        }
    }

    /// Writes a section separately, so that one that is too large does not spoil the page.
    private func write(_ name: String, _ write: Section, into json: inout JSONWriter) {
        var part = JSONWriter(capacity: 512)
        part.object(write)
        json.key(name)
        if part.bytes.count <= sectionBytesMax {
            json.literal(part.text)
        } else {
            json.object { $0.member("bytesTooMany", part.bytes.count) }
        }
    }
}

/// The identity of the service that answers on an operations port.
package struct ServiceIdentity: Sendable {
    package let name: String
    package let version: String
    package let revision: String

    package init(
        name: String, version: String, revision: String = ProductVersion.revision
    ) {
        self.name = name
        self.version = version
        self.revision = revision
    }
}
