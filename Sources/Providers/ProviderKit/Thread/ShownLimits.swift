package import MarketModel
package import Primitives
package import ServiceRuntime
internal import Synchronization

/// A provider's limits as they were shown last, for the status page and the metrics, which have the
/// same names for all providers. The provider's thread shows them; any thread may write the page.
package final class ShownLimits: Sendable {
    /// The gauges of one limit.
    private struct Gauges: Sendable {
        let used: Gauge
        let max: Gauge
        let waiting: Gauge
        let until: Gauge

        init(_ metrics: MetricRegistry, _ labels: [(String, String)]) {
            used = metrics.gauge(
                "mds_provider_limit_used",
                "how much of the limit is used: at present, or in the time that the limit is "
                    + "about",
                "at the maximum for long: fewer instruments, another plan, or another address",
                by: "source, provider, limit", labels: labels)
            max = metrics.gauge(
                "mds_provider_limit_max", "the limit; absent where the provider states none",
                by: "source, provider, limit: lines, tick-lines, depth-lines, connections, "
                    + "streams, symbols, messages, requests, weight, history, pages, "
                    + "fills, open-requests", labels: labels)
            waiting = metrics.gauge(
                "mds_provider_limit_waiting", "instruments or requests that wait for the limit",
                "above 0 for long: as `mds_provider_limit_used`", by: "source, provider, limit",
                labels: labels)
            until = metrics.gauge(
                "mds_provider_limit_until_timestamp_seconds",
                "when the last of those that wait has its turn, in seconds since 1970; absent "
                    + "while nothing waits, and when no time is known",
                "far ahead: `tapeline status` has the reason", by: "source, provider, limit",
                labels: labels)
        }

        func remove() { for gauge in [used, max, waiting, until] { gauge.remove() } }
    }

    /// The limits at a moment, by which monotonic times become times of the calendar.
    private struct Seen: Sendable {
        var limits: [ProviderLimit]
        var at: Moment

        func wall(_ time: MonotonicTime) -> Timestamp {
            at.wall.advanced(byNanoseconds: time - at.monotonic)
        }
    }

    private let gauges: [(name: ProviderLimit.Name, gauges: Gauges)]
    private let seen = Mutex<Seen?>(nil)

    package init(_ metrics: MetricRegistry, source: SourceName, provider: String) {
        gauges = ProviderLimit.Name.allCases.map { name in
            (
                name,
                Gauges(
                    metrics,
                    [("source", source.text), ("provider", provider), ("limit", name.rawValue)])
            )
        }
    }

    /// Shows the limits, of which each name may be there once.
    package func show(_ limits: [ProviderLimit], _ now: Moment) {
        precondition(limits.count <= ProviderLimit.listMax, "a limit is listed twice")
        let present = Seen(limits: limits, at: now)
        for (name, gauges) in gauges {
            guard let limit = limits.first(where: { $0.name == name }) else { continue }
            gauges.used.set(Double(limit.used))
            if let max = limit.max { gauges.max.set(Double(max)) } else { gauges.max.remove() }
            gauges.waiting.set(Double(limit.waiting))
            if let until = limit.until {
                gauges.until.set(Double(present.wall(until).nanoseconds) / 1e9)
            } else {
                gauges.until.remove()
            }
        }
        seen.withLock { $0 = present }
    }

    /// Removes them: the provider's thread has ended.
    package func remove() {
        seen.withLock { $0 = nil }
        for (_, gauges) in gauges { gauges.remove() }
    }

    /// Writes the member `limits` of the provider's section of `/status`.
    package func write(into json: inout JSONWriter) {
        guard let seen = seen.withLock({ $0 }) else { return }
        json.member("limits", each: seen.limits) { Self.write($0, seen, &$1) }
    }

    private static func write(_ limit: ProviderLimit, _ seen: Seen, _ json: inout JSONWriter) {
        json.member("limit", limit.name.rawValue)
        json.member("used", limit.used)
        json.key("max")
        if let max = limit.max { json.value(max) } else { json.null() }
        json.member("waiting", limit.waiting)
        json.key("until")
        if let until = limit.until {
            json.value(seen.wall(until).description)
        } else {
            json.null()
        }
        json.member("reason", limit.reason)
    }
}
