import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore

/// Watches when the calendars of the graph end. A calendar lists trading sessions up to a day, so
/// after that day windows of sessions would stop without a message. The end is reported from 90
/// days before it, and as a problem once it has come.
struct CalendarWatch {
    /// How long before its end a calendar is reported, so that a person has time to name a newer
    /// one.
    static let aheadNanoseconds: Int64 = 90 * 86_400_000_000_000
    /// The interval of the reports.
    private static let repeatNanoseconds: Int64 = 86_400_000_000_000

    struct Entry: Sendable {
        let name: String
        /// When its last day ends.
        let until: Timestamp
        var hasEnded = false
    }

    private(set) var entries: [Entry]
    /// When it was last reported, by the wall clock; `nil` before the first report.
    private var reportedAt: Timestamp?

    init(_ definition: GraphDefinition, _ metrics: MetricRegistry) {
        entries = definition.calendars.compactMap { calendar in
            calendar.validUntil.map {
                Entry(name: calendar.name, until: Timestamp(nanoseconds: $0))
            }
        }
        for entry in entries {
            metrics.gauge(
                "mds_operator_calendar_valid_until_timestamp_seconds",
                "when the validity (`valid`) of a calendar of the graph (64 at most) ends, in "
                    + "seconds since 1970",
                "within 90 days: name a newer calendar in the graph; in the past: its sessions "
                    + "make no bars", labels: [("calendar", entry.name)]
            ).set(Double(entry.until.nanoseconds) / 1e9)
        }
    }

    /// Returns the events to report now. `now` is the wall clock.
    mutating func update(now: Timestamp) -> [ServiceEvent] {
        for place in entries.indices { entries[place].hasEnded = entries[place].until <= now }
        let soon = entries.filter {
            $0.until <= now.advanced(byNanoseconds: Self.aheadNanoseconds)
        }
        // When the wall clock was set back, the end is reported once more.
        let isReported =
            reportedAt.map { (0..<Self.repeatNanoseconds).contains(now.nanoseconds(since: $0)) }
            ?? false
        guard !soon.isEmpty, !isReported else { return [] }
        reportedAt = now
        return soon.map {
            ServiceEvent.calendarEnds(calendar: $0.name, until: $0.until, hasEnded: $0.hasEnded)
        }
    }

    /// A text that names the calendars that have ended; `nil` while none has.
    var problem: String? {
        let ended = entries.filter(\.hasEnded).map { "\($0.name) ended at \($0.until)" }
        guard !ended.isEmpty else { return nil }
        return ended.joined(separator: ", ")
            + ": its sessions make no bars any more; name a newer calendar in the graph and raise "
            + "OPERATOR_GENERATION"
    }

    func write(into json: inout JSONWriter) {
        json.member("calendars", each: entries) { entry, json in
            json.member("calendar", entry.name)
            json.member("valid_until", entry.until.description)
            json.member("has_ended", entry.hasEnded)
        }
    }
}

extension ServiceEvent {
    /// A calendar of the graph ends within 90 days, or has ended.
    static func calendarEnds(calendar: String, until: Timestamp, hasEnded: Bool) -> Self {
        Self(
            hasEnded ? .error : .warning, "operator.calendar.ends",
            hasEnded
                ? "a calendar of the graph has ended: its sessions make no bars any more"
                : "a calendar of the graph ends soon: behind that its sessions make no bars",
            ("calendar", .text(calendar)), ("valid.until", .text(until.description)))
    }
}
