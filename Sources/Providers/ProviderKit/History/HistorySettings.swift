package import Primitives
package import ServiceRuntime

/// Which part of its past a provider loads: from a time on, and before another.
package struct HistorySettings: Hashable, Sendable {
    package let from: Timestamp
    package let to: Timestamp

    package init(_ configuration: Configuration) throws(SettingsError) {
        func time(_ key: String) throws(SettingsError) -> Timestamp {
            guard let time = ISOTime.parse(configuration.text(key)) else {
                throw SettingsError("\(key): a time like 2026-11-01T00:00:00Z is needed")
            }
            return time
        }
        from = try time("HISTORY_FROM")
        to = try time("HISTORY_TO")
        guard from < to else {
            throw SettingsError("HISTORY_FROM, HISTORY_TO: the end is not after the beginning")
        }
    }
}
