internal import ProviderKit
package import ServiceRuntime

/// The settings that all providers of a past have.
package enum HistoryKeys {
    package static let range = [
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
}
