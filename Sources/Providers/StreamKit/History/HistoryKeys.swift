internal import HTTPClient
internal import ProviderKit
package import ServiceRuntime

/// The settings that all providers of a past have.
package enum HistoryKeys {
    package static let loadRange = [
        ConfigurationKey(
            "HISTORY_FROM", .text, group: "History",
            "First time (ISO) that a provider of the past loads."),
        ConfigurationKey(
            "HISTORY_TO", .text, group: "History",
            "Time (ISO) before which it loads; at least a minute ago."),
    ]

    package static var rule: ConfigurationRule {
        .of(reads: ["HISTORY_FROM", "HISTORY_TO"]) { _ = try HistorySettings($0) }
    }

    /// What the key of the length of bars says, which each provider has with lengths of its own.
    package static let barsText = "Length of the bars of a past that is loaded."

    /// Returns what is wrong with the address of requests that have a key; `nil`: nothing.
    package static func problem(ofAddress key: String, _ address: String?) -> String? {
        guard let address, let url = HTTPURL(address), !address.contains("?") else {
            return "\(key): an address like https://name:port is needed"
        }
        return url.hasTLS || ProviderKeys.isLocal(url.host)
            ? nil : "\(key): a key is sent over TLS alone, so https:// is needed"
    }
}
