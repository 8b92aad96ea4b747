package import MarketModel
package import Primitives

/// The present state of an instrument, for metrics and pages.
package struct ShownFeed: Sendable {
    package var instrument: UInt32
    package var name: String
    package var state: FeedState.State
    package var reason: String
    package var hasOpenGap: Bool
    /// The last trade's id, where ids follow each other; 0: none came.
    package var lastID: UInt64 = 0
    /// Up to when its values are known, where they are asked for: when the last good answer was
    /// asked for; undefined: never.
    package var polledTo = Timestamp.undefined

    package init(
        instrument: UInt32, name: String, state: FeedState.State, reason: String,
        hasOpenGap: Bool = false
    ) {
        self.instrument = instrument
        self.name = name
        self.state = state
        self.reason = reason
        self.hasOpenGap = hasOpenGap
    }

    /// What one of an instrument's feeds shows.
    package struct Part: Sendable {
        package var feed: ShownFeed
        /// Whether another feed speaks for the instrument.
        package var isFollower: Bool
        /// Why it is refused; `nil`: it is not.
        package var refusal: String?

        package init(_ feed: ShownFeed, isFollower: Bool, refusal: String?) {
            self.feed = feed
            self.isFollower = isFollower
            self.refusal = refusal
        }
    }

    /// Returns the states of the instruments, by the feeds that speak for them. The others of an
    /// instrument add what is wrong with them.
    package static func joined(_ parts: [Part]) -> [ShownFeed] {
        var shown: [ShownFeed] = []
        var places: [UInt32: Int] = [:]
        for part in parts where !part.isFollower {
            places[part.feed.instrument] = shown.count
            shown.append(part.feed)
            if let refusal = part.refusal { shown[shown.count - 1].reason = refusal }
        }
        for part in parts where part.isFollower {
            guard let place = places[part.feed.instrument] else { continue }
            if part.feed.hasOpenGap { shown[place].hasOpenGap = true }
            if let refusal = part.refusal, shown[place].state != .refused {
                shown[place].reason = refusal
            }
        }
        return shown
    }
}
