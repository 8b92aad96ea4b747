internal import HTTPClient
internal import PolledEngine
internal import ServiceRuntime

/// A service's settings: their names, and their keys. The lists in `PolledKeys+Services` are alike.
struct PolledKeys: Sendable {
    /// The names of the keys; `nil`: the service has no such setting.
    struct Names: Sendable {
        let url: String
        let every: String
        let proxy: String
        let authority: String
        var history: String?
        var apiKey: String?
    }

    let table: PolledTable
    let names: Names
    let all: [ConfigurationKey]
    /// Whether nothing is delivered without a key.
    var demandsKey = false

    var rules: [ConfigurationRule] {
        [
            ConfigurationRule { configuration in
                guard let url = HTTPURL(Self.address(configuration.text(names.url))) else {
                    return "\(names.url): an address like https://name:port is needed"
                }
                let isLocal = ["127.0.0.1", "::1", "localhost"].contains(url.host)
                guard url.hasTLS || isLocal || secret(configuration).isEmpty else {
                    return "\(names.url): a key is sent over https alone"
                }
                return nil
            },
            ConfigurationRule { configuration in
                guard demandsKey, secret(configuration).isEmpty else { return nil }
                return "\(names.apiKey ?? "")_FILE: \(table.title) demands a key, which is free: "
                    + "write it into a file and give the path"
            },
            ConfigurationRule { configuration in
                secret(configuration).utf8.allSatisfy { (0x21...0x7e).contains($0) }
                    ? nil : "\(names.apiKey ?? ""): a key has no spaces and only ASCII"
            },
        ]
    }

    /// Returns the key; empty: none is given.
    func secret(_ configuration: Configuration) -> String {
        names.apiKey.flatMap { configuration.secret($0) }?.revealed ?? ""
    }

    /// Returns an address without a slash at its end.
    static func address(_ text: String) -> String {
        text.last == "/" ? String(text.dropLast()) : text
    }
}
