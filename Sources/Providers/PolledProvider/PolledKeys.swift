internal import HTTPClient
internal import PolledEngine
internal import ServiceRuntime
internal import StreamKit

/// A service's settings: their names, and their keys.
struct PolledKeys: Sendable {
    let table: PolledTable
    let shared: ProviderKeys
    /// Whether nothing is delivered without a key; `nil`: the service knows none.
    private let demandsKey: Bool?
    /// Whether the newest values before a first start can be published.
    let hasHistory: Bool
    let all: [ConfigurationKey]

    static let fred = PolledKeys(
        .fred, "FRED", at: "https://api.stlouisfed.org", hasHistory: true, demandsKey: true)
    static let coinGecko = PolledKeys(
        .coingecko, "COINGECKO", at: "https://api.coingecko.com", demandsKey: false)
    static let alternativeMe = PolledKeys(
        .alternativeMe, "ALTERNATIVE", at: "https://api.alternative.me", hasHistory: true)

    private init(
        _ table: PolledTable, _ prefix: String, at address: String, hasHistory: Bool = false,
        demandsKey: Bool? = nil
    ) {
        self.table = table
        self.hasHistory = hasHistory
        self.demandsKey = demandsKey
        let group = table.title
        shared = ProviderKeys(prefix, group)
        let history = ConfigurationKey(
            shared.name("HISTORY"), .integer(1...PolledLimits.windowMax), default: "1",
            group: group, "The newest values of a series that are published at its first start.")
        let secret = ConfigurationKey(
            shared.name("API_KEY"), .text, secret: true, group: group,
            demandsKey == true
                ? "Key of the service, which it demands."
                : "Key of the service; empty: none, with a lower limit of requests.")
        var all = [
            ConfigurationKey(
                shared.name("URL"), .text, default: address, group: group,
                "Address of the service."),
            ConfigurationKey(
                shared.name("EVERY"), .duration(.seconds(1)...Duration.seconds(86_400)),
                default: "\(table.usualEvery / 1_000_000_000)s", group: group,
                "How often each series is asked for."),
        ]
        all += shared.requests
        if hasHistory { all.append(history) }
        if demandsKey != nil { all.append(secret) }
        self.all = all
    }

    var rules: [ConfigurationRule] {
        let url = shared.name("URL")
        let key = shared.name("API_KEY")
        return [
            ConfigurationRule { configuration in
                guard let address = HTTPURL(Self.address(configuration.text(url))) else {
                    return "\(url): an address like https://name:port is needed"
                }
                return address.hasTLS || ProviderKeys.isLocal(address.host)
                    || secret(configuration).isEmpty
                    ? nil : "\(url): a key is sent over https alone"
            },
            ConfigurationRule { configuration in
                guard demandsKey == true, secret(configuration).isEmpty else { return nil }
                return "\(key)_FILE: \(table.title) demands a key, which is free: "
                    + "write it into a file and give the path"
            },
            ConfigurationRule { configuration in
                ProviderKeys.isSecret(secret(configuration))
                    ? nil : "\(key): a key has no spaces and only ASCII"
            },
        ]
    }

    /// Returns the same as it changes; `nil`: the service knows none.
    func key(_ configuration: Configuration) -> ServiceKey? {
        demandsKey == nil ? nil : ServiceKey(configuration, shared.name("API_KEY"))
    }

    /// Returns the key; empty: none is given.
    func secret(_ configuration: Configuration) -> String {
        demandsKey == nil ? "" : configuration.secret(shared.name("API_KEY"))?.revealed ?? ""
    }

    /// Returns an address without a slash at its end.
    static func address(_ text: String) -> String {
        text.last == "/" ? String(text.dropLast()) : text
    }
}
