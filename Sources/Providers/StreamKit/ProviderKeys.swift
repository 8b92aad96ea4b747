package import EngineKit
package import HTTPClient
internal import Primitives
internal import ProviderKit
package import ServiceRuntime
package import WebSocketClient

/// The settings that providers of services of the web have in common. Their names begin with the
/// provider's prefix.
package struct ProviderKeys: Sendable {
    private let prefix: String
    private let group: String

    package init(_ prefix: String, _ group: String) {
        self.prefix = prefix
        self.group = group
    }

    package func name(_ key: String) -> String { "\(prefix)_\(key)" }

    private func key(
        _ key: String, _ kind: ConfigurationKey.Kind, default value: String? = nil, _ help: String
    ) -> ConfigurationKey {
        ConfigurationKey(name(key), kind, default: value, group: group, help)
    }

    // MARK: keys

    /// Returns the keys of a provider with connections: its `first` own ones, what connections
    /// need, then its `other` own ones.
    package func all(
        _ first: [ConfigurationKey], _ other: [ConfigurationKey]
    ) -> [ConfigurationKey] {
        first + connections + other + reconnects
    }

    /// What requests need.
    package var requests: [ConfigurationKey] {
        [
            key("PROXY", .text, "Proxy as name:port, asked by CONNECT; empty: none."),
            key(
                "TLS_CA", .text,
                "Path of certificates (PEM) that are trusted beside the system's."),
        ]
    }

    /// What connections need.
    private var connections: [ConfigurationKey] {
        requests + [
            key(
                "CONNECT_TIMEOUT", .duration(.seconds(1)...Duration.seconds(60)), default: "5s",
                "How long each phase of an attempt to connect may take.")
        ]
    }

    /// `usual` in nanoseconds.
    package func silentAfter(
        _ usual: Int64, least: Duration, _ help: String
    ) -> ConfigurationKey {
        key(
            "SILENT_AFTER", .duration(least...Duration.seconds(3_600)),
            default: "\(usual / 1_000_000_000)s", help)
    }

    /// The same of an account's connection, whose pings are answered.
    package func pingedAfter(_ usual: Int64) -> ConfigurationKey {
        silentAfter(
            usual, least: .seconds(2),
            "A connection is given up that answers no ping for so long, or is silent "
                + "after dense messages.")
    }

    /// `what` may be under way.
    package func delayMax(_ usual: Int64, _ what: String) -> ConfigurationKey {
        key(
            "DELAY_MAX", .duration(.milliseconds(100)...Duration.seconds(60)),
            default: "\(usual / 1_000_000_000)s",
            "How long a \(what) may be under way; the watermark stays so much behind.")
    }

    /// Whether the service's past fills gaps.
    package var fill: ConfigurationKey {
        key("FILL", .flag, default: "true", "Whether missing trades are asked of the past.")
    }

    private var reconnects: [ConfigurationKey] {
        [
            key(
                "RECONNECT_FIRST", .duration(.milliseconds(100)...Duration.seconds(600)),
                default: "1s", "Wait after a first failure; then it doubles."),
            key(
                "RECONNECT_MAX", .duration(.seconds(1)...Duration.seconds(3_600)), default: "60s",
                "Longest wait between two attempts, which never end."),
        ]
    }

    // MARK: rules

    package var proxyRule: ConfigurationRule {
        let name = name("PROXY")
        return ConfigurationRule { configuration in
            WebSocketConfiguration.proxy(configuration.optionalText(name) ?? "") == nil
                ? "\(name): name:port is needed" : nil
        }
    }

    /// An address of streams is one, and a key is sent over TLS alone.
    package func streamRule(canBeEmpty: Bool = false) -> ConfigurationRule {
        let name = name("URL")
        return ConfigurationRule { configuration in
            let text = configuration.optionalText(name) ?? ""
            if canBeEmpty, text.isEmpty { return nil }
            guard let url = WebSocketURL(text) else {
                return "\(name): an address like wss://name:port is needed"
            }
            return url.hasTLS || Self.isLocal(url.host)
                ? nil : "\(name): a key is sent over TLS alone, so wss:// is needed"
        }
    }

    /// The address of the past that `read` returns is one.
    package func pastRule(
        _ read: @escaping @Sendable (Configuration) -> String?
    ) -> ConfigurationRule {
        let name = name("REST_URL")
        return ConfigurationRule { configuration in
            read(configuration).flatMap { HistoryKeys.problem(ofAddress: name, $0) }
        }
    }

    /// A secret that `service` demands.
    package func secretRule(_ key: String, of service: String) -> ConfigurationRule {
        let name = name(key)
        return ConfigurationRule { configuration in
            let text = configuration.secret(name)?.revealed ?? ""
            guard !text.isEmpty else {
                return "\(name)_FILE: \(service) demands it: write it into a file and give the path"
            }
            return Self.isSecret(text) ? nil : "\(name): it has no spaces and only ASCII"
        }
    }

    package static func isSecret(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    /// Whether a key may be sent there without TLS: to this machine, and to a simulator in the
    /// network of its containers, whose keys everybody knows. Such a name has no dot, so no server
    /// of the web has it.
    package static func isLocal(_ host: String) -> Bool {
        ["127.0.0.1", "::1", "localhost"].contains(host)
            || (host.hasSuffix("-simulator") && !host.contains("."))
    }

    // MARK: values

    /// Returns the address of a service's past, without a slash at its end: the one of the
    /// settings, else the `usual` one if the streams are `ofStreams`; `nil`: it is not known.
    package func rest(
        _ configuration: Configuration, usual address: String, ofStreams: [String?]
    ) -> String? {
        if let given = configuration.optionalText(name("REST_URL")), !given.isEmpty {
            return given.last == "/" ? String(given.dropLast()) : given
        }
        return ofStreams.contains(configuration.optionalText(name("URL"))) ? address : nil
    }

    /// Reads what engines of services that stream have in common.
    package func read(_ configuration: Configuration, into stream: inout StreamSettings) {
        stream.silentAfter = span("SILENT_AFTER", configuration)
        stream.delayMax = span("DELAY_MAX", configuration)
        stream.tradesKept = configuration.integer(name("TRADES_KEPT"))
        stream.reconnectFirst = span("RECONNECT_FIRST", configuration)
        stream.reconnectMax = span("RECONNECT_MAX", configuration)
        stream.fills = configuration.flag(name("FILL"))
    }

    package func http(_ configuration: Configuration) -> HTTPConfiguration {
        var http = HTTPConfiguration()
        http.proxy = configuration.optionalText(name("PROXY")) ?? ""
        http.caPath = configuration.optionalText(name("TLS_CA")) ?? ""
        http.userAgent = UserAgent.text(configuration)
        return http
    }

    package func client(_ configuration: Configuration) -> WebSocketConfiguration {
        var client = WebSocketConfiguration()
        client.proxy = configuration.optionalText(name("PROXY")) ?? ""
        client.caPath = configuration.optionalText(name("TLS_CA")) ?? ""
        client.userAgent = UserAgent.text(configuration)
        client.connectTimeout = configuration.duration(name("CONNECT_TIMEOUT"))
        return client
    }

    /// Returns a duration in nanoseconds.
    package func span(_ key: String, _ configuration: Configuration) -> Int64 {
        configuration.duration(name(key)).clampedNanoseconds
    }
}
