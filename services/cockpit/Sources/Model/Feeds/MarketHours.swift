import DeploymentWatch
import Primitives
import StreamCore

/// Whether the market of a source is open, by its calendar.
struct MarketHours: Equatable, Sendable {
    enum State: Equatable, Sendable {
        /// It has been open for so long.
        case open(nanoseconds: Int64)
        /// No session is now. It opens again then; `nil`: the calendar has no later session.
        case closed(until: Timestamp?)
        /// The days are over for which the calendar is valid, or have not begun, so nothing is
        /// known.
        case ended
    }

    /// A first session that is further away than this is that of a calendar that has not begun.
    private static let firstNanosecondsMax: Int64 = 4 * 86_400_000_000_000

    let state: State
    /// For people: "closed until 14:30", in UTC, with the day if that is not today.
    let words: String

    init(_ calendar: SessionCalendar, at now: Timestamp) {
        let index = calendar.index(notAfter: now.nanoseconds)
        if let end = calendar.validUntil, now.nanoseconds >= end {
            state = .ended
            words = "its calendar \(calendar.name) has ended"
        } else if index == nil, let first = calendar.sessions.first,
            first.open - Self.firstNanosecondsMax > now.nanoseconds
        {
            state = .ended
            words = "its calendar \(calendar.name) has not begun"
        } else if let index, now.nanoseconds < calendar.sessions[index].close {
            state = .open(nanoseconds: now.nanoseconds - calendar.sessions[index].open)
            words = "open"
        } else {
            let next = index.map { $0 + 1 } ?? 0
            let opens =
                next < calendar.sessions.count
                ? Timestamp(nanoseconds: calendar.sessions[next].open) : nil
            state = .closed(until: opens)
            words = opens.map { "closed until \(Self.text($0, from: now))" } ?? "closed"
        }
    }

    var isClosed: Bool {
        if case .closed = state { true } else { false }
    }

    /// Returns hours and minutes, after the day if it is another one.
    private static func text(_ time: Timestamp, from now: Timestamp) -> String {
        let parts = time.description.split(separator: "T")
        guard parts.count == 2 else { return time.description }
        let clock = parts[1].prefix(5)
        return now.description.hasPrefix(parts[0]) ? "\(clock)" : "\(parts[0]) \(clock)"
    }
}

/// The calendars of sources, as `COCKPIT_CALENDARS` names them.
struct SourceCalendars: Sendable {
    /// The most sources that have one. More are refused at the start.
    static let sourcesMax = 64

    private var calendars: [String: SessionCalendar] = [:]

    init(_ calendars: [String: SessionCalendar] = [:]) { self.calendars = calendars }

    /// Returns the hours of the sources that have a calendar.
    func hours(at now: Timestamp) -> [String: MarketHours] {
        calendars.mapValues { MarketHours($0, at: now) }
    }
}

extension Sighting {
    /// In a session, a source without a tick for so long is in trouble: as the alert
    /// ProviderSilent has it.
    static let silentInSessionNanoseconds: Int64 = 180_000_000_000
    /// The page about such a source.
    static let runbookOfSilence = "ProviderSilent"

    /// Returns what the calendar of a source says if its market is closed now. `nil` if it is open,
    /// or if no calendar says.
    func closedWords(_ source: String) -> String? {
        guard let hours = told.hours[source], hours.isClosed else { return nil }
        return hours.words
    }

    /// Returns for how many seconds no tick of the source has come, if that is too long for a
    /// market that is open. The time before the opening does not count, nor does the one before
    /// the cockpit listened. `nil` if it is not too long, or if no calendar says.
    func silenceInSession(_ source: Head) -> Double? {
        guard case .open(let open)? = told.hours[source.name]?.state else { return nil }
        let silence = min(open, now - max(source.changedAt ?? .distantPast, listening.since))
        return silence > Self.silentInSessionNanoseconds ? Double(silence) / 1e9 : nil
    }

    /// What is said of bars while all sources are closed: the words of the first that opens.
    var allClosedWords: String? {
        let closed = sources.compactMap { told.hours[$0.name] }.filter(\.isClosed)
        guard !sources.isEmpty, closed.count == sources.count else { return nil }
        func opens(_ hours: MarketHours) -> Timestamp {
            guard case .closed(let until?) = hours.state else {
                return Timestamp(nanoseconds: .max)
            }
            return until
        }
        return closed.min { opens($0) < opens($1) }?.words
    }
}
