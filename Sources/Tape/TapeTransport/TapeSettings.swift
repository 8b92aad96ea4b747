package import NatsTransport
package import ServiceRuntime
package import TapeProtocol

/// The address of the tape, from a service's configuration.
package struct TapeSettings: Sendable {
    package let names: TapeNames
    package let nats: NatsConfiguration
    /// The servers' monitors, which show what an acknowledgement means. Without them it is not
    /// known.
    package let monitors: [TapeWatch.Monitor]

    package init(_ configuration: Configuration) throws(SettingsError) {
        let namespace = configuration.text("MDS_NAMESPACE")
        guard
            let names = TapeNames(
                namespace: namespace, partitions: configuration.integer("MDS_PARTITIONS"))
        else {
            throw SettingsError(
                "MDS_NAMESPACE: \(namespace) is not a letter and at most 15 of a-z 0-9 _")
        }
        self.names = names
        monitors = try Self.monitors(configuration)
        var nats = NatsConfiguration(
            urls: configuration.list("NATS_URL"), clientName: configuration.service)
        nats.user = configuration.optionalText("NATS_USER")
        nats.password = configuration.secret("NATS_PASSWORD")?.revealed
        nats.renewable = configuration.renewable("NATS_PASSWORD")
        nats.credentials = try Self.credentials(configuration, nats)
        nats.keepAnswersPrivate()
        nats.replicas = Int(configuration.text("MDS_REPLICAS")) ?? 1
        nats.tls = try Self.tls(configuration, nats)
        self.nats = nats
    }

    private static func monitors(
        _ configuration: Configuration
    ) throws(SettingsError) -> [TapeWatch.Monitor] {
        var monitors: [TapeWatch.Monitor] = []
        for url in configuration.list("NATS_MONITOR_URL") {
            guard let monitor = TapeWatch.Monitor(url: url) else {
                throw SettingsError("NATS_MONITOR_URL: \(url) is not http://address:port")
            }
            monitors.append(monitor)
        }
        return monitors
    }

    private static func credentials(
        _ configuration: Configuration, _ nats: NatsConfiguration
    ) throws(SettingsError) -> String? {
        guard let path = configuration.optionalText("NATS_CREDS_FILE"), !path.isEmpty else {
            return nil
        }
        guard (nats.user ?? "").isEmpty, (nats.password ?? "").isEmpty else {
            throw SettingsError(
                "NATS_CREDS_FILE and NATS_USER, NATS_PASSWORD exclude each other: the file has the "
                    + "user, so set it alone")
        }
        return path
    }

    private static func tls(
        _ configuration: Configuration, _ nats: NatsConfiguration
    ) throws(SettingsError) -> NatsConfiguration.TLS? {
        func path(_ key: String) -> String? {
            configuration.optionalText(key).flatMap { $0.isEmpty ? nil : $0 }
        }
        let certificate = path("NATS_TLS_CERTIFICATE")
        let key = path("NATS_TLS_KEY")
        guard (certificate == nil) == (key == nil) else {
            throw SettingsError(
                "NATS_TLS_CERTIFICATE and NATS_TLS_KEY belong together: set both, or neither")
        }
        guard let authorities = path("NATS_TLS_CA") else {
            guard certificate == nil, !nats.wantsTLS else {
                throw SettingsError(
                    "NATS_TLS_CA: TLS needs the file of the certificates (PEM) that may sign those "
                        + "of the servers")
            }
            return nil
        }
        return NatsConfiguration.TLS(
            caFile: authorities, serverName: host(of: nats.urls), certFile: certificate,
            keyFile: key)
    }

    /// Reads the files that a link needs, so that a mistake is reported before anything begins.
    func checkFiles() throws(SettingsError) {
        do throws(NatsConfiguration.FileProblem) { try nats.checkFiles() } catch {
            switch error {
            case .authorities(let reason):
                let file = nats.tls?.caFile ?? ""
                let what = reason.hasPrefix(file) ? reason : "\(file): \(reason)"
                throw SettingsError(
                    "NATS_TLS_CA: \(what): it has to be a file of certificates in PEM")
            case .certificate(let reason):
                throw SettingsError(
                    "NATS_TLS_CERTIFICATE, NATS_TLS_KEY: \(nats.tls?.certFile ?? ""), "
                        + "\(nats.tls?.keyFile ?? ""): \(reason): they have to be a certificate "
                        + "and its key in PEM")
            case .credentials(let reason): throw SettingsError("NATS_CREDS_FILE: \(reason)")
            }
        }
    }

    /// The name that the servers' certificates must carry; `nil` when there are several hosts, each
    /// with its own.
    private static func host(of urls: [String]) -> String? {
        let hosts = Set(urls.map(host))
        return hosts.count == 1 ? hosts.first : nil
    }

    private static func host(of url: String) -> String {
        let authority = url.split(separator: "/").last ?? ""
        let host = authority.split(separator: "@").last ?? ""
        if host.hasPrefix("[") { return String(host.dropFirst().prefix { $0 != "]" }) }
        return String(host.prefix { $0 != ":" })
    }
}

extension ConfigurationRule {
    package static let tape = ConfigurationRule.of { try TapeSettings($0).checkFiles() }
}

extension ConfigurationKey {
    /// The settings of every process that writes to the tape.
    package static let tape: [ConfigurationKey] =
        ConfigurationKey.market + ConfigurationKey.nats + [
            ConfigurationKey(
                "MDS_STREAM_BYTES", .byteCount(1_048_576...Int.max), default: "1GiB",
                group: "Market data",
                "Bytes that each stream of the tape holds at most; then publishing waits.")
        ]
}
