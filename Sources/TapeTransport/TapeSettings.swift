public import NatsTransport
public import ServiceRuntime
public import TapeProtocol

/// A setting that is valid by itself and makes no sense here. One line, for the person.
public struct SettingsError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Where the tape is, from a service's configuration.
public struct TapeSettings: Sendable {
    public let names: TapeNames
    public let nats: NatsConfiguration
    /// Where the server says what an acknowledgement means; nil: it is not known.
    public let monitor: TapeWatch.Monitor?

    public init(_ configuration: Configuration) throws(SettingsError) {
        let namespace = configuration.text("MDS_NAMESPACE")
        guard
            let names = TapeNames(
                namespace: namespace, partitions: configuration.integer("MDS_PARTITIONS"))
        else {
            throw SettingsError(
                "MDS_NAMESPACE: \(namespace) is not a letter and at most 15 of a-z 0-9 _")
        }
        self.names = names
        monitor = try Self.monitor(configuration)
        var nats = NatsConfiguration(
            urls: configuration.list("NATS_URL"), clientName: configuration.service)
        nats.user = configuration.optionalText("NATS_USER")
        nats.password = configuration.secret("NATS_PASSWORD")?.revealed
        nats.keepAnswersPrivate()
        if let authority = configuration.optionalText("NATS_TLS_CA") {
            nats.tls = NatsConfiguration.TLS(
                caFile: authority, serverName: Self.host(of: nats.urls),
                certFile: configuration.optionalText("NATS_TLS_CERTIFICATE"),
                keyFile: configuration.optionalText("NATS_TLS_KEY"))
        }
        self.nats = nats
    }

    private static func monitor(
        _ configuration: Configuration
    ) throws(SettingsError) -> TapeWatch.Monitor? {
        guard let url = configuration.optionalText("NATS_MONITOR_URL"), !url.isEmpty else {
            return nil
        }
        guard let monitor = TapeWatch.Monitor(url: url) else {
            throw SettingsError("NATS_MONITOR_URL: \(url) is not http://address:port")
        }
        return monitor
    }

    /// The name that the server's certificate must carry: the one by which it is called.
    private static func host(of urls: [String]) -> String {
        let authority = urls.first?.split(separator: "/").last ?? ""
        let host = authority.split(separator: "@").last ?? ""
        if host.hasPrefix("[") { return String(host.dropFirst().prefix { $0 != "]" }) }
        return String(host.prefix { $0 != ":" })
    }
}

extension ConfigurationRule {
    /// What the settings' own initialiser refuses is found when the configuration is checked.
    /// `reads`: the only keys that it asks for; nil: any.
    public static func of(
        reads: Set<String>? = nil, _ make: @escaping @Sendable (Configuration) throws -> Void
    ) -> ConfigurationRule {
        ConfigurationRule(reads: reads) { configuration in
            do {
                try make(configuration)
                return nil
            } catch {
                return "\(error)"
            }
        }
    }

    public static let tape = ConfigurationRule.of { _ = try TapeSettings($0) }
}

extension ConfigurationKey {
    /// The settings of everybody who writes to the tape.
    public static let tape: [ConfigurationKey] =
        ConfigurationKey.market + ConfigurationKey.nats + [
            ConfigurationKey(
                "MDS_STREAM_BYTES", .byteCount(1_048_576...Int.max), default: "1GiB",
                group: "Market data",
                "Bytes that each stream of the tape holds at most; then publishing waits.")
        ]
}

extension Duration {
    /// Held at the ends of the range.
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? Int64.min : Int64.max }
        let (sum, carry) = nanoseconds.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carry ? (seconds < 0 ? Int64.min : Int64.max) : sum
    }
}
